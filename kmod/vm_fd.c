// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM's descriptor: its commands and its table. Each command gets what it needs
 * from user space, has the VM's worker do it, and brings the result back; user
 * memory is never touched by the worker.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dispatch.h"
#include "session.h"
#include "vm.h"

#define LEASE_MIN_NS	NSEC_PER_MSEC
#define LEASE_MAX_NS	(3600ull * NSEC_PER_SEC)
#define CYCLE_MIN_NS	(2 * NSEC_PER_MSEC)
#define CYCLE_MAX_NS	(60ull * NSEC_PER_SEC)
#define PHASE_MIN_NS	((u64)NSEC_PER_MSEC)

/* A caller's array, copied. Return: its copy, NULL if it is empty, or an error. */
static void *array_in(u64 user, u32 nr, u32 max, size_t size)
{
	if (nr > max)
		return ERR_PTR(-EINVAL);
	if (!nr)
		return NULL;
	return vmemdup_user(u64_to_user_ptr(user), nr * size);
}

static int array_out(u64 user, const void *array, u32 nr, size_t size)
{
	return copy_to_user(u64_to_user_ptr(user), array, nr * size) ?
		       -EFAULT : 0;
}

/* ---- looking ---- */

struct info_job {
	struct monarch_vm_info *info;
	struct monarch_ram_range *ranges;
	u32 max;
};

static int job_info(struct vm *vm, void *arg)
{
	struct info_job *job = arg;
	struct monarch_vm_info *info = job->info;
	int err;

	if (!vm->link)
		return -ENODEV;
	err = guest_begin(vm->guest, false);
	if (err)
		return err;
	info->nr_ranges = link_ranges(vm->link, job->ranges, job->max);
	guest_end(vm->guest);
	info->nr_vcpus = link_nr_vcpus(vm->link);
	info->refusals = link_refusals(vm->link);
	if (info->nr_ranges > MONARCH_VM_RANGES_MAX)
		info->refusals |= MONARCH_VM_RANGES;
	info->stopped = vm->nr_stops;
	return 0;
}

static int run_vm_info(void *object, void *arg)
{
	struct vm *vm = object;
	struct monarch_vm_info *info = arg;
	struct info_job job = {
		.info = info,
		/* Merging wants them all, however few the caller takes. */
		.max = 4 * MONARCH_VM_RANGES_MAX,
	};
	u32 room = info->nr_ranges;
	int err;

	job.ranges = kvcalloc(job.max, sizeof(*job.ranges), GFP_KERNEL);
	if (!job.ranges)
		return -ENOMEM;
	err = vm_run(vm, job_info, &job);
	info->id = vm->id;
	info->pid = pid_vnr(vm->pid);
	if (!err)
		err = array_out(info->ranges, job.ranges,
				min3(room, info->nr_ranges, job.max),
				sizeof(*job.ranges));
	kvfree(job.ranges);
	return err;
}

struct regs_job {
	struct monarch_vcpu_regs *regs;
	u32 max, nr;
};

static int job_regs(struct vm *vm, void *arg)
{
	struct regs_job *job = arg;
	enum hold_refusal refusal;
	u64 reach_ns;
	int err;

	if (!vm->link)
		return -ENODEV;
	err = guest_begin(vm->guest, true);
	if (err)
		return err;
	refusal = link_hold(vm->link, false, &reach_ns);
	if (!refusal) {
		job->nr = link_registers(vm->link, job->regs, job->max);
		link_release(vm->link);
	}
	guest_end(vm->guest);
	return refusal ? -EOPNOTSUPP : 0;
}

static int run_regs(void *object, void *arg)
{
	struct monarch_regs *args = arg;
	struct regs_job job = { .max = min_t(u32, args->nr, MONARCH_VCPUS_MAX) };
	int err;

	if (args->reserved)
		return -EINVAL;
	if (!(hooks_features() & BIT_ULL(MONARCH_FEATURE_REGISTERS)))
		return -EOPNOTSUPP;
	job.regs = kvcalloc(max(job.max, 1u), sizeof(*job.regs), GFP_KERNEL);
	if (!job.regs)
		return -ENOMEM;
	err = vm_run(object, job_regs, &job);
	args->nr = job.nr;
	if (!err)
		err = array_out(args->regs, job.regs, min(job.nr, job.max),
				sizeof(*job.regs));
	kvfree(job.regs);
	return err;
}

struct read_job {
	u64 gpa;
	void *buf;
	u32 len;
};

static int job_read(struct vm *vm, void *arg)
{
	struct read_job *job = arg;
	int err;

	if (!vm->link)
		return -ENODEV;
	err = guest_begin(vm->guest, false);
	if (err)
		return err;
	err = link_read(vm->link, job->gpa, job->buf, job->len, true);
	guest_end(vm->guest);
	return err ? -EFAULT : 0;
}

static int run_read(void *object, void *arg)
{
	struct monarch_read *args = arg;
	struct read_job job = { .gpa = args->gpa, .len = args->len };
	int err;

	if (args->reserved || args->len > MONARCH_READ_MAX)
		return -EINVAL;
	if (!args->len)
		return 0;
	/* Zeroed: what can not be read must not show what was here before. */
	job.buf = kvzalloc(args->len, GFP_KERNEL);
	if (!job.buf)
		return -ENOMEM;
	err = vm_run(object, job_read, &job);
	if (!err)
		err = array_out(args->buf, job.buf, args->len, 1);
	kvfree(job.buf);
	return err;
}

/* ---- the guest ---- */

struct guest_job {
	const void *blob;
	u32 len;
	struct gi_boot *boot;
};

static bool same_boot(const struct guest *guest, const struct gi_boot *boot)
{
	return guest->known && boot && guest->boot.slide == boot->slide &&
	       guest->boot.phys_base == boot->phys_base &&
	       guest->boot.pgd == boot->pgd;
}

static int job_guest(struct vm *vm, void *arg)
{
	struct guest_job *job = arg;
	int err;

	if (!vm->link)
		return -ENODEV;
	err = guest_begin(vm->guest, false);
	if (err)
		return err;
	/* What was stopped in another boot is gone with it. */
	if (!same_boot(vm->guest, job->boot))
		stops_forget(vm);
	err = guest_set(vm->guest, job->blob, job->len, job->boot);
	guest_end(vm->guest);
	return err;
}

static struct gi_boot *boot_in(const struct monarch_set_guest *args)
{
	struct monarch_boot_cpu *cpus;
	struct gi_boot *boot;
	u32 i;

	cpus = array_in(args->cpus, args->nr_cpus, MONARCH_VCPUS_MAX,
			sizeof(*cpus));
	if (IS_ERR_OR_NULL(cpus))
		return cpus ? ERR_CAST(cpus) : ERR_PTR(-EINVAL);
	boot = kvzalloc(sizeof(*boot), GFP_KERNEL);
	if (!boot) {
		kvfree(cpus);
		return ERR_PTR(-ENOMEM);
	}
	boot->slide = args->slide;
	boot->phys_base = args->phys_base;
	boot->page_offset = args->page_offset;
	boot->pgd = args->pgd;
	boot->levels = args->levels;
	boot->nr_cpus = args->nr_cpus;
	for (i = 0; i < args->nr_cpus; i++) {
		boot->per_cpu_offset[i] = cpus[i].per_cpu_offset;
		boot->apic_id[i] = cpus[i].apic_id;
	}
	kvfree(cpus);
	return boot;
}

static bool is_no_guest(const struct monarch_set_guest *args)
{
	return !args->blob_len && !args->nr_cpus && !args->slide &&
	       !args->phys_base && !args->page_offset && !args->pgd &&
	       !args->levels;
}

static int run_set_guest(void *object, void *arg)
{
	struct monarch_set_guest *args = arg;
	struct guest_job job = { .len = args->blob_len };
	void *blob;
	int err;

	static_assert(MONARCH_VCPUS_MAX == GI_MAX_CPUS);
	if (args->reserved)
		return -EINVAL;
	if (is_no_guest(args))
		return vm_run(object, job_guest, &job);
	/* struct gi_boot has it in a byte */
	if (args->levels != 4 && args->levels != 5)
		return -EINVAL;
	blob = array_in(args->blob, args->blob_len, MONARCH_BLOB_MAX, 1);
	if (IS_ERR_OR_NULL(blob))
		return blob ? PTR_ERR(blob) : -EINVAL;
	job.blob = blob;
	job.boot = boot_in(args);
	if (IS_ERR(job.boot)) {
		err = PTR_ERR(job.boot);
	} else {
		err = vm_run(object, job_guest, &job);
		kvfree(job.boot);
	}
	kvfree(blob);
	return err;
}

static int job_sample(struct vm *vm, void *arg)
{
	struct monarch_sample *args = arg;
	u64 start = ktime_get_ns();
	int ret = vm_sample(vm, args->full);

	if (ret < 0)
		return ret;
	args->ns = ktime_get_ns() - start;
	args->sequence = vm->table.head->sequence;
	return 0;
}

static int run_sample(void *object, void *arg)
{
	struct monarch_sample *args = arg;

	if (args->reserved || args->full > 1)
		return -EINVAL;
	return vm_run(object, job_sample, args);
}

/* ---- stopping ---- */

struct edit_job {
	struct monarch_edit *args;
	struct monarch_target *targets;
	u32 nr;
};

static int job_stop(struct vm *vm, void *arg)
{
	struct edit_job *job = arg;
	int ret;

	if (!vm->link)
		return -ENODEV;
	if (!vm->guest->known)
		return -ENOENT;
	if (vm->lease_expired)
		return -ETIME;
	ret = vm_stop(vm, job->targets, job->nr, job->args);
	vm_service(vm);
	return ret;
}

static int job_resume(struct vm *vm, void *arg)
{
	struct edit_job *job = arg;
	int ret = vm_resume(vm, job->targets, job->nr, job->args);

	vm_service(vm);
	return ret;
}

static int job_settle(struct vm *vm, void *arg)
{
	struct edit_job *job = arg;

	return vm_edit(vm, EDIT_SETTLE, NULL, 0, job->args);
}

static bool edits_possible(void)
{
	u64 needed = BIT_ULL(MONARCH_FEATURE_HOLD) |
		     BIT_ULL(MONARCH_FEATURE_KICK);

	return (hooks_features() & needed) == needed;
}

static int run_edit(struct vm *vm, struct monarch_edit *args,
		    int (*run)(struct vm *vm, void *arg))
{
	struct edit_job job = { .args = args, .nr = args->nr };
	int err = 0;

	args->done = 0;
	args->hold_ns = 0;
	args->holds = 0;
	if (args->reserved)
		return -EINVAL;
	if (!edits_possible())
		return -EOPNOTSUPP;
	job.targets = array_in(args->targets, args->nr, MONARCH_TARGETS_MAX,
			       sizeof(*job.targets));
	if (IS_ERR(job.targets))
		return PTR_ERR(job.targets);
	if (job.targets || run == job_settle)
		err = vm_run(vm, run, &job);
	if (args->done && array_out(args->targets, job.targets, args->done,
				    sizeof(*job.targets)))
		err = -EFAULT;
	kvfree(job.targets);
	return err;
}

static int run_stop(void *object, void *arg)
{
	return run_edit(object, arg, job_stop);
}

static int run_resume(void *object, void *arg)
{
	return run_edit(object, arg, job_resume);
}

static int run_settle(void *object, void *arg)
{
	struct monarch_edit *args = arg;

	return args->nr ? -EINVAL : run_edit(object, args, job_settle);
}

/* ---- explicit plans ---- */

struct apply_job {
	struct monarch_apply *args;
	const struct monarch_step *steps;
	const struct monarch_kick *kicks;
};

static int add_step(struct gi_plan *plan, const struct monarch_step *step)
{
	if (step->write > 1 || step->purpose >= GI_PURPOSE_MAX ||
	    memchr_inv(step->reserved, 0, sizeof(step->reserved)))
		return -EINVAL;
	if (step->write)
		return gi_plan_write(plan, step->gpa, step->width, step->mask,
				     step->expected, step->value,
				     step->purpose);
	return gi_plan_check(plan, step->gpa, step->width, step->mask,
			     step->expected, step->purpose);
}

/* Only the interrupts that stopping and resuming need. */
static int add_kick(struct gi_plan *plan, const struct monarch_kick *kick)
{
	if ((kick->vector != 0xfb && kick->vector != 0xfd) ||
	    memchr_inv(kick->reserved, 0, sizeof(kick->reserved)))
		return -EINVAL;
	return gi_plan_kick(plan, kick->apic_id, kick->vector);
}

static int job_apply(struct vm *vm, void *arg)
{
	struct apply_job *job = arg;
	int err = 0;
	u32 i;

	gi_plan_init(&vm->plan);
	for (i = 0; !err && i < job->args->nr_steps; i++)
		err = add_step(&vm->plan, &job->steps[i]);
	for (i = 0; !err && i < job->args->nr_kicks; i++)
		err = add_kick(&vm->plan, &job->kicks[i]);
	return err ? err : vm_apply(vm, &job->args->step, &job->args->hold_ns);
}

static int run_apply(void *object, void *arg)
{
	struct monarch_apply *args = arg;
	struct apply_job job = { .args = args };
	void *steps, *kicks;
	int err;

	args->step = 0;
	args->hold_ns = 0;
	if (args->reserved)
		return -EINVAL;
	if (!edits_possible())
		return -EOPNOTSUPP;
	steps = array_in(args->steps, args->nr_steps, MONARCH_STEPS_MAX,
			 sizeof(*job.steps));
	if (IS_ERR(steps))
		return PTR_ERR(steps);
	kicks = array_in(args->kicks, args->nr_kicks, MONARCH_KICKS_MAX,
			 sizeof(*job.kicks));
	if (IS_ERR(kicks)) {
		kvfree(steps);
		return PTR_ERR(kicks);
	}
	job.steps = steps;
	job.kicks = kicks;
	err = vm_run(object, job_apply, &job);
	kvfree(kicks);
	kvfree(steps);
	return err;
}

/* ---- settings ---- */

static int job_account(struct vm *vm, void *arg)
{
	struct monarch_account *args = arg;
	u32 methods = args->methods;

	if (!vm->link)
		return -ENODEV;
	if (methods & MONARCH_ACCOUNT_CR3)
		methods |= MONARCH_ACCOUNT_SAMPLE;
	link_set_methods(vm->link, methods);
	vm->methods = methods;
	args->methods = methods;
	return 0;
}

static int run_account(void *object, void *arg)
{
	struct monarch_account *args = arg;

	if (args->reserved)
		return -EINVAL;
	if (args->methods & ~(MONARCH_ACCOUNT_SAMPLE | MONARCH_ACCOUNT_CR3))
		return -EOPNOTSUPP;
	if ((args->methods & MONARCH_ACCOUNT_CR3) &&
	    !(hooks_features() & BIT_ULL(MONARCH_FEATURE_CR3_TRAP)))
		return -EOPNOTSUPP;
	return vm_run(object, job_account, args);
}

static int job_lease(struct vm *vm, void *arg)
{
	struct monarch_lease *args = arg;

	if (!vm->link)
		return -ENODEV;
	vm->lease_ns = args->ns;
	vm->lease_end_ns = ktime_get_ns() + args->ns;
	vm->lease_expired = false;
	vm_service(vm);
	return 0;
}

static int run_lease(void *object, void *arg)
{
	struct monarch_lease *args = arg;

	if (args->ns && (args->ns < LEASE_MIN_NS || args->ns > LEASE_MAX_NS))
		return -EINVAL;
	return vm_run(object, job_lease, args);
}

static int job_hybrid(struct vm *vm, void *arg)
{
	struct monarch_hybrid *args = arg;

	if (!vm->link)
		return -ENODEV;
	vm->cycle_ns = args->cycle_ns;
	vm->autonomous_ns = args->autonomous_ns;
	vm_hybrid_restart(vm);
	vm_service(vm);
	return 0;
}

static int run_hybrid(void *object, void *arg)
{
	struct monarch_hybrid *args = arg;

	if (!args->cycle_ns)
		return args->autonomous_ns ?
			       -EINVAL : vm_run(object, job_hybrid, args);
	if (args->cycle_ns < CYCLE_MIN_NS || args->cycle_ns > CYCLE_MAX_NS ||
	    args->autonomous_ns < PHASE_MIN_NS ||
	    args->autonomous_ns > args->cycle_ns - PHASE_MIN_NS)
		return -EINVAL;
	return vm_run(object, job_hybrid, args);
}

static int job_stats(struct vm *vm, void *arg)
{
	struct monarch_stats *ret = arg;
	const struct monarch_vcpu *vcpu = table_vcpus(&vm->table);
	u32 size = ret->size, i;

	*ret = vm->stats;
	ret->size = size;
	ret->stopped = vm->nr_stops;
	for (i = 0; i < vm->table.head->max_vcpus; i++)
		ret->storms += READ_ONCE(vcpu[i].storms);
	return 0;
}

static int run_stats(void *object, void *arg)
{
	return vm_run(object, job_stats, arg);
}

/* ---- the descriptor ---- */

static const struct command commands[] = {
	COMMAND(MONARCH_VM_INFO, monarch_vm_info, ranges, run_vm_info),
	COMMAND(MONARCH_REGS, monarch_regs, regs, run_regs),
	COMMAND(MONARCH_READ, monarch_read, reserved, run_read),
	COMMAND(MONARCH_SET_GUEST, monarch_set_guest, reserved, run_set_guest),
	COMMAND_OUT(MONARCH_STOP, monarch_edit, reserved, run_stop),
	COMMAND_OUT(MONARCH_RESUME, monarch_edit, reserved, run_resume),
	COMMAND_OUT(MONARCH_SETTLE, monarch_edit, reserved, run_settle),
	COMMAND_OUT(MONARCH_APPLY, monarch_apply, hold_ns, run_apply),
	COMMAND(MONARCH_ACCOUNT, monarch_account, reserved, run_account),
	COMMAND(MONARCH_LEASE, monarch_lease, ns, run_lease),
	COMMAND(MONARCH_HYBRID, monarch_hybrid, autonomous_ns, run_hybrid),
	COMMAND(MONARCH_STATS, monarch_stats, storms, run_stats),
	COMMAND(MONARCH_SAMPLE, monarch_sample, ns, run_sample),
};

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(commands, ARRAY_SIZE(commands), file->private_data, cmd,
			arg);
}

static int vm_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct vm *vm = file->private_data;

	return table_mmap(&vm->table, vma);
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	session_del(vm);
	vm_close(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.mmap = vm_mmap,
	.unlocked_ioctl = vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

int vm_fd_create(struct vm *vm)
{
	int fd = anon_inode_getfd("monarch-vm", &vm_fops, vm,
				  O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		session_del(vm);
		vm_close(vm);
	}
	return fd;
}
