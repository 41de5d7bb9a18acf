// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reaching a VM through its QEMU process, without a kernel module.
 *
 *  - RAM: mapped, or through /proc/PID/mem (qemu_ram.c).
 *  - Registers: asked from the monitor; no hold needed.
 *  - Hold, kick, release: QEMU's gdb stub, on a socket pair of which QEMU is
 *    handed one end through the monitor. There is no name in any file system,
 *    nobody else can connect, and our death closes it. It is set up at the
 *    first hold and stays.
 *
 * Rules: a VM that somebody else paused, saves or migrates is not touched, and
 * never resumed (writes by a mapping escape QEMU's log of dirty pages, so a
 * migration would lose them: it is asked about under each hold). Before a hold
 * a flag is put down that outlives us (held_flag.h).
 *
 * Not here: a lease by the kernel. If we hang inside a hold, the VM hangs.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "gdbstub.h"
#include "held_edit.h"
#include "held_flag.h"
#include "monitor.h"
#include "qemu_cmdline.h"
#include "qemu_ram.h"
#include "qemu_registers.h"
#include "qemu_vcpus.h"
#include "walk.h"

#define CHARDEV			"monarch-gdb"
#define HOLD_TIMEOUT_MS		2000
#define RELEASE_TIMEOUT_MS	2000
#define APIC_BASE		0xfee00000ull
#define APIC_ID_LAST		0xfe	/* 0xff is everybody */

struct qemu_backend {
	struct backend backend;
	struct vm_identity identity;
	struct monitor *monitor;
	struct qemu_cmdline cmdline;
	struct qemu_ram *ram;
	struct qemu_vcpus vcpus;
	struct held_flag flag;
	struct gdbstub stub;
	struct walk walk;
	int pidfd;
	bool linked;		/* the stub is connected */
	bool held;
	u64 held_since_ns;
	u64 last_hold_ns;
	struct gdbstub_write kicks[GDBSTUB_WRITES];
	u32 nr_kicks;
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

/* ---- The monitor's view ---- */

static int is_running(struct qemu_backend *qemu, bool *ret)
{
	struct json_object *status;
	int err;

	err = monitor_query(qemu->monitor, "query-status", &status);
	if (err)
		return err;
	*ret = !strcmp(json_member_string(status, "status"), "running");
	json_object_put(status);
	return 0;
}

/* We died while the VM was held: let it run. */
static int recover_hold(struct qemu_backend *qemu)
{
	bool running;
	int err;

	if (!held_flag_get(&qemu->flag))
		return 0;
	err = is_running(qemu, &running);
	if (!err && !running)
		err = monitor_query(qemu->monitor, "cont", NULL);
	if (!err)
		held_flag_set(&qemu->flag, false);
	return err;
}

/* Who else has a gdb server in this QEMU? */
static int check_gdb(struct qemu_backend *qemu)
{
	struct json_object *list;
	bool foreign = false;
	size_t n;
	int err;

	err = monitor_query(qemu->monitor, "query-chardev", &list);
	if (err)
		return err;
	n = json_object_is_type(list, json_type_array) ?
		json_object_array_length(list) : 0;
	for (size_t i = 0; i < n; i++)
		foreign |= !strcmp(json_member_string(
			json_object_array_get_idx(list, i), "label"), "gdb");
	json_object_put(list);
	if (foreign || qemu->cmdline.gdb)
		snprintf(qemu->backend.no_edit_why, BACKEND_WHY_LEN,
			 "VM '%s' has a gdb server of somebody else (-gdb, -s or the monitor's gdbserver): QEMU has only one, close it with the monitor command 'gdbserver none'",
			 qemu->identity.name);
	return 0;
}

/* ---- The link to the gdb stub ---- */

/* Take back what a predecessor may have left, so that names are free. */
static void unlink_stub(struct qemu_backend *qemu)
{
	char *text, *reply;

	if (!monitor_hmp(qemu->monitor, "gdbserver none", &text))
		free(text);
	if (!qemu->monitor->qmp(qemu->monitor,
				"{\"execute\":\"chardev-remove\","
				"\"arguments\":{\"id\":\"" CHARDEV "\"}}",
				&reply))
		free(reply);
}

static int hand_over(struct qemu_backend *qemu, int fd)
{
	static const char add[] =
		"{\"execute\":\"chardev-add\",\"arguments\":{\"id\":\"" CHARDEV
		"\",\"backend\":{\"type\":\"socket\",\"data\":{\"server\":false,"
		"\"addr\":{\"type\":\"fd\",\"data\":{\"str\":\"" CHARDEV
		"\"}}}}}}";
	char *reply;
	int err;

	err = qemu->monitor->qmp_fd(qemu->monitor, CHARDEV, fd, add, &reply);
	if (!err)
		free(reply);
	return err;
}

/*
 * Connecting stops the VM. The packet that continues it waits in the socket
 * already, so the stop is short and our death in between does no harm; a VM
 * that was not running gets no such packet.
 */
static int start_server(struct qemu_backend *qemu)
{
	bool running;
	char *text;
	int err;

	err = is_running(qemu, &running);
	if (err)
		return err;
	held_flag_set(&qemu->flag, running);
	if (running)
		err = gdbstub_preset_continue(&qemu->stub);
	if (!err)
		err = monitor_hmp(qemu->monitor, "gdbserver chardev:" CHARDEV,
				  &text);
	if (err)
		return err;
	err = strstr(text, "Waiting for gdb") ? 0 : -EIO;
	free(text);
	if (!err)
		err = gdbstub_settle(&qemu->stub, RELEASE_TIMEOUT_MS);
	return err;
}

static void close_link(struct qemu_backend *qemu)
{
	gdbstub_deinit(&qemu->stub);
	unlink_stub(qemu);
	recover_hold(qemu);
	qemu->linked = false;
	qemu->held = false;
	qemu->nr_kicks = 0;
}

static int open_link(struct qemu_backend *qemu)
{
	int pair[2];
	int err;

	unlink_stub(qemu);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	gdbstub_init(&qemu->stub, pair[0]);
	err = hand_over(qemu, pair[1]);
	close(pair[1]);
	if (err) {
		gdbstub_deinit(&qemu->stub);
		return err;
	}
	err = start_server(qemu);
	if (err) {
		close_link(qemu);
		return err;
	}
	held_flag_set(&qemu->flag, false);
	qemu->linked = true;
	return 0;
}

/* A link that broke while the VM may be stopped: the monitor lets it run. */
static int link_error(struct qemu_backend *qemu, int err)
{
	if (qemu->stub.state != GDBSTUB_BROKEN)
		return err;
	if (is_gone(qemu)) {
		qemu->held = false;
		return -ENOTCONN;
	}
	close_link(qemu);
	return err == -EPROTO ? -ENOTCONN : err;
}

static int settle(struct qemu_backend *qemu)
{
	int err;

	if (!qemu->linked || qemu->held)
		return 0;
	err = gdbstub_settle(&qemu->stub, 0);
	if (!err)
		held_flag_set(&qemu->flag, false);
	return err ? link_error(qemu, err) : 0;
}

/* ---- Hold, apply, release ---- */

/*
 * Does "info migrate" tell of a migration (or of a snapshot, which is one)?
 * "Migration status: active", since 10.1 "Status: active".
 */
static bool is_migrating(const char *text)
{
	static const char *const over[] = {
		"none", "completed", "failed", "cancelled",
	};
	const char *at = strstr(text, "tatus:");

	/* "Migration status" or "Status", not some "... status" of a detail. */
	if (!at)
		return false;
	at += strlen("tatus:");
	at += strspn(at, " \t");
	for (u32 i = 0; i < ARRAY_SIZE(over); i++)
		if (!strncmp(at, over[i], strlen(over[i])))
			return false;
	return true;
}

static int qemu_release(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);
	u32 nr_kicks = qemu->nr_kicks;
	int err;

	if (!qemu->held)
		return is_gone(qemu) ? -ENOTCONN : 0;
	qemu->last_hold_ns = clock_ns() - qemu->held_since_ns;
	qemu->held = false;
	qemu->nr_kicks = 0;
	err = gdbstub_continue(&qemu->stub, qemu->kicks, nr_kicks,
			       RELEASE_TIMEOUT_MS);
	if (!err || err == -EIO)
		held_flag_set(&qemu->flag, false);
	return err ? link_error(qemu, err) : 0;
}

static int qemu_hold(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);
	int err;

	if (backend->no_edit_why[0])
		return -EOPNOTSUPP;
	if (qemu->held)
		return 0;
	if (is_gone(qemu))
		return -ENOTCONN;
	err = qemu->linked ? settle(qemu) : 0;
	if (!err && !qemu->linked)
		err = open_link(qemu);
	if (err)
		return err;
	held_flag_set(&qemu->flag, true);
	err = gdbstub_stop(&qemu->stub, "info migrate", HOLD_TIMEOUT_MS);
	if (err) {
		/* Late: still ours to undo, so the flag stays. */
		if (qemu->stub.state == GDBSTUB_IDLE)
			held_flag_set(&qemu->flag, false);
		return link_error(qemu, err);
	}
	qemu->held = true;
	qemu->held_since_ns = clock_ns();
	if (is_migrating(qemu->stub.text)) {
		err = qemu_release(backend);
		return err ? err : -EBUSY;
	}
	return 0;
}

static int check_kicks(const struct qemu_backend *qemu,
		       const struct gi_plan *plan)
{
	if (plan->nr_kicks > GI_PLAN_KICKS || plan->nr_steps > GI_PLAN_STEPS)
		return -EINVAL;
	if (plan->nr_kicks > GDBSTUB_WRITES - qemu->nr_kicks)
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

		err = qemu_ram_load(qemu->ram, step->gpa, step->width, &value);
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
		err = qemu_ram_load(qemu->ram, step->gpa, step->width, &value);
		if (!err)
			err = qemu_ram_store(qemu->ram, step->gpa, step->width,
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

	if (!qemu->held)
		return -EINVAL;
	err = check_kicks(qemu, plan);
	if (!err)
		err = compare(qemu, plan, ret_step);
	if (!err)
		err = write_steps(qemu, plan);
	if (err)
		return err;
	for (u32 i = 0; i < plan->nr_kicks; i++)
		qemu->kicks[qemu->nr_kicks++] = (struct gdbstub_write){
			.gpa = APIC_BASE | plan->kicks[i].apic_id << 12,
			.value = plan->kicks[i].vector,
		};
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

	return qemu_ram_read(to_qemu(backend)->ram, gpa, buf, len);
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
	err = settle(qemu);
	if (!err)
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
	int err = settle(qemu);

	if (err && err != -ETIMEDOUT)
		return err;
	return qemu_vcpus_times(&qemu->vcpus, ret, max, ret_nr);
}

static void publish_ram(struct qemu_backend *qemu)
{
	struct backend *backend = &qemu->backend;

	backend->memory = (struct gi_memory){
		.ops = &memory_ops,
		.ranges = qemu->ram->gi_ranges,
		.nr_ranges = qemu->ram->nr_ranges,
	};
	backend->nr_vcpus = qemu->vcpus.nr;
	backend->accounting = "guest";
	backend->hint[0] = '\0';
	if (!qemu_ram_is_mapped(qemu->ram))
		snprintf(backend->hint, BACKEND_WHY_LEN,
			 "RAM of VM '%s' is private to QEMU: add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking> for cheaper reads",
			 qemu->identity.name);
}

static int qemu_rescan(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);
	char why[BACKEND_WHY_LEN];
	struct qemu_vcpus vcpus;
	struct qemu_ram *ram;
	int err;

	if (qemu->held)
		return -EINVAL;
	err = qemu_vcpus_init(&vcpus, qemu->identity.pid, qemu->monitor);
	if (err)
		return err;
	err = qemu_ram_open(qemu->identity.pid, qemu->monitor, &qemu->cmdline,
			    &ram, why);
	if (err) {
		qemu_vcpus_deinit(&vcpus);
		return err;
	}
	qemu_vcpus_deinit(&qemu->vcpus);
	qemu_ram_destroy(qemu->ram);
	qemu->vcpus = vcpus;
	qemu->ram = ram;
	publish_ram(qemu);
	return 0;
}

static void qemu_destroy(struct backend *backend)
{
	struct qemu_backend *qemu = to_qemu(backend);

	if (qemu->held)
		qemu_release(backend);
	if (qemu->linked && !is_gone(qemu)) {
		gdbstub_settle(&qemu->stub, RELEASE_TIMEOUT_MS);
		close_link(qemu);
	}
	if (qemu->linked)
		gdbstub_deinit(&qemu->stub);
	held_flag_deinit(&qemu->flag);
	walk_set_guest(&qemu->walk, NULL);
	qemu_vcpus_deinit(&qemu->vcpus);
	qemu_ram_destroy(qemu->ram);
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
	.rescan = qemu_rescan,
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

	if (!qemu->monitor) {
		snprintf(qemu->backend.no_edit_why, BACKEND_WHY_LEN,
			 "VM '%s' has no monitor that we can reach: reading only; start QEMU with -qmp unix:PATH,server=on,wait=off",
			 qemu->identity.name);
		return 0;
	}
	err = held_flag_open(&qemu->flag, qemu->identity.pid);
	if (err) {
		snprintf(why, BACKEND_WHY_LEN, "VM '%s': %s%s",
			 qemu->identity.name,
			 err == -EBUSY ? "another Monarch has it; its lock is " :
			 strerror(-err), err == -EBUSY ? qemu->flag.path : "");
		return err;
	}
	err = recover_hold(qemu);
	if (!err)
		err = check_gdb(qemu);
	if (err)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s': its monitor does not answer: %s",
			 qemu->identity.name, strerror(-err));
	return err;
}

static int open_parts(struct qemu_backend *qemu, char why[BACKEND_WHY_LEN])
{
	pid_t pid = qemu->identity.pid;
	int err;

	err = check_process(qemu, why);
	if (!err)
		err = take_ownership(qemu, why);
	if (!err)
		err = qemu_ram_open(pid, qemu->monitor, &qemu->cmdline,
				    &qemu->ram, why);
	if (err)
		return err;
	err = qemu_vcpus_init(&qemu->vcpus, pid, qemu->monitor);
	if (err)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s': cannot tell its vCPU threads: %s",
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
	qemu->flag.fd = -1;
	err = open_parts(qemu, why);
	if (err) {
		qemu_destroy(&qemu->backend);
		return err;
	}
	publish_ram(qemu);
	*ret = &qemu->backend;
	return 0;
}
