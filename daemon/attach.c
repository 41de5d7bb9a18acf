// SPDX-License-Identifier: GPL-2.0-only
/* See attach.h. */
#include "attach.h"

#include <pthread.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

#define ATTACH_MAX_VCPUS 64	/* any vCPU leads to the kernel */
#define ATTACH_TRIES 8
#define ATTACH_THREADS 4

/**
 * struct attach_pool - jobs
 * @lock: protects all but @fd
 * @waiting: until one of the threads is free, oldest first
 */
struct attach_pool {
	pthread_mutex_t lock;
	struct attach_job *done;
	struct attach_job *waiting, **last;
	u32 running;
	int fd;
};

int attach_pool_create(struct attach_pool **ret)
{
	struct attach_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pool->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->fd < 0) {
		free(pool);
		return -errno;
	}
	pool->last = &pool->waiting;
	pthread_mutex_init(&pool->lock, NULL);
	*ret = pool;
	return 0;
}

static bool attach_idle(struct attach_pool *pool)
{
	bool idle;

	pthread_mutex_lock(&pool->lock);
	idle = !pool->running;
	pthread_mutex_unlock(&pool->lock);
	return idle;
}

static void attach_push(struct attach_pool *pool, struct attach_job *job)
{
	*pool->last = job;
	pool->last = &job->next;
}

static struct attach_job *attach_pop(struct attach_pool *pool)
{
	struct attach_job *job = pool->waiting;

	if (!job)
		return NULL;
	pool->waiting = job->next;
	if (!pool->waiting)
		pool->last = &pool->waiting;
	job->next = NULL;
	return job;
}

static void attach_drop_waiting(struct attach_pool *pool)
{
	struct attach_job *job;

	pthread_mutex_lock(&pool->lock);
	while ((job = attach_pop(pool)))
		attach_job_destroy(job);
	pthread_mutex_unlock(&pool->lock);
}

struct attach_pool *attach_pool_destroy(struct attach_pool *pool,
					u32 timeout_ms)
{
	u64 end = clock_ns() + timeout_ms * NS_PER_MS;
	struct attach_job *job;

	if (!pool)
		return NULL;
	attach_drop_waiting(pool);
	while (!attach_idle(pool) && clock_ns() < end)
		poll(NULL, 0, 10);
	if (!attach_idle(pool))
		return pool;
	while ((job = attach_next(pool)))
		attach_job_destroy(job);
	pthread_mutex_destroy(&pool->lock);
	close(pool->fd);
	free(pool);
	return NULL;
}

int attach_fd(const struct attach_pool *pool)
{
	return pool->fd;
}

/* Return: the job that this thread does next, NULL: none. */
static struct attach_job *attach_done(struct attach_job *job)
{
	struct attach_pool *pool = job->pool;
	struct attach_job *next;
	u64 one = 1;

	pthread_mutex_lock(&pool->lock);
	job->next = pool->done;
	pool->done = job;
	next = attach_pop(pool);
	pool->running -= !next;
	/* full is as good as written: it is readable */
	if (write(pool->fd, &one, sizeof(one)) < 0)
		one = 0;
	pthread_mutex_unlock(&pool->lock);
	return next;
}

struct attach_job *attach_next(struct attach_pool *pool)
{
	struct attach_job *job;
	u64 count;

	pthread_mutex_lock(&pool->lock);
	job = pool->done;
	if (job)
		pool->done = job->next;
	if (!pool->done && read(pool->fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static int attach_kernel(struct attach_job *job)
{
	int error = -ENOENT;

	if (job->device)
		error = backend_kernel_open(&job->identity, job->device,
					    job->trap, &job->backend,
					    job->no_kernel);
	/* seeing more is no use if less can be done */
	if (!error && job->choice == BACKEND_AUTO &&
	    job->backend->no_edit_why[0]) {
		memcpy(job->no_kernel, job->backend->no_edit_why,
		       sizeof(job->no_kernel));
		job->backend = backend_destroy(job->backend);
		error = -EOPNOTSUPP;
	}
	if (!error)
		job->no_kernel[0] = '\0';
	return error;
}

/* Without a monitor the VM can be read all the same. */
static int attach_qemu(struct attach_job *job)
{
	struct monitor *monitor = NULL;
	int error = vms_monitor(job->vms, &job->identity, &monitor,
				job->no_monitor);

	if (error)
		monitor = NULL;
	else
		job->no_monitor[0] = '\0';
	job->opened = true;
	job->monitor_later = error == -EAGAIN;
	return backend_qemu_open(&job->identity, monitor, &job->backend,
				 job->why);
}

static int attach_open(struct attach_job *job)
{
	job->kernel_error = attach_kernel(job);
	if (job->kernel_error && job->choice != BACKEND_KERNEL)
		return attach_qemu(job);
	memcpy(job->why, job->no_kernel, sizeof(job->why));
	return job->kernel_error;
}

struct attach_regs {
	struct gi_vcpu_regs vcpus[ATTACH_MAX_VCPUS];
	u32 nr;
};

/*
 * A backend that can never tell them leaves the search to RAM alone. One that
 * only cannot now does not: RAM may hold the kernel of before a reboot.
 */
static int attach_regs_read(struct backend *backend, struct attach_regs *ret)
{
	int r = backend->ops->registers(backend, ret->vcpus, ATTACH_MAX_VCPUS,
					&ret->nr);

	if (r)
		ret->nr = 0;
	return r == -EOPNOTSUPP ? 0 : r;
}

/* Did some vCPU keep its page tables, so that they were alive all the time? */
static bool attach_regs_kept(const struct attach_regs *before,
			     const struct attach_regs *after)
{
	u32 i;

	for (i = 0; i < before->nr && i < after->nr; i++)
		if (before->vcpus[i].cr3 == after->vcpus[i].cr3)
			return true;
	return before->nr == 0;
}

int attach_find(struct backend *backend, const struct gi_find_options *options,
		struct gi_found *ret)
{
	struct attach_regs regs[2];
	u32 try;
	int r;

	r = attach_regs_read(backend, &regs[0]);
	if (r)
		return r;
	for (try = 0; try < ATTACH_TRIES; try++) {
		const struct attach_regs *before = &regs[try % 2];
		struct attach_regs *after = &regs[1 - try % 2];

		r = gi_find_linux(&backend->memory, before->vcpus, before->nr,
				  options, ret);
		if (r != GI_FIND_E_NOT_LINUX)
			break;
		if (attach_regs_read(backend, after) ||
		    attach_regs_kept(before, after))
			break;
	}
	return r;
}

static enum attach_result attach_result(int found)
{
	switch (found) {
	case GI_FOUND:
		return ATTACH_FOUND;
	case GI_FIND_E_BOOTING:
		return ATTACH_BOOTING;
	case GI_FIND_E_NOT_LINUX:
		return ATTACH_NOT_LINUX;
	case GI_FIND_E_NO_TYPES:
		return ATTACH_NO_TYPES;
	}
	return ATTACH_UNREACHABLE;
}

/*
 * A backend of before: is it still as it was? Who cannot hold a VM, or not tell
 * what has become of it, can see into it all the same.
 * Return: false: the caller must adopt the change first.
 */
static bool attach_prepare(struct attach_job *job)
{
	const struct backend_ops *ops = job->backend->ops;
	bool changed;

	ops->prepare(job->backend, &changed);
	if (changed && !job->lent)
		ops->adopt(job->backend);
	return !changed || !job->lent;
}

static void attach_try(struct attach_job *job)
{
	int result;

	job->result = ATTACH_UNREACHABLE;
	job->old = backend_destroy(job->old);
	if (job->only_old)
		return;
	if (job->backend && !attach_prepare(job)) {
		job->result = ATTACH_CHANGED;
		return;
	}
	if (!job->backend) {
		job->opened = true;
		result = attach_open(job);
		if (result && !job->why[0])
			snprintf(job->why, sizeof(job->why), "%s",
				 strerror(-result));
		if (result)
			return;
	}
	result = attach_find(job->backend, job->options, &job->found);
	job->result = attach_result(result);
	if (result > 0)
		snprintf(job->why, sizeof(job->why), "%s",
			 gi_find_outcome_text(result));
	else if (result)
		snprintf(job->why, sizeof(job->why),
			 "its registers cannot be read: %s; tried again",
			 strerror(-result));
}

static void *attach_run(void *data)
{
	struct attach_job *job = data;

	while (job) {
		attach_try(job);
		job = attach_done(job);
	}
	return NULL;
}

int attach_start(struct attach_pool *pool, struct attach_job *job)
{
	pthread_attr_t attributes;
	pthread_t thread;
	bool wait;
	int error;

	job->pool = pool;
	pthread_mutex_lock(&pool->lock);
	wait = pool->running == ATTACH_THREADS;
	pool->running += !wait;
	if (wait)
		attach_push(pool, job);
	pthread_mutex_unlock(&pool->lock);
	if (wait)
		return 0;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attributes, attach_run, job);
	pthread_attr_destroy(&attributes);
	if (!error)
		return 0;
	pthread_mutex_lock(&pool->lock);
	pool->running--;
	pthread_mutex_unlock(&pool->lock);
	return -error;
}

void attach_let_go(struct attach_pool *pool, struct backend *backend)
{
	struct attach_job *job = backend ? calloc(1, sizeof(*job)) : NULL;

	if (!job) {
		backend_destroy(backend);
		return;
	}
	job->old = backend;
	job->only_old = true;
	if (attach_start(pool, job))
		attach_job_destroy(job);
}

struct attach_job *attach_job_destroy(struct attach_job *job)
{
	if (!job)
		return NULL;
	backend_destroy(job->old);
	backend_destroy(job->backend);
	gi_found_deinit(&job->found);
	free(job);
	return NULL;
}
