/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of fuzz targets: what must hold for every input. Never compiled out. */
#ifndef AEROSTAT_TESTS_FUZZ_REQUIRE_H
#define AEROSTAT_TESTS_FUZZ_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

/* Aborts, saying where, unless ok. */
#define require(ok) ((ok) ? (void)0 : require_failed(#ok, __FILE__, __LINE__))

static inline _Noreturn void require_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

#endif
