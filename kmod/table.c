// SPDX-License-Identifier: GPL-2.0-only
/* The shared table; the idea is in table.h, how to read it in the uapi. */
#include <linux/mm.h>
#include <linux/vmalloc.h>
#include <asm/tsc.h>

#include "compat/compat.h"
#include "table.h"

static_assert(sizeof(struct monarch_vcpu) % 64 == 0);

static void place(struct monarch_table *head, u32 max_vcpus, u32 max_processes,
		  u32 max_threads)
{
	u64 at = ALIGN(sizeof(*head), PAGE_SIZE), half;

	head->abi = MONARCH_ABI;
	head->max_vcpus = max_vcpus;
	head->max_processes = max_processes;
	head->max_threads = max_threads;
	head->vcpus_offset = at;
	head->vcpu_stride = sizeof(struct monarch_vcpu);
	at += ALIGN(max_vcpus * head->vcpu_stride, PAGE_SIZE);
	head->threads_offset = ALIGN((u64)max_processes *
				     sizeof(struct monarch_process), 64);
	half = ALIGN(head->threads_offset +
		     (u64)max_threads * sizeof(struct monarch_thread),
		     PAGE_SIZE);
	head->snapshots[0] = at;
	head->snapshots[1] = at + half;
	head->table_size = at + 2 * half;
	head->tsc_khz = tsc_khz;
}

int table_init(struct table *table, u32 max_vcpus, u32 max_processes,
	       u32 max_threads)
{
	struct monarch_table head = {};

	place(&head, max_vcpus, max_processes, max_threads);
	table->bytes = head.table_size;
	table->head = vmalloc_user(table->bytes);
	if (!table->head)
		return -ENOMEM;
	*table->head = head;
	return 0;
}

void table_deinit(struct table *table)
{
	vfree(table->head);
	table->head = NULL;
}

int table_mmap(const struct table *table, struct vm_area_struct *vma)
{
	if ((vma->vm_flags & VM_WRITE) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start > table->bytes)
		return -EINVAL;
	compat_vm_flags_clear(vma, VM_MAYWRITE);
	return remap_vmalloc_range(vma, table->head, 0);
}

struct monarch_vcpu *table_vcpus(const struct table *table)
{
	return (void *)table->head + table->head->vcpus_offset;
}

void table_snapshot(const struct table *table, u32 which,
		    struct gi_snapshot *ret)
{
	void *start = (void *)table->head + table->head->snapshots[which];

	ret->processes = start;
	ret->max_processes = table->head->max_processes;
	ret->threads = start + table->head->threads_offset;
	ret->max_threads = table->head->max_threads;
}

void table_write_begin(struct table *table)
{
	WRITE_ONCE(table->head->seq, table->head->seq + 1);
	smp_wmb();
}

void table_write_end(struct table *table)
{
	smp_wmb();
	WRITE_ONCE(table->head->seq, table->head->seq + 1);
}
