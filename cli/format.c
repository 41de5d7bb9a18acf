// SPDX-License-Identifier: GPL-2.0-only
/* Figures for people. */
#include <stdio.h>

#include "monarchctl.h"

/* CPU time as ps and top show it: minutes, seconds, hundredths. */
const char *format_time(char text[FORMAT_LEN], uint64_t ns)
{
	uint64_t hundredths = ns / 10000000;
	uint64_t seconds = hundredths / 100;

	if (seconds < 6000)
		snprintf(text, FORMAT_LEN, "%u:%02u.%02u",
			 (unsigned int)(seconds / 60),
			 (unsigned int)(seconds % 60),
			 (unsigned int)(hundredths % 100));
	else
		snprintf(text, FORMAT_LEN, "%lluh%02u",
			 (unsigned long long)(seconds / 3600),
			 (unsigned int)(seconds / 60 % 60));
	return text;
}

const char *format_short(char text[FORMAT_LEN], uint64_t ns)
{
	if (ns < 1000000)
		snprintf(text, FORMAT_LEN, "%.3gus", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(text, FORMAT_LEN, "%.3gms", (double)ns / 1e6);
	else
		snprintf(text, FORMAT_LEN, "%.3gs", (double)ns / 1e9);
	return text;
}

const char *format_bytes(char text[FORMAT_LEN], uint64_t bytes)
{
	if (bytes < 1ull << 30)
		snprintf(text, FORMAT_LEN, "%.4gM", (double)bytes / (1 << 20));
	else
		snprintf(text, FORMAT_LEN, "%.3gG", (double)bytes / (1 << 30));
	return text;
}
