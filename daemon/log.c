// SPDX-License-Identifier: GPL-2.0-only
/* See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static enum log_level log_limit = LOG_LEVEL_INFO;
static bool log_errors;

bool log_said_error(void)
{
	return log_errors;
}

void log_quiet(void)
{
	log_limit = LOG_LEVEL_WARNING;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list args;

	if (level == LOG_LEVEL_ERROR)
		log_errors = true;
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
