// SPDX-License-Identifier: GPL-2.0-only
/* Attached VMs: their beginning and end; the idea is in vm.h. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "compat/compat.h"
#include "roster.h"
#include "session.h"
#include "trace.h"
#include "vm.h"

#define VCPUS_MIN	16u
#define VCPUS_GROWTH	4u

/* Its end is waited for by vms_exit(): no code of ours runs after that. */
static struct workqueue_struct *destroyer;

int vms_init(void)
{
	destroyer = alloc_workqueue("monarch", WQ_UNBOUND, 0);
	return destroyer ? 0 : -ENOMEM;
}

void vms_exit(void)
{
	destroy_workqueue(destroyer);
}

struct vm_job {
	struct kthread_work work;
	struct vm *vm;
	int (*run)(struct vm *vm, void *arg);
	void *arg;
	int ret;
};

static void job_work(struct kthread_work *work)
{
	struct vm_job *job = container_of(work, struct vm_job, work);

	job->ret = job->run(job->vm, job->arg);
}

int vm_run(struct vm *vm, int (*run)(struct vm *vm, void *arg), void *arg)
{
	struct vm_job job = {
		KTHREAD_WORK_INIT(job.work, job_work),
		.vm = vm, .run = run, .arg = arg,
	};

	kthread_queue_work(vm->worker, &job.work);
	kthread_flush_work(&job.work);
	return job.ret;
}

static void service_work(struct kthread_work *work)
{
	vm_service(container_of(work, struct vm, service_work));
}

static enum hrtimer_restart timer_rings(struct hrtimer *timer)
{
	struct vm *vm = container_of(timer, struct vm, timer);

	kthread_queue_work(vm->worker, &vm->service_work);
	return HRTIMER_NORESTART;
}

/* The VM's process ends. In any context that may not sleep. */
static void process_ends(void *data)
{
	struct vm *vm = data;

	kthread_queue_work(vm->worker, &vm->service_work);
}

static void count_sampling(struct vm *vm, int result, u64 ns)
{
	struct monarch_stats *stats = &vm->stats;

	switch (result) {
	case GUEST_WALKED:
		stats->walks++;
		break;
	case GUEST_REFRESHED:
		stats->refreshes++;
		break;
	case GUEST_QUIET:
		stats->quiet++;
		break;
	default:
		stats->walk_errors++;
	}
	stats->walk_ns_max = max_t(u64, stats->walk_ns_max, ns);
}

int vm_sample(struct vm *vm, bool full)
{
	u64 start = ktime_get_ns();
	int ret;

	if (!vm->link)
		return -ENODEV;
	ret = guest_begin(vm->guest, false);
	if (ret)
		return ret;
	ret = guest_sample(vm->guest, &vm->table, full);
	vm->table.head->nr_vcpus = link_nr_vcpus(vm->link);
	guest_end(vm->guest);
	count_sampling(vm, ret, ktime_get_ns() - start);
	trace_monarch_sample(vm->id, ret, vm->table.head->nr_processes,
			     vm->table.head->nr_threads,
			     ktime_get_ns() - start);
	return ret;
}

static void tick_work(struct kthread_work *work)
{
	struct vm *vm = container_of(work, struct vm, tick_work);

	if (vm->link && vm->guest->known && vm_sample(vm, false) < 0)
		trace_monarch_sample_failed(vm->id);
	session_vm_done(vm->tick_session);
}

void vm_let_go(struct vm *vm)
{
	struct link *link = vm->link;

	if (!link)
		return;
	vm->link = NULL;
	stops_forget(vm);
	link_close(link);
	trace_monarch_detach(vm->id);
}

static void vm_free(struct vm *vm)
{
	guest_destroy(vm->guest);
	table_deinit(&vm->table);
	put_pid(vm->pid);
	kvfree(vm);
}

static void destroy_work(struct work_struct *work)
{
	struct vm *vm = container_of(work, struct vm, destroy);

	hrtimer_cancel(&vm->timer);
	kthread_destroy_worker(vm->worker);
	roster_give_back(vm->id);
	vm_free(vm);
	module_put(THIS_MODULE);
}

void vm_destroy_later(struct vm *vm)
{
	queue_work(destroyer, &vm->destroy);
}

static struct vm *vm_new(const struct link_found *found, u32 id)
{
	struct vm *vm = kvzalloc(sizeof(*vm), GFP_KERNEL);

	if (!vm)
		return NULL;
	vm->id = id;
	vm->pid = get_pid(found->pid);
	vm->pid_number = pid_nr(found->pid);
	INIT_LIST_HEAD(&vm->ticking);
	INIT_LIST_HEAD(&vm->stops);
	hash_init(vm->stop_hash);
	INIT_WORK(&vm->destroy, destroy_work);
	kthread_init_work(&vm->tick_work, tick_work);
	kthread_init_work(&vm->service_work, service_work);
	compat_hrtimer_setup(&vm->timer, timer_rings, HRTIMER_MODE_ABS);
	return vm;
}

/* Room for vCPUs that are plugged in later. */
static u32 vcpus_for(const struct link_found *found)
{
	return clamp(found->nr_vcpus * VCPUS_GROWTH, VCPUS_MIN,
		     (u32)MONARCH_VCPUS_MAX);
}

/* On the worker: as soon as the link is there, its work may be asked for. */
struct start_job {
	const struct link_found *found;
	u32 max_vcpus;
};

static int start(struct vm *vm, void *arg)
{
	const struct start_job *job = arg;
	int err = link_open(job->found, table_vcpus(&vm->table),
			    job->max_vcpus, process_ends, vm, &vm->link);

	if (err)
		goto out;
	vm->guest = guest_create(vm->link, &vm->table);
	if (!vm->guest) {
		vm_let_go(vm);
		err = -ENOMEM;
		goto out;
	}
	vm->table.head->nr_vcpus = link_nr_vcpus(vm->link);
	vm->methods = MONARCH_ACCOUNT_SAMPLE;
	vm_service(vm);
	return 0;

out:
	vm->finished = true;	/* no timer */
	return err;
}

int vm_create(const struct link_found *found, u32 id, u32 max_processes,
	      u32 max_threads, struct vm **ret)
{
	struct start_job job = {
		.found = found, .max_vcpus = vcpus_for(found),
	};
	struct vm *vm = vm_new(found, id);
	int err;

	if (!vm)
		return -ENOMEM;
	err = table_init(&vm->table, job.max_vcpus, max_processes, max_threads);
	if (err)
		goto out_free;
	vm->worker = compat_run_worker("monarch/%u", vm->pid_number);
	if (IS_ERR(vm->worker)) {
		err = PTR_ERR(vm->worker);
		goto out_free;
	}
	err = vm_run(vm, start, &job);
	if (err)
		goto out_worker;
	__module_get(THIS_MODULE);
	trace_monarch_attach(vm->id, vm->pid_number, found->nr_vcpus);
	*ret = vm;
	return 0;

out_worker:
	kthread_destroy_worker(vm->worker);
out_free:
	vm_free(vm);
	return err;
}

void vm_close(struct vm *vm)
{
	WRITE_ONCE(vm->closing, true);
	kthread_queue_work(vm->worker, &vm->service_work);
}
