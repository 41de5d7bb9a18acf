// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module around guestinfo/core and its suite: loading it runs the suite in
 * the kernel and refuses to stay if a case fails.
 */
#include <linux/module.h>

#include "suite/suite.h"

void suite_report(const char *text, const char *file, int line)
{
	pr_err("%s:%d: %s\n", file, line, text);
}

static int __init gi_core_init(void)
{
	u32 passed, failed;

	suite_run(&passed, &failed);
	pr_info("gi_core: %u passed, %u failed\n", passed, failed);
	return failed ? -EINVAL : 0;
}

static void __exit gi_core_exit(void)
{
}

module_init(gi_core_init);
module_exit(gi_core_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Monarch: guestinfo/core test suite");
