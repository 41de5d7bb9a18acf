// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reaching a VM through its QEMU process, without a kernel module.
 *
 *  - RAM: mapped, or through /proc/PID/mem (qemu_ram.c).
 *  - Registers: asked from the monitor; no hold needed.
 *  - Hold, kick, release: QEMU's gdb stub, on a link of ours (qemu_link.c).
 *
 * Not here: a lease by the kernel. If we hang inside a hold, the VM hangs.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "held_edit.h"
#include "monitor.h"
#include "qemu_cmdline.h"
#include "qemu_link.h"
#include "qemu_ram.h"
#include "qemu_registers.h"
#include "qemu_vcpus.h"
#include "walk.h"

#define APIC_BASE		0xfee00000ull
#define APIC_ID_LAST		0xfe	/* 0xff is everybody */

/* What hotplug changes. */
struct qemu_parts {
	struct qemu_ram *ram;	/* NULL: none of it all */
	struct qemu_vcpus vcpus;
};

/**
 * struct qemu_backend - a VM reached
 * @next: seen by prepare(), not in use yet
 */
struct qemu_backend {
	struct backend backend;
	struct vm_identity identity;
	struct monitor *monitor;
	struct qemu_cmdline cmdline;
	struct qemu_parts parts, next;
	struct qemu_link link;
	struct walk walk;
	int pidfd;
	u64 held_since_ns;
	u64 last_hold_ns;
};

static struct qemu_backend *to_qemu(struct backend *backend)
{
	return container_of(backend, struct qemu_backend, backend);
}

static bool is_gone(const struct qemu_backend *qemu)
{
	struct pollfd pfd = { .fd = qemu->pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) != 0;
}

/* ---- Whether it can be held ---- */

/* For as long as this process lives. */
static bool never_editable(const struct qemu_backend *qemu)
{
	return !qemu->monitor || qemu->cmdline.gdb;
}

/* Not while a job is making the link: readers of no_edit_why are on the loop. */
static void say_editable(struct qemu_backend *qemu)
{
	char *why = qemu->backend.no_edit_why;

	why[0] = '\0';
	if (!qemu->monitor)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s' has no monitor that we can reach: reading only; start QEMU with -qmp unix:PATH,server=on,wait=off",
			 qemu->identity.name);
	else if (qemu->cmdline.gdb)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s' was started with a gdb server of somebody else (-gdb, -s), and QEMU has only one: reading only; start it without",
			 qemu->identity.name);
	else if (qemu->link.foreign)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s' has a gdb server of somebody else, and QEMU has only one: close it with the monitor command 'gdbserver none'",
			 qemu->identity.name);
}

/* ---- Hold, apply, release ---- */

static int qemu_release(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);

	if (!qemu->link.held)
		return is_gone(qemu) ? -ENOTCONN : 0;
	qemu->last_hold_ns = clock_ns() - qemu->held_since_ns;
	return qemu_link_release(&qemu->link);
}

static int qemu_hold(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);
	int err;

	if (never_editable(qemu))
		return -EOPNOTSUPP;
	if (qemu->link.held)
		return 0;
	err = qemu_link_hold(&qemu->link);
	if (!err)
		qemu->held_since_ns = clock_ns();
	return err;
}

static int qemu_settle(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);

	say_editable(qemu);
	return never_editable(qemu) ? 0 : qemu_link_settle(&qemu->link);
}

static int check_kicks(const struct qemu_backend *qemu,
		       const struct gi_plan *plan)
{
	if (plan->nr_kicks > GI_PLAN_KICKS || plan->nr_steps > GI_PLAN_STEPS)
		return -EINVAL;
	if (plan->nr_kicks > GDBSTUB_WRITES - qemu->link.nr_kicks)
		return -ENOSPC;
	for (u32 i = 0; i < plan->nr_kicks; i++)
		if (plan->kicks[i].apic_id > APIC_ID_LAST)
			return -EOPNOTSUPP;
	return 0;
}

static int compare(struct qemu_backend *qemu, const struct gi_plan *plan,
		   u32 *ret_step)
{
	for (u32 i = 0; i < plan->nr_steps; i++) {
		const struct gi_step *step = &plan->steps[i];
		u64 value;
		int err;

		err = qemu_ram_load(qemu->parts.ram, step->gpa, step->width,
				    &value);
		if (!err && (value ^ step->expected) & step->mask)
			err = -ESTALE;
		if (err) {
			*ret_step = i;
			return err;
		}
	}
	return 0;
}

static int write_steps(struct qemu_backend *qemu, const struct gi_plan *plan)
{
	for (u32 i = 0; i < plan->nr_steps; i++) {
		const struct gi_step *step = &plan->steps[i];
		u64 value;
		int err;

		if (!step->write)
			continue;
		err = qemu_ram_load(qemu->parts.ram, step->gpa, step->width,
				    &value);
		if (!err)
			err = qemu_ram_store(qemu->parts.ram, step->gpa,
					     step->width,
					     gi_step_merge(step, value));
		/* Readable a moment ago: the process has died. */
		if (err)
			return -ENOTCONN;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

static int qemu_apply(struct backend *backend, const struct gi_plan *plan,
		      u32 *ret_step)
{
	struct qemu_backend *qemu = to_qemu(backend);
	int err;

	if (!qemu->link.held)
		return -EINVAL;
	err = check_kicks(qemu, plan);
	if (!err)
		err = compare(qemu, plan, ret_step);
	if (!err)
		err = write_steps(qemu, plan);
	if (err)
		return err;
	for (u32 i = 0; i < plan->nr_kicks; i++)
		qemu_link_kick(&qemu->link,
			       APIC_BASE | plan->kicks[i].apic_id << 12,
			       plan->kicks[i].vector);
	return 0;
}

static u64 qemu_last_hold_ns(struct backend *backend)
{
	return to_qemu(backend)->last_hold_ns;
}

/* ---- The rest of the operations ---- */

static int qemu_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	struct backend *backend = container_of(mem, struct backend, memory);

	return qemu_ram_read(to_qemu(backend)->parts.ram, gpa, buf, len);
}

static const struct gi_memory_ops memory_ops = { .read = qemu_read };

static int qemu_get_registers(struct backend *backend,
			      struct gi_vcpu_regs *ret, u32 max, u32 *ret_nr)
{
	struct qemu_backend *qemu = to_qemu(backend);
	char *text;
	int err;

	if (!qemu->monitor)
		return -EOPNOTSUPP;
	err = monitor_hmp(qemu->monitor, "info registers -a", &text);
	if (err)
		return is_gone(qemu) ? -ENOTCONN : err;
	err = qemu_registers_parse(text, ret, max, ret_nr);
	free(text);
	return err;
}

static int qemu_set_guest(struct backend *backend,
			  const struct gi_kernel *kernel,
			  const struct gi_found *found,
			  char why[BACKEND_WHY_LEN])
{
	walk_set_guest(&to_qemu(backend)->walk, kernel);
	return 0;
}

static int qemu_sample(struct backend *backend, bool full,
		       struct backend_sample *ret)
{
	return walk_sample(&to_qemu(backend)->walk, full, ret);
}

static int qemu_edit(struct backend *backend, struct backend_target *targets,
		     u32 nr, struct backend_edit *ret)
{
	return held_edit(backend, to_qemu(backend)->walk.kernel, targets, nr,
			 ret);
}

static int qemu_vcpu_times(struct backend *backend, struct vcpu_time *ret,
			   u32 max, u32 *ret_nr)
{
	struct qemu_backend *qemu = to_qemu(backend);

	return qemu_vcpus_times(&qemu->parts.vcpus, ret, max, ret_nr);
}

static void publish_parts(struct qemu_backend *qemu)
{
	struct backend *backend = &qemu->backend;

	backend->memory = (struct gi_memory){
		.ops = &memory_ops,
		.ranges = qemu->parts.ram->gi_ranges,
		.nr_ranges = qemu->parts.ram->nr_ranges,
	};
	backend->nr_vcpus = qemu->parts.vcpus.nr;
	backend->accounting = "guest";
	backend->hint[0] = '\0';
	if (!qemu_ram_is_mapped(qemu->parts.ram))
		snprintf(backend->hint, BACKEND_WHY_LEN,
			 "RAM of VM '%s' is private to QEMU: add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking> for cheaper reads",
			 qemu->identity.name);
}

/* ---- What hotplug changes ---- */

static void parts_close(struct qemu_parts *parts)
{
	if (!parts->ram)
		return;
	parts->ram = qemu_ram_destroy(parts->ram);
	qemu_vcpus_deinit(&parts->vcpus);
}

static int parts_open(struct qemu_backend *qemu, struct qemu_parts *ret,
		      char why[BACKEND_WHY_LEN])
{
	pid_t pid = qemu->identity.pid;
	int err;

	err = qemu_ram_open(pid, qemu->monitor, &qemu->cmdline, &ret->ram, why);
	if (err)
		return err;
	err = qemu_vcpus_init(&ret->vcpus, pid, qemu->monitor);
	if (err) {
		parts_close(ret);
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s': cannot tell its vCPU threads: %s",
			 qemu->identity.name, strerror(-err));
	}
	return err;
}

/* ---- The way, and what it leads to ---- */

static int qemu_prepare(struct backend *backend, bool *ret_changed)
{
	struct qemu_backend *qemu = to_qemu(backend);
	char why[BACKEND_WHY_LEN];
	int err, link_err = 0;

	*ret_changed = false;
	if (!never_editable(qemu))
		link_err = qemu_link_open(&qemu->link);
	if (monitor_is_silent(link_err))
		return link_err;
	parts_close(&qemu->next);
	err = parts_open(qemu, &qemu->next, why);
	if (err)
		return err;
	if (qemu_ram_same(qemu->parts.ram, qemu->next.ram) &&
	    qemu_vcpus_same(&qemu->parts.vcpus, &qemu->next.vcpus))
		parts_close(&qemu->next);
	*ret_changed = qemu->next.ram;
	return link_err;
}

static void qemu_adopt(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);

	if (!qemu->next.ram)
		return;
	parts_close(&qemu->parts);
	qemu->parts = qemu->next;
	qemu->next.ram = NULL;
	publish_parts(qemu);
}

static void qemu_destroy(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);

	qemu_link_deinit(&qemu->link);
	walk_set_guest(&qemu->walk, NULL);
	parts_close(&qemu->next);
	parts_close(&qemu->parts);
	if (qemu->pidfd >= 0)
		close(qemu->pidfd);
	monitor_destroy(qemu->monitor);
	free(qemu);
}

static const struct backend_ops qemu_ops = {
	.name = "qemu",
	.registers = qemu_get_registers,
	.set_guest = qemu_set_guest,
	.sample = qemu_sample,
	.edit = qemu_edit,
	.vcpu_times = qemu_vcpu_times,
	.settle = qemu_settle,
	.prepare = qemu_prepare,
	.adopt = qemu_adopt,
	.destroy = qemu_destroy,
	.hold = qemu_hold,
	.apply = qemu_apply,
	.release = qemu_release,
	.last_hold_ns = qemu_last_hold_ns,
};

/* ---- Opening ---- */

static int check_process(struct qemu_backend *qemu, char why[BACKEND_WHY_LEN])
{
	const struct vm_identity *identity = &qemu->identity;
	char exe[256];
	int err;

	qemu->pidfd = syscall(SYS_pidfd_open, identity->pid, 0);
	err = qemu->pidfd < 0 ? -errno : 0;
	if (!err)
		err = qemu_exe(identity->pid, exe, sizeof(exe));
	if (!err)
		err = qemu_cmdline_read(identity->pid, &qemu->cmdline);
	if (err) {
		err = err == -EACCES ? -EPERM : err;
		snprintf(why, BACKEND_WHY_LEN, "VM '%s': process %d: %s",
			 identity->name, identity->pid, strerror(-err));
		return err;
	}
	if (!qemu_is_x86(exe)) {
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s': process %d is '%s': expected qemu-system-x86_64 or qemu-kvm",
			 identity->name, identity->pid, exe);
		return -EOPNOTSUPP;
	}
	if (qemu->cmdline.encrypted[0]) {
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s' is encrypted (%s): its memory cannot be read from outside",
			 identity->name, qemu->cmdline.encrypted);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int take_ownership(struct qemu_backend *qemu, char why[BACKEND_WHY_LEN])
{
	int err;

	if (!qemu->monitor)
		return 0;
	err = qemu_link_init(&qemu->link, qemu->identity.pid, qemu->monitor,
			     qemu->pidfd);
	if (!qemu->link.flag.held) {
		snprintf(why, BACKEND_WHY_LEN, "VM '%s': %s%s",
			 qemu->identity.name,
			 err == -EBUSY ? "another Monarch has it; its lock is " :
			 strerror(-err),
			 err == -EBUSY ? qemu->link.flag.path : "");
		return err;
	}
	if (err)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s': its monitor does not answer: %s",
			 qemu->identity.name, strerror(-err));
	return err;
}

int backend_qemu_open(const struct vm_identity *identity,
		      struct monitor *monitor, struct backend **ret,
		      char why[BACKEND_WHY_LEN])
{
	struct qemu_backend *qemu = calloc(1, sizeof(*qemu));
	int err;

	if (!qemu) {
		monitor_destroy(monitor);
		snprintf(why, BACKEND_WHY_LEN, "out of memory");
		return -ENOMEM;
	}
	qemu->backend.ops = &qemu_ops;
	qemu->identity = *identity;
	qemu->monitor = monitor;
	qemu->pidfd = -1;
	qemu->link.flag.fd = -1;
	err = check_process(qemu, why);
	if (!err)
		err = take_ownership(qemu, why);
	if (!err)
		err = parts_open(qemu, &qemu->parts, why);
	if (err) {
		qemu_destroy(&qemu->backend);
		return err;
	}
	publish_parts(qemu);
	/* If that is not possible now, it is later. */
	if (!never_editable(qemu))
		qemu_link_open(&qemu->link);
	say_editable(qemu);
	*ret = &qemu->backend;
	return 0;
}
