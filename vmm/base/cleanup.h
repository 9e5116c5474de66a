/* SPDX-License-Identifier: Apache-2.0 */
/* Locals that clean themselves. Never mixed with goto-unwinding in one function. */
#ifndef AEROSTAT_BASE_CLEANUP_H
#define AEROSTAT_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* Closes *fd if it is open and marks it closed. Keeps errno. */
void fd_close(int *fd);

static inline void free_ptr(void *p)
{
    free(*(void **)p);
}

#define AUTO_FD   __attribute__((cleanup(fd_close)))
#define AUTO_FREE __attribute__((cleanup(free_ptr)))

/* Moves a descriptor out of an AUTO_FD local: the local no longer closes it. */
static inline int take_fd(int *fd)
{
    int moved = *fd;
    *fd = -1;
    return moved;
}

/* Moves a pointer out of an AUTO_FREE local. */
#define take_ptr(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) moved_ = (p);                                                                \
        (p) = NULL;                                                                                \
        moved_;                                                                                    \
    })

#endif
