/* SPDX-License-Identifier: Apache-2.0 */
/* The suites of test_virtio. */
#ifndef AEROSTAT_TESTS_VIRTIO_SUITES_H
#define AEROSTAT_TESTS_VIRTIO_SUITES_H

#include <check.h>

Suite *chain_suite(void);
Suite *ring_suite(void);
Suite *notify_suite(void);
Suite *registers_suite(void);
Suite *status_suite(void);
Suite *transport_suite(void);
Suite *threads_suite(void);
Suite *hostile_suite(void);

#endif
