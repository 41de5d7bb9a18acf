// SPDX-License-Identifier: GPL-2.0-only
/* See manager.h. */
#include "manager.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "../include/monarch/escape.h"
#include "bus.h"
#include "clock.h"
#include "log.h"
#include "policy_conf.h"

#define MANAGER_EXIT_NS		(10 * NS_PER_S)
#define MANAGER_JOBS_EXIT_MS	5000
#define MANAGER_BEAT_QUANTA	10	/* without a tick of the module */

/* Time. */

static bool manager_by_kernel(const struct manager *manager)
{
	const struct vm *vm;

	if (manager->beat_failed)
		return false;
	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (vm_by_kernel(vm))
			return true;
	return false;
}

/* Who beats time: the module at each quantum, or the timer. */
static int manager_set_beat(struct manager *manager, u64 quantum_ns)
{
	struct kernel_device *device = &manager->host.device;
	bool by_kernel = manager_by_kernel(manager);

	if (!by_kernel && !device->ticking)
		return 0;
	return kernel_device_tick(device, by_kernel ? quantum_ns : 0);
}

static int manager_set_timer(struct manager *manager, u64 quantum_ns)
{
	u64 ns = manager->host.device.ticking ?
		 max(MANAGER_BEAT_QUANTA * quantum_ns, NS_PER_S) : quantum_ns;
	struct itimerspec timer = {
		.it_interval = {
			.tv_sec = (time_t)(ns / NS_PER_S),
			.tv_nsec = (long)(ns % NS_PER_S),
		},
	};

	timer.it_value = timer.it_interval;
	return timerfd_settime(manager->timer, 0, &timer, NULL) ? -errno : 0;
}

static int manager_set_quantum(struct manager *manager, u64 quantum_ns)
{
	int error = manager_set_beat(manager, quantum_ns);

	if (error) {
		log_warning("%s: expected a tick each %.3g ms, found that it cannot be had: %s; the daemon's own timer beats time",
			    KERNEL_DEVICE, (double)quantum_ns / NS_PER_MS,
			    strerror(-error));
		manager->beat_failed = true;
		manager->host.device.ticking = false;
	}
	error = manager_set_timer(manager, quantum_ns);
	if (error)
		return error;
	manager->host.quantum_ns = quantum_ns;
	manager->due_ns = clock_ns() + quantum_ns;
	return 0;
}

/* After VMs came, went, or changed their backend. */
static void manager_check_beat(struct manager *manager)
{
	int error;

	if (manager_by_kernel(manager) == manager->host.device.ticking)
		return;
	error = manager_set_quantum(manager, manager->host.quantum_ns);
	if (error)
		log_error("the timer cannot be set: %s", strerror(-error));
}

/* The module's device. */

static int on_beat(sd_event_source *source, int fd, uint32_t revents,
		   void *data);

/* Return: 0; else no_device says why it is not there. */
static int manager_open_device(struct manager *manager)
{
	struct vm_host *host = &manager->host;
	int error;

	if (host->choice == BACKEND_QEMU) {
		snprintf(host->no_device, sizeof(host->no_device),
			 "it was asked for (--backend qemu)");
		return 0;
	}
	if (kernel_device_open(&host->device, KERNEL_DEVICE, host->no_device))
		return 0;
	host->no_device[0] = '\0';
	log_info("%s: open: its module serves the VMs that it can",
		 KERNEL_DEVICE);
	error = sd_event_add_io(manager->event, NULL, host->device.fd, EPOLLIN,
				on_beat, manager);
	return min(error, 0);
}

static void manager_report_device(const struct manager *manager)
{
	const struct vm_host *host = &manager->host;

	if (!host->no_device[0])
		return;
	if (host->choice == BACKEND_KERNEL)
		log_warning("no VM can be reached (--backend kernel): %s",
			    host->no_device);
	else
		log_info("the qemu backend serves all VMs: %s",
			 host->no_device);
}

/* It may come later. */
static void manager_look_for_device(struct manager *manager)
{
	struct vm_host *host = &manager->host;
	char before[BACKEND_WHY_LEN];

	if (!host->no_device[0] || host->choice == BACKEND_QEMU)
		return;
	memcpy(before, host->no_device, sizeof(before));
	if (manager_open_device(manager))
		log_error("%s: cannot be waited on", KERNEL_DEVICE);
	if (strcmp(before, host->no_device))
		manager_report_device(manager);
}

/* VMs. */

static bool vm_is(const struct vm *vm, const char *name)
{
	char shown[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", vm->identity.pid);
	monarch_escape(shown, sizeof(shown), vm->identity.name);
	return !strcmp(vm->identity.name, name) || !strcmp(shown, name) ||
	       (name[0] && !strcmp(vm->identity.uuid, name)) ||
	       !strcmp(pid, name);
}

struct vm *manager_find_vm(struct manager *manager, const char *name)
{
	struct vm *vm;

	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (!strcmp(vm->identity.name, name))
			return vm;
	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (vm_is(vm, name))
			return vm;
	return NULL;
}

static struct vm *manager_vm_of(struct manager *manager,
				const struct vm_identity *identity)
{
	struct vm *vm;

	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (vm->identity.pid == identity->pid &&
		    !strcmp(vm->identity.name, identity->name))
			return vm;
	return NULL;
}

static void manager_add_vm(struct manager *manager,
			   const struct vm_identity *identity)
{
	struct vm *vm = manager_vm_of(manager, identity);

	if (vm || (manager->only &&
		   policy_regex_match(manager->only, identity->name,
				      strlen(identity->name)) != 1))
		return;
	vm = vm_create(&manager->host, identity);
	if (!vm) {
		log_error("out of memory: a VM is not managed");
		return;
	}
	TAILQ_INSERT_TAIL(&manager->vms, vm, entry);
	bus_vm_added(manager->bus, vm);
	vm_tend(vm, manager->now_ns);
}

static void manager_drop_vm(struct manager *manager, struct vm *vm)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];

	log_info("VM %s: gone",
		 monarch_escape(name, sizeof(name), vm->identity.name));
	bus_vm_removed(manager->bus, vm);
	TAILQ_REMOVE(&manager->vms, vm, entry);
	vm_destroy(vm);
}

static int on_vms(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct manager *manager = data;
	struct vms_event event;

	while (vms_next(manager->host.vms, &event) == 1) {
		struct vm *vm = manager_vm_of(manager, &event.identity);

		if (event.kind == VMS_APPEARED)
			manager_add_vm(manager, &event.identity);
		else if (event.kind == VMS_GONE && vm)
			manager_drop_vm(manager, vm);
		else if (event.kind == VMS_LIBVIRT_UP)
			log_info("libvirt: connected");
		else if (event.kind == VMS_LIBVIRT_DOWN)
			log_warning("libvirt: connection lost; it is tried again, VMs known stay managed");
	}
	return 0;
}

static int on_attached(sd_event_source *source, int fd, uint32_t revents,
		       void *data)
{
	struct manager *manager = data;
	struct attach_job *job;

	while ((job = attach_next(manager->host.pool))) {
		struct vm *vm;

		TAILQ_FOREACH(vm, &manager->vms, entry)
			if (vm->id == job->id)
				break;
		if (vm)
			vm_attached(vm, job, manager->now_ns);
		else
			attach_job_destroy(job);
	}
	manager_check_beat(manager);
	return 0;
}

/* What VMs tell. */

static const char *proc_name(const struct proc *proc)
{
	static char name[MONARCH_ESCAPED_SIZE(GI_COMM_LEN)];

	return monarch_escape_bytes(name, sizeof(name), proc->now.comm,
				    strnlen(proc->now.comm, GI_COMM_LEN));
}

static void manager_event(struct vm_host *host, enum vm_event event,
			  struct vm *vm, struct proc *proc)
{
	struct manager *manager = container_of(host, struct manager, host);

	switch (event) {
	case VM_EVENT_STATE:
		bus_vm_changed(manager->bus, vm);
		break;
	case VM_EVENT_STOPPED:
		bus_process_changed(manager->bus, vm, proc, "ProcessStopped",
				    proc_name(proc));
		break;
	case VM_EVENT_RESUMED:
		bus_process_changed(manager->bus, vm, proc, "ProcessResumed",
				    proc_name(proc));
		break;
	}
}

/* Policies. */

/* What a policy that stays as it was said last, it goes on from. */
static void manager_carry_over(struct manager *manager,
			       const struct policies *policies)
{
	struct verdict before[POLICY_MAX];
	u32 nr = manager->policies ? manager->policies->nr_policies : 0;

	memcpy(before, manager->decision.verdicts, sizeof(before));
	memset(manager->decision.verdicts, 0, sizeof(before));
	for (u32 i = 0; i < policies->nr_policies; i++)
		for (u32 j = 0; j < nr; j++)
			if (policies_same(policies, i, manager->policies, j))
				manager->decision.verdicts[i] = before[j];
}

/* Put @policies in force; the old ones go. */
static int manager_commit(struct manager *manager, struct policies *policies)
{
	u64 quantum_ns = policies_quantum(policies, manager->options.quantum_ns);
	int error = 0;

	/* started anew by reload after reload, the timer would never run out */
	if (quantum_ns != manager->host.quantum_ns)
		error = manager_set_quantum(manager, quantum_ns);
	if (error)
		return error;
	manager_carry_over(manager, policies);
	policies_destroy(manager->policies);
	manager->policies = policies;
	table_keep(&manager->host.table, policies_window(policies));
	table_declassify(&manager->host.table);
	return 0;
}

/* @may_lack: a directory that is not there holds no policies. */
static int manager_load(struct manager *manager, bool may_lack, char **why)
{
	struct policies *policies = NULL;
	int error = policy_conf_load(manager->options.config_dir, &policies, why);

	if (error == -ENOENT && may_lack) {
		free(*why);
		*why = NULL;
		policies = policies_create();
		error = policies ? 0 : -ENOMEM;
	}
	if (!error)
		error = manager_commit(manager, policies);
	if (error) {
		manager->host.stats.reload_failures++;
		return error;
	}
	manager->host.stats.reloads++;
	log_info("%u policies of %s are in force, quantum %.3g ms",
		 policies->nr_policies, manager->options.config_dir,
		 (double)manager->host.quantum_ns / NS_PER_MS);
	return 0;
}

int manager_reload(struct manager *manager, char **why)
{
	return manager_load(manager, false, why);
}

static void manager_log_reasons(const char *why)
{
	const char *end;

	for (; why && *why; why = *end ? end + 1 : end) {
		end = strchrnul(why, '\n');
		log_error("%.*s", (int)(end - why), why);
	}
}

/* A quantum. */

/* Return: whether there is a new decision; one before may name dead processes. */
static bool manager_decide(struct manager *manager)
{
	struct decision *decision = &manager->decision;
	u64 start = clock_ns();
	int error;

	if (manager->stopping_ns) {
		decision->nr_wanted = 0;
		return true;
	}
	error = decide(&manager->host.table, manager->policies,
		       decision->verdicts, manager->now_ns, decision);
	if (error)
		log_error("out of memory: what is stopped stays so, and nothing else is");
	manager->host.stats.decisions++;
	manager->host.stats.decide_ns += clock_ns() - start;
	return !error;
}

static void manager_want(struct manager *manager, const struct wanted *wanted)
{
	struct stop *stop = &wanted->proc->stop;
	const char *name = manager->policies->policies[wanted->policy].name;

	table_stop_add(wanted->proc);
	stop->policy = true;
	if (!stop->manual)
		snprintf(stop->held_by, sizeof(stop->held_by), "%s", name);
}

/* Turn the decision and what was asked by hand into wishes. */
static void manager_wish(struct manager *manager)
{
	struct table_vm *vm;
	struct proc *proc;

	TAILQ_FOREACH(vm, &manager->host.table.vms, entry)
		TAILQ_FOREACH(proc, &vm->stops, stopping) {
			proc->stop.policy = false;
			if (manager->stopping_ns)
				proc->stop.manual = false;
		}
	for (u32 i = 0; i < manager->decision.nr_wanted; i++)
		manager_want(manager, &manager->decision.wanted[i]);
	TAILQ_FOREACH(vm, &manager->host.table.vms, entry)
		TAILQ_FOREACH(proc, &vm->stops, stopping) {
			if (proc_wanted(proc) != proc->stop.was)
				proc_wish(proc, manager->now_ns);
			proc->stop.was = proc_wanted(proc);
		}
}

void manager_suspend(struct manager *manager, struct proc *proc)
{
	table_stop_add(proc);
	proc->stop.manual = true;
	snprintf(proc->stop.held_by, sizeof(proc->stop.held_by), "manual");
}

void manager_resume(struct manager *manager, struct proc *proc)
{
	proc->stop.manual = false;
	if (proc->stop.was && !proc->stop.policy)
		proc_wish(proc, manager->now_ns);
	proc->stop.was = proc->stop.policy;
}

u32 manager_stopped(const struct manager *manager)
{
	const struct table_vm *vm;
	const struct proc *proc;
	u32 nr = 0;

	TAILQ_FOREACH(vm, &manager->host.table.vms, entry)
		TAILQ_FOREACH(proc, &vm->stops, stopping)
			nr += proc_wanted(proc) && proc->stop.sent;
	return nr;
}

static void manager_status(struct manager *manager)
{
	u32 vms = 0, running = 0, processes = 0;
	const struct vm *vm;

	TAILQ_FOREACH(vm, &manager->vms, entry) {
		vms++;
		running += vm->state == VM_RUNS;
		processes += vm->table->nr;
	}
	sd_notifyf(0, "STATUS=%u VMs (%u seen into), %u processes, %u stopped, %u policies, %llu overruns",
		   vms, running, processes, manager_stopped(manager),
		   manager->policies->nr_policies, manager->host.stats.overruns);
}

/* Report what is, or may be, still stopped in @vm, and count it. */
static void manager_report_left(struct manager *manager, const struct vm *vm)
{
	const char *left = vm_left(vm, manager->now_ns);
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	char no_edit[MONARCH_ESCAPED_SIZE(BACKEND_WHY_LEN)];
	const struct proc *proc;

	if (!left)
		return;
	monarch_escape(name, sizeof(name), vm->identity.name);
	monarch_escape(no_edit, sizeof(no_edit), vm_no_edit(vm));
	if (TAILQ_EMPTY(&vm->table->stops)) {
		manager->left++;
		log_error("VM %s (%s) %s; the next monarchd sees to it when it starts",
			  name, vm_state_name(vm->state), left);
	}
	TAILQ_FOREACH(proc, &vm->table->stops, stopping) {
		manager->left++;
		log_error("VM %s: process %u (%s) could not be resumed: it %s; `monarchctl recover` after the next start does it",
			  name, proc->now.pid, proc_name(proc),
			  vm->hold_error ? vm_hold_text(vm) :
			  no_edit[0] ? no_edit :
				       gi_refusal_text(proc->stop.refusal));
	}
}

static void manager_try_exit(struct manager *manager)
{
	bool late = clock_ns() - manager->stopping_ns >= MANAGER_EXIT_NS;
	const struct vm *vm;

	/* those not met yet may hold what an earlier daemon stopped */
	if (!late && manager->host.vms && !vms_told_all(manager->host.vms))
		return;
	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (!late && vm_left(vm, manager->now_ns))
			return;
	TAILQ_FOREACH(vm, &manager->vms, entry)
		manager_report_left(manager, vm);
	sd_event_exit(manager->event, 0);
}

static void manager_second(struct manager *manager)
{
	struct vm *vm;

	if (manager->now_ns < manager->second_ns)
		return;
	manager->second_ns = manager->now_ns + NS_PER_S;
	TAILQ_FOREACH(vm, &manager->vms, entry)
		if (!manager->stopping_ns || vm_left(vm, manager->now_ns))
			vm_tend(vm, manager->now_ns);
	manager_look_for_device(manager);
	manager_check_beat(manager);
	manager_status(manager);
}

void manager_tick(struct manager *manager, u64 ticks)
{
	struct vm_host *host = &manager->host;
	struct vm *vm;

	manager->now_ns += ticks * host->quantum_ns;
	host->stats.quanta++;
	host->stats.overruns += ticks - 1;
	TAILQ_FOREACH(vm, &manager->vms, entry) {
		vm_renew(vm, manager->now_ns);
		vm_sample(vm, manager->now_ns);
	}
	table_age(&host->table, manager->now_ns);
	TAILQ_FOREACH(vm, &manager->vms, entry)
		vm_classify(vm, manager->policies);
	if (manager_decide(manager))
		manager_wish(manager);
	TAILQ_FOREACH(vm, &manager->vms, entry) {
		vm_upkeep(vm, manager->now_ns);
		vm_act(vm, manager->now_ns);
	}
	bus_tick(manager->bus, manager->now_ns);
	manager_second(manager);
	if (manager->stopping_ns)
		manager_try_exit(manager);
}

static void manager_work(struct manager *manager, u64 ticks)
{
	struct stats *stats = &manager->host.stats;
	u64 start = clock_ns();

	manager_tick(manager, ticks);
	start = clock_ns() - start;
	stats->work_ns += start;
	stats_max(&stats->work_max_ns, start);
}

/* The module beats time, and the timer only sees that it does. */
static void manager_watch_beat(struct manager *manager)
{
	bool beats = manager->beats != manager->beats_seen;

	manager->beats_seen = manager->beats;
	if (beats)
		return;
	log_warning("%s: expected ticks, found none for %u quanta: the daemon's own timer beats time from now on",
		    KERNEL_DEVICE, MANAGER_BEAT_QUANTA);
	manager->beat_failed = true;
	manager_check_beat(manager);
}

static int on_timer(sd_event_source *source, int fd, uint32_t revents,
		    void *data)
{
	struct manager *manager = data;
	u64 now_ns = clock_ns();
	uint64_t ticks;

	if (read(fd, &ticks, sizeof(ticks)) != sizeof(ticks) || !ticks)
		return 0;
	if (manager->host.device.ticking) {
		manager_watch_beat(manager);
		return 0;
	}
	if (now_ns > manager->due_ns)
		stats_max(&manager->host.stats.late_max_ns,
			  now_ns - manager->due_ns);
	manager->due_ns += ticks * manager->host.quantum_ns;
	manager_work(manager, ticks);
	return 0;
}

static int on_beat(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	struct manager *manager = data;
	struct monarch_tick_event beat;
	int ticks = kernel_device_ticks(&manager->host.device, &beat);

	/* the timer will notice */
	if (ticks < 0)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	/* a tick that was under way when it was called off */
	if (ticks <= 0 || !manager->host.device.ticking)
		return 0;
	manager->beats++;
	stats_max(&manager->host.stats.late_max_ns, beat.lateness_max_ns);
	manager_work(manager, (u64)ticks);
	return 0;
}

/* Signals. */

static int on_exit_signal(sd_event_source *source,
			  const struct signalfd_siginfo *info, void *data)
{
	struct manager *manager = data;

	if (manager->stopping_ns)
		return 0;
	log_info("stopping: %u processes are resumed first",
		 manager_stopped(manager));
	sd_notify(0, "STOPPING=1");
	manager->stopping_ns = clock_ns();
	return 0;
}

static int on_reload_signal(sd_event_source *source,
			    const struct signalfd_siginfo *info, void *data)
{
	struct manager *manager = data;
	char *why = NULL;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", clock_ns() / NS_PER_US);
	if (manager_reload(manager, &why)) {
		manager_log_reasons(why);
		log_error("the policies were not reloaded; those in force stay");
	}
	free(why);
	sd_notify(0, "READY=1");
	return 0;
}

/* Setting up. */

/* Two daemons would undo each other's work. */
static int manager_lock(struct manager *manager)
{
	char path[4096];
	int error;

	if (mkdir(manager->options.runtime_dir, 0755) && errno != EEXIST) {
		error = errno;
		log_error("%s: cannot be made: %s",
			  manager->options.runtime_dir, strerror(error));
		return -error;
	}
	snprintf(path, sizeof(path), "%s/lock", manager->options.runtime_dir);
	manager->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			     0600);
	if (manager->lock >= 0 && !flock(manager->lock, LOCK_EX | LOCK_NB))
		return 0;
	error = errno;
	log_error("%s: %s", path, error == EWOULDBLOCK ?
		  "another monarchd is running; stop it first, or give each its own VMs (--only) and this one another --runtime-dir" :
		  strerror(error));
	return -error;
}

static int manager_policies(struct manager *manager)
{
	char *why = NULL;
	struct policies *none;
	int error = manager_load(manager, !manager->options.config_given, &why);

	if (!error)
		return 0;
	manager_log_reasons(why);
	free(why);
	if (error == -ENOENT)
		return error;
	log_error("no policy is in force; mend the files and send SIGHUP (systemctl reload monarchd)");
	none = policies_create();
	if (!none)
		return -ENOMEM;
	error = manager_commit(manager, none);
	if (error)
		policies_destroy(none);
	return error;
}

static int manager_only(struct manager *manager)
{
	const char *text = manager->options.only;
	char why[128];
	size_t at;

	if (!text)
		return 0;
	manager->only = policy_regex_compile(text, why, sizeof(why), &at);
	if (manager->only)
		return 0;
	log_error("--only: no regular expression: %s at character %zu", why,
		  at + 1);
	return -EINVAL;
}

static int manager_watch(struct manager *manager)
{
	sd_event *event = manager->event;
	int error = sd_event_add_io(event, NULL, manager->timer, EPOLLIN,
				    on_timer, manager);

	if (error >= 0)
		error = sd_event_add_io(event, NULL, vms_fd(manager->host.vms),
					EPOLLIN, on_vms, manager);
	if (error >= 0)
		error = sd_event_add_io(event, NULL,
					attach_fd(manager->host.pool), EPOLLIN,
					on_attached, manager);
	if (error >= 0)
		error = sd_event_add_signal(event, NULL, SIGTERM,
					    on_exit_signal, manager);
	if (error >= 0)
		error = sd_event_add_signal(event, NULL, SIGINT, on_exit_signal,
					    manager);
	if (error >= 0)
		error = sd_event_add_signal(event, NULL, SIGHUP,
					    on_reload_signal, manager);
	if (error >= 0)
		error = sd_event_set_watchdog(event, true);
	return min(error, 0);
}

static int manager_setup(struct manager *manager)
{
	int error = manager_lock(manager);

	if (error)
		return error;
	manager->timer = timerfd_create(CLOCK_MONOTONIC,
					TFD_CLOEXEC | TFD_NONBLOCK);
	if (manager->timer < 0)
		return -errno;
	error = min(sd_event_new(&manager->event), 0);
	if (!error)
		error = attach_pool_create(&manager->host.pool);
	if (!error)
		error = manager_only(manager);
	if (!error)
		error = manager_policies(manager);
	if (!error)
		error = vms_create(manager->options.libvirt_uri,
				   &manager->host.vms);
	if (!error)
		error = manager_watch(manager);
	if (!error)
		error = bus_create(manager, &manager->bus);
	if (!error)
		error = manager_open_device(manager);
	if (!error)
		manager_report_device(manager);
	return error;
}

int manager_create(const struct manager_options *options, struct manager **ret)
{
	struct manager *manager = calloc(1, sizeof(*manager));
	int error;

	if (!manager)
		return -ENOMEM;
	manager->options = *options;
	manager->timer = -1;
	manager->lock = -1;
	manager->start_ns = clock_ns();
	manager->host.event = manager_event;
	manager->host.choice = options->backend;
	manager->host.trap = options->trap;
	manager->host.device.fd = -1;
	manager->host.find.blob_dirs = manager->options.blob_dirs;
	manager->host.find.cache_dir = options->cache_dir;
	table_init(&manager->host.table);
	TAILQ_INIT(&manager->vms);
	error = manager_setup(manager);
	if (error) {
		manager_destroy(manager);
		return error;
	}
	*ret = manager;
	return 0;
}

static void manager_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

struct manager *manager_destroy(struct manager *manager)
{
	if (!manager)
		return NULL;
	manager->bus = bus_destroy(manager->bus);
	/* its sources watch descriptors that are closed below */
	manager->event = sd_event_unref(manager->event);
	while (!TAILQ_EMPTY(&manager->vms)) {
		struct vm *vm = TAILQ_FIRST(&manager->vms);

		TAILQ_REMOVE(&manager->vms, vm, entry);
		vm_destroy(vm);
	}
	manager->host.pool = attach_pool_destroy(manager->host.pool,
						 MANAGER_JOBS_EXIT_MS);
	/* a job that hangs uses both */
	if (!manager->host.pool) {
		vms_destroy(manager->host.vms);
		kernel_device_close(&manager->host.device);
	}
	table_deinit(&manager->host.table);
	decision_deinit(&manager->decision);
	policies_destroy(manager->policies);
	policy_regex_destroy(manager->only);
	manager_close(manager->timer);
	manager_close(manager->lock);
	/* a job that hangs may go on one day, and reads host.find then */
	if (!manager->host.pool)
		free(manager);
	return NULL;
}

int manager_run(struct manager *manager)
{
	sd_notify(0, "READY=1");
	return sd_event_loop(manager->event);
}
