/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Values in policy files: times, percentages, numbers. The text must be used up
 * to its end; nothing overflows; no unit is guessed.
 */
#ifndef DAEMON_POLICY_VALUE_H
#define DAEMON_POLICY_VALUE_H

#include "../guestinfo/core/env.h"

/* "10ms", "1.5s", "500us", "2min". Return: 0 or -EINVAL. */
int policy_value_time(const char *text, u64 *ret_ns);

/* "5%", "0.5%" -> millionths. Return: 0 or -EINVAL. */
int policy_value_percent(const char *text, u64 *ret_ppm);

/* A plain decimal number up to 32 bits. Return: 0 or -EINVAL. */
int policy_value_number(const char *text, u32 *ret);

#endif /* DAEMON_POLICY_VALUE_H */
