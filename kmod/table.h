/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table that a VM's descriptor shows by mmap: accounting records that the
 * probes write, and two snapshots that the walk writes in turn. Nothing is
 * copied on the way: the core's structures are the ABI's (core/linux_task.c).
 */
#ifndef MONARCH_TABLE_H
#define MONARCH_TABLE_H

#include "../guestinfo/core/linux_task.h"
#include "../include/uapi/linux/monarch.h"

struct vm_area_struct;

/**
 * struct table - a VM's table
 * @head: all of it, from vmalloc_user(); pages stay with whoever maps them
 */
struct table {
	struct monarch_table *head;
	unsigned long bytes;
};

int __must_check table_init(struct table *table, u32 max_vcpus,
			    u32 max_processes, u32 max_threads);
void table_deinit(struct table *table);

/* Return: 0; -EINVAL not read only, not from 0, or beyond its end. */
int __must_check table_mmap(const struct table *table,
			    struct vm_area_struct *vma);

struct monarch_vcpu *table_vcpus(const struct table *table);

/* Point a snapshot of the core at half @which. */
void table_snapshot(const struct table *table, u32 which,
		    struct gi_snapshot *ret);

/* Between these the head and the active snapshot may change. */
void table_write_begin(struct table *table);
void table_write_end(struct table *table);

#endif /* MONARCH_TABLE_H */
