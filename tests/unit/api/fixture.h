/* SPDX-License-Identifier: Apache-2.0 */
/* A control socket served by a thread of its own, in front of a machine that is only figures. */
#ifndef AEROSTAT_TESTS_API_FIXTURE_H
#define AEROSTAT_TESTS_API_FIXTURE_H

#include <check.h>
#include <pthread.h>
#include <stdbool.h>

#include "vmm/api/server.h"
#include "vmm/api_client/client.h"

/* Answers for the server's thread; set before fixture_start(), and what it was asked. */
struct fixture {
    char dir[64];
    char path[100];
    struct vm_config config; /* with a balloon, unless a test says otherwise */
    struct metrics_api_counts counts;
    bool has_keyboard;
    unsigned key_presses;
    unsigned flushes;
    struct balloon_info info;
    struct machine_figures figures;
    enum machine_state state;
    struct balloon_stats stats;
    struct balloon_hint_info hint;
    bool acknowledge_on_stop;        /* of the last start of hinting */
    bool can_report;                 /* there is a driver that answers, or seems to */
    _Atomic unsigned reports_wanted; /* how often it was asked */
    _Atomic unsigned reports;        /* that came; may be set at any time */
    struct api_target target;
    struct ev_loop *loop;
    struct api_server *server;
    pthread_t thread;
    bool running;
};

extern struct fixture fx;

/* For tcase_add_checked_fixture(): a folder and a target with a balloon; and the end of all that.
 */
void fixture_setup(void);
void fixture_teardown(void);

/* Serves fx.path until teardown, or fixture_stop(). */
void fixture_start(void);
void fixture_stop(void);

/* The two halves of fixture_start(): from the first on clients can connect, from the second on they
 * are served. */
void fixture_open(void);
void fixture_run(void);

/* One request that must be answered, whatever with. */
void fixture_ask(const char *method, const char *path, const char *body, struct api_response *out);

/* One request, and exactly what it must be answered with. */
void fixture_expect(const char *method, const char *path, const char *body, unsigned status,
                    const char *answer);

/* The same for an answer that is {"fault_message": message}. */
void fixture_expect_fault(const char *method, const char *path, const char *body, unsigned status,
                          const char *message);

/* Sends len bytes as they are and returns all that comes back, NUL-terminated, malloc'ed. */
char *fixture_raw(const void *bytes, size_t len);

/* A connection to fx.path. */
int fixture_connect(void);

/* All that comes on such a connection until it ends, NUL-terminated, as far as size goes; closes
 * fd. */
void fixture_receive(int fd, char *text, size_t size);

Suite *client_suite(void);
Suite *library_suite(void);
Suite *limits_suite(void);
Suite *conn_suite(void);
Suite *refresh_suite(void);
Suite *requests_suite(void);
Suite *socket_suite(void);
Suite *statistics_suite(void);
Suite *wire_suite(void);

#endif
