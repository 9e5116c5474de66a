/* SPDX-License-Identifier: Apache-2.0 */
/* The served machine of the control socket's tests. */
#include "tests/unit/api/fixture.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

struct fixture fx;

static enum machine_state get_state(void *arg)
{
    (void)arg;
    return fx.state;
}

static void get_figures(void *arg, struct machine_figures *out)
{
    (void)arg;
    *out = fx.figures;
}

static const struct vm_config *get_config(void *arg)
{
    (void)arg;
    fx.config.balloon.target_bytes = fx.info.target_bytes;
    fx.config.balloon.stats_interval_s = (uint32_t)fx.info.stats_interval_s;
    return &fx.config;
}

static int put(void *arg, enum cfg_section section, const char *body, size_t len, struct err *err)
{
    (void)arg;
    int rc = cfg_put(&fx.config, section, body, len, err);
    if (rc == 0 && section == CFG_SECTION_BALLOON) {
        fx.info.target_bytes = fx.config.balloon.target_bytes;
        fx.info.stats_interval_s = fx.config.balloon.stats_interval_s;
    }
    return rc;
}

static int patch_machine(void *arg, const char *body, size_t len, struct err *err)
{
    (void)arg;
    return cfg_patch_machine(&fx.config, body, len, err);
}

static int start(void *arg, struct err *err)
{
    (void)arg;
    int rc = cfg_check(&fx.config, err);
    if (rc == 0)
        fx.state = MACHINE_RUNNING;
    return rc;
}

static int send_ctrl_alt_del(void *arg, struct err *err)
{
    (void)arg;
    if (fx.has_keyboard)
        fx.key_presses++;
    return fx.has_keyboard ? 0 : err_set(err, -ENODEV, "the guest has no keyboard");
}

static void stop(void *arg)
{
    (void)arg;
    fx.state = MACHINE_STOPPED;
}

static int flush_metrics(void *arg, struct err *err)
{
    (void)arg;
    if (fx.config.metrics.path != NULL)
        fx.flushes++;
    return fx.config.metrics.path != NULL ? 0 : err_set(err, -ENOENT, "no file for metrics");
}

static char *metrics_text(void *arg)
{
    (void)arg;
    return strdup("# EOF\n");
}

static struct metrics_api_counts *get_counts(void *arg)
{
    (void)arg;
    return &fx.counts;
}

static void get_info(void *arg, struct balloon_info *out)
{
    (void)arg;
    *out = fx.info;
}

static int set_target(void *arg, uint64_t bytes, struct err *err)
{
    (void)arg;
    (void)err;
    fx.info.target_bytes = bytes;
    return 0;
}

static int set_paused(void *arg, bool paused, struct err *err)
{
    (void)arg;
    if (fx.state == MACHINE_STOPPED)
        return err_set(err, -EINVAL, "the machine has stopped");
    fx.state = paused ? MACHINE_PAUSED : MACHINE_RUNNING;
    return 0;
}

static void get_stats(void *arg, struct balloon_stats *out)
{
    (void)arg;
    *out = fx.stats;
    out->reports = fx.reports;
}

static bool request_stats(void *arg)
{
    (void)arg;
    fx.reports_wanted++;
    return fx.can_report;
}

static int set_stats_interval(void *arg, uint32_t seconds, struct err *err)
{
    (void)arg;
    if ((seconds == 0) != (fx.info.stats_interval_s == 0))
        return err_set(err, -EINVAL, "statistics cannot be switched on or off");
    fx.info.stats_interval_s = seconds;
    return 0;
}

static int hint_start(void *arg, bool acknowledge_on_stop, struct err *err)
{
    (void)arg;
    if (!fx.config.balloon.free_page_hinting)
        return err_set(err, -EINVAL, "hinting is off");
    fx.hint.host_cmd = 2;
    fx.acknowledge_on_stop = acknowledge_on_stop;
    return 0;
}

static int hint_stop(void *arg, struct err *err)
{
    (void)arg;
    if (!fx.config.balloon.free_page_hinting)
        return err_set(err, -EINVAL, "hinting is off");
    fx.hint.host_cmd = 1;
    return 0;
}

static void get_hint(void *arg, struct balloon_hint_info *out)
{
    (void)arg;
    *out = fx.hint;
}

static const struct api_target_ops ops = {
    .state = get_state,
    .config = get_config,
    .put = put,
    .patch_machine = patch_machine,
    .start = start,
    .send_ctrl_alt_del = send_ctrl_alt_del,
    .stop = stop,
    .flush_metrics = flush_metrics,
    .metrics_text = metrics_text,
    .counts = get_counts,
    .set_paused = set_paused,
    .figures = get_figures,
    .balloon_info = get_info,
    .set_balloon_target = set_target,
    .stats = get_stats,
    .request_stats = request_stats,
    .set_stats_interval = set_stats_interval,
    .hint_start = hint_start,
    .hint_stop = hint_stop,
    .hint = get_hint,
};

void fixture_setup(void)
{
    memset(&fx, 0, sizeof(fx));
    strcpy(fx.dir, "/tmp/aerostat-api-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fx.dir));
    snprintf(fx.path, sizeof(fx.path), "%s/api.sock", fx.dir);
    ck_assert_int_eq(cfg_init(&fx.config), 0);
    fx.config.has_balloon = true;
    fx.state = MACHINE_RUNNING;
    fx.figures.ram_bytes = 1ull << 30;
    fx.config.mem_bytes = fx.figures.ram_bytes;
    fx.target = (struct api_target){.ops = &ops, .vmm_version = "9.8.7", .id = "box"};
    ck_assert_int_eq(ev_loop_create(&fx.loop), 0);
}

static void *run(void *arg)
{
    (void)arg;
    (void)ev_loop_run(fx.loop);
    return NULL;
}

void fixture_open(void)
{
    struct err err = {0};
    int rc = api_server_create(fx.path, &fx.target, fx.loop, &fx.server, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

void fixture_run(void)
{
    ck_assert_int_eq(pthread_create(&fx.thread, NULL, run, NULL), 0);
    fx.running = true;
}

void fixture_start(void)
{
    fixture_open();
    fixture_run();
}

void fixture_stop(void)
{
    if (fx.running) {
        ev_loop_stop(fx.loop);
        pthread_join(fx.thread, NULL);
        fx.running = false;
    }
    api_server_destroy(fx.server);
    fx.server = NULL;
}

void fixture_teardown(void)
{
    fixture_stop();
    ev_loop_destroy(fx.loop);
    cfg_finish(&fx.config);
    ck_assert_msg(rmdir(fx.dir) == 0, "%s is not empty", fx.dir);
}

int fixture_connect(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, fx.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    /* A server that never answers fails the test in 5 s instead of hanging it. */
    struct timeval limit = {.tv_sec = 5};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    return fd;
}

void fixture_receive(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got;
    while (used + 1 < size && (got = recv(fd, text + used, size - 1 - used, 0)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(fd);
}

char *fixture_raw(const void *bytes, size_t len)
{
    int fd = fixture_connect();
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0)
            break; /* the server has had enough; what it said is still to be read */
        sent += (size_t)n;
    }
    size_t cap = 1 << 16;
    char *text = calloc(1, cap);
    fixture_receive(fd, text, cap);
    return text;
}

void fixture_ask(const char *method, const char *path, const char *body, struct api_response *out)
{
    struct err err = {0};
    int rc = api_request(fx.path, method, path, body, 5000, out, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

void fixture_expect(const char *method, const char *path, const char *body, unsigned status,
                    const char *answer)
{
    struct api_response r = {0};
    fixture_ask(method, path, body, &r);
    ck_assert_str_eq(r.body, answer);
    ck_assert_uint_eq(r.status, status);
    api_response_finish(&r);
}

void fixture_expect_fault(const char *method, const char *path, const char *body, unsigned status,
                          const char *message)
{
    struct api_response r = {0};
    fixture_ask(method, path, body, &r);
    json_t *root = json_loads(r.body, 0, NULL);
    ck_assert_uint_eq(json_object_size(root), 1);
    ck_assert_str_eq(json_string_value(json_object_get(root, "fault_message")), message);
    ck_assert_uint_eq(r.status, status);
    json_decref(root);
    api_response_finish(&r);
}
