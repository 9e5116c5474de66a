/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that moves when it is told to, and the timers that hang on it. */
#include "tests/fuzz/fake_time.h"

#include <stdbool.h>
#include <stdlib.h>

#include "vmm/base/clock.h"
#include "vmm/base/num.h"
#include "vmm/event/loop.h"

#define TIMERS_MAX 8u
#define START_NS   UINT64_C(1000000000)

struct fake_timer {
    ev_fn fn;
    void *arg;
    uint64_t due_ns; /* 0: disarmed */
    uint64_t period_ns;
};

static struct fake_timer timers[TIMERS_MAX];
static uint64_t now_ns;

uint64_t __wrap_clock_mono_ns(void);
int __wrap_ev_timer_add(struct ev_loop *loop, ev_fn fn, void *arg, struct ev_source **out_source);
int __wrap_ev_timer_arm(struct ev_source *timer, uint64_t delay_ns, uint64_t period_ns);
void __wrap_ev_source_remove(struct ev_source *source);
void __real_ev_source_remove(struct ev_source *source);

/* A nanosecond goes by with each look, so that durations are not 0. */
uint64_t __wrap_clock_mono_ns(void)
{
    return now_ns++;
}

int __wrap_ev_timer_add(struct ev_loop *loop, ev_fn fn, void *arg, struct ev_source **out_source)
{
    (void)loop;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        if (timers[i].fn != NULL)
            continue;
        timers[i] = (struct fake_timer){.fn = fn, .arg = arg};
        *out_source = (struct ev_source *)&timers[i];
        return 0;
    }
    abort();
}

int __wrap_ev_timer_arm(struct ev_source *timer, uint64_t delay_ns, uint64_t period_ns)
{
    struct fake_timer *t = (struct fake_timer *)timer;
    t->due_ns = delay_ns > 0 ? now_ns + delay_ns : 0;
    t->period_ns = period_ns;
    return 0;
}

void __wrap_ev_source_remove(struct ev_source *source)
{
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        if ((void *)source == &timers[i]) {
            timers[i] = (struct fake_timer){0};
            return;
        }
    }
    __real_ev_source_remove(source);
}

void fake_time_reset(void)
{
    now_ns = START_NS;
    for (size_t i = 0; i < TIMERS_MAX; i++)
        timers[i] = (struct fake_timer){0};
}

static struct fake_timer *next_due(uint64_t until_ns)
{
    struct fake_timer *next = NULL;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        struct fake_timer *t = &timers[i];
        if (t->due_ns != 0 && t->due_ns <= until_ns && (next == NULL || t->due_ns < next->due_ns))
            next = t;
    }
    return next;
}

void fake_time_advance(uint64_t ns)
{
    uint64_t until_ns = now_ns + ns;
    struct fake_timer *t;
    while ((t = next_due(until_ns)) != NULL) {
        now_ns = max_u64(now_ns, t->due_ns);
        t->due_ns = t->period_ns > 0 ? t->due_ns + t->period_ns : 0;
        t->fn(t->arg);
    }
    now_ns = max_u64(now_ns, until_ns);
}
