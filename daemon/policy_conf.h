/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policy files -> struct policies. The format is systemd's kind of INI, one
 * policy per file; docs/policy.md describes it for people.
 *
 * Every error of every file is reported as "FILE:LINE: expected, found, what to
 * do", one per line, and with any error nothing is loaded.
 */
#ifndef DAEMON_POLICY_CONF_H
#define DAEMON_POLICY_CONF_H

#include "policy.h"

#define POLICY_CONF_MAX_FILE	(64u << 10)
#define POLICY_CONF_MAX_ERRORS	50

/**
 * policy_conf_add() - compile one file's text into @policies
 * @file: name to report; the policy is called as the file, without directory
 *	and ".conf"
 * @errors: where errors are written, one per line
 * Return: 0; -EINVAL there were errors (@policies then is to be destroyed);
 * -ENOMEM.
 */
int policy_conf_add(struct policies *policies, const char *file,
		    const char *text, size_t len, FILE *errors);

/**
 * policy_conf_load() - compile all *.conf of a directory, in name order
 * @why: malloc'ed errors, or NULL on success
 * Return: 0 with *ret; -ENOENT there is no such directory, -EINVAL or another
 * error, with *why.
 */
int policy_conf_load(const char *directory, struct policies **ret, char **why);

#endif /* DAEMON_POLICY_CONF_H */
