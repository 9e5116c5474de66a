/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of the boot component. */
#include <stdlib.h>

#include "tests/unit/boot/fixture.h"

int main(void)
{
    SRunner *runner = srunner_create(elf_suite());
    srunner_add_suite(runner, bzimage_suite());
    srunner_add_suite(runner, tables_suite());
    srunner_add_suite(runner, acpi_suite());
    srunner_add_suite(runner, aml_suite());
    srunner_add_suite(runner, input_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
