/* SPDX-License-Identifier: Apache-2.0 */
/* The record that KVM keeps of the pages a guest writes. */
#include <errno.h>
#include <stdlib.h>

#include "vmm/base/num.h"
#include "vmm/kvm/kvm_priv.h"

#define BITS_PER_WORD 64u

/* KVM fills one bit a page of the slot, rounded up to whole words. */
static size_t words_of(const struct vm *vm, size_t slot)
{
    uint64_t pages = gm_region_at(vm->gm, slot).range.len_bytes / GM_PAGE_SIZE;
    return (size_t)((pages + BITS_PER_WORD - 1) / BITS_PER_WORD);
}

static int get_log(struct vm *vm, size_t slot, struct err *err)
{
    struct kvm_dirty_log log = {.slot = (uint32_t)slot, .dirty_bitmap = vm->dirty_words};
    int ret = kvm_ioctl(vm->vm_fd, KVM_GET_DIRTY_LOG, (unsigned long)&log);
    return ret < 0 ? err_sys(err, ret, "KVM_GET_DIRTY_LOG of memory slot %zu", slot) : 0;
}

static int start_all(struct vm *vm, struct err *err)
{
    for (size_t i = 0; i < gm_region_count(vm->gm); i++) {
        int ret = vm_set_slot(vm, i, KVM_MEM_LOG_DIRTY_PAGES);
        if (ret < 0)
            return err_sys(err, ret,
                           "this host's KVM cannot record which pages a guest writes: "
                           "KVM_MEM_LOG_DIRTY_PAGES of memory slot %zu",
                           i);
        /* Also where the slot was logged already, and says now whether the log can be read. */
        ret = get_log(vm, i, err);
        if (ret < 0)
            return ret;
    }
    return 0;
}

int vm_dirty_log_start(struct vm *vm, struct err *err)
{
    size_t most = 0;
    for (size_t i = 0; i < gm_region_count(vm->gm); i++)
        most = (size_t)max_u64(most, words_of(vm, i));
    if (vm->dirty_words == NULL)
        vm->dirty_words = calloc(most, sizeof(*vm->dirty_words));
    if (vm->dirty_words == NULL)
        return err_sys(err, -ENOMEM, "log of written pages: %zu bytes",
                       most * sizeof(*vm->dirty_words));
    int ret = start_all(vm, err);
    if (ret < 0) {
        int ignored = vm_dirty_log_stop(vm, NULL);
        (void)ignored; /* the first error is the one to tell */
    }
    return ret;
}

int vm_dirty_log_fetch(struct vm *vm, struct gm_bitmap *out, struct err *err)
{
    if (vm->dirty_words == NULL)
        return err_set(err, -EINVAL, "written pages are not being recorded");
    for (size_t i = 0; i < gm_region_count(vm->gm); i++) {
        int ret = get_log(vm, i, err);
        if (ret < 0)
            return ret;
        gm_bitmap_add_words(out, i, vm->dirty_words, words_of(vm, i));
    }
    return 0;
}

int vm_dirty_log_stop(struct vm *vm, struct err *err)
{
    int first = 0;
    if (vm->dirty_words == NULL)
        return 0;
    for (size_t i = 0; i < gm_region_count(vm->gm); i++) {
        int ret = vm_set_slot(vm, i, 0);
        if (ret < 0 && first == 0)
            first = err_sys(err, ret, "ending the record of written pages in memory slot %zu", i);
    }
    free(vm->dirty_words);
    vm->dirty_words = NULL;
    return first;
}
