/* SPDX-License-Identifier: Apache-2.0 */
/* Which word a misspelt one may have meant. */
#include <stdint.h>
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/cli/command.h"

/* Longer words are not looked at. */
#define WORD_MAX 40u

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Letters to change, add, leave out, or swap with their neighbour: the optimal string alignment. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1]; /* of the prefixes of a with i, i - 1 and i - 2 letters */
    unsigned n = (unsigned)strlen(b);
    for (unsigned j = 0; j <= n; j++)
        rows[0][j] = j;
    unsigned i = 0;
    for (; a[i] != '\0'; i++) {
        unsigned *now = rows[(i + 1) % 3];
        const unsigned *before = rows[i % 3];
        const unsigned *two_before = rows[(i + 2) % 3];
        now[0] = i + 1;
        for (unsigned j = 0; j < n; j++) {
            now[j + 1] = min3(before[j] + (a[i] != b[j]), before[j + 1] + 1, now[j] + 1);
            bool swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
            if (swapped && two_before[j - 1] + 1 < now[j + 1])
                now[j + 1] = two_before[j - 1] + 1;
        }
    }
    return rows[i % 3][n];
}

const char *cmd_nearest(const char *word, const char *const *words, unsigned n)
{
    size_t len = strlen(word);
    const char *nearest = NULL;
    if (len < 2 || len > WORD_MAX)
        return NULL;
    /* A letter in three, one in any case. */
    unsigned bound = (unsigned)max_u64(len / 3, 1);
    for (unsigned i = 0; i < n; i++) {
        if (strlen(words[i]) > WORD_MAX)
            continue;
        unsigned d = distance(word, words[i]);
        if (d <= bound) {
            nearest = words[i];
            /* Only a nearer one replaces it. */
            if (d == 0)
                break;
            bound = d - 1;
        }
    }
    return nearest;
}
