/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A balloon behind its transport, with a driver that the test is, and a loop that runs on a thread
 * of its own or is stepped by the test.
 */
#ifndef AEROSTAT_TESTS_BALLOON_FIXTURE_H
#define AEROSTAT_TESTS_BALLOON_FIXTURE_H

#include <check.h>
#include <linux/virtio_balloon.h>
#include <pthread.h>
#include <stdbool.h>

#include "devices/balloon/balloon.h"
#include "guest/include/aerostat_balloon.h"
#include "tests/support/fake_ram.h"
#include "tests/support/mock_driver.h"
#include "vmm/base/num.h"

#define INFLATE 0
#define DEFLATE 1

#define PAGE      BALLOON_PAGE_SIZE
#define F_SG      (UINT64_C(1) << AEROSTAT_BALLOON_F_SG)
#define F_BIT3    (UINT64_C(1) << AEROSTAT_BALLOON_F_SG_BIT3)
#define F_ON_BIT3 (UINT64_C(1) << AEROSTAT_BALLOON_F_SG_ON_BIT3)
#define F_TELL    (UINT64_C(1) << VIRTIO_BALLOON_F_MUST_TELL_HOST)
#define F_STATS   (UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ)
#define F_OOM     (UINT64_C(1) << VIRTIO_BALLOON_F_DEFLATE_ON_OOM)
#define F_HINT    (UINT64_C(1) << VIRTIO_BALLOON_F_FREE_PAGE_HINT)
#define F_POISON  (UINT64_C(1) << VIRTIO_BALLOON_F_PAGE_POISON)
#define F_REPORT  (UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING)

/* Guest RAM of most tests: two regions with the x86 gap between them. */
#define LOW_SIZE   (64 * MIB)
#define HIGH_START (4 * GIB)
#define HIGH_SIZE  (64 * MIB)
/* Rings, then buffers for page numbers, then what is inflated. */
#define RINGS   (1 * MIB)
#define BUFFERS (2 * MIB)
#define DATA    (16 * MIB)

/* What the balloon asked of gm_discard(), and what it is to be told. */
struct discard_hook {
    unsigned calls;
    size_t most_ranges;
    uint64_t most_bytes;
    int fail;                /* returned instead of punching, if not 0 */
    void (*before)(void);    /* called first, if not NULL */
    struct gm_range last[4]; /* the first ranges of the last call */
    unsigned waiting_calls;  /* after so many calls of vq_waiting(), 0: never: */
    void (*after_waiting)(void);
};

/* The machine that hinting needs, as the balloon sees it. */
struct guest_hook {
    bool tracking;
    unsigned starts; /* of tracking */
    unsigned freezes;
    bool frozen;
    int track_fails;         /* returned by track_writes(true), if not 0 */
    int written_fails;       /* returned by written(), if not 0 */
    struct gm_range written; /* what the guest wrote since tracking began */
};

struct fixture {
    struct gm *gm;
    struct ev_loop *loop;
    pthread_t thread;
    bool running;
    int irq_fd;
    struct balloon *balloon;
    struct vmmio *transport;
    struct mock_driver driver;
    struct discard_hook hook;
    struct guest_hook guest;
    uint64_t clock_skew_ns; /* added to what the balloon's clock says */
};

extern struct fixture fx;

/* Creates all with the loop running; takes gm. The driver has not started. */
void fx_create_on(struct gm *gm, struct balloon_config config);
/* The same on the two regions above. */
void fx_create(struct balloon_config config);
/*
 * The same, and starts the driver with scatter-gather, or with page numbers. For checked fixtures.
 */
void fx_setup_sg(void);
void fx_setup_pfn(void);
void fx_finish(void);

/* Starts the driver: both queues, 1024 descriptors each. */
void fx_start(uint64_t features);

/* The same with as many queues as the features bring. */
void fx_start_all(uint64_t features);

/* Joins the loop's thread: from here on the test is the owner. */
void fx_pause(void);
/* Runs one round of the work that was posted. Paused. */
void fx_step(void);
/* Notifies the device of queue vq as its transport would. Paused. */
void fx_notify(uint16_t vq);
void fx_resume(void);

struct balloon_info fx_info(void);

/* Waits until condition() holds. False after MOCK_TIMEOUT_MS. */
bool fx_wait(bool (*condition)(void));

/* Sends one chain and waits until it is used, with length 0. */
void fx_send(uint16_t vq, const struct mock_seg *segs, size_t n);
/* Writes page numbers to BUFFERS. */
void fx_put_pfns(const uint32_t *pfns, size_t n);
/* Sends n page numbers in one descriptor and waits. */
void fx_send_pfns(uint16_t vq, const uint32_t *pfns, size_t n);
/* Page number of an address. */
uint32_t pfn_of(uint64_t gpa);

/* How many of the n pages from gpa are allocated. */
uint64_t fx_populated(uint64_t gpa, size_t n_pages);

#endif
