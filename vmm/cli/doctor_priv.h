/* SPDX-License-Identifier: Apache-2.0 */
/* What `aerostat doctor` looks at. */
#ifndef AEROSTAT_CLI_DOCTOR_PRIV_H
#define AEROSTAT_CLI_DOCTOR_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define DOCTOR_FINDINGS_MAX 24u

enum doctor_level {
    DOCTOR_OK,
    DOCTOR_WARN, /* guests run, but something is worse than it could be */
    DOCTOR_FAIL, /* guests do not run, or give nothing back */
};

struct doctor_finding {
    const char *name;
    enum doctor_level level;
    char value[320]; /* what was seen, and what it means */
    char mend[200];  /* a command or another way out, or empty */
};

struct doctor {
    const char *root;     /* before /proc and /sys, "" but in tests */
    const char *kvm_path; /* "/dev/kvm" but in tests */
    unsigned n;
    struct doctor_finding findings[DOCTOR_FINDINGS_MAX];
};

/* Records a finding; mend may be NULL. */
struct doctor_finding *doctor_find(struct doctor *doctor, const char *name, enum doctor_level level,
                                   const char *mend, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Parts of the examination. */
void doctor_examine_kvm(struct doctor *doctor);
void doctor_examine_memory(struct doctor *doctor);
void doctor_examine_limits(struct doctor *doctor);
void doctor_examine_guests(struct doctor *doctor);
void doctor_examine_library(struct doctor *doctor);
/* Really gives memory back, and looks whether it went. */
void doctor_examine_return(struct doctor *doctor);

/* Whether guests can run. */
bool doctor_is_well(const struct doctor *doctor);

/* Lines of level, name and value, below each the command that mends it; wrapped to width. */
void doctor_print(const struct doctor *doctor, bool colour, unsigned width, FILE *out);

/* {"ok": ..., "checks": [...]}. Returns 0 or -ENOMEM. */
int doctor_print_json(const struct doctor *doctor, FILE *out);

#endif
