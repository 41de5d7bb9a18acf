/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers that are #defines in the kernel: neither types nor symbols hold
 * them. Each stands here with what in the kernel's types proves it.
 */
#ifndef GUESTINFO_TYPES_TABLE_H
#define GUESTINFO_TYPES_TABLE_H

#include "types.h"

/* TASK_WAKING. Return: 0, or -ENOENT where nothing proves its value. */
int table_task_waking(struct types *types, u64 *ret);

#endif /* GUESTINFO_TYPES_TABLE_H */
