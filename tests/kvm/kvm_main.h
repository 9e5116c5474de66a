/* SPDX-License-Identifier: Apache-2.0 */
/* main() of the tests that need /dev/kvm: skipped, and said so, where it cannot be opened. */
#ifndef AEROSTAT_TESTS_KVM_MAIN_H
#define AEROSTAT_TESTS_KVM_MAIN_H

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/check_main.h"

/* What CTest knows as skipped. */
#define EXIT_SKIPPED 77

static inline int kvm_check_run(Suite *(*suite)(void))
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        perror("skipped: /dev/kvm");
        return EXIT_SKIPPED;
    }
    close(fd);
    return check_run(&suite, 1);
}

#endif
