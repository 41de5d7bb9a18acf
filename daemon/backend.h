/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the daemon reaches a VM: its RAM, its registers, hold / apply / release.
 * Implementations: backend_qemu.c (no module); later backend_kernel.c.
 */
#ifndef DAEMON_BACKEND_H
#define DAEMON_BACKEND_H

#include <sys/types.h>

#include "../guestinfo/core/edit.h"
#include "../guestinfo/core/memory.h"
#include "../guestinfo/find/find.h"

#define BACKEND_WHY_LEN 512

/* Sends a QEMU monitor command to a VM, whoever owns its monitor. */
struct monitor {
	/*
	 * Run QMP @command (JSON text); *ret_reply is malloc'ed JSON, the whole
	 * reply: an object with "return".
	 * Return: 0; -EIO the VM answered with an error; -ETIMEDOUT; -ENOTCONN;
	 * -EBUSY somebody else has the monitor (a migration job, for instance).
	 */
	int (*qmp)(struct monitor *monitor, const char *command,
		   char **ret_reply);
	/*
	 * Give QEMU the file descriptor @fd (getfd) under the name @fd_name,
	 * then run @command, in one monitor session. @fd stays the caller's.
	 */
	int (*qmp_fd)(struct monitor *monitor, const char *fd_name, int fd,
		      const char *command, char **ret_reply);
	void (*destroy)(struct monitor *monitor);
};

/**
 * struct vm_identity - which VM
 * @name: libvirt's name, or QEMU's -name guest=, or "qemu-PID"
 * @uuid: text form, "" if unknown
 * @libvirt: known to libvirt
 */
struct vm_identity {
	char name[128];
	char uuid[40];
	pid_t pid;
	bool libvirt;
};

/* One vCPU as the host sees it. */
struct vcpu_time {
	u64 cpu_ns;		/* host CPU time of its thread */
	u64 wait_ns;		/* time it waited on the host's run queue */
};

struct backend {
	const struct backend_ops *ops;
	struct gi_memory memory;
	u32 nr_vcpus;
	/* why edits are impossible, for a person, or ""; settle() renews it */
	char no_edit_why[BACKEND_WHY_LEN];
	/* what would make this VM cheaper to watch, for a person, or "" */
	char hint[BACKEND_WHY_LEN];
};

struct backend_ops {
	const char *name;	/* "qemu" */

	/* Registers of the first @max vCPUs. May hold the VM for a moment. */
	int (*registers)(struct backend *backend, struct gi_vcpu_regs *ret,
			 u32 max, u32 *ret_nr);

	/*
	 * Stop all vCPUs. Return: 0; -EBUSY the VM is paused, saved or migrating
	 * by somebody else's wish; -ENOTCONN it is gone; -EOPNOTSUPP, see
	 * no_edit_why; -ETIMEDOUT it did not stop in time; -EAGAIN not before
	 * prepare() has found the way to it again.
	 */
	int (*hold)(struct backend *backend);

	/*
	 * Only under the hold: compare all of @plan, then write; its kicks are sent
	 * before the vCPUs run again. Return: 0; -ESTALE a comparison failed,
	 * nothing written, @ret_step the index; -EFAULT not RAM, nothing written.
	 */
	int (*apply)(struct backend *backend, const struct gi_plan *plan,
		     u32 *ret_step);

	/*
	 * Let the vCPUs run. Never fails to try; errors mean that the VM is gone,
	 * or that settle() or prepare() does it.
	 */
	int (*release)(struct backend *backend);

	/*
	 * Finish what timed out, now and then; not under the hold. Never waits.
	 * Return: 0; -ETIMEDOUT not yet; -EAGAIN prepare() is due; -ENOTCONN.
	 */
	int (*settle)(struct backend *backend);

	/*
	 * Find the way for hold() again if it was lost, and look whether RAM and
	 * vCPUs are still those of before (hotplug): @ret_changed. May block for
	 * seconds. Others may read memory and times meanwhile, no more.
	 * Return: 0; an error: not all could be done, what was in use still is.
	 */
	int (*prepare)(struct backend *backend, bool *ret_changed);

	/*
	 * Use the RAM and vCPUs that prepare() saw; nobody else may use @backend
	 * now. The ranges of @backend->memory move: who kept facts of them, such
	 * as the end of RAM in a struct gi_kernel, asks again.
	 */
	void (*adopt)(struct backend *backend);

	/* Host times of the vCPU threads. */
	int (*vcpu_times)(struct backend *backend, struct vcpu_time *ret,
			  u32 max, u32 *ret_nr);

	/* Last hold's length in ns (from stop confirmed to run asked). */
	u64 (*last_hold_ns)(struct backend *backend);

	void (*destroy)(struct backend *backend);
};

/**
 * backend_qemu_open() - reach a QEMU process of this host
 * @monitor: owned from here on, also on failure; NULL: read only
 * @why: filled with one line for a person on failure
 * Return: 0, -ESRCH no such process, -EPERM, -EOPNOTSUPP (encrypted guest,
 * not QEMU, not x86), -ENOMEM, ...
 */
int backend_qemu_open(const struct vm_identity *identity,
		      struct monitor *monitor, struct backend **ret,
		      char why[BACKEND_WHY_LEN]);

static inline struct backend *backend_destroy(struct backend *backend)
{
	if (backend)
		backend->ops->destroy(backend);
	return NULL;
}

/* The monitor of a QEMU that we reach by its own QMP socket (not libvirt's). */
int monitor_qmp_open(const char *socket_path, struct monitor **ret);

static inline struct monitor *monitor_destroy(struct monitor *monitor)
{
	if (monitor)
		monitor->destroy(monitor);
	return NULL;
}

#endif /* DAEMON_BACKEND_H */
