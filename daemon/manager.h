/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon: an event loop with a timer of one quantum. Each tick samples every
 * VM, classifies what is new, decides, and makes the guests so.
 *
 * While the module serves a VM, its tick is the daemon's: it has then sampled
 * already, and one wake-up does for a quantum. The timer looks after it.
 *
 * Time is counted in ticks (ticks missed are caught up as time, not as work), so
 * that windows of P quanta are windows of P quanta.
 */
#ifndef DAEMON_MANAGER_H
#define DAEMON_MANAGER_H

#include <systemd/sd-event.h>

#include "decide.h"
#include "vm.h"

struct bus;

/**
 * struct manager_options - from the command line
 * @libvirt_uri: NULL: no libvirt
 * @config_given: @config_dir was asked for, so it must be there
 * @trap: account by trapping CR3 writes where that is possible
 * @only: expression that the names of VMs to manage match whole, NULL: all
 * @system_bus: try to own the name on the system bus
 */
struct manager_options {
	const char *libvirt_uri;
	const char *config_dir;
	const char *runtime_dir;
	const char *cache_dir;
	const char *bus_socket;
	const char *blob_dirs[8];
	const char *only;
	enum backend_choice backend;
	bool trap;
	u64 quantum_ns;
	bool system_bus;
	bool config_given;
};

/**
 * struct manager - the daemon
 * @now_ns: time of the current quantum
 * @beats: ticks of the module, as many as @beats_seen when the timer last looked
 * @beat_failed: it did not tick though it should: the timer does, for good
 * @stopping_ns: since when everything is being resumed to exit, 0: it is not
 * @left: at exit: processes that could not be resumed, and VMs of which it is
 *	not known whether there are any
 */
struct manager {
	struct vm_host host;
	struct manager_options options;
	sd_event *event;
	struct vm_list vms;
	struct policies *policies;
	struct policy_regex *only;
	struct decision decision;
	struct bus *bus;
	int timer;
	int lock;
	u64 now_ns;
	u64 second_ns;
	u64 due_ns;
	u64 beats;
	u64 beats_seen;
	bool beat_failed;
	u64 start_ns;
	u64 stopping_ns;
	u32 left;
};

int manager_create(const struct manager_options *options, struct manager **ret);
struct manager *manager_destroy(struct manager *manager);

/* Run until SIGTERM or SIGINT. Return: 0, or -errno. */
int manager_run(struct manager *manager);

/**
 * manager_reload() - read the policies again
 * @why: malloc'ed reasons, NULL on success
 * Return: 0; else the policies in force are unchanged.
 */
int manager_reload(struct manager *manager, char **why);

/* One quantum: @ticks have passed since the last. */
void manager_tick(struct manager *manager, u64 ticks);

/* By name, uuid or pid; NULL: none. */
struct vm *manager_find_vm(struct manager *manager, const char *name);

/* Stop or resume by hand; takes effect with the next vm_act(). */
void manager_suspend(struct manager *manager, struct proc *proc);
void manager_resume(struct manager *manager, struct proc *proc);

/* How many processes are stopped or being stopped now. */
u32 manager_stopped(const struct manager *manager);

#endif /* DAEMON_MANAGER_H */
