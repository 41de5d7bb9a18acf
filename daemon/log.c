// SPDX-License-Identifier: GPL-2.0-only
/* See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static enum log_level log_limit = LOG_LEVEL_INFO;

void log_quiet(void)
{
	log_limit = LOG_LEVEL_WARNING;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;

	if (level > log_limit)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* one write per line, so that threads do not mix theirs */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", level, line);
	else
		fprintf(stderr, "monarchd: %s\n", line);
}
