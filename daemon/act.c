// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making a guest what is wanted of it. Level triggered: at each quantum the
 * difference between wish and guest is handed to the backend, until the guest's
 * memory says that it is so. What was not served or was refused waits for another
 * quantum, and is counted by reason.
 */
#include <stdio.h>

#include "../include/monarch/escape.h"
#include "clock.h"
#include "log.h"
#include "vm.h"

#define ACT_QUICK_TRIES		20
#define ACT_SLOW_NS		(100 * NS_PER_MS)
#define ACT_MAX_NS		(10 * NS_PER_S)
#define ACT_SILENT_NS		NS_PER_S
#define ACT_SETTLE_NS		(5 * NS_PER_S)
#define ACT_LOST_TRIES		3

void proc_wish(struct proc *proc, u64 now_ns)
{
	struct stop *stop = &proc->stop;

	table_stop_add(proc);
	stop->retry_ns = 0;
	stop->tries = 0;
	stop->sent = false;
	stop->undoing = false;
	stop->blocked = 0;
	stop->refusal = GI_REFUSE_NONE;
	stop->since_ns = now_ns;
}

/* Which way the next plan for @proc goes. */
static bool act_stops_it(const struct proc *proc)
{
	return proc_wanted(proc) && !proc->stop.undoing;
}

static bool act_due(const struct proc *proc, u64 now_ns)
{
	if (now_ns < proc->stop.retry_ns)
		return false;
	return !act_stops_it(proc) || proc->now.stopped < GI_STOPPING;
}

static void act_forget(struct proc *proc)
{
	table_stop_del(proc);
}

/*
 * It cannot be stopped, and will not soon. Some of its threads may have been
 * marked before that showed: none stays stopped while others run.
 */
static void act_blocked(struct proc *proc, u64 now_ns)
{
	struct stop *stop = &proc->stop;

	if (act_stops_it(proc)) {
		stop->undoing = true;
		return;
	}
	stop->undoing = false;
	stop->retry_ns = now_ns + min(ACT_SLOW_NS << min(stop->blocked, 7u),
				      ACT_MAX_NS);
	stop->blocked++;
}

static void act_refused(struct vm *vm, struct proc *proc,
			enum gi_refusal refusal, u64 now_ns)
{
	struct stop *stop = &proc->stop;
	u32 tries = stop->tries++;

	vm->host->stats.refusals[refusal]++;
	vm->force_walk = true;
	/* what is undone has its reason */
	if (!stop->undoing)
		stop->refusal = refusal;
	if (refusal == GI_REFUSE_GONE ||
	    (refusal == GI_REFUSE_EXITING && !proc_wanted(proc)))
		act_forget(proc);
	else if (!gi_refusal_retry(refusal))
		act_blocked(proc, now_ns);
	else if (tries >= ACT_QUICK_TRIES)
		stop->retry_ns = now_ns + ACT_SLOW_NS;
}

/* All of a process that cannot be stopped runs again. */
static void act_undone(struct vm *vm, struct proc *proc, u64 now_ns)
{
	if (proc->stop.sent)
		vm->host->event(vm->host, VM_EVENT_RESUMED, vm, proc);
	proc->stop.sent = false;
	act_blocked(proc, now_ns);
}

/* An empty plan: the guest is as wanted, whatever our snapshot says. */
static void act_reached(struct vm *vm, struct proc *proc, u64 now_ns)
{
	proc->stop.tries = 0;
	if (proc->stop.undoing) {
		act_undone(vm, proc, now_ns);
		return;
	}
	proc->stop.refusal = GI_REFUSE_NONE;
	proc->stop.blocked = 0;
	if (proc_wanted(proc)) {
		proc->stop.retry_ns = now_ns + ACT_SLOW_NS;
		return;
	}
	vm->host->event(vm->host, VM_EVENT_RESUMED, vm, proc);
	act_forget(proc);
}

static void act_done(struct vm *vm, struct proc *proc)
{
	bool first = !proc->stop.sent;

	vm->force_walk = true;
	proc->stop.tries = 0;
	if (!proc->stop.undoing) {
		proc->stop.sent = true;
		proc->stop.refusal = GI_REFUSE_NONE;
	}
	if (!act_stops_it(proc)) {
		vm->host->stats.resumes++;
		return;
	}
	vm->host->stats.stops++;
	if (first)
		vm->host->event(vm->host, VM_EVENT_STOPPED, vm, proc);
}

static void act_failed(struct vm *vm, struct proc *proc, int error, u64 now_ns)
{
	if (error == -ESTALE)
		vm->host->stats.stale++;
	else
		vm->host->stats.faults++;
	if (++proc->stop.tries > ACT_QUICK_TRIES)
		proc->stop.retry_ns = now_ns + ACT_SLOW_NS;
}

static void act_proc(struct vm *vm, struct proc *proc,
		     const struct backend_target *target, u64 now_ns)
{
	/* those served go to the end of the line */
	TAILQ_REMOVE(&vm->table->stops, proc, stopping);
	TAILQ_INSERT_TAIL(&vm->table->stops, proc, stopping);
	if (target->refusal) {
		act_refused(vm, proc, target->refusal, now_ns);
	} else if (target->error) {
		act_failed(vm, proc, target->error, now_ns);
	} else if (!target->wrote) {
		act_reached(vm, proc, now_ns);
	} else {
		if (target->result.woken)
			vm->settle_ns = now_ns + ACT_SETTLE_NS;
		act_done(vm, proc);
	}
}

static void act_settled(struct vm *vm, const struct backend_target *target)
{
	vm->host->stats.settles += target->wrote;
	vm->host->stats.stale += target->error == -ESTALE;
	vm->host->stats.faults += target->error && target->error != -ESTALE;
}

/* All that is due, in turn: NULL in @procs is for the VM as a whole. */
static u32 act_collect(const struct vm *vm, u64 now_ns, struct proc **procs)
{
	struct proc *proc;
	u32 nr = 0;

	if (now_ns < vm->settle_ns)
		procs[nr++] = NULL;
	TAILQ_FOREACH(proc, &vm->table->stops, stopping)
		if (nr < BACKEND_TARGETS_MAX && act_due(proc, now_ns))
			procs[nr++] = proc;
	return nr;
}

static struct backend_target act_target(const struct vm *vm,
					const struct proc *proc)
{
	bool stops = proc && act_stops_it(proc);

	if (!proc)
		return (struct backend_target){ .act = BACKEND_SETTLE };
	return (struct backend_target){
		.act = stops ? BACKEND_STOP : BACKEND_RESUME,
		.target = {
			.task = proc->now.task,
			.start_time = proc->now.start_time,
			.from = gi_stop_first(vm->snapshot, &proc->now, stops),
		},
	};
}

const char *vm_hold_text(const struct vm *vm)
{
	switch (vm->hold_error) {
	case 0:
		return "is out of reach: the VM does not answer";
	case -EAGAIN:
		return "is out of reach: the connection to the VM's gdb stub is being made";
	case -EBUSY:
		return "is out of reach: the VM is paused, saved or migrating";
	case -ENOTCONN:
		return "is out of reach: the VM's monitor connection is gone";
	case -ETIMEDOUT:
		return "is out of reach: the VM did not stop in time";
	case -ETIME:
		return "is out of reach: the lease has run out; it is renewed";
	}
	return "is out of reach: the VM cannot be held";
}

static void act_no_hold(struct vm *vm, u64 now_ns, int error)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	bool news = vm->hold_error != error;

	vm->host->stats.hold_failures++;
	vm->hold_retry_ns = now_ns +
			    (error == -EBUSY || error == -EAGAIN ?
				     ACT_SLOW_NS : NS_PER_S);
	vm->hold_error = error;
	vm->hold_tries = news ? 1 : vm->hold_tries + 1;
	if (news)
		log_warning("VM %s: nothing is stopped or resumed in it now (%s): what runs in it %s",
			    monarch_escape(name, sizeof(name), vm->identity.name),
			    strerror(-error), vm_hold_text(vm));
	/* libvirt's monitor finds its way back by itself */
	if (error == -ENOTCONN && !vm->identity.libvirt &&
	    vm->hold_tries >= ACT_LOST_TRIES)
		vm_reopen(vm, now_ns, "its monitor connection broke");
}

static void act_count(struct vm *vm, const struct backend_edit *edit)
{
	struct stats *stats = &vm->host->stats;

	stats->hold_wait_ns += edit->wait_ns;
	stats_max(&stats->hold_wait_max_ns, edit->wait_ns);
	if (!edit->holds)
		return;
	vm->holds += edit->holds;
	vm->hold_error = 0;
	stats->holds += edit->holds;
	stats->hold_ns += edit->hold_ns;
	stats_max(&vm->hold_max_ns, edit->hold_ns);
	stats_max(&stats->hold_max_ns, edit->hold_ns);
}

static void act_edit(struct vm *vm, struct proc *const *procs, u32 nr,
		     u64 now_ns)
{
	struct backend_target targets[BACKEND_TARGETS_MAX];
	struct backend_edit edit;
	int error;

	for (u32 i = 0; i < nr; i++)
		targets[i] = act_target(vm, procs[i]);
	error = vm->backend->ops->edit(vm->backend, targets, nr, &edit);
	act_count(vm, &edit);
	for (u32 i = 0; i < nr; i++) {
		if (!targets[i].done)
			continue;
		if (procs[i])
			act_proc(vm, procs[i], &targets[i], now_ns);
		else
			act_settled(vm, &targets[i]);
	}
	if (error)
		act_no_hold(vm, now_ns, error);
}

void vm_act(struct vm *vm, u64 now_ns)
{
	struct proc *procs[BACKEND_TARGETS_MAX];
	u32 nr;

	if (vm->state != VM_RUNS || vm->job || !vm->snapshot ||
	    now_ns < vm->hold_retry_ns)
		return;
	nr = act_collect(vm, now_ns, procs);
	if (!nr || vm_no_edit(vm)[0])
		return;
	/*
	 * Silent for so long: reset perhaps, and what we see is the memory of a
	 * kernel that is no more. Nothing is edited before that is known.
	 */
	if (now_ns - vm->pace.active_ns < ACT_SILENT_NS)
		act_edit(vm, procs, nr, now_ns);
	else if (procs[nr - 1])
		vm_look_again(vm, now_ns);
}

/* Is there a wake-up whose borrowed reference can be given back? */
static bool act_settle_due(const struct vm *vm, u64 now_ns)
{
	struct gi_plan plan;

	return now_ns < vm->settle_ns &&
	       !gi_plan_settle(&vm->kernel, &plan) && !gi_plan_empty(&plan);
}

const char *vm_left(const struct vm *vm, u64 now_ns)
{
	if (vm->owes)
		return "had stopped processes when its kernel was lost sight of";
	if (vm->job || vm->state == VM_ATTACHING)
		return "was not looked into yet, so that processes in it may be stopped";
	if (vm->state != VM_RUNS)
		return NULL;
	if (vm->scan)
		return "was not searched for stopped processes yet";
	if (!TAILQ_EMPTY(&vm->table->stops))
		return "has stopped processes";
	if (act_settle_due(vm, now_ns))
		return "has a wake-up whose reference was not given back yet";
	return NULL;
}
