/* SPDX-License-Identifier: Apache-2.0 */
/* A table, and how its rows become plans. */
#include "tests/bench/forms.h"

#include <string.h>

#include "vmm/base/num.h"

/* Linux's driver: 256 page numbers an array, and one array at a time. */
#define STOCK .items = 256, .in_flight = 1

/* items: as many as fit into the ring; see form_plan(). */
#define CHAINS .chains = true, .items = 512, .in_flight = 2

static const struct form forms[N_FORMS] = {
    [FORM_LIMIT] = {"one fallocate", FORMS_QUICK, FORM_PFN, {0}},
    [FORM_SG_4K] = {"sg 4K", FORMS_FULL, FORM_PFN, {CHAINS, .run_bytes = 4 * KIB}},
    [FORM_SG_64K] = {"sg 64K", FORMS_FULL, FORM_PFN, {CHAINS, .run_bytes = 64 * KIB}},
    [FORM_SG_2M] = {"sg 2M", FORMS_QUICK, FORM_PFN, {CHAINS, .run_bytes = 2 * MIB}},
    [FORM_SG_4M] = {"sg 4M", FORMS_FULL, FORM_PFN, {CHAINS, .run_bytes = 4 * MIB}},
    [FORM_SG_64M] = {"sg 64M", FORMS_ALL, FORM_PFN, {CHAINS, .run_bytes = 64 * MIB}},
    [FORM_SG_1G] = {"sg 1G", FORMS_FULL, FORM_PFN, {CHAINS, .run_bytes = GIB}},
    [FORM_SG_SHUFFLED] = {"sg 2M shuffled",
                          FORMS_QUICK,
                          FORM_PFN_RUNS,
                          {CHAINS, .run_bytes = 2 * MIB, .shuffled = true}},
    [FORM_SG_SINGLY] =
        {"sg 2M one by one",
         FORMS_ALL,
         FORM_PFN_RUNS,
         {.chains = true, .shuffled = true, .run_bytes = 2 * MIB, .items = 1, .in_flight = 1}},
    [FORM_PFN] = {"pfn in order", FORMS_QUICK, FORM_PFN, {STOCK}},
    [FORM_PFN_RUNS] = {"pfn 2M runs",
                       FORMS_QUICK,
                       FORM_PFN_RUNS,
                       {STOCK, .run_bytes = 2 * MIB, .shuffled = true}},
    [FORM_PFN_MANY] = {"pfn 2M runs, 16 in flight",
                       FORMS_ALL,
                       FORM_PFN_MANY,
                       {.items = 256, .in_flight = 16, .run_bytes = 2 * MIB, .shuffled = true}},
    [FORM_PFN_SHUFFLED] = {"pfn shuffled",
                           FORMS_QUICK,
                           FORM_PFN_SHUFFLED,
                           {STOCK, .run_bytes = 4 * KIB, .shuffled = true}},
};

const struct form *form_at(enum form_id id)
{
    return &forms[id];
}

bool form_find(const char *name, enum form_id *out)
{
    for (unsigned i = 0; i < N_FORMS; i++) {
        if (strcmp(forms[i].name, name) == 0) {
            *out = (enum form_id)i;
            return true;
        }
    }
    return false;
}

bool form_is_qemus(enum form_id id)
{
    return id != FORM_LIMIT && !forms[id].plan.chains;
}

struct rig_plan form_plan(enum form_id id, uint64_t size_bytes, uint16_t queue_size)
{
    struct rig_plan plan = forms[id].plan;
    plan.name = forms[id].name;
    plan.queue_size = queue_size;
    if (plan.run_bytes == 0)
        plan.run_bytes = size_bytes;
    plan.pitch_bytes = plan.run_bytes;
    plan.size_bytes = size_bytes - size_bytes % plan.run_bytes;
    /* As many descriptors as the chains in flight leave room for. */
    if (plan.chains && plan.items > 1)
        plan.items = plan.queue_size / plan.in_flight;
    return plan;
}
