/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line per event on standard error, with the journal's level in front when
 * the journal reads it. Callers escape what a guest chose.
 */
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

bool log_said_error(void);	/* since the start */
void log_quiet(void);	/* warnings and errors only */
void log_line(enum log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...)		log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)	log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)		log_line(LOG_LEVEL_INFO, __VA_ARGS__)

#endif /* DAEMON_LOG_H */
