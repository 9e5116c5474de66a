/* SPDX-License-Identifier: Apache-2.0 */
/* What keys change of the view of all machines. */
#include <string.h>

#include "vmm/base/num.h"
#include "vmm/cli/top_priv.h"

#define INTERVAL_MAX_S 60u
#define CTRL_C         '\003'
#define CTRL_Z         '\032'

static void move(struct top_view *view, bool down, size_t by)
{
    /* Too far down is brought into range when it is drawn. */
    view->first = down ? view->first + by : sub_sat_u64(view->first, by);
}

/* What stands behind ESC: the letters of a sequence that is known, 0 for one that is not. */
static size_t sequence(struct top_view *view, const char *keys, size_t len)
{
    size_t page = view->height > 5 ? view->height - 5 : 1;
    const struct {
        const char *letters;
        bool down;
        size_t by;
    } moves[] = {{"[A", false, 1}, {"OA", false, 1},     {"[B", true, 1},
                 {"OB", true, 1},  {"[5~", false, page}, {"[6~", true, page}};
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        size_t n = strlen(moves[i].letters);
        if (len >= n && memcmp(keys, moves[i].letters, n) == 0) {
            move(view, moves[i].down, moves[i].by);
            return n;
        }
    }
    return 0;
}

/* Sequences of other keys: their letters are none that were typed. */
static size_t skip_unknown(const char *keys, size_t len)
{
    size_t i = 0;
    if (len == 0 || (keys[0] != '[' && keys[0] != 'O'))
        return 0;
    for (i = 1; i < len && (keys[i] < '@' || keys[i] > '~'); i++)
        ;
    return i < len ? i + 1 : len;
}

static void sort_by(struct top_view *view, char key)
{
    for (unsigned i = 0; i < TOP_SORTS; i++) {
        if (top_columns[i].key != key)
            continue;
        view->reverse = view->sort == i && !view->reverse;
        view->sort = (enum top_sort)i;
    }
}

enum top_action top_keys(struct top_view *view, const char *keys, size_t len)
{
    enum top_action action = TOP_GO_ON;
    for (size_t i = 0; i < len; i++) {
        switch (keys[i]) {
        case 'q':
        case 'Q':
        case CTRL_C:
            return TOP_QUIT;
        case CTRL_Z:
            return TOP_SUSPEND;
        case '+':
        case '-':
            if (keys[i] == '+' && view->interval_s < INTERVAL_MAX_S)
                view->interval_s++;
            else if (keys[i] == '-' && view->interval_s > 1)
                view->interval_s--;
            action = TOP_INTERVAL;
            break;
        case '\033': {
            size_t n = sequence(view, keys + i + 1, len - i - 1);
            i += n > 0 ? n : skip_unknown(keys + i + 1, len - i - 1);
            break;
        }
        default:
            sort_by(view, keys[i]);
        }
    }
    return action;
}
