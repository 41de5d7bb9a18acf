// SPDX-License-Identifier: GPL-2.0-only
/* Runs every case of every file; see suite.h. */
#include "suite.h"

void suite_run(u32 *ret_passed, u32 *ret_failed)
{
	static const struct suite_case *const files[] = {
		cases_memory, cases_pgtable, cases_edit, cases_task, cases_stop,
	};
	const struct suite_case *c;
	u32 i;

	*ret_passed = 0;
	*ret_failed = 0;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		for (c = files[i]; c->name; c++) {
			if (c->run()) {
				(*ret_passed)++;
				continue;
			}
			suite_report(c->name, "failed case", 0);
			(*ret_failed)++;
		}
}
