// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a VM without being asked for: the lease runs out, the hybrid
 * cycle turns, resumptions that are owed are tried again, borrowed references
 * are settled, and the VM or its descriptor ends. One timer, set to whatever is
 * due first; at least once a second, since a VM can end without telling.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>

#include "trace.h"
#include "vm.h"

#define JANITOR_NS	NSEC_PER_SEC
#define RETRY_NS	(2 * NSEC_PER_MSEC)
#define RETRY_MAX_NS	(250 * NSEC_PER_MSEC)
#define SETTLE_EACH_NS	NSEC_PER_SEC

static void serve_lease(struct vm *vm, u64 now)
{
	if (!vm->lease_ns || now < vm->lease_end_ns)
		return;
	vm->lease_ns = 0;
	vm->lease_expired = true;
	vm->stats.leases_expired++;
	trace_monarch_lease_expired(vm->id, vm->nr_stops);
	if (vm->nr_stops)
		pr_notice_ratelimited("VM of process %u: lease not renewed, resuming %u stopped processes\n",
				      vm->pid_number, vm->nr_stops);
	stops_unwant(vm);
}

static void phase_begin(struct vm *vm, bool autonomous, u64 now)
{
	struct stop *stop;

	vm->autonomous = autonomous;
	vm->phase_end_ns = now + (autonomous ? vm->autonomous_ns :
				  vm->cycle_ns - vm->autonomous_ns);
	vm->stats.hybrid_phases++;
	vm->failures = 0;
	list_for_each_entry(stop, &vm->stops, node)
		stop->reached = false;
	trace_monarch_phase(vm->id, autonomous, vm->nr_stops);
}

static void serve_hybrid(struct vm *vm, u64 now)
{
	if (!vm->cycle_ns || vm->closing)
		return;
	if (!vm->phase_end_ns)
		phase_begin(vm, false, now);
	else if (now >= vm->phase_end_ns)
		phase_begin(vm, !vm->autonomous, now);
}

void vm_hybrid_restart(struct vm *vm)
{
	struct stop *stop;

	vm->autonomous = false;
	vm->phase_end_ns = 0;
	/* Off: what the guest's own part has resumed is stopped once more. */
	list_for_each_entry(stop, &vm->stops, node)
		stop->reached = false;
}

static void serve_settle(struct vm *vm, u64 now)
{
	struct monarch_edit unused = {};

	if (now >= vm->settle_until_ns || now < vm->settle_next_ns)
		return;
	vm->settle_next_ns = now + SETTLE_EACH_NS;
	/* If not now, then at the next turn. */
	if (vm_edit(vm, EDIT_SETTLE, NULL, 0, &unused))
		vm->settle_until_ns = now + 2 * SETTLE_EACH_NS;
}

static u64 retry_at(const struct vm *vm, u64 now)
{
	return now + min_t(u64, (u64)RETRY_NS << min(vm->failures, 10u),
			   RETRY_MAX_NS);
}

static void set_timer(struct vm *vm, u64 now, bool work_left)
{
	u64 at = now + JANITOR_NS;

	if (vm->lease_ns)
		at = min(at, vm->lease_end_ns);
	if (vm->cycle_ns && vm->phase_end_ns)
		at = min(at, vm->phase_end_ns);
	if (work_left)
		at = min(at, retry_at(vm, now));
	hrtimer_start(&vm->timer, ns_to_ktime(at), HRTIMER_MODE_ABS);
}

static void begin_closing(struct vm *vm)
{
	if (vm->ending)
		return;
	vm->ending = true;
	vm->cycle_ns = 0;
	vm->autonomous = false;
	vm->lease_ns = 0;
	stops_unwant(vm);
}

static void finish(struct vm *vm)
{
	if (vm->finished)
		return;
	vm->finished = true;
	vm_let_go(vm);
	vm_destroy_later(vm);
}

void vm_service(struct vm *vm)
{
	u64 now = ktime_get_ns();
	bool work_left = false;

	if (vm->finished)
		return;
	if (vm->link && link_is_gone(vm->link))
		vm_let_go(vm);
	if (READ_ONCE(vm->closing))
		begin_closing(vm);
	if (vm->link) {
		serve_lease(vm, now);
		serve_hybrid(vm, now);
		work_left = stops_work(vm);
		serve_settle(vm, now);
	}
	if (READ_ONCE(vm->closing) && !vm->nr_stops) {
		finish(vm);
		return;
	}
	set_timer(vm, ktime_get_ns(), work_left);
}
