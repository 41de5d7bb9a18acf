// SPDX-License-Identifier: GPL-2.0-only
/* See kernel_table.h. */
#include "kernel_table.h"

#include <sched.h>

#include "snapshot.h"

/* Copies until one is whole. A writer is done in microseconds. */
#define TABLE_TRIES	1000
#define TABLE_SPINS	100

/* ---- seq ---- */

static u32 seq_begin(const u32 *seq)
{
	return __atomic_load_n(seq, __ATOMIC_ACQUIRE);
}

/* Was the part whole all the while since it had @before? */
static bool seq_same(const u32 *seq, u32 before)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !(before & 1) &&
	       __atomic_load_n(seq, __ATOMIC_RELAXED) == before;
}

static void seq_pause(u32 tries)
{
	/* the writer may need the CPU that we are on */
	if (tries >= TABLE_SPINS)
		sched_yield();
}

/* A copy of @size bytes at @from, whose seq is at @seq. */
static int copy_whole(void *to, const void *from, size_t size, const u32 *seq)
{
	for (u32 i = 0; i < TABLE_TRIES; i++) {
		u32 before = seq_begin(seq);

		if (!(before & 1)) {
			memcpy(to, from, size);
			if (seq_same(seq, before))
				return 0;
		}
		seq_pause(i);
	}
	return -EAGAIN;
}

/* ---- bounds ---- */

static bool fits(const struct kernel_table *table, u64 at, u64 nr, u64 size)
{
	u64 bytes, end;

	return !check_mul_overflow(nr, size, &bytes) &&
	       !check_add_overflow(at, bytes, &end) && end <= table->bytes &&
	       !(at & 7);
}

static bool layout_fits(const struct kernel_table *table)
{
	const struct monarch_table *layout = &table->layout;
	bool good = layout->table_size <= table->bytes && layout->tsc_khz &&
		    !(layout->vcpu_stride & 7) &&
		    layout->max_vcpus <= MONARCH_VCPUS_MAX &&
		    layout->max_processes <= MONARCH_PROCESSES_MAX &&
		    layout->max_threads <= MONARCH_THREADS_MAX &&
		    layout->vcpu_stride >= sizeof(struct monarch_vcpu) &&
		    fits(table, layout->vcpus_offset, layout->max_vcpus,
			 layout->vcpu_stride);

	for (u32 i = 0; i < 2 && good; i++) {
		u64 start = layout->snapshots[i], threads;

		good = fits(table, start, layout->max_processes,
			    sizeof(struct monarch_process)) &&
		       !check_add_overflow(start, layout->threads_offset,
					   &threads) &&
		       fits(table, threads, layout->max_threads,
			    sizeof(struct monarch_thread));
	}
	return good;
}

int kernel_table_init(struct kernel_table *table, const void *base, u64 bytes)
{
	*table = (struct kernel_table){ .base = base, .bytes = bytes };
	if (bytes < sizeof(table->layout))
		return -EUCLEAN;
	memcpy(&table->layout, base, sizeof(table->layout));
	if (table->layout.abi != MONARCH_ABI)
		return -EPROTO;
	return layout_fits(table) ? 0 : -EUCLEAN;
}

/* ---- parts ---- */

int kernel_table_head(const struct kernel_table *table,
		      struct monarch_table *ret)
{
	const struct monarch_table *head = table->base;

	return copy_whole(ret, head, sizeof(*ret), &head->seq);
}

static int check_head(const struct kernel_table *table,
		      const struct monarch_table *head)
{
	if (!head->sequence)
		return -ENODATA;
	return head->active < 2 &&
	       head->nr_processes <= table->layout.max_processes &&
	       head->nr_threads <= table->layout.max_threads ? 0 : -EUCLEAN;
}

static void copy_records(const struct kernel_table *table,
			 const struct monarch_table *head,
			 struct gi_snapshot *ret)
{
	const u8 *start = (const u8 *)table->base +
			  table->layout.snapshots[head->active];

	memcpy(ret->processes, start,
	       head->nr_processes * sizeof(*ret->processes));
	memcpy(ret->threads, start + table->layout.threads_offset,
	       head->nr_threads * sizeof(*ret->threads));
	ret->nr_processes = head->nr_processes;
	ret->nr_threads = head->nr_threads;
	ret->complete = head->complete;
	ret->restarts = head->restarts;
}

/* What the daemon takes for indices must be some. */
static int check_records(const struct gi_snapshot *snapshot)
{
	for (u32 i = 0; i < snapshot->nr_threads; i++)
		if (snapshot->threads[i].process >= snapshot->nr_processes)
			return -EUCLEAN;
	return 0;
}

int kernel_table_read(const struct kernel_table *table,
		      struct gi_snapshot *ret, struct monarch_table *ret_head)
{
	const struct monarch_table *head = table->base;
	int error;

	for (u32 i = 0; i < TABLE_TRIES; i++) {
		error = kernel_table_head(table, ret_head);
		if (!error)
			error = check_head(table, ret_head);
		if (!error)
			error = snapshot_reserve(ret, ret_head->nr_processes,
						 ret_head->nr_threads);
		if (error)
			return error;
		copy_records(table, ret_head, ret);
		if (seq_same(&head->seq, ret_head->seq))
			return check_records(ret);
		seq_pause(i);
	}
	return -EAGAIN;
}

int kernel_table_vcpu(const struct kernel_table *table, u32 index,
		      struct monarch_vcpu *ret)
{
	const struct monarch_vcpu *vcpu;

	if (index >= table->layout.max_vcpus)
		return -ENOENT;
	vcpu = (const void *)((const u8 *)table->base +
			      table->layout.vcpus_offset +
			      index * table->layout.vcpu_stride);
	return copy_whole(ret, vcpu, sizeof(*ret), &vcpu->seq);
}
