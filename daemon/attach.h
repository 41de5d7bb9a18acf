/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attaching to a VM: reach it, make the way for holds, read its registers, find
 * the kernel in its RAM; and letting it go. All of that blocks (libvirt, the
 * monitor, a scan of RAM), so jobs run in threads of their own, a few at a time,
 * in turn: each may read all of a guest's RAM. The event loop waits on
 * attach_fd(). A VM has at most one job, which owns the VM's backend while it
 * runs. Of one that was lent, the loop still reads memory and times.
 */
#ifndef DAEMON_ATTACH_H
#define DAEMON_ATTACH_H

#include "vms.h"

struct attach_pool;

enum attach_result {
	ATTACH_FOUND,
	ATTACH_BOOTING,
	ATTACH_NOT_LINUX,
	ATTACH_NO_TYPES,
	ATTACH_UNREACHABLE,	/* not even its RAM */
	ATTACH_CHANGED,		/* other RAM or vCPUs: adopt(), then try again */
};

enum backend_choice {
	BACKEND_AUTO,		/* the module if it can, else QEMU */
	BACKEND_KERNEL,
	BACKEND_QEMU,
};

/**
 * struct attach_job - one try
 * @id: of the VM, for whoever started the job
 * @vms, @options: borrowed; see attach_pool_destroy()
 * @old: a backend to let go first, or NULL
 * @only_old: nothing else is to be done
 * @lent: @backend is read by others
 * @choice: of the backend
 * @device: the module's, borrowed; NULL: none, @no_kernel then says why
 * @trap: as backend_kernel_open()
 * @backend: in: NULL, or opened by an earlier job; out: opened, or NULL
 * @opened: this job had to open it, and what is said of it below is set
 * @why: one line for a person when the result is not ATTACH_FOUND
 * @no_monitor: why there is no monitor, "" if there is one or none is needed
 * @monitor_later: there may be one later
 * @no_kernel: why the kernel backend does not serve the VM, "" if it does
 * @kernel_error: the same as -errno
 */
struct attach_job {
	u64 id;
	struct vms *vms;
	struct vm_identity identity;
	const struct gi_find_options *options;
	struct backend *old;
	bool only_old;
	bool lent;
	struct backend *backend;
	bool opened;
	enum attach_result result;
	struct gi_found found;
	char why[BACKEND_WHY_LEN];
	char no_monitor[BACKEND_WHY_LEN];
	bool monitor_later;
	enum backend_choice choice;
	const struct kernel_device *device;
	bool trap;
	char no_kernel[BACKEND_WHY_LEN];
	int kernel_error;
	struct attach_pool *pool;
	struct attach_job *next;
};

int attach_pool_create(struct attach_pool **ret);

/*
 * Waits for the jobs still running, up to @timeout_ms.
 * Return: NULL; or @pool, when one hangs: it and what it borrowed must then stay
 * until the process ends.
 */
struct attach_pool *attach_pool_destroy(struct attach_pool *pool,
					u32 timeout_ms);

/* Readable when attach_next() has something. */
int attach_fd(const struct attach_pool *pool);

/* Start @job. Return: 0: the pool has it until attach_next(); -errno. */
int attach_start(struct attach_pool *pool, struct attach_job *job);

/* Let @backend go; here and now if no thread can be had. */
void attach_let_go(struct attach_pool *pool, struct backend *backend);

/* A finished job, the caller's again; NULL: none. */
struct attach_job *attach_next(struct attach_pool *pool);

/**
 * attach_find() - find the kernel of a VM that is reached
 * Registers are those of a moment: where the processes that ran then ended
 * before their page tables were walked, the search is done again.
 * Return: as gi_find_linux(), or the error of reading the registers.
 */
int attach_find(struct backend *backend, const struct gi_find_options *options,
		struct gi_found *ret);

/* Free a job with all that it holds. */
struct attach_job *attach_job_destroy(struct attach_job *job);

#endif /* DAEMON_ATTACH_H */
