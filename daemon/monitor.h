/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asking a QEMU monitor, whoever owns it: JSON in and out of struct monitor.
 */
#ifndef DAEMON_MONITOR_H
#define DAEMON_MONITOR_H

#include <json-c/json.h>

#include "backend.h"

struct libvirt_link;

/**
 * monitor_query() - run a QMP command that has no arguments
 * @ret: what "return" holds; the caller puts it. May be NULL.
 * Return: as monitor->qmp(), or -EBADMSG for a reply that makes no sense.
 */
int monitor_query(struct monitor *monitor, const char *command,
		  struct json_object **ret);

/**
 * monitor_hmp() - run a line of QEMU's human monitor
 * @ret_text: its output, malloc'ed
 */
int monitor_hmp(struct monitor *monitor, const char *line, char **ret_text);

/* An error that is no answer: asking more now would only take longer. */
static inline bool monitor_is_silent(int error)
{
	return error == -EBUSY || error == -ETIMEDOUT || error == -ENOTCONN;
}

/* Take "return" out of a whole reply. Return: 0 or -EBADMSG. */
int monitor_reply_parse(const char *reply, struct json_object **ret);

/* A member's string, or "" if there is none. */
const char *json_member_string(struct json_object *object, const char *key);

/* A monitor that goes through libvirt; holds a reference on @link. */
int monitor_libvirt_open(struct libvirt_link *link, const char *uuid,
			 struct monitor **ret);

#endif /* DAEMON_MONITOR_H */
