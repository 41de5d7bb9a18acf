/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table that a VM's descriptor shows by mmap: accounting records that the
 * probes write, and two snapshots that the walk writes in turn. Nothing is
 * copied on the way: the core's structures are the ABI's, which is proven here.
 */
#ifndef MONARCH_TABLE_H
#define MONARCH_TABLE_H

#include "../guestinfo/core/linux_task.h"
#include "../include/uapi/linux/monarch.h"

#define SAME_PLACE(a, x, b, y) \
	static_assert(offsetof(struct a, x) == offsetof(struct b, y) && \
		      sizeof_field(struct a, x) == sizeof_field(struct b, y))
#define SAME_PROCESS(x, y)	SAME_PLACE(gi_process, x, monarch_process, y)
#define SAME_THREAD(x, y)	SAME_PLACE(gi_thread, x, monarch_thread, y)

static_assert(sizeof(struct gi_process) == sizeof(struct monarch_process));
SAME_PROCESS(task, task);
SAME_PROCESS(start_time, start_time);
SAME_PROCESS(runtime_ns, runtime_ns);
SAME_PROCESS(utime_ns, utime_ns);
SAME_PROCESS(stime_ns, stime_ns);
SAME_PROCESS(pgd, pgd);
SAME_PROCESS(mm, mm);
SAME_PROCESS(signal, signal);
SAME_PROCESS(cred, cred);
SAME_PROCESS(parent_task, parent_task);
SAME_PROCESS(pid, pid);
SAME_PROCESS(parent, parent);
SAME_PROCESS(uid, uid);
SAME_PROCESS(gid, gid);
SAME_PROCESS(state, state);
SAME_PROCESS(flags, task_flags);
SAME_PROCESS(first_thread, first_thread);
SAME_PROCESS(nr_threads, nr_threads);
SAME_PROCESS(exit_state, exit_state);
SAME_PROCESS(stopped, stopped);
SAME_PROCESS(comm, comm);

static_assert(sizeof(struct gi_thread) == sizeof(struct monarch_thread));
SAME_THREAD(task, task);
SAME_THREAD(start_time, start_time);
SAME_THREAD(runtime_ns, runtime_ns);
SAME_THREAD(utime_ns, utime_ns);
SAME_THREAD(stime_ns, stime_ns);
SAME_THREAD(pid, pid);
SAME_THREAD(state, state);
SAME_THREAD(flags, task_flags);
SAME_THREAD(cpu, cpu);
SAME_THREAD(process, process);
SAME_THREAD(on_cpu, on_cpu);
SAME_THREAD(on_rq, on_rq);
SAME_THREAD(exit_state, exit_state);
SAME_THREAD(stopped, stopped);

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
