// SPDX-License-Identifier: GPL-2.0-only
/* See bus_reply.h. */
#include "bus_reply.h"

#include "../include/monarch/bus.h"
#include "../include/monarch/escape.h"
#include "clock.h"

/* One entry of a dictionary. Errors are sticky: pass the last result. */

static int put_text(int result, sd_bus_message *reply, const char *key,
		    const char *value)
{
	return result < 0 ? result :
	       sd_bus_message_append(reply, "{sv}", key, "s", value);
}

static int put_number(int result, sd_bus_message *reply, const char *key,
		      u64 value)
{
	return result < 0 ? result :
	       sd_bus_message_append(reply, "{sv}", key, "t", (uint64_t)value);
}

static int put_flag(int result, sd_bus_message *reply, const char *key,
		    bool value)
{
	return result < 0 ? result :
	       sd_bus_message_append(reply, "{sv}", key, "b", (int)value);
}

static int put_real(int result, sd_bus_message *reply, const char *key,
		    double value)
{
	return result < 0 ? result :
	       sd_bus_message_append(reply, "{sv}", key, "d", value);
}

/* VMs. */

static u64 vm_ram(const struct vm *vm)
{
	u64 bytes = 0;

	for (u32 i = 0; vm->backend && i < vm->backend->memory.nr_ranges; i++)
		bytes += vm->backend->memory.ranges[i].size;
	return bytes;
}

static u32 vm_stopped(const struct vm *vm)
{
	const struct proc *proc;
	u32 nr = 0;

	TAILQ_FOREACH(proc, &vm->table->stops, stopping)
		nr += proc_wanted(proc) && proc->stop.sent;
	return nr;
}

static int put_vm_identity(int result, sd_bus_message *reply,
			   const struct vm *vm)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	char uuid[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.uuid))];
	char why[MONARCH_ESCAPED_SIZE(sizeof(vm->why))];

	monarch_escape(name, sizeof(name), vm->identity.name);
	monarch_escape(uuid, sizeof(uuid), vm->identity.uuid);
	monarch_escape(why, sizeof(why), vm->why);
	result = put_text(result, reply, "name", name);
	result = put_text(result, reply, "uuid", uuid);
	result = put_number(result, reply, "pid", (u64)vm->identity.pid);
	result = put_flag(result, reply, "libvirt", vm->identity.libvirt);
	result = put_text(result, reply, "state", vm_state_name(vm->state));
	return put_text(result, reply, "why", why);
}

static int put_vm_kernel(int result, sd_bus_message *reply, const struct vm *vm)
{
	static const char *const ways[] = {
		[GI_FIND_CACHED] = "cache", [GI_FIND_REGS] = "registers",
		[GI_FIND_VMCOREINFO] = "vmcoreinfo", [GI_FIND_SCAN] = "scan",
	};
	const char *origin = vm->found.blob_origin ? vm->found.blob_origin : "BTF in guest RAM";
	char release[MONARCH_ESCAPED_SIZE(sizeof(vm->found.release))];
	char edit[MONARCH_ESCAPED_SIZE(BACKEND_WHY_LEN)];

	if (vm->state != VM_RUNS)
		return result;
	monarch_escape(release, sizeof(release), vm->found.release);
	monarch_escape(edit, sizeof(edit), vm_no_edit(vm));
	result = put_text(result, reply, "release", release);
	result = put_text(result, reply, "found_by", ways[vm->found.way]);
	result = put_text(result, reply, "layout_from", origin);
	result = put_number(result, reply, "guest_cpus", vm->found.boot.nr_cpus);
	result = put_text(result, reply, "stop_method",
			  gi_stop_method_name(gi_stop_method(vm->found.layout)));
	return put_text(result, reply, "no_edit_why", edit);
}

/* Of what waits for a hold; without that, the last failure says nothing. */
static int put_vm_hold(int result, sd_bus_message *reply, const struct vm *vm)
{
	bool waits = vm->hold_error && !TAILQ_EMPTY(&vm->table->stops);
	char text[128] = "";

	if (waits)
		snprintf(text, sizeof(text), "what is to be stopped or resumed in it %s",
			 vm_hold_text(vm));
	return put_text(result, reply, "hold_error", text);
}

static int put_vm_figures(int result, sd_bus_message *reply,
			  const struct vm *vm)
{
	const struct gi_snapshot *snapshot = vm->snapshot;

	if (vm->state != VM_RUNS)
		return result;
	result = put_number(result, reply, "processes", vm->table->nr);
	result = put_number(result, reply, "threads",
			    snapshot ? snapshot->nr_threads : 0);
	result = put_number(result, reply, "stopped", vm_stopped(vm));
	result = put_flag(result, reply, "complete",
			  snapshot && snapshot->complete);
	result = put_number(result, reply, "cpu_guest_ns", vm->table->guest_ns);
	result = put_number(result, reply, "cpu_ns", vm->table->used_ns);
	result = put_number(result, reply, "cpu_host_ns",
			    vm->account.last_host_ns);
	if (vm->table->space_method) {
		result = put_number(result, reply, "cpu_space_ns",
				    vm->table->space_ns);
		result = put_number(result, reply, "cpu_other_ns",
				    vm->table->other_ns);
	}
	result = put_real(result, reply, "cpu_scale",
			  (double)vm->account.scale / ACCOUNT_UNIT);
	result = put_number(result, reply, "sampled_every_ns",
			    max(vm->pace.every_ns, vm->host->quantum_ns));
	result = put_number(result, reply, "sample_cost_ns", vm->pace.cost_ns);
	result = put_number(result, reply, "sample_failures", vm->pace.failures);
	result = put_text(result, reply, "sample_error", vm->pace.error ?
			  strerror(-vm->pace.error) : "");
	result = put_vm_hold(result, reply, vm);
	result = put_number(result, reply, "holds", vm->holds);
	return put_number(result, reply, "hold_max_ns", vm->hold_max_ns);
}

static int put_vm_backend(int result, sd_bus_message *reply,
			  const struct vm *vm)
{
	char no_kernel[MONARCH_ESCAPED_SIZE(BACKEND_WHY_LEN)];
	char hint[MONARCH_ESCAPED_SIZE(BACKEND_WHY_LEN)];

	if (!vm->backend)
		return result;
	monarch_escape(hint, sizeof(hint), vm->backend->hint);
	monarch_escape(no_kernel, sizeof(no_kernel), vm->no_kernel);
	result = put_text(result, reply, "hint", hint);
	result = put_text(result, reply, "backend", vm->backend->ops->name);
	result = put_text(result, reply, "no_kernel_why", no_kernel);
	result = put_text(result, reply, "accounting",
			  vm->backend->accounting);
	result = put_number(result, reply, "vcpus", vm->backend->nr_vcpus);
	return put_number(result, reply, "ram_bytes", vm_ram(vm));
}

int bus_put_vm(sd_bus_message *reply, const struct vm *vm)
{
	int result = sd_bus_message_open_container(reply, 'a', "{sv}");

	result = put_vm_identity(result, reply, vm);
	result = put_vm_backend(result, reply, vm);
	result = put_vm_kernel(result, reply, vm);
	result = put_vm_figures(result, reply, vm);
	return result < 0 ? result : sd_bus_message_close_container(reply);
}

/* Processes. */

/* The letters that ps shows. */
static const char *proc_state(const struct proc *proc)
{
	u32 state = proc->now.state & 0xff;

	if (proc->now.exit_state)
		return proc->now.exit_state & 0x20 ? "Z" : "X";
	if (!state)
		return "R";
	if (state & 1)
		return "S";
	/* TASK_IDLE: uninterruptible and TASK_NOLOAD */
	if (state & 2)
		return proc->now.state & 0x400 ? "I" : "D";
	return state & 4 ? "T" : state & 8 ? "t" : "?";
}

static double proc_percent(const struct proc *proc, u64 now_ns)
{
	u64 from = now_ns > NS_PER_S ? now_ns - NS_PER_S : 0;

	return 100.0 * (double)history_used(&proc->history, from) / NS_PER_S;
}

static int put_process_more(sd_bus_message *reply, const struct proc *proc)
{
	const struct stop *stop = &proc->stop;
	int result = sd_bus_message_open_container(reply, 'a', "{sv}");

	if (proc_kthread(proc))
		result = put_flag(result, reply, "kernel", true);
	if (proc->vm->space_method && proc->now.pgd) {
		result = put_number(result, reply, "cpu_space_ns",
				    proc->space_ns);
		result = put_text(result, reply, "space_method",
				  proc->vm->space_method);
	}
	if (stop->involved) {
		result = put_text(result, reply, "held_by", stop->held_by);
		result = put_flag(result, reply, "wanted", proc_wanted(proc));
		result = put_flag(result, reply, "manual", stop->manual);
		result = put_number(result, reply, "since_ns", stop->since_ns);
	}
	if (stop->involved && stop->refusal)
		result = put_text(result, reply, "refusal",
				  gi_refusal_text(stop->refusal));
	return result < 0 ? result : sd_bus_message_close_container(reply);
}

int bus_put_process(sd_bus_message *reply, const struct proc *proc, u64 now_ns)
{
	const struct gi_process *now = &proc->now;
	char name[MONARCH_ESCAPED_SIZE(GI_COMM_LEN)];
	int result = sd_bus_message_open_container(reply, 'r',
						   MONARCH_PROCESS_FIELDS);

	monarch_escape_bytes(name, sizeof(name), now->comm,
			     strnlen(now->comm, GI_COMM_LEN));
	if (result >= 0)
		result = sd_bus_message_append(reply, "uuuuusstttds", now->pid,
				now->parent, now->uid, now->gid,
				now->nr_threads, proc_state(proc), name,
				(uint64_t)now->runtime_ns,
				(uint64_t)proc->used_ns,
				(uint64_t)now->start_time,
				proc_percent(proc, now_ns),
				gi_stop_state_name(now->stopped));
	if (result >= 0)
		result = put_process_more(reply, proc);
	return result < 0 ? result : sd_bus_message_close_container(reply);
}

/* Policies. */

static int put_sets(int result, sd_bus_message *reply, const char *key,
		    const struct policies *policies, u64 mask)
{
	char text[1024] = "";
	size_t at = 0;

	for (u32 i = 0; i < policies->nr_sets && at < sizeof(text); i++)
		if (mask & BIT_ULL(i))
			at += (size_t)snprintf(text + at, sizeof(text) - at,
					       "%s%s", at ? " " : "",
					       policies->sets[i].name);
	return put_text(result, reply, key, text);
}

static u32 policy_held(const struct manager *manager, u32 index)
{
	u32 nr = 0;

	for (u32 i = 0; i < manager->decision.nr_wanted; i++)
		nr += manager->decision.wanted[i].policy == index;
	return nr;
}

int bus_put_policy(sd_bus_message *reply, const struct manager *manager,
		   u32 index)
{
	const struct policy *policy = &manager->policies->policies[index];
	const struct verdict *verdict = &manager->decision.verdicts[index];
	int result = sd_bus_message_open_container(reply, 'a', "{sv}");

	result = put_text(result, reply, "name", policy->name);
	result = put_text(result, reply, "file", policy->file);
	result = put_text(result, reply, "type", policy_type_name(policy->type));
	result = put_number(result, reply, "quantum_ns", policy->quantum_ns);
	result = put_number(result, reply, "period_ns", policy->period_ns);
	result = put_real(result, reply, "threshold_percent",
			  (double)policy->threshold_ppm / 10000);
	result = put_number(result, reply, "quiet_ns", policy->quiet_ns);
	result = put_sets(result, reply, "stop", manager->policies, policy->stop);
	result = put_sets(result, reply, "while", manager->policies,
			  policy->during);
	result = put_flag(result, reply, "holding", verdict->hold);
	result = put_number(result, reply, "used_ns", verdict->used_ns);
	result = put_number(result, reply, "limit_ns", verdict->limit_ns);
	result = put_number(result, reply, "holds", policy_held(manager, index));
	return result < 0 ? result : sd_bus_message_close_container(reply);
}

/* Counters. */

static int put_count(int result, sd_bus_message *reply, const char *key,
		     u64 value)
{
	return result < 0 ? result :
	       sd_bus_message_append(reply, "{st}", key, (uint64_t)value);
}

static int put_state_counts(int result, sd_bus_message *reply,
			    const struct manager *manager)
{
	const struct vm_host *host = &manager->host;

	result = put_count(result, reply, "daemon.uptime_ns",
			   clock_ns() - manager->start_ns);
	result = put_count(result, reply, "quantum.ns", host->quantum_ns);
	result = put_count(result, reply, "history.samples",
			   host->table.pool.samples);
	result = put_count(result, reply, "history.cut", host->table.pool.cut);
	result = put_count(result, reply, "policy.regex_limits",
			   manager->policies->regex_limits);
	return put_count(result, reply, "processes.stopped",
			 manager_stopped(manager));
}

int bus_put_stats(sd_bus_message *reply, const struct manager *manager)
{
	const struct stats *stats = &manager->host.stats;
	int result = sd_bus_message_open_container(reply, 'a', "{st}");
	char key[64];

	result = put_state_counts(result, reply, manager);
#define STATS_PUT(field, name) \
	result = put_count(result, reply, name, stats->field);
	STATS_COUNTERS(STATS_PUT)
#undef STATS_PUT
	for (u32 i = GI_REFUSE_NONE + 1; i < GI_REFUSE_MAX; i++) {
		snprintf(key, sizeof(key), "refusal.%s", gi_refusal_name(i));
		result = put_count(result, reply, key, stats->refusals[i]);
	}
	return result < 0 ? result : sd_bus_message_close_container(reply);
}

/* Requests. */

static struct vm *request_vm(struct manager *manager,
			     const struct bus_request *request)
{
	struct vm *vm;

	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (vm->id == request->vm)
			return vm;
	return NULL;
}

static bool proc_refused(const struct proc *proc)
{
	return proc->stop.involved && proc->stop.refusal &&
	       !gi_refusal_retry(proc->stop.refusal);
}

static bool target_done(const struct proc *proc, bool stop)
{
	if (!proc || proc_refused(proc))
		return true;
	if (stop)
		return proc->now.stopped >= GI_ASLEEP;
	if (proc_wanted(proc))
		return true;
	return !proc->stop.involved && !gi_stop_is_ours(proc->now.stopped);
}

bool bus_request_done(struct manager *manager, const struct bus_request *request)
{
	struct vm *vm = request_vm(manager, request);

	for (u32 i = 0; vm && i < request->nr; i++)
		if (!target_done(table_find(vm->table, request->targets[i].task,
					    request->targets[i].start_time),
				 request->stop))
			return false;
	return true;
}

/*
 * A stop that could not even be begun is taken back: who asked is told, and may
 * ask again.
 */
static bool target_untouched(const struct proc *proc, bool stop)
{
	return stop && !proc->stop.sent && !proc->stop.policy &&
	       proc->now.stopped == GI_RUNS;
}

/* Of a process that nobody here wants stopped; the guest may say otherwise. */
static const char *resume_outcome(const struct proc *proc, const char **ret_why)
{
	if (proc->stop.involved)
		return "waking";
	if (proc->now.stopped == GI_GUEST_FROZEN)
		*ret_why = gi_refusal_text(GI_REFUSE_GUEST_FROZEN);
	else if (gi_stop_is_ours(proc->now.stopped))
		*ret_why = "is stopped by nobody known here; `monarchctl recover` frees it";
	return gi_stop_state_name(proc->now.stopped);
}

/* What has become of it, in a word and in a sentence. */
static const char *target_outcome(const struct vm *vm, const struct proc *proc,
				  bool stop, const char **ret_why)
{
	*ret_why = "";
	if (!proc) {
		*ret_why = "ended meanwhile";
		return "gone";
	}
	if (proc->stop.involved && proc->stop.refusal)
		*ret_why = gi_refusal_text(proc->stop.refusal);
	if (proc_refused(proc))
		return "refused";
	if (target_untouched(proc, stop) ||
	    (!proc_wanted(proc) && vm->hold_error))
		*ret_why = vm_hold_text(vm);
	if (target_untouched(proc, stop))
		return "refused";
	if (stop)
		return gi_stop_state_name(proc->now.stopped);
	if (proc_wanted(proc)) {
		*ret_why = "is held by a policy";
		return "held";
	}
	return resume_outcome(proc, ret_why);
}

static int put_target(sd_bus_message *reply, const struct vm *vm,
		      struct proc *proc, bool stop)
{
	char name[MONARCH_ESCAPED_SIZE(GI_COMM_LEN)] = "";
	const char *why, *outcome = target_outcome(vm, proc, stop, &why);
	int result = sd_bus_message_open_container(reply, 'a', "{sv}");

	if (proc)
		monarch_escape_bytes(name, sizeof(name), proc->now.comm,
				     strnlen(proc->now.comm, GI_COMM_LEN));
	result = put_number(result, reply, "pid", proc ? proc->now.pid : 0);
	result = put_text(result, reply, "name", name);
	result = put_text(result, reply, "outcome", outcome);
	result = put_text(result, reply, "why", why);
	if (proc && proc->stop.involved)
		result = put_text(result, reply, "held_by", proc->stop.held_by);
	/* what cannot be stopped is not to be tried for ever */
	if (proc && stop && proc_refused(proc))
		proc->stop.manual = false;
	else if (proc && target_untouched(proc, stop))
		table_stop_del(proc);
	return result < 0 ? result : sd_bus_message_close_container(reply);
}

void bus_reply_request(struct manager *manager,
		       const struct bus_request *request)
{
	struct vm *vm = request_vm(manager, request);
	sd_bus_message *reply = NULL;
	int result = sd_bus_message_new_method_return(request->message, &reply);

	if (result >= 0)
		result = sd_bus_message_open_container(reply, 'a', "a{sv}");
	for (u32 i = 0; result >= 0 && i < request->nr; i++)
		result = put_target(reply, vm,
				    vm ? table_find(vm->table,
						    request->targets[i].task,
						    request->targets[i].start_time) :
					 NULL,
				    request->stop);
	if (result >= 0)
		result = sd_bus_message_close_container(reply);
	/* a caller that hung up gets nothing, and misses nothing */
	if (result >= 0)
		sd_bus_send(sd_bus_message_get_bus(reply), reply, NULL);
	sd_bus_message_unref(reply);
}
