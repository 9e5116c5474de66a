/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to guest memory past the device's own mapping of it. */
#include "tests/unit/balloon/hostile_guest.h"

#include <sys/mman.h>

#include "tests/unit/balloon/fixture.h"

static uint8_t *low;

void hg_map(void)
{
    low = mmap(NULL, LOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, gm_region_at(fx.gm, 0).fd, 0);
    ck_assert_ptr_ne(low, MAP_FAILED);
}

void hg_unmap(void)
{
    ck_assert_int_eq(munmap(low, LOW_SIZE), 0);
}

static void *at(uint64_t gpa)
{
    ck_assert_uint_lt(gpa, LOW_SIZE);
    return low + gpa;
}

void hg_put16(uint64_t gpa, uint16_t value)
{
    __atomic_store_n((uint16_t *)at(gpa), value, __ATOMIC_RELEASE);
}

void hg_put32(uint64_t gpa, uint32_t value)
{
    __atomic_store_n((uint32_t *)at(gpa), value, __ATOMIC_RELEASE);
}

void hg_put64(uint64_t gpa, uint64_t value)
{
    __atomic_store_n((uint64_t *)at(gpa), value, __ATOMIC_RELEASE);
}

uint16_t hg_get16(uint64_t gpa)
{
    return __atomic_load_n((uint16_t *)at(gpa), __ATOMIC_ACQUIRE);
}

uint64_t hg_desc_gpa(uint16_t vq, uint16_t i)
{
    return fx.driver.vq[vq].desc_gpa + UINT64_C(16) * i;
}

void hg_put_desc(uint16_t vq, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags, uint16_t next)
{
    uint64_t desc = hg_desc_gpa(vq, i);
    hg_put64(desc, gpa);
    hg_put32(desc + 8, len);
    hg_put16(desc + 12, flags);
    hg_put16(desc + 14, next);
}

void hg_publish(uint16_t vq, uint16_t index, uint16_t head)
{
    const struct mock_vq *q = &fx.driver.vq[vq];
    hg_put16(q->avail_gpa + 4 + 2 * (index % q->size), head);
    hg_put16(q->avail_gpa + 2, (uint16_t)(index + 1));
}

uint16_t hg_used_idx(uint16_t vq)
{
    return hg_get16(fx.driver.vq[vq].used_gpa + 2);
}
