// SPDX-License-Identifier: GPL-2.0-only
/*
 * The qemu backend on real QEMUs with a real Linux in them: what is read is
 * what QEMU says is there, a hold stops every vCPU, kicks arrive, and nothing
 * that goes wrong leaves a VM paused.
 *
 * The guest is a stock kernel with busybox that spins on each vCPU and prints
 * its interrupt counts. Needs qemu-system-x86_64, busybox (static), cpio, and a
 * kernel: MONARCH_GUEST_KERNEL, or what scripts/kernels has cached. Run it from
 * the top of the tree: test_libvirt uses scripts/libvirt.
 */
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/backend.h"
#include "../../daemon/monitor.h"
#include "../../daemon/vms.h"
#include "../../guestinfo/core/pgtable.h"

#define VCPUS		2
#define MIB		(1ull << 20)
#define GIB		(1ull << 30)
#define NR_HOLDS	1000
#define NR_KICKS	400
#define KICK_VECTOR	0xfb	/* CALL_FUNCTION_VECTOR; its queue is empty */

static char dir[] = "/tmp/monarch-backend.XXXXXX";
static char kernel[512], initrd[64];

struct vm {
	pid_t pid;
	char qmp[128], console[128];
	struct vm_identity identity;
};

struct config {
	const char *machine;
	const char *memory;
	u32 mib;
	bool mapped;
};

static const struct config q35_memfd_5g = {
	"q35,memory-backend=m", "memory-backend-memfd,id=m,share=on,size=5120M",
	5120, true,
};

static const struct config pc_private_5g = { "pc", NULL, 5120, false };

static const struct config q35_file_512m = {
	"q35,memory-backend=m",
	"memory-backend-file,id=m,share=on,mem-path=%s/ram,size=512M", 512, true,
};

static void sleep_ms(u32 ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&ts, NULL);
}

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* ---- The guest ---- */

static const char init_script[] =
	"#!/bin/busybox sh\n"
	"/bin/busybox mount -t proc proc /proc\n"
	"/bin/busybox mount -t devtmpfs dev /dev\n"
	"for c in 0 1; do\n"
	"  /bin/busybox taskset $((1 << c)) /bin/busybox sh -c 'while :; do i=$((i + 1)); done' &\n"
	"done\n"
	"n=0\n"
	"while :; do\n"
	"  n=$((n + 1))\n"
	"  set -- $(/bin/busybox grep CAL: /proc/interrupts)\n"
	"  echo \"round $n cal $2 $3 .\"\n"
	"  /bin/busybox sleep 0.5\n"
	"done\n";

static void make_initrd(void)
{
	char command[1024], path[128];
	FILE *file;

	snprintf(initrd, sizeof(initrd), "%s/initrd", dir);
	snprintf(command, sizeof(command),
		 "mkdir -p %s/root/bin %s/root/proc %s/root/dev && cp /bin/busybox %s/root/bin/busybox",
		 dir, dir, dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/root/init", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(init_script, file);
	fclose(file);
	chmod(path, 0755);
	snprintf(command, sizeof(command),
		 "cd %s/root && find . | cpio --quiet -o -H newc > %s", dir,
		 initrd);
	assert_int_equal(system(command), 0);
}

static int find_tools(void **state)
{
	const char *given = getenv("MONARCH_GUEST_KERNEL");
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	(void)state;
	if (given)
		snprintf(kernel, sizeof(kernel), "%s", given);
	else if (cache && cache[0])
		snprintf(kernel, sizeof(kernel),
			 "%s/monarch/kernels/6.1/vmlinuz", cache);
	else
		snprintf(kernel, sizeof(kernel),
			 "%s/.cache/monarch/kernels/6.1/vmlinuz", home);
	if (access(kernel, R_OK)) {
		fprintf(stderr, "no guest kernel at %s: run scripts/kernels or set MONARCH_GUEST_KERNEL\n",
			kernel);
		return -1;
	}
	/* libvirt's user passes through. */
	if (!mkdtemp(dir) || chmod(dir, 0711))
		return -1;
	setenv("MONARCH_RUNTIME_DIR", dir, 1);
	make_initrd();
	return 0;
}

static int remove_files(void **state)
{
	char command[192];

	(void)state;
	/* Only something if a test failed: VMs of ours die with us. */
	snprintf(command, sizeof(command),
		 "MONARCH_RUN_DIR=%s/run scripts/libvirt stop; rm -rf %s", dir,
		 dir);
	return system(command);
}

static void run_qemu(const struct config *config, const struct vm *vm)
{
	char memory[256], size[16], smp[8], qmp[192], serial[192];
	const char *argv[48] = {
		"qemu-system-x86_64", "-nodefaults", "-no-user-config",
		"-display", "none", "-no-reboot",
		"-accel", "tcg,thread=multi", "-cpu", "max,la57=off",
		"-name", "guest=monarch-backend-test,debug-threads=on",
		"-uuid", "11111111-2222-3333-4444-555555555555",
		"-kernel", kernel, "-initrd", initrd,
		"-append", "console=ttyS0 panic=-1 nowatchdog quiet",
		"-machine", config->machine, "-m", size, "-smp", smp,
		"-qmp", qmp, "-serial", serial, NULL,
	};
	u32 n = 0;

	while (argv[n])
		n++;
	snprintf(size, sizeof(size), "%u", config->mib);
	snprintf(smp, sizeof(smp), "%u", VCPUS);
	snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off", vm->qmp);
	snprintf(serial, sizeof(serial), "file:%s", vm->console);
	if (config->memory) {
		snprintf(memory, sizeof(memory), config->memory, dir);
		argv[n++] = "-object";
		argv[n++] = memory;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], (char **)argv);
	_exit(127);
}

static void vm_start(struct vm *vm, const struct config *config)
{
	static u32 counter;

	memset(vm, 0, sizeof(*vm));
	counter++;
	snprintf(vm->qmp, sizeof(vm->qmp), "%s/qmp%u", dir, counter);
	snprintf(vm->console, sizeof(vm->console), "%s/console%u", dir,
		 counter);
	vm->pid = fork();
	if (!vm->pid)
		run_qemu(config, vm);
	assert_true(vm->pid > 0);
	vm->identity.pid = vm->pid;
	strcpy(vm->identity.name, "monarch-backend-test");
}

static void vm_end(struct vm *vm)
{
	kill(vm->pid, SIGKILL);
	assert_int_equal(waitpid(vm->pid, NULL, 0), vm->pid);
}

/* The last complete "round" line of the console. */
static bool console_round(const struct vm *vm, u32 *round, u64 cal[VCPUS])
{
	static char text[1 << 20];
	FILE *file = fopen(vm->console, "r");
	char *at, *found = NULL;
	size_t n;

	if (!file)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	for (at = text; (at = strstr(at, "round ")); at++)
		if (strchr(at, '.') && strchr(at, '\n'))
			found = at;
	return found && sscanf(found, "round %u cal %llu %llu", round, &cal[0],
			       &cal[1]) == 3;
}

static void vm_wait_round(const struct vm *vm, u32 least, u64 cal[VCPUS])
{
	u64 end = now_ns() + 180 * 1000000000ull;
	u32 round = 0;

	while (!console_round(vm, &round, cal) || round < least) {
		if (now_ns() > end)
			fail_msg("guest did not come up: see its console");
		sleep_ms(100);
	}
}

/* Skip one round that may have begun before the question. */
static void vm_next_round(const struct vm *vm, u64 cal[VCPUS])
{
	u32 round = 0;

	assert_true(console_round(vm, &round, cal));
	vm_wait_round(vm, round + 2, cal);
}

static struct monitor *vm_qmp(const struct vm *vm)
{
	struct monitor *monitor;

	for (int i = 0; i < 100; i++) {
		if (!monitor_qmp_open(vm->qmp, &monitor))
			return monitor;
		sleep_ms(100);
	}
	fail_msg("no QMP at %s", vm->qmp);
	return NULL;
}

static struct backend *vm_open(const struct vm *vm)
{
	char why[BACKEND_WHY_LEN] = "";
	struct backend *backend;

	if (backend_qemu_open(&vm->identity, vm_qmp(vm), &backend, why))
		fail_msg("%s", why);
	return backend;
}

static const char *vm_status(struct monitor *monitor)
{
	static char text[64];
	struct json_object *status;

	assert_int_equal(monitor_query(monitor, "query-status", &status), 0);
	snprintf(text, sizeof(text), "%s", json_member_string(status, "status"));
	json_object_put(status);
	return text;
}

/* ---- What is checked ---- */

/* QEMU's own dump of a page, against ours. */
static void check_page(struct backend *backend, struct monitor *monitor,
		       u64 gpa)
{
	char line[256], path[128], *text;
	u8 theirs[4096], ours[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/page", dir);
	snprintf(line, sizeof(line), "pmemsave 0x%llx 4096 \"%s\"", gpa, path);
	assert_int_equal(monitor_hmp(monitor, line, &text), 0);
	assert_string_equal(text, "");
	free(text);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(theirs, 1, sizeof(theirs), file),
			 sizeof(theirs));
	fclose(file);
	unlink(path);
	assert_int_equal(gi_read(&backend->memory, gpa, ours, sizeof(ours)), 0);
	assert_memory_equal(ours, theirs, sizeof(ours));
}

static bool is_zero(struct backend *backend, u64 gpa)
{
	u8 page[4096];

	if (gi_read(&backend->memory, gpa, page, sizeof(page)))
		return true;
	for (u32 i = 0; i < sizeof(page); i++)
		if (page[i])
			return false;
	return true;
}

/* Pages spread over each range; those that hold something count. */
static void check_memory(struct backend *backend, struct monitor *monitor)
{
	u32 checked = 0;

	assert_int_equal(backend->ops->hold(backend), 0);
	for (u32 i = 0; i < backend->memory.nr_ranges; i++) {
		const struct gi_ram_range *range = &backend->memory.ranges[i];
		u32 here = 0;

		check_page(backend, monitor, range->gpa + range->size - 4096);
		for (u32 part = 0; part < 4096 && here < 16; part++) {
			u64 gpa = range->gpa + range->size / 4096 * part;

			gpa &= ~4095ull;
			if (is_zero(backend, gpa))
				continue;
			check_page(backend, monitor, gpa);
			here++;
		}
		checked += here;
	}
	assert_int_equal(backend->ops->release(backend), 0);
	assert_true(checked > 16);
}

static void check_ranges(struct backend *backend, const struct config *config)
{
	bool above = false;
	u64 total = 0;

	for (u32 i = 0; i < backend->memory.nr_ranges; i++) {
		const struct gi_ram_range *range = &backend->memory.ranges[i];

		assert_true(range->gpa + range->size <= 0xc0000000 ||
			    range->gpa >= 4 * GIB);
		assert_int_equal(!!range->hva, config->mapped);
		above |= range->gpa == 4 * GIB;
		total += range->size;
	}
	/* All but the holes that firmware and video make below 1 MiB. */
	assert_in_range(total, config->mib * MIB - MIB, config->mib * MIB);
	assert_int_equal(above, config->mib > 4096);
	assert_int_equal(!backend->hint[0], config->mapped);
}

static void check_registers(struct backend *backend)
{
	struct gi_vcpu_regs regs[8];
	u32 nr;

	assert_int_equal(backend->ops->registers(backend, regs, 8, &nr), 0);
	assert_int_equal(nr, VCPUS);
	for (u32 i = 0; i < nr; i++) {
		assert_true(regs[i].cr0 & 0x80000000);
		assert_true(regs[i].cr4 & 0x20);
		assert_true(regs[i].efer & 0x400);
		assert_true(regs[i].cr3 & ~4095ull);
		assert_true(regs[i].idt_base >> 47);
		assert_true(regs[i].rip && regs[i].rsp);
		assert_true(regs[i].cpl == 0 || regs[i].cpl == 3);
	}
}

static u64 vcpu_ns(struct backend *backend)
{
	struct vcpu_time times[8];
	u64 sum = 0;
	u32 nr;

	assert_int_equal(backend->ops->vcpu_times(backend, times, 8, &nr), 0);
	assert_int_equal(nr, VCPUS);
	for (u32 i = 0; i < nr; i++)
		sum += times[i].cpu_ns;
	return sum;
}

/* The page of guest RAM that holds the stack of a spinner. */
static u64 find_stack(struct backend *backend)
{
	struct gi_vcpu_regs regs[8];
	struct gi_mapping mapping;
	u32 nr;

	for (int i = 0; i < 200; i++) {
		assert_int_equal(backend->ops->registers(backend, regs, 8, &nr),
				 0);
		for (u32 cpu = 0; cpu < nr; cpu++) {
			struct gi_pgtable pt = {
				.mem = &backend->memory,
				.root = regs[cpu].cr3, .levels = 4,
			};

			if (regs[cpu].cpl == 3 &&
			    !gi_translate(&pt, regs[cpu].rsp, &mapping))
				return mapping.gpa & ~4095ull;
		}
		sleep_ms(5);
	}
	fail_msg("no vCPU in user mode with a mapped stack");
	return 0;
}

/* Does a page change in 200 ms? */
static bool memory_changes(struct backend *backend, u64 gpa)
{
	u8 first[4096], now[4096];

	assert_int_equal(gi_read(&backend->memory, gpa, first, sizeof(first)),
			 0);
	for (int i = 0; i < 100; i++) {
		sleep_ms(2);
		assert_int_equal(gi_read(&backend->memory, gpa, now,
					 sizeof(now)), 0);
		if (memcmp(first, now, sizeof(now)))
			return true;
	}
	return false;
}

static void check_hold(struct backend *backend, struct monitor *monitor)
{
	u64 before, stack = find_stack(backend);

	assert_true(memory_changes(backend, stack));
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_string_equal(vm_status(monitor), "paused");
	sleep_ms(50);
	before = vcpu_ns(backend);
	assert_false(memory_changes(backend, stack));
	assert_int_equal(vcpu_ns(backend), before);
	assert_int_equal(backend->ops->release(backend), 0);
	assert_string_equal(vm_status(monitor), "running");
	assert_true(memory_changes(backend, stack));
	assert_true(vcpu_ns(backend) > before);
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void check_latency(struct backend *backend)
{
	static u64 all[NR_HOLDS], held[NR_HOLDS];
	struct gi_plan plan;
	u32 step;

	for (u32 i = 0; i < NR_HOLDS; i++) {
		u64 start = now_ns();

		gi_plan_init(&plan);
		assert_int_equal(gi_plan_kick(&plan, i % VCPUS, KICK_VECTOR), 0);
		assert_int_equal(backend->ops->hold(backend), 0);
		assert_int_equal(backend->ops->apply(backend, &plan, &step), 0);
		assert_int_equal(backend->ops->release(backend), 0);
		all[i] = now_ns() - start;
		held[i] = backend->ops->last_hold_ns(backend);
		sleep_ms(1);
	}
	qsort(all, NR_HOLDS, sizeof(u64), compare_u64);
	qsort(held, NR_HOLDS, sizeof(u64), compare_u64);
	printf("hold + kick + release: p50 %.3f ms, p99 %.3f ms; held: p50 %.3f ms, p99 %.3f ms\n",
	       all[NR_HOLDS / 2] / 1e6, all[NR_HOLDS * 99 / 100] / 1e6,
	       held[NR_HOLDS / 2] / 1e6, held[NR_HOLDS * 99 / 100] / 1e6);
}

/* Until a vCPU has really run: an interrupt that waited is taken by then. */
static void vcpu_wait(struct backend *backend, u32 vcpu)
{
	struct vcpu_time first[8], now[8];
	u64 end = now_ns() + 10 * 1000000000ull;
	u32 nr;

	assert_int_equal(backend->ops->vcpu_times(backend, first, 8, &nr), 0);
	do {
		assert_true(now_ns() < end);
		sleep_ms(1);
		assert_int_equal(backend->ops->vcpu_times(backend, now, 8, &nr),
				 0);
	} while (now[vcpu].cpu_ns < first[vcpu].cpu_ns + 5000000);
}

/* Kicks of one vCPU are counted there, and not at the other one. */
static void check_kicks(struct backend *backend, const struct vm *vm)
{
	u64 before[VCPUS], after[VCPUS];
	struct gi_plan plan;
	u32 step;

	gi_plan_init(&plan);
	assert_int_equal(gi_plan_kick(&plan, 1, KICK_VECTOR), 0);
	vm_next_round(vm, before);
	for (u32 i = 0; i < NR_KICKS; i++) {
		assert_int_equal(backend->ops->hold(backend), 0);
		assert_int_equal(backend->ops->apply(backend, &plan, &step), 0);
		assert_int_equal(backend->ops->release(backend), 0);
		vcpu_wait(backend, 1);
	}
	vm_next_round(vm, after);
	printf("%u kicks of vCPU 1: counted %llu there, %llu at vCPU 0\n",
	       NR_KICKS, after[1] - before[1], after[0] - before[0]);
	assert_true(after[1] - before[1] >= NR_KICKS);
	assert_true(after[0] - before[0] < NR_KICKS / 2);
}

/* A page that the guest does not use: zero, in the middle of nowhere. */
static u64 find_free_page(struct backend *backend)
{
	const struct gi_ram_range *range =
		&backend->memory.ranges[backend->memory.nr_ranges - 1];

	for (u64 gpa = range->gpa + range->size / 2;
	     gpa < range->gpa + range->size; gpa += 4096)
		if (is_zero(backend, gpa))
			return gpa;
	fail_msg("no page of zeros");
	return 0;
}

static void check_apply(struct backend *backend)
{
	u64 gpa = find_free_page(backend), value;
	struct gi_plan plan;
	u32 step = 99;

	gi_plan_init(&plan);
	assert_int_equal(gi_plan_write(&plan, gpa, 8, ~0ull, 0, 0x1122334455667788,
				       GI_EDIT_CSD), 0);
	assert_int_equal(gi_plan_write(&plan, gpa + 8, 4, 0xff, 0, 0x42,
				       GI_EDIT_CSD), 0);
	assert_int_equal(backend->ops->apply(backend, &plan, &step), -EINVAL);
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(backend->ops->apply(backend, &plan, &step), 0);
	assert_int_equal(gi_read_u64(&backend->memory, gpa, &value), 0);
	assert_true(value == 0x1122334455667788);
	assert_int_equal(gi_read_u64(&backend->memory, gpa + 8, &value), 0);
	assert_int_equal(value, 0x42);
	/* Stale now: and the first step must not be written. */
	plan.steps[0].expected = 0x1122334455667788;
	plan.steps[0].value = 1;
	assert_int_equal(backend->ops->apply(backend, &plan, &step), -ESTALE);
	assert_int_equal(step, 1);
	assert_int_equal(gi_read_u64(&backend->memory, gpa, &value), 0);
	assert_true(value == 0x1122334455667788);
	/* Outside of RAM. */
	plan.steps[1].gpa = 0xfee00000;
	assert_int_equal(backend->ops->apply(backend, &plan, &step), -EFAULT);
	plan.steps[0].value = plan.steps[0].mask = 0;
	gi_plan_init(&plan);
	assert_int_equal(gi_plan_write(&plan, gpa, 8, ~0ull, 0x1122334455667788,
				       0, GI_EDIT_CSD), 0);
	assert_int_equal(gi_plan_write(&plan, gpa + 8, 4, ~0ull, 0x42, 0,
				       GI_EDIT_CSD), 0);
	assert_int_equal(backend->ops->apply(backend, &plan, &step), 0);
	assert_true(is_zero(backend, gpa));
	assert_int_equal(backend->ops->release(backend), 0);
}

/* Somebody else's pause is not ours to end. */
static void check_foreign_pause(struct backend *backend,
				struct monitor *monitor)
{
	for (int i = 0; i < 20; i++) {
		assert_int_equal(monitor_query(monitor, "stop", NULL), 0);
		assert_int_equal(backend->ops->hold(backend), -EBUSY);
		assert_int_equal(backend->ops->release(backend), 0);
		assert_string_equal(vm_status(monitor), "paused");
		assert_int_equal(monitor_query(monitor, "cont", NULL), 0);
		assert_int_equal(backend->ops->hold(backend), 0);
		assert_int_equal(backend->ops->release(backend), 0);
		assert_string_equal(vm_status(monitor), "running");
	}
	/* Resumed by somebody else in the middle of our hold. */
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(monitor_query(monitor, "cont", NULL), 0);
	assert_int_equal(backend->ops->release(backend), 0);
	assert_string_equal(vm_status(monitor), "running");
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(backend->ops->release(backend), 0);
	assert_string_equal(vm_status(monitor), "running");
}

static int prepare(struct backend *backend)
{
	bool changed;
	int err = backend->ops->prepare(backend, &changed);

	assert_false(changed);
	return err;
}

/* The stub is taken from us: no hold until prepare() has connected again. */
static void check_lost_link(struct backend *backend, struct monitor *monitor)
{
	char *text;

	assert_int_equal(monitor_hmp(monitor, "gdbserver none", &text), 0);
	free(text);
	assert_int_equal(backend->ops->hold(backend), -EAGAIN);
	assert_int_equal(backend->ops->settle(backend), -EAGAIN);
	assert_string_equal(vm_status(monitor), "running");
	assert_int_equal(prepare(backend), 0);
	assert_string_equal(vm_status(monitor), "running");
	assert_int_equal(backend->ops->settle(backend), 0);
	assert_int_equal(backend->ops->hold(backend), 0);
	/* ... and in the middle of a hold. */
	assert_int_equal(monitor_hmp(monitor, "gdbserver none", &text), 0);
	free(text);
	assert_string_equal(vm_status(monitor), "paused");
	assert_int_equal(backend->ops->release(backend), -EAGAIN);
	assert_int_equal(prepare(backend), 0);
	assert_string_equal(vm_status(monitor), "running");
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(backend->ops->release(backend), 0);
}

/* An admin's gdb server, started while we are there, is not ours to end. */
static void check_foreign_gdb(struct backend *backend, struct monitor *monitor)
{
	char line[160], *text;

	snprintf(line, sizeof(line), "gdbserver unix:%s/gdb,server=on,wait=off",
		 dir);
	assert_int_equal(monitor_hmp(monitor, line, &text), 0);
	free(text);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(backend->ops->hold(backend),
				 i ? -EOPNOTSUPP : -EAGAIN);
		assert_int_equal(prepare(backend), -EOPNOTSUPP);
		assert_int_equal(backend->ops->settle(backend), 0);
		assert_non_null(strstr(backend->no_edit_why,
				       "gdb server of somebody else"));
		assert_int_equal(monitor_hmp(monitor, "info chardev", &text), 0);
		assert_non_null(strstr(text, "gdb: filename=disconnected:unix:"));
		free(text);
	}
	assert_int_equal(monitor_hmp(monitor, "gdbserver none", &text), 0);
	free(text);
	assert_int_equal(prepare(backend), 0);
	assert_int_equal(backend->ops->settle(backend), 0);
	assert_string_equal(backend->no_edit_why, "");
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(backend->ops->release(backend), 0);
}

#define NR_ASKS	200

static void *ask_registers(void *opaque)
{
	struct backend *backend = opaque;
	struct gi_vcpu_regs regs[8];
	u32 nr, failed = 0;

	for (int i = 0; i < NR_ASKS; i++)
		failed += backend->ops->registers(backend, regs, 8, &nr) != 0;
	return failed ? backend : NULL;
}

/*
 * The loop looks at times while a job asks for registers, and QEMU says things
 * unasked: neither may take the other's words off the link.
 */
static void check_threads(struct backend *backend, struct monitor *monitor)
{
	pthread_t thread;
	void *failed;

	assert_int_equal(pthread_create(&thread, NULL, ask_registers, backend),
			 0);
	for (int i = 0; i < NR_ASKS / 4; i++) {
		assert_int_equal(monitor_query(monitor, "stop", NULL), 0);
		assert_int_equal(monitor_query(monitor, "cont", NULL), 0);
		for (int j = 0; j < 200; j++)
			vcpu_ns(backend);
	}
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(backend->ops->settle(backend), 0);
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(backend->ops->release(backend), 0);
	assert_string_equal(vm_status(monitor), "running");
}

/* While a migration runs nothing is edited, and the VM goes on. */
static void check_migration(struct backend *backend, struct monitor *monitor)
{
	struct json_object *reply;
	const char *status;
	char *text;

	assert_int_equal(monitor_hmp(monitor,
				     "migrate_set_parameter max-bandwidth 1k",
				     &text), 0);
	free(text);
	assert_int_equal(monitor_hmp(monitor,
				     "migrate -d \"exec:cat > /dev/null\"",
				     &text), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(monitor_query(monitor, "query-migrate", &reply), 0);
	status = json_member_string(reply, "status");
	assert_true(!strcmp(status, "setup") || !strcmp(status, "active"));
	json_object_put(reply);
	assert_int_equal(backend->ops->hold(backend), -EBUSY);
	assert_string_equal(vm_status(monitor), "running");
	assert_int_equal(monitor_query(monitor, "migrate_cancel", NULL), 0);
	for (int i = 0; i < 100 && backend->ops->hold(backend); i++)
		sleep_ms(50);
	assert_int_equal(backend->ops->release(backend), 0);
	assert_string_equal(vm_status(monitor), "running");
}

/* The whole round on one kind of machine. */
static void check_config(const struct config *config)
{
	struct backend *backend;
	struct monitor *monitor;
	u64 cal[VCPUS];
	struct vm vm;

	vm_start(&vm, config);
	vm_wait_round(&vm, 2, cal);
	monitor = vm_qmp(&vm);
	backend = vm_open(&vm);
	assert_int_equal(backend->nr_vcpus, VCPUS);
	assert_string_equal(backend->no_edit_why, "");
	check_ranges(backend, config);
	check_memory(backend, monitor);
	check_registers(backend);
	check_hold(backend, monitor);
	check_apply(backend);
	check_foreign_pause(backend, monitor);
	check_threads(backend, monitor);
	check_lost_link(backend, monitor);
	check_foreign_gdb(backend, monitor);
	check_latency(backend);
	check_kicks(backend, &vm);
	check_migration(backend, monitor);
	backend_destroy(backend);
	assert_string_equal(vm_status(monitor), "running");
	vm_next_round(&vm, cal);
	monitor_destroy(monitor);
	vm_end(&vm);
}

static void test_q35_memfd_5g(void **state)
{
	(void)state;
	check_config(&q35_memfd_5g);
}

static void test_pc_private_5g(void **state)
{
	(void)state;
	check_config(&pc_private_5g);
}

static void die_in_hold(const struct vm *vm)
{
	struct backend *backend = vm_open(vm);

	if (backend->ops->hold(backend))
		_exit(1);
	raise(SIGKILL);
}

/* Deaths, ours and the VM's; and who may have the VM. */
static void test_deaths(void **state)
{
	char why[BACKEND_WHY_LEN] = "";
	struct backend *backend, *second;
	struct monitor *monitor;
	u64 cal[VCPUS];
	struct vm vm;
	int status;
	pid_t pid;

	(void)state;
	vm_start(&vm, &q35_file_512m);
	vm_wait_round(&vm, 1, cal);
	monitor = vm_qmp(&vm);
	for (int i = 0; i < 5; i++) {
		pid = fork();
		if (!pid)
			die_in_hold(&vm);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_string_equal(vm_status(monitor), "paused");
		backend = vm_open(&vm);
		assert_string_equal(vm_status(monitor), "running");
		assert_int_equal(backend->ops->hold(backend), 0);
		backend = backend_destroy(backend);
		assert_string_equal(vm_status(monitor), "running");
	}
	/* Without our flag, a paused VM is somebody's wish. */
	assert_int_equal(monitor_query(monitor, "stop", NULL), 0);
	backend = vm_open(&vm);
	assert_int_equal(backend->ops->hold(backend), -EBUSY);
	assert_int_equal(backend_qemu_open(&vm.identity, vm_qmp(&vm), &second,
					   why), -EBUSY);
	assert_non_null(strstr(why, "another Monarch"));
	assert_int_equal(monitor_query(monitor, "cont", NULL), 0);
	assert_int_equal(backend->ops->hold(backend), 0);
	vm_end(&vm);
	assert_int_equal(backend->ops->release(backend), -ENOTCONN);
	assert_int_equal(backend->ops->hold(backend), -ENOTCONN);
	backend_destroy(backend);
	monitor_destroy(monitor);
	assert_int_equal(backend_qemu_open(&vm.identity, NULL, &second, why),
			 -ESRCH);
}

/* No monitor: RAM is found by the machine type, editing is refused. */
static void check_no_monitor(const struct config *config)
{
	char why[BACKEND_WHY_LEN] = "";
	struct backend *with, *without;
	u64 cal[VCPUS];
	struct vm vm;
	u8 a[4096], b[4096];

	vm_start(&vm, config);
	vm_wait_round(&vm, 1, cal);
	with = vm_open(&vm);
	assert_int_equal(backend_qemu_open(&vm.identity, NULL, &without, why),
			 0);
	assert_int_equal(without->ops->hold(without), -EOPNOTSUPP);
	assert_non_null(strstr(without->no_edit_why, "-qmp"));
	assert_int_equal(without->nr_vcpus, VCPUS);
	assert_true(vcpu_ns(without) > 0);
	assert_int_equal(with->ops->hold(with), 0);
	for (u64 gpa = MIB; gpa < config->mib * MIB; gpa += 3 * MIB) {
		u64 at = gpa < 2 * GIB ? gpa : gpa + 2 * GIB;

		if (gi_read(&with->memory, at, a, sizeof(a)))
			continue;
		assert_int_equal(gi_read(&without->memory, at, b, sizeof(b)),
				 0);
		assert_memory_equal(a, b, sizeof(a));
	}
	backend_destroy(with);
	backend_destroy(without);
	vm_end(&vm);
}

static void test_no_monitor(void **state)
{
	(void)state;
	check_no_monitor(&q35_memfd_5g);
	check_no_monitor(&pc_private_5g);
}

/* The watcher finds a bare QEMU, its monitor, and its end. */
static void test_vms(void **state)
{
	char why[BACKEND_WHY_LEN] = "";
	struct vms_event event;
	struct monitor *monitor;
	struct vms *vms;
	struct vm vm;
	u64 start;

	(void)state;
	assert_int_equal(vms_create(NULL, &vms), 0);
	vm_start(&vm, &q35_file_512m);
	start = now_ns();
	do {
		while (vms_next(vms, &event) != 1) {
			assert_true(now_ns() - start < 5000000000ull);
			sleep_ms(20);
		}
	} while (event.kind != VMS_APPEARED || event.identity.pid != vm.pid);
	assert_string_equal(event.identity.name, "monarch-backend-test");
	assert_string_equal(event.identity.uuid,
			    "11111111-2222-3333-4444-555555555555");
	assert_false(event.identity.libvirt);
	printf("bare QEMU reported after %.1f s\n", (now_ns() - start) / 1e9);
	if (vms_monitor(vms, &event.identity, &monitor, why))
		fail_msg("%s", why);
	monitor_destroy(monitor);
	vm_end(&vm);
	start = now_ns();
	do {
		while (vms_next(vms, &event) != 1) {
			assert_true(now_ns() - start < 5000000000ull);
			sleep_ms(20);
		}
	} while (event.kind != VMS_GONE || event.identity.pid != vm.pid);
	vms_destroy(vms);
}

/* ---- Under libvirt ---- */

static const char domain_xml[] =
	"<domain type='qemu'><name>monarch-backend-test</name>"
	"<memory unit='MiB'>512</memory><vcpu>2</vcpu>"
	"<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
	"<os><type arch='x86_64' machine='q35'>hvm</type>"
	"<kernel>%s/vmlinuz</kernel><initrd>%s/initrd</initrd>"
	"<cmdline>console=ttyS0 panic=-1 nowatchdog quiet</cmdline></os>"
	"<devices><serial type='file'><source path='%s/console'/></serial>"
	"<memballoon model='none'/></devices></domain>";

/* scripts/libvirt, with its files under ours. The last word of what it says. */
static void libvirt_script(const char *command, char *ret, size_t size)
{
	char line[256];
	FILE *pipe;

	snprintf(line, sizeof(line),
		 "MONARCH_RUN_DIR=%s/run scripts/libvirt %s", dir, command);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	if (!fgets(ret, size, pipe))
		ret[0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

static void wait_event(struct vms *vms, enum vms_event_kind kind, pid_t pid,
		       struct vms_event *ret)
{
	u64 end = now_ns() + 30 * 1000000000ull;

	do {
		while (vms_next(vms, ret) != 1) {
			if (now_ns() > end)
				fail_msg("no event of kind %d", kind);
			sleep_ms(20);
		}
	} while (ret->kind != kind || (pid && ret->identity.pid != pid));
}

static virDomainPtr start_domain(virConnectPtr connection, struct vm *vm)
{
	char shared[256], command[1400], xml[2048];
	virDomainPtr domain;

	memset(vm, 0, sizeof(*vm));
	libvirt_script("dir", shared, sizeof(shared));
	snprintf(command, sizeof(command),
		 "install -m 644 %s %s/vmlinuz && install -m 644 %s %s/initrd",
		 kernel, shared, initrd, shared);
	assert_int_equal(system(command), 0);
	snprintf(xml, sizeof(xml), domain_xml, shared, shared, shared);
	snprintf(vm->console, sizeof(vm->console), "%.100s/console", shared);
	domain = virDomainCreateXML(connection, xml, 0);
	assert_non_null(domain);
	return domain;
}

static int domain_state(virDomainPtr domain)
{
	int state, reason;

	assert_int_equal(virDomainGetState(domain, &state, &reason, 0), 0);
	return state;
}

/* libvirtd ends and comes back: the VM and our hold do not care. */
static void check_libvirt_restart(struct vms *vms, struct backend *backend)
{
	struct gi_vcpu_regs regs[8];
	struct vms_event event;
	char text[256];
	int pid = 0;
	FILE *file;
	u32 nr;

	snprintf(text, sizeof(text), "%s/run/libvirt/pid", dir);
	file = fopen(text, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	assert_int_equal(kill(pid, SIGTERM), 0);
	wait_event(vms, VMS_LIBVIRT_DOWN, 0, &event);
	assert_int_equal(backend->ops->registers(backend, regs, 8, &nr),
			 -ENOTCONN);
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(backend->ops->release(backend), 0);
	for (int i = 0; i < 100 && !kill(pid, 0); i++)
		sleep_ms(50);
	libvirt_script("start", text, sizeof(text));
	wait_event(vms, VMS_LIBVIRT_UP, 0, &event);
	for (int i = 0; i < 50 &&
	     backend->ops->registers(backend, regs, 8, &nr); i++)
		sleep_ms(100);
	assert_int_equal(backend->ops->registers(backend, regs, 8, &nr), 0);
	assert_int_equal(nr, VCPUS);
}

static void check_suspend(struct backend *backend, virDomainPtr domain)
{
	assert_int_equal(virDomainSuspend(domain), 0);
	assert_int_equal(backend->ops->hold(backend), -EBUSY);
	assert_int_equal(domain_state(domain), VIR_DOMAIN_PAUSED);
	assert_int_equal(virDomainResume(domain), 0);
	assert_int_equal(backend->ops->hold(backend), 0);
	assert_int_equal(backend->ops->release(backend), 0);
}

static void check_domain(struct vms *vms, const char *uri)
{
	virConnectPtr connection = virConnectOpen(uri);
	char why[BACKEND_WHY_LEN] = "", uuid[VIR_UUID_STRING_BUFLEN];
	struct vms_event event;
	struct monitor *monitor;
	struct backend *backend;
	virDomainPtr domain;
	u64 cal[VCPUS];
	struct vm vm;

	assert_non_null(connection);
	domain = start_domain(connection, &vm);
	/* Other people's VMs are reported too. */
	do
		wait_event(vms, VMS_APPEARED, 0, &event);
	while (strcmp(event.identity.name, "monarch-backend-test"));
	assert_int_equal(virDomainGetUUIDString(domain, uuid), 0);
	assert_true(event.identity.libvirt);
	assert_string_equal(event.identity.name, "monarch-backend-test");
	assert_string_equal(event.identity.uuid, uuid);
	vm_wait_round(&vm, 2, cal);
	assert_int_equal(vms_monitor(vms, &event.identity, &monitor, why), 0);
	if (backend_qemu_open(&event.identity, monitor, &backend, why))
		fail_msg("%s", why);
	assert_string_equal(backend->hint, "");
	check_registers(backend);
	check_apply(backend);
	check_latency(backend);
	check_kicks(backend, &vm);
	check_suspend(backend, domain);
	virDomainFree(domain);
	virConnectClose(connection);
	check_libvirt_restart(vms, backend);
	backend_destroy(backend);
	vm_next_round(&vm, cal);
	connection = virConnectOpen(uri);
	domain = virDomainLookupByName(connection, "monarch-backend-test");
	assert_int_equal(virDomainDestroy(domain), 0);
	wait_event(vms, VMS_GONE, event.identity.pid, &event);
	virDomainFree(domain);
	virConnectClose(connection);
}

static void test_libvirt(void **state)
{
	struct vms_event event;
	struct vms *vms;
	char uri[256];

	(void)state;
	libvirt_script("start", uri, sizeof(uri));
	assert_int_equal(vms_create(uri, &vms), 0);
	wait_event(vms, VMS_LIBVIRT_UP, 0, &event);
	check_domain(vms, uri);
	vms_destroy(vms);
	libvirt_script("stop", uri, sizeof(uri));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_vms),
		cmocka_unit_test(test_q35_memfd_5g),
		cmocka_unit_test(test_pc_private_5g),
		cmocka_unit_test(test_no_monitor),
		cmocka_unit_test(test_libvirt),
	};

	/* One of them, by name, while looking for something. */
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, find_tools, remove_files);
}
