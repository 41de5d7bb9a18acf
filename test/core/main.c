// SPDX-License-Identifier: GPL-2.0-only
/* The core suite in user space. */
#include <stdio.h>

#include "suite.h"

void suite_report(const char *text, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
}

int main(void)
{
	u32 passed, failed;

	suite_run(&passed, &failed);
	printf("core: %u passed, %u failed\n", passed, failed);
	return failed ? 1 : 0;
}
