// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopping and resuming processes, and the list of those stopped.
 *
 * Each process is planned twice. First outside of the hold, with reads that
 * bring in pages of guest memory which the host has swapped out, and with the
 * pages to be written made writable: that plan is thrown away, the guest has
 * gone on meanwhile. Then inside the hold, where nothing may sleep, and applied
 * at once. A hold takes several processes, as long as its time lasts; the rest
 * has another one.
 *
 * The list holds whatever may carry our mark. An entry is made before the mark
 * and goes after it, so that the end of the descriptor, of the lease, or of the
 * phase finds all.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "edit.h"
#include "trace.h"
#include "vm.h"

#define HOLD_BUDGET_NS	(100 * NSEC_PER_USEC)
#define STATE_TRIES	20		/* an instruction under way ends soon */
#define SETTLE_NS	(5 * NSEC_PER_SEC)

static_assert(GI_REFUSE_MAX <= MONARCH_REFUSALS_MAX);
static_assert(GI_PLAN_STEPS == MONARCH_STEPS_MAX);
static_assert(GI_PLAN_KICKS == MONARCH_KICKS_MAX);

/* ---- holds ---- */

static void count_hold(struct vm *vm, u64 reach_ns, u64 hold_ns)
{
	struct monarch_stats *stats = &vm->stats;
	u32 bucket = hold_ns ? ilog2(hold_ns) : 0;

	stats->holds++;
	stats->hold_ns_sum += hold_ns;
	stats->hold_ns_max = max_t(u64, stats->hold_ns_max, hold_ns);
	stats->reach_ns_sum += reach_ns;
	stats->reach_ns_max = max_t(u64, stats->reach_ns_max, reach_ns);
	stats->hold_hist[min_t(u32, bucket, MONARCH_HIST_BUCKETS - 1)]++;
	trace_monarch_hold(vm->id, reach_ns, hold_ns);
}

static int hold_refused(struct vm *vm, enum hold_refusal refusal)
{
	trace_monarch_hold_refused(vm->id, refusal);
	switch (refusal) {
	case HOLD_PAUSED:
		vm->stats.refused_paused++;
		return -EAGAIN;
	case HOLD_DIRTY_RING:
		vm->stats.refused_ring++;
		return -EOPNOTSUPP;
	case HOLD_TAKEN:
		vm->stats.refused_taken++;
		return -EOPNOTSUPP;
	default:
		vm->stats.refused_state++;
		return -EAGAIN;
	}
}

static int hold(struct vm *vm, u64 *ret_reach_ns)
{
	enum hold_refusal refusal;
	u32 left = STATE_TRIES;

	refusal = link_hold(vm->link, true, ret_reach_ns);
	while (refusal == HOLD_STATE && left--) {
		usleep_range(50, 500);
		refusal = link_hold(vm->link, true, ret_reach_ns);
	}
	return refusal ? hold_refused(vm, refusal) : 0;
}

/* ---- one process ---- */

static enum gi_refusal plan_target(struct vm *vm, enum edit_op op,
				   const struct monarch_target *target,
				   struct gi_stop_result *result)
{
	const struct gi_kernel *kernel = &vm->guest->kernel;
	struct gi_target meant = { target->task, target->start_time };

	if (op == EDIT_STOP)
		return gi_plan_stop(kernel, &meant, &vm->plan, result);
	return gi_plan_resume(kernel, &meant, &vm->plan, result);
}

static void warm(struct vm *vm, enum edit_op op,
		 const struct monarch_target *targets, u32 nr)
{
	struct gi_stop_result unused;
	u32 i;

	for (i = 0; i < nr; i++) {
		plan_target(vm, op, &targets[i], &unused);
		edit_fault_in(vm->link, &vm->plan);
	}
}

static void keep_kicks(struct vm *vm)
{
	u32 i;

	for (i = 0; i < vm->plan.nr_kicks; i++)
		(void)!gi_plan_kick(&vm->kicks, vm->plan.kicks[i].apic_id,
				    vm->plan.kicks[i].vector);
}

static void apply_target(struct vm *vm, enum edit_op op,
			 const struct gi_stop_result *result,
			 struct monarch_target *target)
{
	u32 step;
	int ret = edit_apply(vm->link, &vm->guest->memory, &vm->plan, vm->old,
			     &step);

	if (ret < 0) {
		target->error = -ret;
		if (ret == -ESTALE)
			vm->stats.stale++;
		else
			vm->stats.faults++;
		return;
	}
	target->marked = result->marked;
	target->woken = result->woken;
	vm->stats.edits++;
	vm->stats.wakes += result->woken;
	if (op == EDIT_STOP)
		vm->stats.stops += result->marked;
	else
		vm->stats.resumes += result->marked;
	keep_kicks(vm);
}

static void edit_target(struct vm *vm, enum edit_op op,
			struct monarch_target *target)
{
	struct gi_stop_result result;
	enum gi_refusal refusal = plan_target(vm, op, target, &result);

	target->refusal = refusal;
	target->error = 0;
	target->threads = result.threads;
	target->marked = 0;
	target->woken = 0;
	target->pending = result.pending;
	vm->stats.refusals[refusal] += refusal != GI_REFUSE_NONE;
	if (!refusal && vm->plan.nr_steps)
		apply_target(vm, op, &result, target);
}

/* ---- many processes ---- */

/* Room for the kicks of any one plan more? */
static bool kicks_have_room(const struct vm *vm)
{
	return !vm->kicks.nr_kicks ||
	       vm->kicks.nr_kicks + vm->guest->kernel.boot.nr_cpus <=
		       GI_PLAN_KICKS;
}

/* Under the hold. Return: how many have been dealt with, at least one. */
static u32 edit_held(struct vm *vm, enum edit_op op,
		     struct monarch_target *targets, u32 nr)
{
	u64 start = ktime_get_ns();
	u32 i = 0;

	do
		edit_target(vm, op, &targets[i++]);
	while (i < nr && kicks_have_room(vm) &&
	       ktime_get_ns() - start < HOLD_BUDGET_NS);
	return i;
}

static void settle_held(struct vm *vm)
{
	u32 step;
	int ret;

	if (gi_plan_settle(&vm->guest->kernel, &vm->plan) ||
	    !vm->plan.nr_steps)
		return;
	ret = edit_apply(vm->link, &vm->guest->memory, &vm->plan, vm->old,
			 &step);
	if (ret < 0)
		vm->stats.faults++;
	else
		keep_kicks(vm);
}

/* One hold. Return: targets dealt with, or an error. */
static int edit_once(struct vm *vm, enum edit_op op,
		     struct monarch_target *targets, u32 nr,
		     struct monarch_edit *ret)
{
	u64 reach_ns, start, hold_ns;
	u32 done = 0;
	int err;

	nr = min_t(u32, nr, VM_BATCH);
	if (op == EDIT_SETTLE) {
		(void)gi_plan_settle(&vm->guest->kernel, &vm->plan);
		edit_fault_in(vm->link, &vm->plan);
	} else {
		warm(vm, op, targets, nr);
	}
	gi_plan_init(&vm->kicks);
	err = hold(vm, &reach_ns);
	if (err)
		return err;
	start = ktime_get_ns();
	vm->guest->may_fault = false;
	if (op == EDIT_SETTLE)
		settle_held(vm);
	else
		done = edit_held(vm, op, targets, nr);
	hold_ns = ktime_get_ns() - start;
	link_release(vm->link);
	vm->guest->may_fault = true;
	vm->stats.kicks += edit_kick(vm->link, &vm->kicks);
	count_hold(vm, reach_ns, hold_ns);
	ret->hold_ns = max_t(u64, ret->hold_ns, hold_ns);
	ret->holds++;
	return done;
}

static void trace_targets(const struct vm *vm, enum edit_op op,
			  const struct monarch_target *targets, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		trace_monarch_edit(vm->id, op, targets[i].task,
				   targets[i].refusal, targets[i].marked,
				   targets[i].woken, targets[i].pending);
}

int vm_edit(struct vm *vm, enum edit_op op, struct monarch_target *targets,
	    u32 nr, struct monarch_edit *ret)
{
	int err, done;

	if (!vm->link)
		return -ENODEV;
	if (!vm->guest->known)
		return -ENOENT;
	if (link_refusals(vm->link) & MONARCH_VM_NO_APIC)
		return -EOPNOTSUPP;
	err = guest_begin(vm->guest, true);
	if (err)
		return err;
	do {
		done = edit_once(vm, op, targets + ret->done, nr - ret->done,
				 ret);
		if (done < 0)
			break;
		trace_targets(vm, op, targets + ret->done, done);
		ret->done += done;
	} while (ret->done < nr);
	guest_end(vm->guest);
	return min(done, 0);
}

int vm_apply(struct vm *vm, u32 *ret_step, u64 *ret_hold_ns)
{
	u64 reach_ns, start;
	int err;

	if (!vm->link)
		return -ENODEV;
	err = guest_begin(vm->guest, true);
	if (err)
		return err;
	edit_fault_in(vm->link, &vm->plan);
	err = hold(vm, &reach_ns);
	if (err)
		goto out;
	start = ktime_get_ns();
	vm->guest->may_fault = false;
	err = edit_apply(vm->link, &vm->guest->memory, &vm->plan, vm->old,
			 ret_step);
	*ret_hold_ns = ktime_get_ns() - start;
	link_release(vm->link);
	vm->guest->may_fault = true;
	count_hold(vm, reach_ns, *ret_hold_ns);
	if (err >= 0) {
		vm->stats.edits += !!err;
		vm->stats.kicks += edit_kick(vm->link, &vm->plan);
	}
out:
	guest_end(vm->guest);
	/* A read-only slot is no RAM to write to. */
	return err == -EROFS ? -EFAULT : min(err, 0);
}

/* ---- the list ---- */

static struct stop *stop_find(struct vm *vm, u64 task, u64 start_time)
{
	struct stop *stop;

	hash_for_each_possible(vm->stop_hash, stop, hash, task)
		if (stop->task == task && stop->start_time == start_time)
			return stop;
	return NULL;
}

static struct stop *stop_add(struct vm *vm, u64 task, u64 start_time)
{
	struct stop *stop = kzalloc(sizeof(*stop), GFP_KERNEL);

	if (!stop)
		return NULL;
	stop->task = task;
	stop->start_time = start_time;
	stop->fresh = true;
	list_add_tail(&stop->node, &vm->stops);
	hash_add(vm->stop_hash, &stop->hash, task);
	vm->nr_stops++;
	return stop;
}

void stop_forget(struct vm *vm, struct stop *stop)
{
	list_del(&stop->node);
	hash_del(&stop->hash);
	vm->nr_stops--;
	kfree(stop);
}

void stops_forget(struct vm *vm)
{
	struct stop *stop, *next;

	list_for_each_entry_safe(stop, next, &vm->stops, node)
		stop_forget(vm, stop);
}

void stops_unwant(struct vm *vm)
{
	struct stop *stop;

	list_for_each_entry(stop, &vm->stops, node)
		stop->wanted = false;
	vm->failures = 0;
}

static bool is_gone(const struct monarch_target *target)
{
	return target->refusal == GI_REFUSE_GONE ||
	       target->refusal == GI_REFUSE_EXITING;
}

/* Nothing was left to do. */
static bool is_reached(const struct monarch_target *target)
{
	return !target->refusal && !target->error && !target->marked &&
	       !target->woken && !target->pending;
}

/* What came of a stop. */
static void stop_result(struct vm *vm, struct stop *stop,
			const struct monarch_target *target)
{
	bool untouched = stop->fresh && (target->refusal || target->error);

	if (untouched || is_gone(target)) {
		stop_forget(vm, stop);
		return;
	}
	stop->fresh = false;
	stop->reached = !target->refusal && !target->error &&
			!target->pending;
}

static void resume_result(struct vm *vm, struct stop *stop,
			  const struct monarch_target *target)
{
	if (target->woken)
		vm->settle_until_ns = ktime_get_ns() + SETTLE_NS;
	if (is_gone(target) || (is_reached(target) && !stop->wanted))
		stop_forget(vm, stop);
	else
		stop->reached = is_reached(target);
}

/* All of @targets get an entry, or none a new one. */
static int stops_want(struct vm *vm, const struct monarch_target *targets,
		      u32 nr)
{
	struct stop *stop;
	u32 i;

	for (i = 0; i < nr; i++) {
		stop = stop_find(vm, targets[i].task, targets[i].start_time);
		if (!stop)
			stop = stop_add(vm, targets[i].task,
					targets[i].start_time);
		if (!stop)
			return -ENOMEM;
		stop->wanted = true;
		stop->reached = false;
	}
	return 0;
}

/* Those that no edit has reached can not carry a mark. */
static void stops_drop_fresh(struct vm *vm)
{
	struct stop *stop, *next;

	list_for_each_entry_safe(stop, next, &vm->stops, node)
		if (stop->fresh)
			stop_forget(vm, stop);
}

/* In the guest's own part of the cycle: noted, and done when it ends. */
static int stop_later(struct vm *vm, struct monarch_target *targets, u32 nr,
		      struct monarch_edit *ret)
{
	struct stop *stop;
	u32 i;

	for (i = 0; i < nr; i++) {
		stop = stop_find(vm, targets[i].task, targets[i].start_time);
		stop->fresh = false;
		targets[i].refusal = GI_REFUSE_NONE;
		targets[i].error = 0;
		targets[i].threads = 0;
		targets[i].marked = 0;
		targets[i].woken = 0;
		targets[i].pending = 1;
	}
	ret->done = nr;
	return 0;
}

int vm_stop(struct vm *vm, struct monarch_target *targets, u32 nr,
	    struct monarch_edit *ret)
{
	struct stop *stop;
	u32 i;
	int err;

	err = stops_want(vm, targets, nr);
	if (err) {
		stops_drop_fresh(vm);
		return err;
	}
	if (vm->autonomous)
		return stop_later(vm, targets, nr, ret);
	err = vm_edit(vm, EDIT_STOP, targets, nr, ret);
	for (i = 0; i < ret->done; i++) {
		/* Twice in one call: forgotten the first time. */
		stop = stop_find(vm, targets[i].task, targets[i].start_time);
		if (stop)
			stop_result(vm, stop, &targets[i]);
	}
	stops_drop_fresh(vm);
	return err;
}

int vm_resume(struct vm *vm, struct monarch_target *targets, u32 nr,
	      struct monarch_edit *ret)
{
	struct stop *stop;
	u32 i;
	int err;

	for (i = 0; i < nr; i++) {
		stop = stop_find(vm, targets[i].task, targets[i].start_time);
		if (stop)
			stop->wanted = false;
	}
	err = vm_edit(vm, EDIT_RESUME, targets, nr, ret);
	for (i = 0; i < ret->done; i++) {
		if (targets[i].woken)
			vm->settle_until_ns = ktime_get_ns() + SETTLE_NS;
		stop = stop_find(vm, targets[i].task, targets[i].start_time);
		if (stop)
			resume_result(vm, stop, &targets[i]);
	}
	return err;
}

/* ---- in the background ---- */

static bool must_resume(const struct vm *vm, const struct stop *stop)
{
	return !stop->wanted || (vm->autonomous && !stop->reached);
}

static bool must_stop(const struct vm *vm, const struct stop *stop)
{
	return stop->wanted && !vm->autonomous && !stop->reached;
}

static u32 collect(struct vm *vm, enum edit_op op)
{
	struct stop *stop;
	u32 nr = 0;

	list_for_each_entry(stop, &vm->stops, node) {
		if (nr == VM_BATCH)
			break;
		if (op == EDIT_STOP ? !must_stop(vm, stop) :
				      !must_resume(vm, stop))
			continue;
		vm->batch[nr].task = stop->task;
		vm->batch[nr].start_time = stop->start_time;
		vm->batch_stops[nr++] = stop;
	}
	return nr;
}

/* Return: something went forward. */
static bool work_on(struct vm *vm, enum edit_op op)
{
	struct monarch_edit ret = {};
	u32 nr = collect(vm, op), i;
	bool forward = false;

	if (!nr || vm_edit(vm, op, vm->batch, nr, &ret))
		return false;
	for (i = 0; i < ret.done; i++) {
		forward |= !vm->batch[i].refusal && !vm->batch[i].error;
		forward |= is_gone(&vm->batch[i]);
		/* The next turn begins with those that wait longest. */
		list_move_tail(&vm->batch_stops[i]->node, &vm->stops);
		if (op == EDIT_STOP)
			stop_result(vm, vm->batch_stops[i], &vm->batch[i]);
		else
			resume_result(vm, vm->batch_stops[i], &vm->batch[i]);
	}
	return forward;
}

bool stops_work(struct vm *vm)
{
	struct stop *stop;
	bool forward;

	forward = work_on(vm, EDIT_RESUME);
	forward |= work_on(vm, EDIT_STOP);
	list_for_each_entry(stop, &vm->stops, node)
		if (must_resume(vm, stop) || must_stop(vm, stop)) {
			vm->failures = forward ? 0 : vm->failures + 1;
			return true;
		}
	vm->failures = 0;
	return false;
}
