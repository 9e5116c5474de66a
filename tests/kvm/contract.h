/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the real monitor, and the whole shape of what they must be answered with. */
#ifndef AEROSTAT_TESTS_CONTRACT_H
#define AEROSTAT_TESTS_CONTRACT_H

#include "tests/support/vm_process.h"

/*
 * One request and its answer. Texts have ' where JSON has ". keys are those of the object that a
 * status of 200 brings, all of them, with blanks between; NULL with 200: the answer is no JSON.
 * says is part of the body, of the fault_message where there is one; NULL: anything.
 */
struct step {
    const char *method;
    const char *path;
    const char *body; /* NULL: none */
    int status;
    const char *keys;
    const char *says;
};

/* A folder of the test's own, which it runs in: with the payload as "vmlinux.bin", and an
 * "initrd.cpio". */
void contract_enter(const char *payload);
void contract_leave(void);

/* The monitor in that folder with these arguments (blanks between), once its socket is there. */
void contract_start(struct vmp *vm, const char *args);

/* Asks, and fails the test with the request's text unless the answer is as described. */
void contract_check(const struct vmp *vm, const struct step *step);
void contract_check_all(const struct vmp *vm, const struct step *steps, size_t n);

/* The body of a GET that succeeds, malloc'ed. */
char *contract_get(const struct vmp *vm, const char *path);

/* PUT /actions {"action_type": action}, which succeeds. */
void contract_act(const struct vmp *vm, const char *action);

/* Sends len bytes as they are and returns all that comes until the connection ends, NUL-terminated,
 * malloc'ed. */
char *contract_raw(const struct vmp *vm, const void *bytes, size_t len);

/* Ends the machine by a request: in order, and with status 0. */
void contract_stop(struct vmp *vm);

/* All of a file, NUL-terminated, malloc'ed. */
char *contract_read(const char *path);

/* Waits until the file holds text; fails the test after the deadline. */
void contract_await(const char *path, const char *text);

#endif
