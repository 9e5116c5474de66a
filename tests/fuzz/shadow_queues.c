/* SPDX-License-Identifier: Apache-2.0 */
/* Looks on while the device takes chains, gives them back and punches, and holds it to its word. */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#include "guest/include/aerostat_balloon.h"
#include "tests/fuzz/model.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/shadow_priv.h"

int __real_vq_pop(struct vq *vq, struct vq_chain *out);
int __wrap_vq_pop(struct vq *vq, struct vq_chain *out);
int __real_vq_push(struct vq *vq, uint16_t head, uint32_t len);
int __wrap_vq_push(struct vq *vq, uint16_t head, uint32_t len);
int __real_gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
                      struct gm_discard_result *out);
int __wrap_gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
                      struct gm_discard_result *out);
bool __real_balloon_batch_step(struct balloon *b);
bool __wrap_balloon_batch_step(struct balloon *b);

static bool has(unsigned feature)
{
    return shadow.features >> feature & 1;
}

static bool is_sg(void)
{
    switch (shadow.config.scatter_gather) {
    case BALLOON_SG_AUTO:
        return has(AEROSTAT_BALLOON_F_SG);
    case BALLOON_SG_BIT3:
        return has(AEROSTAT_BALLOON_F_SG_BIT3);
    case BALLOON_SG_OFF:
        break;
    }
    return false;
}

/* Whether pieces of 2 MiB may wait after their chain went back. */
static bool keeps_pieces(void)
{
    return has(VIRTIO_BALLOON_F_MUST_TELL_HOST);
}

static enum balloon_role role_of(uint16_t vq)
{
    const bool present[BALLOON_ROLES] = {
        [BALLOON_INFLATE] = true,
        [BALLOON_DEFLATE] = true,
        [BALLOON_STATS] = has(VIRTIO_BALLOON_F_STATS_VQ),
        [BALLOON_HINT] =
            has(VIRTIO_BALLOON_F_FREE_PAGE_HINT) && shadow.config.scatter_gather != BALLOON_SG_BIT3,
        [BALLOON_REPORT] = has(VIRTIO_BALLOON_F_REPORTING),
    };
    unsigned role = 0;
    for (unsigned seen = 0; role < BALLOON_ROLES; role++) {
        if (present[role] && seen++ == vq)
            break;
    }
    require(role < BALLOON_ROLES);
    return (enum balloon_role)role;
}

static uint32_t config_field(uint32_t offset)
{
    uint32_t value = 0;
    struct vdev *dev = balloon_vdev(shadow.balloon);
    require(dev->ops->config_read(dev, offset, &value, sizeof(value)) == 0);
    return le32toh(value);
}

/* Pages hinted under one command mean nothing under the next. */
static void follow_command(void)
{
    uint32_t now = config_field(offsetof(struct virtio_balloon_config, free_page_hint_cmd_id));
    if (now == shadow.host_cmd)
        return;
    shadow.host_cmd = now;
    for (size_t i = 0; i < shadow.n_pages; i++)
        shadow.page[i].hinted = false;
}

/* A deflation that cannot be read whole ends all waiting: what was given stays with the host. */
static void distrust(enum balloon_role role)
{
    for (size_t i = 0; role == BALLOON_DEFLATE && i < shadow.n_pages; i++)
        shadow.page[i].given_seq = 0;
}

static bool names(const struct shadow_chain *c, size_t page)
{
    return c->names[page / 8] >> page % 8 & 1;
}

static void name_page(struct shadow_chain *c, size_t i)
{
    struct shadow_page *page = &shadow.page[i];
    if (names(c, i))
        return;
    c->names[i / 8] |= (uint8_t)(1u << i % 8);
    if (c->role == BALLOON_DEFLATE)
        return;
    page->ever_named = true;
    if (c->role == BALLOON_INFLATE) {
        page->inflate_held++;
        page->given_seq = c->seq;
    } else if (c->role == BALLOON_REPORT) {
        page->report_held++;
    } else {
        page->hinted |=
            shadow.guest_cmd > VIRTIO_BALLOON_CMD_ID_DONE && shadow.guest_cmd == shadow.host_cmd;
    }
}

static void read_chain(enum balloon_role role, const struct vq_chain *chain,
                       struct model_items *items)
{
    struct model_stats stats;
    bool current = false;
    switch (role) {
    case BALLOON_INFLATE:
    case BALLOON_DEFLATE:
        if (is_sg())
            model_ranges(shadow.gm, chain, false, items);
        else
            model_pfns(shadow.gm, chain, items);
        break;
    case BALLOON_REPORT:
        model_ranges(shadow.gm, chain, true, items);
        break;
    case BALLOON_HINT:
        follow_command();
        /* Pages are allowed to go under the last command of a chain, whichever it is. */
        (void)model_hints(shadow.gm, chain, shadow.host_cmd, &current, items, &shadow.guest_cmd);
        break;
    default:
        items->n = 0;
        items->bytes = 0;
        items->bad = model_stats(shadow.gm, chain, &stats);
        break;
    }
}

static void note_chain(uint16_t vq, enum balloon_role role, const struct vq_chain *chain)
{
    static struct model_items items;
    require(shadow.n_held < SHADOW_HELD_MAX);
    struct shadow_chain *c = &shadow.held[shadow.n_held++];
    *c = (struct shadow_chain){.vq = vq, .head = chain->head, .role = role, .seq = ++shadow.seq};
    read_chain(role, chain, &items);
    for (size_t i = 0; i < items.n; i++) {
        struct gm_range r = items.range[i];
        size_t first = shadow_page_of(r.start);
        for (size_t page = first; page < first + r.len_bytes / PAGE; page++)
            name_page(c, page);
    }
    shadow.expect.descriptors[role] += chain->n;
    shadow.expect.bytes[role] += items.bytes;
    shadow.expect.bad_request += items.bad;
    if (items.bad > 0)
        distrust(role);
}

/* It went back at once. */
static void note_bad_chain(uint16_t vq)
{
    distrust(role_of(vq));
    shadow.expect.bad_chain++;
    shadow.expect.used[vq]++;
}

static void forget_chain(size_t i)
{
    shadow.n_held--;
    memmove(&shadow.held[i], &shadow.held[i + 1], (shadow.n_held - i) * sizeof(shadow.held[0]));
}

/* What a broken queue offered is not given back any more. */
static void forget_broken(void)
{
    const struct vq *vqs = balloon_vdev(shadow.balloon)->vqs;
    for (size_t i = shadow.n_held; i > 0; i--) {
        const struct shadow_chain *c = &shadow.held[i - 1];
        if (!vqs[c->vq].broken)
            continue;
        for (size_t page = 0; page < shadow.n_pages; page++) {
            if (names(c, page) && c->role == BALLOON_INFLATE)
                shadow.page[page].inflate_held--;
            if (names(c, page) && c->role == BALLOON_REPORT)
                shadow.page[page].report_held--;
        }
        forget_chain(i - 1);
    }
}

/* A deflation that the device has taken ends the waiting of a page before it is acknowledged. */
static bool is_being_deflated(size_t page)
{
    for (size_t i = 0; i < shadow.n_held; i++) {
        if (shadow.held[i].role == BALLOON_DEFLATE && names(&shadow.held[i], page))
            return true;
    }
    return false;
}

/*
 * Whoever hears that a change is done may count on what was given until then. Looked at after each
 * event, and before anything more can be given.
 */
static void check_change(const struct balloon_info *info)
{
    bool news =
        info->change_done && (!shadow.change_done || info->target_changes != shadow.change_count);
    shadow.change_done = info->change_done;
    shadow.change_count = info->target_changes;
    if (!news || !keeps_pieces() || balloon_vdev(shadow.balloon)->vqs[BALLOON_INFLATE].broken)
        return;
    for (size_t i = 0; i < shadow.n_pages; i++) {
        const struct shadow_page *page = &shadow.page[i];
        require(page->inflate_held > 0 || page->punched_seq >= page->given_seq ||
                is_being_deflated(i));
    }
}

int __wrap_vq_pop(struct vq *vq, struct vq_chain *out)
{
    struct balloon_info info;
    balloon_get_info(shadow.balloon, &info);
    check_change(&info);
    forget_broken();
    uint16_t index = (uint16_t)(vq - balloon_vdev(shadow.balloon)->vqs);
    int ret = __real_vq_pop(vq, out);
    if (ret == 0 || ret == -EIO)
        return ret;
    enum balloon_role role = role_of(index);
    shadow.expect.chains[role]++;
    shadow.seq++;
    if (ret > 0)
        note_chain(index, role, out);
    else
        note_bad_chain(index);
    return ret;
}

/* What must be true of a page when a chain that names it goes back, and what it means. */
static void return_page(const struct shadow_chain *c, struct shadow_page *page)
{
    switch (c->role) {
    case BALLOON_INFLATE:
        page->inflate_held--;
        require(keeps_pieces() || page->punched_seq > c->seq);
        break;
    case BALLOON_DEFLATE:
        require(page->inflate_held == 0);
        if (page->given_seq < c->seq)
            page->given_seq = 0;
        break;
    case BALLOON_REPORT:
        page->report_held--;
        break;
    default:
        break;
    }
}

static void return_chain(uint16_t vq, uint16_t head)
{
    size_t i = 0;
    while (i < shadow.n_held && (shadow.held[i].vq != vq || shadow.held[i].head != head))
        i++;
    /* Only what was taken, and as often as it was. */
    require(i < shadow.n_held);
    const struct shadow_chain *c = &shadow.held[i];
    for (size_t page = 0; page < shadow.n_pages; page++) {
        if (names(c, page))
            return_page(c, &shadow.page[page]);
    }
    forget_chain(i);
    shadow.expect.used[vq]++;
    shadow.seq++;
}

int __wrap_vq_push(struct vq *vq, uint16_t head, uint32_t len)
{
    int ret = __real_vq_push(vq, head, len);
    forget_broken();
    require(len == 0 && vq->started);
    if (ret == 0)
        return_chain((uint16_t)(vq - balloon_vdev(shadow.balloon)->vqs), head);
    return ret;
}

static bool may_be_punched(const struct shadow_page *page)
{
    bool poisoned = has(VIRTIO_BALLOON_F_PAGE_POISON) &&
                    config_field(offsetof(struct virtio_balloon_config, poison_val)) != 0;
    if (page->inflate_held > 0 || (page->report_held > 0 && !poisoned))
        return true;
    if (keeps_pieces() && page->given_seq != 0)
        return true;
    return page->hinted && shadow.frozen && shadow.tracking && !page->written;
}

int __wrap_gm_discard(struct gm *gm, const struct gm_range *ranges, size_t n,
                      struct gm_discard_result *out)
{
    uint64_t behind = 0;
    uint64_t bytes = 0;
    follow_command();
    forget_broken();
    require(n > 0 && n <= BALLOON_SLICE_RANGES);
    shadow.seq++;
    for (size_t i = 0; i < n; i++) {
        struct gm_range r = ranges[i];
        require(r.len_bytes > 0 && r.start % PAGE == 0 && r.len_bytes % PAGE == 0);
        require(i == 0 || r.start >= behind);
        behind = r.start + r.len_bytes;
        bytes += r.len_bytes;
        for (uint64_t gpa = r.start; gpa < behind; gpa += PAGE) {
            struct shadow_page *page = &shadow.page[shadow_page_of(gpa)];
            require(may_be_punched(page));
            page->punched_seq = shadow.seq;
        }
    }
    int ret = __real_gm_discard(gm, ranges, n, out);
    require(ret == 0 && out->calls == n && out->punched_bytes == bytes);
    shadow.expect.punch_calls += n;
    shadow.expect.punched_bytes += bytes;
    return ret;
}

/* A slice that is smaller than the device's own. */
bool __wrap_balloon_batch_step(struct balloon *b)
{
    struct balloon_batch *batch = &b->batch;
    size_t n = batch->n_ranges;
    if (shadow.slice_ranges == 0 || n - batch->next <= shadow.slice_ranges)
        return __real_balloon_batch_step(b);
    batch->n_ranges = batch->next + shadow.slice_ranges;
    (void)__real_balloon_batch_step(b);
    batch->n_ranges = n;
    shadow.seq++;
    return false;
}

static void check_queue(enum balloon_role role, const struct balloon_queue_info *info)
{
    require(info->chains == shadow.expect.chains[role]);
    require(info->descriptors == shadow.expect.descriptors[role]);
}

static void check_monotonic(const struct balloon_info *info)
{
    const struct balloon_info *last = &shadow.last;
    require(info->freed_bytes >= last->freed_bytes);
    require(info->ranges_merged >= last->ranges_merged);
    require(info->kept_poisoned_bytes >= last->kept_poisoned_bytes);
    require(info->kept_written_bytes >= last->kept_written_bytes);
    require(info->hint_stale_bytes >= last->hint_stale_bytes);
    require(info->prefaulted_bytes >= last->prefaulted_bytes);
    require(info->bad_ring >= last->bad_ring);
    require(info->target_changes >= last->target_changes && info->stalls >= last->stalls);
    shadow.last = *info;
}

void shadow_check_counters(void)
{
    const struct shadow_counters *expect = &shadow.expect;
    struct balloon_info info;
    balloon_get_info(shadow.balloon, &info);
    check_queue(BALLOON_INFLATE, &info.inflate);
    check_queue(BALLOON_DEFLATE, &info.deflate);
    check_queue(BALLOON_STATS, &info.stats);
    check_queue(BALLOON_HINT, &info.hint);
    check_queue(BALLOON_REPORT, &info.report);
    require(info.inflate.bytes == expect->bytes[BALLOON_INFLATE]);
    require(info.deflate.bytes == expect->bytes[BALLOON_DEFLATE]);
    require(info.stats.bytes == 0);
    require(info.hint.bytes + info.hint_stale_bytes == expect->bytes[BALLOON_HINT]);
    require(info.report.bytes == expect->bytes[BALLOON_REPORT]);
    require(info.bad_request == expect->bad_request);
    require(info.bad_chain == expect->bad_chain);
    require(info.punch_calls == expect->punch_calls);
    require(info.punched_bytes == expect->punched_bytes);
    require(info.freed_bytes <= info.punched_bytes);
    require(info.host_error == expect->host_error);
    require(info.waiting_bytes <= gm_size_bytes(shadow.gm));
    require(info.waiting_bytes == 0 || keeps_pieces());
    require(info.kept_poisoned_bytes <= info.report.bytes);
    require(info.kept_written_bytes <= info.hint.bytes);
    require(info.prefaulted_bytes <= info.deflate.bytes);
    require(info.prefaulted_bytes == 0 || shadow.config.prefault_on_deflate);
    for (size_t i = 0; i < VDEV_MAX_VQS; i++)
        require(balloon_vdev(shadow.balloon)->vqs[i].count.used == expect->used[i]);
    check_monotonic(&info);
    check_change(&info);
}

uint64_t shadow_progress(void)
{
    return shadow.seq;
}

void shadow_check_chains(void)
{
    const struct vq *vqs = balloon_vdev(shadow.balloon)->vqs;
    forget_broken();
    require(shadow.n_held == 0 || (shadow.n_held == 1 && shadow.held[0].role == BALLOON_STATS));
    if (!keeps_pieces() || vqs[BALLOON_INFLATE].broken)
        return;
    /* Nothing waits any more, so what was given has gone. */
    for (size_t i = 0; i < shadow.n_pages; i++)
        require(shadow.page[i].punched_seq >= shadow.page[i].given_seq);
}
