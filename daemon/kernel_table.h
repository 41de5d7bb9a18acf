/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the table that the module shares of a VM (the protocol is in the
 * uapi): copy a part, see that its seq was even and did not change, only then
 * believe the copy. The module is trusted, but offsets and counts are checked
 * against what is mapped all the same: a mistake there must not become ours.
 */
#ifndef DAEMON_KERNEL_TABLE_H
#define DAEMON_KERNEL_TABLE_H

#include "../guestinfo/core/linux_task.h"

/**
 * struct kernel_table - a table, mapped
 * @bytes: mapped
 * @layout: its head when it was opened: what never changes
 */
struct kernel_table {
	const void *base;
	u64 bytes;
	struct monarch_table layout;
};

/**
 * kernel_table_init() - take [@base, @base + @bytes) for a table
 * Return: 0; -EPROTO another ABI; -EUCLEAN parts of it are not inside it.
 */
int kernel_table_init(struct kernel_table *table, const void *base, u64 bytes);

/**
 * kernel_table_read() - copy the last sampling
 * @ret: gets room as needed; unspecified on error
 * @ret_head: the head that belongs to it
 * Return: 0; -ENODATA there was no sampling yet; -EAGAIN it was being written
 * all the time; -EUCLEAN counts beyond its own room; -ENOMEM.
 */
int kernel_table_read(const struct kernel_table *table,
		      struct gi_snapshot *ret, struct monarch_table *ret_head);

/* Only the head. Return: 0 or -EAGAIN. */
int kernel_table_head(const struct kernel_table *table,
		      struct monarch_table *ret);

/*
 * The record of vCPU @index, spaces included. A vCPU writes it at each entry
 * and exit. Return: 0; -ENOENT there is none; -EAGAIN.
 */
int kernel_table_vcpu(const struct kernel_table *table, u32 index,
		      struct monarch_vcpu *ret);

#endif /* DAEMON_KERNEL_TABLE_H */
