/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the daemon reaches a VM. The daemon says what it wants (see all
 * processes, stop these, resume those); a backend knows how:
 *
 *   backend_qemu.c    QEMU's RAM and gdb stub: samples by walking the guest's
 *                     memory from here (walk.h), edits by hold, plan, apply,
 *                     release (held_edit.h)
 *   backend_kernel.c  monarch.ko: the module samples into a table that is mapped
 *                     here (kernel_table.h), and edits in one call
 */
#ifndef DAEMON_BACKEND_H
#define DAEMON_BACKEND_H

#include <sys/types.h>

#include "../guestinfo/core/linux_stop.h"
#include "../guestinfo/find/find.h"

#define BACKEND_WHY_LEN 512
#define BACKEND_TARGETS_MAX 256

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
	u64 cpu_ns;		/* time that it ran */
	u64 wait_ns;		/* time it waited on the host's run queue */
};

/**
 * struct space_time - time in guest mode of an address space
 * @key: page-table root, without the bits that MONARCH_SPACE_MASK takes off
 */
struct space_time {
	u64 key;
	u64 ns;
};

/**
 * struct backend_sample - what a sample brought
 * @snapshot: the backend's, until the next sample() or set_guest()
 * @all: it is a new one. Else only @running of it are newer, the rest is as it
 *	was: nothing else was scheduled in the guest
 * @running: indices of processes in @snapshot, those on a CPU
 * @other_cpus: the guest's CPUs are perhaps others than is known; valid after
 *	an error, too
 */
struct backend_sample {
	const struct gi_snapshot *snapshot;
	bool all;
	bool other_cpus;
	u32 nr_running;
	u32 running[GI_MAX_CPUS];
};

/*
 * BACKEND_SETTLE has no process: it ends wake-ups that borrowed a reference and
 * that the guest has taken (gi_plan_settle()).
 */
enum backend_act { BACKEND_STOP, BACKEND_RESUME, BACKEND_SETTLE };

/**
 * struct backend_target - something to be done, and what came of it
 * @done: out, as all below: it has a result; if not, it is for another time
 * @refusal: why nothing was done
 * @error: 0; or with what applying the plan failed: -ESTALE memory changed
 *	meanwhile, -EFAULT it is no RAM. Nothing was written, try again
 * @wrote: something was; if not, without refusal and error: it is as wanted
 * @result: of the plan
 */
struct backend_target {
	enum backend_act act;
	struct gi_target target;
	bool done;
	enum gi_refusal refusal;
	int error;
	bool wrote;
	struct gi_stop_result result;
};

/**
 * struct backend_edit - how an edit went
 * @holds: that it took; 0: none was needed
 * @hold_ns: the longest of them, vCPUs stopped
 * @wait_ns: spent until the vCPUs stood
 */
struct backend_edit {
	u32 holds;
	u64 hold_ns;
	u64 wait_ns;
};

/**
 * struct backend - a VM within reach
 * @accounting: how CPU time is told: "guest" by the guest's own clock corrected by
 *	vcpu_times(); "sample" and "cr3" beside it by space_times(), where
 *	address spaces are seen at each entry to the guest, or at each switch
 */
struct backend {
	const struct backend_ops *ops;
	struct gi_memory memory;
	u32 nr_vcpus;
	const char *accounting;
	/* why edits are impossible, for a person, or ""; settle() renews it */
	char no_edit_why[BACKEND_WHY_LEN];
	/* what would make this VM cheaper to watch, for a person, or "" */
	char hint[BACKEND_WHY_LEN];
};

struct backend_ops {
	const char *name;	/* "qemu", "kernel" */

	/* Registers of the first @max vCPUs. May hold the VM for a moment. */
	int (*registers)(struct backend *backend, struct gi_vcpu_regs *ret,
			 u32 max, u32 *ret_nr);

	/*
	 * What runs in the VM from now on: @kernel, which stays where it is, as
	 * found in @found; NULL both: nothing that we know. Snapshots of before are
	 * gone, unless it is the same @kernel again, with other RAM or CPUs.
	 * Return: 0; -errno @why says, and there is no guest.
	 */
	int (*set_guest)(struct backend *backend, const struct gi_kernel *kernel,
			 const struct gi_found *found,
			 char why[BACKEND_WHY_LEN]);

	/*
	 * See all processes. @full: something was changed behind the guest's
	 * back, read all. Return: 0; as gi_linux_walk(); -ENOTCONN the VM is
	 * gone. After an error, the snapshot of before is there still.
	 */
	int (*sample)(struct backend *backend, bool full,
		      struct backend_sample *ret);

	/*
	 * Do what @targets say, up to BACKEND_TARGETS_MAX, in as few holds as
	 * possible and as many of them as a hold bears. @ret is always written,
	 * and so is what was done before an error.
	 * Return: 0; -EBUSY the VM is paused, saved or migrating by somebody
	 * else's wish; -ENOTCONN it is gone; -EOPNOTSUPP, see no_edit_why;
	 * -ETIMEDOUT it did not stop in time; -ETIME the lease had run out;
	 * -EAGAIN not before prepare() has found the way to it again.
	 */
	int (*edit)(struct backend *backend, struct backend_target *targets,
		    u32 nr, struct backend_edit *ret);

	/* Times of the vCPUs. */
	int (*vcpu_times)(struct backend *backend, struct vcpu_time *ret,
			  u32 max, u32 *ret_nr);

	/*
	 * How long each address space ran since the last call, in any order.
	 * NULL: nobody knows.
	 */
	int (*space_times)(struct backend *backend, struct space_time *ret,
			   u32 max, u32 *ret_nr);

	/*
	 * Called each quantum: we are alive; if that is not said in time,
	 * whoever keeps the lease resumes all. NULL: there is no lease.
	 * Return: 0; -ENOTCONN the VM is gone.
	 */
	int (*renew)(struct backend *backend, u64 quantum_ns);

	/*
	 * Finish what timed out, now and then; not under the hold. Never waits.
	 * NULL: nothing is ever left unfinished.
	 * Return: 0; -ETIMEDOUT not yet; -EAGAIN prepare() is due; -ENOTCONN.
	 */
	int (*settle)(struct backend *backend);

	/*
	 * Find the way for edit() again if it was lost, and look whether RAM and
	 * vCPUs are still those of before (hotplug): @ret_changed. May block for
	 * seconds. Others may read memory, samples and times meanwhile, and renew
	 * the lease, no more.
	 * Return: 0; an error: not all could be done, what was in use still is.
	 */
	int (*prepare)(struct backend *backend, bool *ret_changed);

	/*
	 * Use the RAM and vCPUs that prepare() saw; nobody else may use @backend
	 * now. The ranges of @backend->memory move: who kept facts of them, such
	 * as the end of RAM in a struct gi_kernel, asks again.
	 */
	void (*adopt)(struct backend *backend);

	void (*destroy)(struct backend *backend);

	/* The parts of an edit, for held_edit() and tests. */

	/* Stop all vCPUs. Return: as edit(). */
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

	/* Last hold's length in ns (from stop confirmed to run asked). */
	u64 (*last_hold_ns)(struct backend *backend);
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

struct kernel_device;

/**
 * backend_kernel_open() - reach a VM through monarch.ko
 * @device: stays open until the backend is destroyed
 * @trap: account by trapping CR3 writes, where that is possible
 * @why: filled with one line for a person on failure
 * Return: 0, -ENOENT the module does not know the VM, -EBUSY, -EOPNOTSUPP, ...
 */
int backend_kernel_open(const struct vm_identity *identity,
			const struct kernel_device *device, bool trap,
			struct backend **ret, char why[BACKEND_WHY_LEN]);

static inline int backend_settle(struct backend *backend)
{
	return backend->ops->settle ? backend->ops->settle(backend) : 0;
}

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
