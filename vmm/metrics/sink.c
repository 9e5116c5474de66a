/* SPDX-License-Identifier: Apache-2.0 */
/* Whole lines to a file or FIFO, or none. */
#include "vmm/metrics/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/cleanup.h"
#include "vmm/base/outfile.h"

struct metrics_sink {
    int fd;
    char *line;  /* that is being written; NULL: none */
    size_t len;  /* of it, with its line feed */
    size_t done; /* how much of it is written */
    struct metrics_sink_counts counts;
    struct metrics_sample last; /* of the last line that was accepted; its pointers are stale */
};

int metrics_sink_create(const char *path, struct metrics_sink **out_sink, struct err *err)
{
    struct metrics_sink *sink = calloc(1, sizeof(*sink));
    if (sink == NULL)
        return err_set(err, -ENOMEM, "metrics: out of memory");
    int rc = outfile_open(path, &sink->fd, err);
    if (rc < 0) {
        free(sink);
        return rc;
    }
    *out_sink = sink;
    return 0;
}

/* Returns 0 when nothing is left to write, or -errno. */
static int write_rest(struct metrics_sink *sink)
{
    while (sink->line != NULL && sink->done < sink->len) {
        ssize_t wrote = write(sink->fd, sink->line + sink->done, sink->len - sink->done);
        if (wrote < 0 && errno != EINTR)
            return -errno;
        if (wrote == 0)
            return -EIO;
        if (wrote > 0)
            sink->done += (size_t)wrote;
    }
    free(sink->line);
    sink->line = NULL;
    return 0;
}

void metrics_sink_destroy(struct metrics_sink *sink)
{
    if (sink == NULL)
        return;
    (void)write_rest(sink);
    free(sink->line);
    (void)close(sink->fd);
    free(sink);
}

/* Returns 0 when the line was begun at least: what is left of it is the sink's. */
static int begin_line(struct metrics_sink *sink, const struct metrics_sample *now)
{
    AUTO_FREE char *line = NULL;
    int rc = write_rest(sink);
    if (rc == 0)
        rc = metrics_json(now, sink->counts.lines > 0 ? &sink->last : NULL, &line);
    if (rc < 0)
        return rc;
    sink->len = strlen(line) + 1;
    line[sink->len - 1] = '\n'; /* over the NUL */
    sink->done = 0;
    sink->line = take_ptr(line);
    rc = write_rest(sink);
    if (rc == 0 || sink->done > 0)
        return 0;
    free(sink->line);
    sink->line = NULL;
    return rc;
}

int metrics_flush(struct metrics_sink *sink, const struct metrics_sample *now, struct err *err)
{
    int rc = begin_line(sink, now);
    if (rc == 0) {
        sink->counts.lines++;
        sink->last = *now;
        return 0;
    }
    if (rc == -EAGAIN) {
        sink->counts.missed++;
        return err_set(err, rc, "metrics: nobody reads them, and what they are written to is full");
    }
    sink->counts.fails++;
    return err_sys(err, rc, "metrics: cannot be written");
}

void metrics_sink_get_counts(const struct metrics_sink *sink, struct metrics_sink_counts *out)
{
    *out = sink == NULL ? (struct metrics_sink_counts){0} : sink->counts;
}
