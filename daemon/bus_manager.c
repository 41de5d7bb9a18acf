// SPDX-License-Identifier: GPL-2.0-only
/* The calls of org.monarch1.Manager. */
#include <stdio.h>
#include <stdlib.h>

#include "../include/monarch/bus.h"
#include "../include/monarch/escape.h"
#include "bus.h"
#include "bus_reply.h"
#include "clock.h"

#define REQUEST_WAIT_NS		NS_PER_S
#define LISTED_MAX		1500	/* characters of names in an error */

/* Looking up what a caller names. */

static int error_no_vm(struct manager *manager, sd_bus_error *error,
		       const char *name)
{
	char known[LISTED_MAX] = "", asked[MONARCH_ESCAPED_SIZE(128)];
	char shown[MONARCH_ESCAPED_SIZE(128)];
	size_t at = 0;
	struct vm *vm;

	TAILQ_FOREACH(vm, &manager->vms, entry) {
		if (at >= sizeof(known))
			break;
		monarch_escape(shown, sizeof(shown), vm->identity.name);
		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s",
				       at ? ", " : "", shown);
	}
	monarch_escape_bytes(asked, sizeof(asked), name, strnlen(name, 128));
	return sd_bus_error_setf(error, MONARCH_ERROR_NO_VM,
				 "no VM \"%s\"; known are: %s", asked,
				 known[0] ? known : "none (is it running? libvirt or QEMU VMs of this host are found by themselves)");
}

static struct vm *find_running(struct manager *manager, const char *name,
			       sd_bus_error *error)
{
	struct vm *vm = manager_find_vm(manager, name);
	char shown[MONARCH_ESCAPED_SIZE(128)], why[MONARCH_ESCAPED_SIZE(BACKEND_WHY_LEN)];

	if (!vm) {
		error_no_vm(manager, error, name);
		return NULL;
	}
	if (vm->state == VM_RUNS && vm->snapshot)
		return vm;
	monarch_escape(shown, sizeof(shown), vm->identity.name);
	monarch_escape(why, sizeof(why), vm->why);
	sd_bus_error_setf(error, MONARCH_ERROR_NOT_READY,
			  "VM %s cannot be seen into now: %s%s%s", shown,
			  vm_state_name(vm->state), why[0] ? ": " : "", why);
	return NULL;
}

static bool proc_named(const struct proc *proc, const char *name)
{
	char shown[MONARCH_ESCAPED_SIZE(GI_COMM_LEN)];
	size_t len = strnlen(proc->now.comm, GI_COMM_LEN);

	monarch_escape_bytes(shown, sizeof(shown), proc->now.comm, len);
	return !strcmp(shown, name) ||
	       (strlen(name) == len && !memcmp(name, proc->now.comm, len));
}

static bool name_is_pid(const char *name, u32 *ret)
{
	char *end;
	unsigned long pid = strtoul(name, &end, 10);

	if (!*name || *end || pid > U32_MAX || *name == '-' || *name == '+')
		return false;
	*ret = (u32)pid;
	return true;
}

/* Does @proc answer to what was asked for? */
static bool proc_meant(const struct proc *proc, const char *name, bool stop)
{
	u32 pid;

	if (name_is_pid(name, &pid))
		return proc->now.pid == pid;
	/* of several with a name, only the stopped can be resumed */
	if (!stop && !proc->stop.involved)
		return false;
	return proc_named(proc, name);
}

static void request_add(struct bus_request *request, const struct proc *proc)
{
	if (request->nr < ARRAY_SIZE(request->targets))
		request->targets[request->nr] = (struct gi_target){
			.task = proc->now.task,
			.start_time = proc->now.start_time,
		};
	request->nr++;
}

static void request_find(struct bus_request *request, const struct vm *vm,
			 const char *name)
{
	for (u32 i = 0; i < vm->table->nr; i++)
		if (proc_meant(vm->table->order[i], name, request->stop))
			request_add(request, vm->table->order[i]);
}

static int error_ambiguous(const struct bus_request *request,
			   const struct vm *vm, const char *name,
			   sd_bus_error *error)
{
	char listed[LISTED_MAX] = "", shown[MONARCH_ESCAPED_SIZE(64)];
	size_t at = 0;

	for (u32 i = 0; i < vm->table->nr && at < sizeof(listed); i++)
		if (proc_meant(vm->table->order[i], name, request->stop))
			at += (size_t)snprintf(listed + at, sizeof(listed) - at,
					       "%s%u", at ? ", " : "",
					       vm->table->order[i]->now.pid);
	monarch_escape_bytes(shown, sizeof(shown), name, strnlen(name, 64));
	return sd_bus_error_setf(error, MONARCH_ERROR_AMBIGUOUS,
				 "%u processes are called \"%s\": pids %s; name one pid, or say --all",
				 request->nr, shown, listed);
}

static int error_no_process(const struct bus_request *request,
			    const struct vm *vm, const char *name,
			    sd_bus_error *error)
{
	char shown[MONARCH_ESCAPED_SIZE(64)];
	char vm_name[MONARCH_ESCAPED_SIZE(128)];

	monarch_escape_bytes(shown, sizeof(shown), name, strnlen(name, 64));
	monarch_escape(vm_name, sizeof(vm_name), vm->identity.name);
	return sd_bus_error_setf(error, MONARCH_ERROR_NO_PROCESS,
				 "no %sprocess \"%s\" in VM %s; `monarchctl ps` lists them",
				 request->stop ? "" : "stopped ", shown,
				 vm_name);
}

/* Acting on them. */

static int error_not_stoppable(const struct vm *vm, const struct proc *proc,
			       sd_bus_error *error)
{
	enum gi_refusal refusal = proc->now.pid <= 1 ? GI_REFUSE_INIT :
						       GI_REFUSE_KTHREAD;
	char vm_name[MONARCH_ESCAPED_SIZE(128)];
	char name[MONARCH_ESCAPED_SIZE(GI_COMM_LEN)];

	monarch_escape(vm_name, sizeof(vm_name), vm->identity.name);
	monarch_escape_bytes(name, sizeof(name), proc->now.comm,
			     strnlen(proc->now.comm, GI_COMM_LEN));
	return sd_bus_error_setf(error, MONARCH_ERROR_REFUSED,
				 "process %u (%s) of VM %s %s", proc->now.pid,
				 name, vm_name, gi_refusal_text(refusal));
}

static int check_stoppable(const struct bus_request *request,
			   const struct vm *vm, sd_bus_error *error)
{
	for (u32 i = 0; i < request->nr; i++) {
		struct proc *proc = table_find(vm->table,
					       request->targets[i].task,
					       request->targets[i].start_time);

		if (proc && !proc_stoppable(proc))
			return error_not_stoppable(vm, proc, error);
	}
	return 0;
}

/* The reason may quote a VM's name, and a reply that is not UTF-8 is not sent at all. */
static int error_no_edit(const struct vm *vm, sd_bus_error *error)
{
	char why[MONARCH_ESCAPED_SIZE(BACKEND_WHY_LEN)];

	return sd_bus_error_setf(error, MONARCH_ERROR_REFUSED,
		"processes of this VM can be seen, not stopped: %s",
		monarch_escape(why, sizeof(why), vm_no_edit(vm)));
}

static int check_request(const struct bus_request *request, const struct vm *vm,
			 const char *name, bool all, sd_bus_error *error)
{
	if (!request->nr)
		return error_no_process(request, vm, name, error);
	if (request->nr > 1 && !all)
		return error_ambiguous(request, vm, name, error);
	if (request->nr > ARRAY_SIZE(request->targets))
		return sd_bus_error_setf(error, MONARCH_ERROR_AMBIGUOUS,
			"%u processes have this name, at most %zu can be named at once; name pids, or write a policy",
			request->nr, ARRAY_SIZE(request->targets));
	if (vm_no_edit(vm)[0])
		return error_no_edit(vm, error);
	return request->stop ? check_stoppable(request, vm, error) : 0;
}

static void request_start(struct manager *manager, struct bus_request *request,
			  struct vm *vm)
{
	for (u32 i = 0; i < request->nr; i++) {
		struct proc *proc = table_find(vm->table,
					       request->targets[i].task,
					       request->targets[i].start_time);

		if (proc && request->stop)
			manager_suspend(manager, proc);
		else if (proc)
			manager_resume(manager, proc);
	}
	request->vm = vm->id;
	request->end_ns = manager->now_ns + REQUEST_WAIT_NS;
	bus_wait(manager, request);
}

static int call_control(sd_bus_message *message, struct manager *manager,
			sd_bus_error *error, bool stop)
{
	const char *vm_name, *name;
	struct bus_request *request;
	struct vm *vm;
	int all, result;

	manager->host.stats.calls++;
	result = sd_bus_message_read(message, "ssb", &vm_name, &name, &all);
	if (result < 0)
		return result;
	vm = find_running(manager, vm_name, error);
	if (!vm)
		return -EINVAL;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	request->stop = stop;
	request_find(request, vm, name);
	result = check_request(request, vm, name, all, error);
	if (result < 0) {
		free(request);
		return result;
	}
	request->message = sd_bus_message_ref(message);
	request_start(manager, request, vm);
	return 1;
}

static int call_suspend(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return call_control(message, data, error, true);
}

static int call_resume(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return call_control(message, data, error, false);
}

/* Lists. */

/* Finish a reply whose parts were appended with @result. */
static int reply_send(sd_bus_message *reply, int result)
{
	if (result >= 0)
		result = sd_bus_message_close_container(reply);
	if (result >= 0)
		result = sd_bus_send(sd_bus_message_get_bus(reply), reply, NULL);
	sd_bus_message_unref(reply);
	return result < 0 ? result : 1;
}

static int reply_open(sd_bus_message *message, sd_bus_message **reply,
		      const char *contents)
{
	int result = sd_bus_message_new_method_return(message, reply);

	return result < 0 ? result :
	       sd_bus_message_open_container(*reply, 'a', contents);
}

static int call_list_vms(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct manager *manager = data;
	sd_bus_message *reply = NULL;
	int result = reply_open(message, &reply, "a{sv}");
	struct vm *vm;

	manager->host.stats.calls++;
	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (result >= 0)
			result = bus_put_vm(reply, vm);
	return reply_send(reply, result);
}

static int call_list_processes(sd_bus_message *message, void *data,
			       sd_bus_error *error)
{
	struct manager *manager = data;
	sd_bus_message *reply = NULL;
	const char *name;
	struct vm *vm;
	int result = sd_bus_message_read(message, "s", &name);

	manager->host.stats.calls++;
	if (result < 0)
		return result;
	vm = find_running(manager, name, error);
	if (!vm)
		return -EINVAL;
	result = reply_open(message, &reply, "(" MONARCH_PROCESS_FIELDS ")");
	for (u32 i = 0; i < vm->table->nr && result >= 0; i++)
		result = bus_put_process(reply, vm->table->order[i],
					 manager->now_ns);
	return reply_send(reply, result);
}

static int call_list_policies(sd_bus_message *message, void *data,
			      sd_bus_error *error)
{
	struct manager *manager = data;
	sd_bus_message *reply = NULL;
	int result = reply_open(message, &reply, "a{sv}");

	manager->host.stats.calls++;
	for (u32 i = 0; i < manager->policies->nr_policies && result >= 0; i++)
		result = bus_put_policy(reply, manager, i);
	return reply_send(reply, result);
}

static int call_get_statistics(sd_bus_message *message, void *data,
			       sd_bus_error *error)
{
	struct manager *manager = data;
	sd_bus_message *reply = NULL;
	int result = sd_bus_message_new_method_return(message, &reply);

	manager->host.stats.calls++;
	if (result >= 0)
		result = bus_put_stats(reply, manager);
	if (result >= 0)
		result = sd_bus_send(sd_bus_message_get_bus(reply), reply, NULL);
	sd_bus_message_unref(reply);
	return result < 0 ? result : 1;
}

/* Orders. */

/* Why orphans in @vm cannot be found or resumed now; "" if they can. */
static const char *recover_obstacle(const struct vm *vm)
{
	if (vm->state == VM_RUNS && !vm->snapshot)
		return "is not seen into yet";
	return vm_no_edit(vm);
}

static int put_skipped(sd_bus_message *reply, const struct vm *vm)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	char why[MONARCH_ESCAPED_SIZE(BACKEND_WHY_LEN)];

	monarch_escape(name, sizeof(name), vm->identity.name);
	monarch_escape(why, sizeof(why), recover_obstacle(vm));
	return sd_bus_message_append(reply, "{ss}", name, why);
}

static u32 recover_all(struct manager *manager)
{
	struct vm *vm;
	u32 found = 0;

	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (!recover_obstacle(vm)[0])
			found += vm_recover(vm, manager->now_ns);
	return found;
}

/* Orphans found, and the VMs that were left out though all were asked for. */
static int reply_recovered(sd_bus_message *message, struct manager *manager,
			   u32 found, bool all)
{
	sd_bus_message *reply = NULL;
	int result = reply_open(message, &reply, "{sv}");
	struct vm *vm;

	if (result >= 0)
		result = sd_bus_message_append(reply, "{sv}", "orphans", "u",
					       found);
	if (result >= 0)
		result = sd_bus_message_open_container(reply, 'e', "sv");
	if (result >= 0)
		result = sd_bus_message_append(reply, "s", "skipped");
	if (result >= 0)
		result = sd_bus_message_open_container(reply, 'v', "a{ss}");
	if (result >= 0)
		result = sd_bus_message_open_container(reply, 'a', "{ss}");
	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (result >= 0 && all && recover_obstacle(vm)[0])
			result = put_skipped(reply, vm);
	for (u32 i = 0; i < 3; i++)
		if (result >= 0)
			result = sd_bus_message_close_container(reply);
	return reply_send(reply, result);
}

static int call_recover(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct manager *manager = data;
	const char *name;
	struct vm *vm;
	u32 found;
	int result = sd_bus_message_read(message, "s", &name);

	manager->host.stats.calls++;
	if (result < 0)
		return result;
	if (!*name)
		return reply_recovered(message, manager, recover_all(manager),
				       true);
	vm = find_running(manager, name, error);
	if (!vm)
		return -EINVAL;
	if (vm_no_edit(vm)[0])
		return error_no_edit(vm, error);
	found = vm_recover(vm, manager->now_ns);
	return reply_recovered(message, manager, found, false);
}

static int call_reload(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct manager *manager = data;
	char *why = NULL;
	int result = manager_reload(manager, &why);

	manager->host.stats.calls++;
	if (result) {
		sd_bus_error_setf(error, MONARCH_ERROR_POLICY, "%s",
				  why ? why : strerror(-result));
		free(why);
		return -EINVAL;
	}
	bus_policies_reloaded(manager->bus);
	return sd_bus_reply_method_return(message, "u",
					  manager->policies->nr_policies);
}

/* Properties. */

static int get_version(sd_bus *bus, const char *path, const char *interface,
		       const char *property, sd_bus_message *reply, void *data,
		       sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", MONARCH_VERSION);
}

static int get_quantum(sd_bus *bus, const char *path, const char *interface,
		       const char *property, sd_bus_message *reply, void *data,
		       sd_bus_error *error)
{
	struct manager *manager = data;

	return sd_bus_message_append(reply, "t",
				     (uint64_t)manager->host.quantum_ns);
}

/*
 * On the system bus, who may call what is the bus's own policy
 * (org.monarch1.conf), so no call asks for more here.
 */
const sd_bus_vtable bus_manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("ListVMs", "", "aa{sv}", call_list_vms,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListProcesses", "s", MONARCH_PROCESSES,
		      call_list_processes, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListPolicies", "", "aa{sv}", call_list_policies,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetStatistics", "", "a{st}", call_get_statistics,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Suspend", "ssb", "aa{sv}", call_suspend,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Resume", "ssb", "aa{sv}", call_resume,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Recover", "s", "a{sv}", call_recover,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reload", "", "u", call_reload,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("Version", "s", get_version, 0,
			SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Quantum", "t", get_quantum, 0, 0),
	SD_BUS_SIGNAL("VMAdded", "s", 0),
	SD_BUS_SIGNAL("VMRemoved", "s", 0),
	SD_BUS_SIGNAL("VMChanged", "ss", 0),
	SD_BUS_SIGNAL("ProcessStopped", "suss", 0),
	SD_BUS_SIGNAL("ProcessResumed", "suss", 0),
	SD_BUS_SIGNAL("PoliciesReloaded", "", 0),
	SD_BUS_VTABLE_END
};
