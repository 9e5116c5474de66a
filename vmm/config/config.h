/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The description of a machine, from JSON in Firecracker's config-file schema (with keys of our
 * own) and from command-line values. Plain data, owned by the caller. No thread rules.
 *
 * Sections and keys, required ones as Firecracker requires them:
 *
 * boot-source: kernel_image_path (required), initrd_path, boot_args.
 *
 * machine-config: vcpu_count, mem_size_mib (required), smt, cpu_template, track_dirty_pages,
 * huge_pages; ours: backing, virtio_discovery.
 *
 * balloon: amount_mib, deflate_on_oom (required), stats_polling_interval_s, free_page_hinting,
 * free_page_reporting; ours: page_poison, prefault_on_deflate, scatter_gather, must_tell_host.
 *
 * logger: log_path, level, show_level, show_log_origin.
 *
 * metrics: metrics_path (required), emit_id, properties.
 *
 * serial: serial_out_path, rate_limiter.
 *
 * No section is required, because the command line may give the kernel. Firecracker's further
 * sections may be null or an empty array; anything else in them is refused by name, so that no file
 * asks for a device and silently gets none.
 */
#ifndef AEROSTAT_CONFIG_H
#define AEROSTAT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/balloon/balloon.h"
#include "memory/gm.h"
#include "vmm/base/bucket.h"
#include "vmm/base/err.h"
#include "vmm/base/log.h"

#define CFG_VCPUS_MAX   32u
#define CFG_MEM_MIN_MIB 16u
/* 52 bits of address, the most that x86-64 defines; what this host can do is the machine's to
 * check. */
#define CFG_MEM_MAX_MIB (UINT64_C(1) << 32)
/* The balloon counts pages of 4096 bytes in 32 bits (virtio 1.2, 5.5.4): the whole MiB that fit. */
#define CFG_BALLOON_MAX_MIB      ((UINT64_C(1) << 24) - 1)
#define CFG_STATS_INTERVAL_MAX_S UINT16_MAX
/* Bytes of sun_path that a socket path may use, without the NUL. */
#define CFG_SOCKET_PATH_MAX 107u

/*
 * The kernel's command line when none is given: the console on the serial port, a reboot through
 * the keyboard controller (which ends the machine) and at once after a panic.
 */
#define CFG_CMDLINE_DEFAULT "console=ttyS0 reboot=k panic=-1"

/* Where messages go, and how they look. */
struct cfg_logger {
    bool given; /* the section is there */
    char *path; /* logger.log_path; NULL: standard error */
    bool level_given;
    enum log_level level;
    bool show_level;
    bool show_origin; /* logger.show_log_origin */
};

struct cfg_metrics {
    char *path; /* metrics.metrics_path; NULL: no metrics are written */
    bool emit_id;
    char *properties; /* a JSON object of strings; NULL: none */
};

struct vm_config {
    char *kernel_path;  /* boot-source.kernel_image_path */
    char *initrd_path;  /* boot-source.initrd_path; NULL: none */
    char *cmdline;      /* boot-source.boot_args; never NULL between cfg_init() and cfg_finish() */
    uint64_t mem_bytes; /* machine-config.mem_size_mib */
    uint32_t vcpus;     /* machine-config.vcpu_count */
    bool smt;           /* machine-config.smt: two vCPUs share a core */
    enum gm_backing backing;
    bool has_balloon;
    struct balloon_config balloon;
    bool page_poison_given; /* balloon.page_poison was asked for: cfg_settle() leaves it alone */
    char *api_sock;         /* command line only; NULL: none */
    bool virtio_on_cmdline; /* machine-config.virtio_discovery "cmdline"; default "acpi" */
    bool boot_timer;        /* command line only: a register that logs when the guest is up */
    struct cfg_logger logger;
    struct cfg_metrics metrics;
    char *serial_out_path;            /* serial.serial_out_path; NULL: standard output */
    struct bucket_limit serial_limit; /* serial.rate_limiter, in bytes */
};

/* The sections that requests give one by one. */
enum cfg_section {
    CFG_SECTION_BOOT_SOURCE,
    CFG_SECTION_MACHINE,
    CFG_SECTION_BALLOON,
    CFG_SECTION_LOGGER,
    CFG_SECTION_METRICS,
    CFG_SECTION_SERIAL,
};

/*
 * The defaults: 1 vCPU, 128 MiB (Firecracker's), CFG_CMDLINE_DEFAULT, no kernel, no balloon.
 * Returns 0 or -ENOMEM (cfg is then as after cfg_finish()).
 */
int cfg_init(struct vm_config *cfg);

/* Frees what it owns and zeroes cfg. Accepts a config that is zeroed or finished. */
void cfg_finish(struct vm_config *cfg);

/* *out owns copies of what cfg owns. Returns 0 or -ENOMEM (*out is then as after cfg_finish()). */
int cfg_copy(const struct vm_config *cfg, struct vm_config *out);

/*
 * Reads JSON text (len bytes, name for messages) into cfg; what the text does not mention stays.
 * All or nothing: cfg is unchanged after an error. Returns 0, -EINVAL or -ENOMEM; err names file,
 * line and column for syntax and duplicate keys, the JSON path for everything else, in one line.
 */
int cfg_parse(struct vm_config *cfg, const char *name, const char *text, size_t len,
              struct err *err);

/* Reads a file and calls cfg_parse(). Also -errno of open(2), read(2); -EFBIG over 1 MiB. */
int cfg_load(struct vm_config *cfg, const char *path, struct err *err);

/*
 * Fills in what follows from other fields: balloon.page_poison, unless it was given, is true with
 * free_page_hinting or free_page_reporting, because a Linux guest with init_on_free or
 * page_poisoning uses neither without it. cfg_parse() ends with it; to be called after changes by
 * other means. Idempotent.
 */
void cfg_settle(struct vm_config *cfg);

/*
 * Reads the body of a PUT of one section: what it does not mention gets its default; of a logger
 * only the level, the rest stays as it was. The result is checked as far as it can be before
 * everything is known, the files of a boot source for being there. All or nothing. Returns 0,
 * -EINVAL, -ENOMEM or -errno of open(2), with a sentence.
 */
int cfg_put(struct vm_config *cfg, enum cfg_section section, const char *text, size_t len,
            struct err *err);

/* As cfg_put() for PATCH /machine-config: no key is required but one of them, and what the body
 * does not mention stays. */
int cfg_patch_machine(struct vm_config *cfg, const char *text, size_t len, struct err *err);

/* One thing that is wrong; the sentence is valid during the call. */
typedef void (*cfg_report_fn)(void *arg, const char *sentence);

/*
 * Reads a file as cfg_load() does and checks it as cfg_check() and cfg_check_files() do, but goes
 * on after an error: report hears of all of them, section by section in the order above. Returns
 * how many; 0 with *cfg what the file describes, which is unchanged otherwise.
 */
unsigned cfg_load_all(struct vm_config *cfg, const char *path, cfg_report_fn report, void *arg);

/* 0, or -errno with a sentence when kernel or initrd cannot be opened for reading. */
int cfg_check_files(const struct vm_config *cfg, struct err *err);

/*
 * cfg as JSON in Firecracker's config-file schema, all defaults filled in and what does not exist
 * null or empty: cfg_parse() reads it back to the same config. pretty: indented, for people.
 * Malloc'ed; NULL when memory runs out.
 */
char *cfg_to_json(const struct vm_config *cfg, bool pretty);

/* The section of cfg_to_json() alone, compact; also NULL when it is not there. */
char *cfg_section_to_json(const struct vm_config *cfg, enum cfg_section section);

/*
 * Text as a string of JSON, which is UTF-8, as paths and messages need not be: other bytes become
 * '?' then. A new reference of jansson's; NULL when memory runs out.
 */
struct json_t *cfg_json_text(const char *text);

/*
 * Bodies of requests, read as strictly as cfg_parse(). *out_ is set on success only. Each returns 0
 * or -EINVAL with a sentence.
 *
 * PATCH /balloon: {"amount_mib": N}.
 */
int cfg_parse_balloon_update(const char *text, size_t len, uint64_t *out_bytes, struct err *err);
/* PATCH /balloon/statistics: {"stats_polling_interval_s": N}. */
int cfg_parse_stats_update(const char *text, size_t len, uint32_t *out_seconds, struct err *err);
/* PATCH /balloon/hinting/start: nothing, or {"acknowledge_on_stop": B}; default true. */
int cfg_parse_hint_start(const char *text, size_t len, bool *out_acknowledge, struct err *err);
/* PATCH /vm: {"state": "Paused"} or {"state": "Resumed"}. */
int cfg_parse_vm_state(const char *text, size_t len, bool *out_paused, struct err *err);
/* The words of PUT /actions. */
enum cfg_action {
    CFG_ACTION_START,         /* InstanceStart */
    CFG_ACTION_CTRL_ALT_DEL,  /* SendCtrlAltDel */
    CFG_ACTION_FLUSH_METRICS, /* FlushMetrics */
    CFG_ACTION_STOP,          /* ours: Stop, the machine ends at once */
};
/* PUT /actions: {"action_type": WORD}. */
int cfg_parse_action(const char *text, size_t len, enum cfg_action *out, struct err *err);

/*
 * Parses "512M", "2G", "131072K" (either case) and "2048" (MiB). what is the option's name for
 * messages. Returns 0, or -EINVAL with a sentence for anything else: fractions, signs, more than
 * CFG_MEM_MAX_MIB, sizes that are not whole pages of 4096 bytes.
 */
int cfg_parse_size(const char *what, const char *text, uint64_t *out_bytes, struct err *err);

/* Parses an unsigned decimal in [min, max]. Returns 0 or -EINVAL with a sentence that has value and
 * bounds. */
int cfg_parse_count(const char *what, const char *text, uint64_t min, uint64_t max,
                    uint64_t *out_value, struct err *err);

/* The words for enum values, as JSON and command line have them. Returns 0 or -EINVAL with a
 * sentence. */
int cfg_parse_backing(const char *what, const char *text, enum gm_backing *out, struct err *err);
int cfg_parse_scatter_gather(const char *what, const char *text, enum balloon_sg *out,
                             struct err *err);
int cfg_parse_discovery(const char *what, const char *text, bool *out_on_cmdline, struct err *err);
/* "on" or "off". */
int cfg_parse_switch(const char *what, const char *text, bool *out_on, struct err *err);

/* The word that stands for a value, a static string. */
const char *cfg_backing_name(enum gm_backing backing);
const char *cfg_scatter_gather_name(enum balloon_sg sg);

/* Checks what spans several fields (balloon below RAM, features that exclude each other, kernel
 * given, sizes, path lengths). 0 or -EINVAL with a sentence. */
int cfg_check(const struct vm_config *cfg, struct err *err);

#endif
