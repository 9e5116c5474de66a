/* SPDX-License-Identifier: Apache-2.0 */
/* A strict reader of OpenMetrics 1.0 text, for tests: stricter than the specification asks of one
 * where our text has no need of more. */
#ifndef AEROSTAT_TESTS_OPENMETRICS_CHECK_H
#define AEROSTAT_TESTS_OPENMETRICS_CHECK_H

#include <stddef.h>

/*
 * NULL if all holds; otherwise what does not, valid until the next call:
 *  - each line ends with a line feed, the last is "# EOF", and no line is empty;
 *  - a family is its TYPE, its UNIT if it has one, its HELP, then its samples, at least one, and
 *    nothing of it comes again;
 *  - the type is known, and samples bear the suffix that it asks for: _total, _info or none;
 *  - the unit ends the name of the family;
 *  - names are made of their characters, labels are quoted and escaped, none comes twice in a
 *    sample, and the text is UTF-8;
 *  - each sample has the label id, and no two of a family have the same labels;
 *  - values are decimal numbers without sign; those of an info are 1, of a stateset 0 or 1.
 */
const char *openmetrics_fault(const char *text);

#endif
