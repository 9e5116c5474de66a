/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest device: gives each chain back with the size of its device-writable part, and
 * remembers what it was told.
 */
#ifndef AEROSTAT_TESTS_ECHO_DEVICE_H
#define AEROSTAT_TESTS_ECHO_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vdev.h"

#define ECHO_DEVICE_ID    42u
#define ECHO_QUEUES       3u
#define ECHO_CONFIG_BYTES 12u
/* Offered beside what the transport adds. With ECHO_F_THIRD_QUEUE queue 2 exists. */
#define ECHO_F_THIRD_QUEUE 0u
#define ECHO_F_HIGH        63u

struct echo {
    struct vdev vdev;
    struct vq_chain chain; /* the owner's: the last one taken */

    /* Set before the driver acts. */
    int activate_result;
    bool hold; /* keep chains: never push */

    /* Guards config. Leaf. */
    pthread_mutex_t lock;
    uint8_t config[ECHO_CONFIG_BYTES];

    /* Written by the owner, read by the test. */
    _Atomic uint64_t features; /* of the last activation */
    _Atomic unsigned activations;
    _Atomic unsigned resets;
    _Atomic unsigned turns[ECHO_QUEUES];         /* notify() calls */
    _Atomic uint64_t notifications[ECHO_QUEUES]; /* sum of their counts */
    _Atomic uint64_t bytes;                      /* sum of all segment lengths */
    _Atomic unsigned held;
};

/* Queue sizes: 0 has 256, 1 has 1024, 2 has 16 (with its feature). */
void echo_init(struct echo *e);
void echo_finish(struct echo *e);

#endif
