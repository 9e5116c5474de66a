/* SPDX-License-Identifier: Apache-2.0 */
/* The host's supported CPUID, made that of one vCPU in a machine of one package. */
#include <string.h>

#include "vmm/kvm/kvm_priv.h"

#define LEAF_FEATURES     0x1u
#define LEAF_CACHES       0x4u
#define LEAF_TOPOLOGY     0xbu
#define LEAF_TOPOLOGY_V2  0x1fu
#define LEAF_AMD_SIZES    0x80000008u
#define LEAF_AMD_CACHES   0x8000001du
#define LEAF_AMD_TOPOLOGY 0x8000001eu

#define ECX_TSC_DEADLINE (1u << 24)
#define ECX_HYPERVISOR   (1u << 31)
#define EDX_HTT          (1u << 28)

#define LEVEL_SMT  1u
#define LEVEL_CORE 2u

struct kvm_cpuid_entry2 *cpuid_find(struct cpuid_table *table, uint32_t function, uint32_t index)
{
    for (uint32_t i = 0; i < table->nent; i++) {
        struct kvm_cpuid_entry2 *entry = &table->entries[i];
        bool indexed = (entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
        if (entry->function == function && (!indexed || entry->index == index))
            return entry;
    }
    return NULL;
}

static void remove_leaf(struct cpuid_table *table, uint32_t function)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->nent; i++) {
        if (table->entries[i].function != function)
            table->entries[kept++] = table->entries[i];
    }
    table->nent = kept;
}

static void append(struct cpuid_table *table, const struct kvm_cpuid_entry2 *entry)
{
    if (table->nent < CPUID_ENTRIES_MAX)
        table->entries[table->nent++] = *entry;
}

/* Bits of an APIC id that number the cores: the smallest n with 2^n >= count. */
static uint32_t core_bits(uint32_t count)
{
    return count <= 1 ? 0 : 32u - (uint32_t)__builtin_clz(count - 1);
}

/* Threads of a core. A single vCPU has a core for itself. */
static uint32_t threads_of(const struct vcpu_place *place)
{
    return place->smt && place->count > 1 ? 2 : 1;
}

/* Leaf 0xb is written anew: hosts report their own topology in it, or one sub-leaf too few. */
static void set_topology(struct cpuid_table *table, const struct vcpu_place *place)
{
    bool has_leaf = cpuid_find(table, LEAF_TOPOLOGY, 0) != NULL;
    remove_leaf(table, LEAF_TOPOLOGY_V2);
    remove_leaf(table, LEAF_TOPOLOGY);
    if (!has_leaf)
        return;
    struct kvm_cpuid_entry2 level = {.function = LEAF_TOPOLOGY,
                                     .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
                                     .eax = core_bits(threads_of(place)),
                                     .ebx = threads_of(place),
                                     .ecx = LEVEL_SMT << 8,
                                     .edx = place->id};
    append(table, &level);
    level.index = 1;
    level.eax = core_bits(place->count);
    level.ebx = place->count;
    level.ecx = LEVEL_CORE << 8 | 1;
    append(table, &level);
    level.index = 2;
    level.eax = 0;
    level.ebx = 0;
    level.ecx = 2;
    append(table, &level);
}

static void set_cache_sharing(struct kvm_cpuid_entry2 *entry, const struct vcpu_place *place)
{
    uint32_t type = entry->eax & 0x1fu;
    uint32_t level = entry->eax >> 5 & 0x7u;
    if (type == 0)
        return;
    uint32_t ids = (1u << core_bits(place->count)) - 1;
    /* The last level is shared by all cores, the others by the threads of one. */
    uint32_t sharing = level >= 3 ? ids : threads_of(place) - 1;
    entry->eax = (entry->eax & ~0x3ffc000u) | sharing << 14;
    if (entry->function == LEAF_CACHES) /* AMD's leaf has nothing there */
        entry->eax = (entry->eax & 0x3ffffffu) | (ids / threads_of(place)) << 26;
}

static void set_amd_topology(struct cpuid_table *table, const struct vcpu_place *place)
{
    uint32_t threads = threads_of(place);
    struct kvm_cpuid_entry2 *sizes = cpuid_find(table, LEAF_AMD_SIZES, 0);
    if (sizes != NULL)
        sizes->ecx = (sizes->ecx & ~0xf0ffu) | core_bits(place->count) << 12 | (place->count - 1);
    struct kvm_cpuid_entry2 *topology = cpuid_find(table, LEAF_AMD_TOPOLOGY, 0);
    if (topology != NULL) {
        topology->eax = place->id;
        topology->ebx = (threads - 1) << 8 | place->id / threads; /* of which core */
        topology->ecx = 0;                                        /* one node */
    }
}

void cpuid_specialise(struct cpuid_table *table, const struct vcpu_place *place, bool tsc_deadline)
{
    struct kvm_cpuid_entry2 *features = cpuid_find(table, LEAF_FEATURES, 0);
    if (features != NULL) {
        uint32_t ids = 1u << core_bits(place->count);
        features->ebx = (features->ebx & 0xffffu) | ids << 16 | place->id << 24;
        features->ecx |= ECX_HYPERVISOR;
        if (tsc_deadline)
            features->ecx |= ECX_TSC_DEADLINE;
        features->edx = place->count > 1 ? features->edx | EDX_HTT : features->edx & ~EDX_HTT;
    }
    for (uint32_t i = 0; i < table->nent; i++) {
        uint32_t function = table->entries[i].function;
        if (function == LEAF_CACHES || function == LEAF_AMD_CACHES)
            set_cache_sharing(&table->entries[i], place);
    }
    set_amd_topology(table, place);
    set_topology(table, place);
}
