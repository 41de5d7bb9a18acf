// SPDX-License-Identifier: GPL-2.0-only
/*
 * What runs in a VM; the idea is in guest.h.
 *
 * The walk fills the half of the table that is not published, comparing with the
 * one that is, and then publishes it. A refresh writes a few records of the
 * published one in place, announced by the table's seq.
 */
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/msr.h>

#include "guest.h"
#include "kvm.h"
#include "table.h"

#define READS_PER_RESCHED	512

static int read_memory(struct gi_memory *memory, u64 gpa, void *buf, u32 len)
{
	struct guest *guest = container_of(memory, struct guest, memory);

	if (guest->may_fault && ++guest->reads >= READS_PER_RESCHED) {
		guest->reads = 0;
		cond_resched();
	}
	return link_read(guest->link, gpa, buf, len, guest->may_fault);
}

static const struct gi_memory_ops memory_ops = {
	.read = read_memory,
};

static void snaps_init(struct guest *guest, const struct table *table,
		       u8 *scratch)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		table_snapshot(table, i, &guest->snaps[i]);
		guest->snaps[i].scratch = scratch;
	}
}

struct guest *guest_create(struct link *link, const struct table *table)
{
	struct guest *guest = kvzalloc(sizeof(*guest), GFP_KERNEL);
	u8 *scratch = kvmalloc(GI_TASK_SPAN_MAX, GFP_KERNEL);

	if (!guest || !scratch) {
		kvfree(guest);
		kvfree(scratch);
		return NULL;
	}
	guest->link = link;
	guest->memory.ops = &memory_ops;
	guest->memory.ranges = guest->ranges;
	snaps_init(guest, table, scratch);
	return guest;
}

void guest_destroy(struct guest *guest)
{
	if (!guest)
		return;
	kvfree(guest->snaps[0].scratch);
	kvfree(guest);
}

static void look_at_slots(struct guest *guest)
{
	u32 nr = link_ranges(guest->link, guest->slots,
			     ARRAY_SIZE(guest->slots));
	u32 i;

	guest->memory.nr_ranges = min_t(u32, nr, MONARCH_VM_RANGES_MAX);
	for (i = 0; i < guest->memory.nr_ranges; i++) {
		guest->ranges[i].gpa = guest->slots[i].gpa;
		guest->ranges[i].size = guest->slots[i].bytes;
	}
}

/* RAM may have been plugged in: the direct map has grown with it. */
static void look_at_end(struct guest *guest)
{
	const struct gi_ram_range *last;

	if (!guest->known || !guest->memory.nr_ranges)
		return;
	last = &guest->ranges[guest->memory.nr_ranges - 1];
	guest->kernel.ram_end = last->gpa + last->size;
}

int guest_begin(struct guest *guest, bool edit)
{
	int err = link_begin(guest->link, edit);

	if (err)
		return err;
	look_at_slots(guest);
	look_at_end(guest);
	guest->may_fault = true;
	return 0;
}

void guest_end(struct guest *guest)
{
	link_end(guest->link);
}

static void forget(struct guest *guest)
{
	u32 i;

	guest->known = false;
	for (i = 0; i < 2; i++) {
		guest->snaps[i].nr_processes = 0;
		guest->snaps[i].nr_threads = 0;
		guest->snaps[i].sequence = 0;
		guest->activity[i].valid = false;
	}
}

int guest_set(struct guest *guest, const void *blob, u32 len,
	      const struct gi_boot *boot)
{
	u32 missing;
	int err;

	forget(guest);
	if (!boot)
		return 0;
	err = gi_layout_decode(blob, len, &guest->layout);
	if (err)
		return -EUCLEAN;
	guest->boot = *boot;
	err = gi_kernel_init(&guest->kernel, &guest->memory, &guest->layout,
			     &guest->boot);
	if (err)
		return err == -EINVAL ? -EUCLEAN : err;
	if (!gi_linux_walk_supported(&guest->layout, &missing))
		return -ENOENT;
	guest->known = true;
	return 0;
}

static void head_update(struct table *table, const struct gi_snapshot *snap)
{
	struct monarch_table *head = table->head;

	head->complete = snap->complete;
	head->nr_processes = snap->nr_processes;
	head->nr_threads = snap->nr_threads;
	head->restarts = snap->restarts;
	head->error = 0;
	head->sequence++;
	head->sampled_ns = ktime_get_ns();
	head->sampled_cycles = rdtsc();
}

static int walk(struct guest *guest, struct table *table)
{
	u32 next = !guest->active;
	struct gi_snapshot *prev = &guest->snaps[guest->active];
	struct gi_snapshot *snap = &guest->snaps[next];
	int err;

	if (!prev->nr_processes)
		prev = NULL;
	err = gi_linux_walk(&guest->kernel, prev, snap,
			    snap->max_processes + snap->max_threads);
	if (err)
		return err;
	table_write_begin(table);
	table->head->active = next;
	head_update(table, snap);
	table_write_end(table);
	guest->active = next;
	return GUEST_WALKED;
}

static bool all_idle(const struct guest *guest,
		     const struct gi_activity *activity)
{
	u64 rq, idle;
	u32 cpu;

	for (cpu = 0; cpu < activity->nr_cpus; cpu++) {
		rq = gi_kernel_per_cpu(&guest->kernel, MONARCH_F_SYM_RUNQUEUES,
				       cpu);
		if (gi_kernel_field(&guest->kernel, rq, MONARCH_F_RQ_IDLE,
				    &idle) ||
		    activity->curr[cpu] != idle)
			return false;
	}
	return true;
}

/* No run queue has switched: at most the current tasks have executed. */
static int refresh(struct guest *guest, struct table *table,
		   const struct gi_activity *activity)
{
	struct gi_snapshot *snap = &guest->snaps[guest->active];
	bool quiet = all_idle(guest, activity);
	int err = 0;

	table_write_begin(table);
	if (!quiet)
		err = gi_linux_refresh(&guest->kernel, activity, snap);
	if (!err)
		head_update(table, snap);
	table_write_end(table);
	if (err)
		return err;
	return quiet ? GUEST_QUIET : GUEST_REFRESHED;
}

static void report(struct table *table, int err)
{
	table_write_begin(table);
	table->head->error = -err;
	table_write_end(table);
}

int guest_sample(struct guest *guest, struct table *table, bool full)
{
	struct gi_activity *before = &guest->activity[0];
	struct gi_activity *now = &guest->activity[1];
	int ret = -ESTALE;

	if (!guest->known)
		return -ENOENT;
	/* Counters first: what changes during the walk shows the next time. */
	if (gi_linux_activity(&guest->kernel, now))
		now->valid = false;
	if (!full && guest->snaps[guest->active].nr_processes &&
	    gi_activity_same(before, now))
		ret = refresh(guest, table, now);
	if (ret < 0)
		ret = walk(guest, table);
	*before = *now;
	if (ret < 0) {
		before->valid = false;
		report(table, ret);
		ret = ret == -ENXIO ? -EFAULT : ret == -EINVAL ? -EUCLEAN : ret;
	}
	return ret;
}
