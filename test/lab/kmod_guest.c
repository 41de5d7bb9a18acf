// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module with a real guest: one test per run.
 *
 * usage: kmod_guest PID TEST [ARGUMENT]
 *
 * PID is the guest's QEMU. TESTs:
 *
 *	ps           print "pid name" of all user processes
 *	stop NAME    it stops, executes nothing, and goes on
 *	cycles N     stop and resume random processes N times under load
 *	lease        stops that are not renewed end by themselves
 *	close        stops end with the descriptor
 *	killed       ... and with the process that had it
 *	hybrid       what is stopped runs in the guest's part of each cycle
 *	apply        explicit plans: all or nothing
 *	tick         sampling by the module's own clock
 *	regs         REGS and VM_INFO fit the guest
 *	leave NAME   stop it, make the file "stopped", wait for the file "go",
 *	             and leave it to the module
 *	running NAME it is not stopped, or will soon be running
 *	outlive NAME stop it and sample, make the file "watching", until the VM is
 *	             gone; then every command says so
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/inside/load.h"
#include "lib/module.h"

#define WAIT_MS		30000	/* emulated time is long */
#define QUIET_MS	300
#define MAX_STOPPED	8

static struct vm vm;
static int pid;
static const char *argument;

static bool is_user(const struct monarch_process *proc)
{
	return proc->mm && !proc->exit_state && proc->pid > 1;
}

static struct monarch_target target_of(const struct monarch_process *proc)
{
	return (struct monarch_target) {
		.task = proc->task, .start_time = proc->start_time,
	};
}

/* A walk's snapshot; dies if the guest could not be read. */
static void look(struct snapshot *ret)
{
	vm_sample(&vm, true);
	vm_snapshot(&vm, ret);
	if (!ret->head.complete || !ret->head.nr_processes)
		die("the snapshot is not complete: %u processes",
		    ret->head.nr_processes);
}

static struct monarch_target pick(const char *name)
{
	struct monarch_target target;
	const struct monarch_process *proc;
	struct snapshot snap;

	look(&snap);
	proc = snapshot_find(&snap, name);
	if (!proc)
		die("no process '%s' in the guest", name);
	target = target_of(proc);
	snapshot_free(&snap);
	return target;
}

/* Return: false: the process is gone. */
static bool observe(const struct monarch_target *target,
		    struct monarch_process *ret)
{
	const struct monarch_process *proc;
	struct snapshot snap;

	look(&snap);
	proc = snapshot_again(&snap, target);
	if (proc)
		*ret = *proc;
	snapshot_free(&snap);
	return proc;
}

static struct monarch_process observed(const struct monarch_target *target)
{
	struct monarch_process proc;

	if (!observe(target, &proc))
		die("the process is gone");
	return proc;
}

static bool at_rest(const struct monarch_process *proc)
{
	return proc->stopped == GI_PARKED || proc->stopped == GI_ASLEEP;
}

static void wait_at_rest(const struct monarch_target *target)
{
	u64 end = now_ns() + WAIT_MS * 1000000ull;
	struct monarch_process proc = observed(target);

	while (!at_rest(&proc)) {
		if (now_ns() > end)
			die("'%s' does not come to rest: %s", proc.comm,
			    gi_stop_state_name(proc.stopped));
		sleep_ms(5);
		proc = observed(target);
	}
}

static void wait_runs(const struct monarch_target *target)
{
	u64 end = now_ns() + WAIT_MS * 1000000ull;
	struct monarch_process proc = observed(target);

	while (gi_stop_is_ours(proc.stopped)) {
		if (now_ns() > end)
			die("'%s' was not resumed: %s", proc.comm,
			    gi_stop_state_name(proc.stopped));
		sleep_ms(5);
		proc = observed(target);
	}
}

static void wait_progress(const struct monarch_target *target)
{
	u64 end = now_ns() + WAIT_MS * 1000000ull;
	u64 before = observed(target).runtime_ns;

	while (observed(target).runtime_ns == before) {
		if (now_ns() > end)
			die("it does not run");
		sleep_ms(20);
	}
}

static void stop(struct monarch_target *target)
{
	int err = vm_edit_wait(&vm, MONARCH_STOP, target, WAIT_MS);

	if (err)
		die("STOP: %s (refusal: %s)", strerror(-err),
		    gi_refusal_name(target->refusal));
}

static void resume(struct monarch_target *target)
{
	int err = vm_edit_wait(&vm, MONARCH_RESUME, target, WAIT_MS);

	if (err)
		die("RESUME: %s (refusal: %s)", strerror(-err),
		    gi_refusal_name(target->refusal));
}

static u32 stopped_now(void)
{
	struct snapshot snap;
	u32 ret;

	look(&snap);
	ret = snapshot_stopped(&snap);
	snapshot_free(&snap);
	return ret;
}

static void wait_nothing_stopped(void)
{
	u64 end = now_ns() + WAIT_MS * 1000000ull;

	while (stopped_now()) {
		if (now_ns() > end)
			die("%u processes are still stopped", stopped_now());
		sleep_ms(20);
	}
	printf("nothing is left stopped\n");
}

/* Attached again, by somebody who knows nothing. */
static void reopen(void)
{
	vm_attach(&vm, device_open(), pid);
	vm_find(&vm);
}

/* ---- tests ---- */

static void test_ps(void)
{
	struct snapshot snap;

	look(&snap);
	for (u32 i = 0; i < snap.head.nr_processes; i++)
		if (is_user(&snap.processes[i]))
			printf("%u %s\n", snap.processes[i].pid,
			       snap.processes[i].comm);
	snapshot_free(&snap);
}

/* How often the process has been round its loop, by its own count. */
static u64 rounds(const struct monarch_target *target)
{
	struct gi_pgtable tables = {
		.mem = &vm.memory, .root = observed(target).pgd,
		.levels = vm.found.boot.levels,
	};
	struct gi_mapping mapping;
	struct load_page page;

	if (gi_translate(&tables, LOAD_PAGE_VA, &mapping) ||
	    gi_read(&vm.memory, mapping.gpa, &page, sizeof(page)) ||
	    page.magic != LOAD_MAGIC)
		die("%s has no page of counters", argument);
	return page.counter[0];
}

static void wait_round(const struct monarch_target *target)
{
	u64 end = now_ns() + WAIT_MS * 1000000ull, before = rounds(target);

	while (rounds(target) == before) {
		if (now_ns() > end)
			die("%s does not go on", argument);
		sleep_ms(20);
	}
}

static void test_stop(void)
{
	struct monarch_target target = pick(argument);
	u64 before;

	wait_round(&target);
	stop(&target);
	wait_at_rest(&target);
	before = rounds(&target);
	sleep_ms(QUIET_MS);
	expect("rounds while stopped", 0, rounds(&target) - before);
	resume(&target);
	wait_runs(&target);
	wait_round(&target);
	printf("%s was stopped and resumed\n", argument);
}

struct held {
	struct monarch_target target;
	u64 since_ns;
};

static struct held held[MAX_STOPPED];
static u32 nr_held;
static u64 nr_stops, nr_resumes, nr_gone, nr_refused;

static bool is_held(const struct monarch_process *proc)
{
	for (u32 i = 0; i < nr_held; i++)
		if (held[i].target.task == proc->task)
			return true;
	return false;
}

static bool pick_random(struct monarch_target *ret)
{
	struct snapshot snap;
	u32 seen = 0;

	vm_sample(&vm, false);
	vm_snapshot(&vm, &snap);
	for (u32 i = 0; i < snap.head.nr_processes; i++)
		if (is_user(&snap.processes[i]) &&
		    !is_held(&snap.processes[i]) && rand() % ++seen == 0)
			*ret = target_of(&snap.processes[i]);
	snapshot_free(&snap);
	return seen;
}

static void stop_random(void)
{
	struct monarch_target target;
	struct monarch_edit edit = {
		.size = sizeof(edit), .nr = 1, .targets = (uintptr_t)&target,
	};

	if (!pick_random(&target))
		return;
	if (ioctl(vm.fd, MONARCH_STOP, &edit)) {
		if (errno != EAGAIN)
			die("STOP: %s", strerror(errno));
		return;
	}
	if (target.refusal || target.error) {
		nr_refused++;
		return;
	}
	held[nr_held].target = target;
	held[nr_held++].since_ns = now_ns();
	nr_stops++;
}

static void resume_random(void)
{
	u32 i = rand() % nr_held;
	struct monarch_target *target = &held[i].target;
	int err = vm_edit_wait(&vm, MONARCH_RESUME, target, WAIT_MS);

	if (err == -ESRCH)
		nr_gone++;
	else if (err)
		die("RESUME: %s (refusal: %s)", strerror(-err),
		    gi_refusal_name(target->refusal));
	else
		nr_resumes++;
	held[i] = held[--nr_held];
}

static void print_holds(const struct monarch_stats *stats)
{
	printf("%llu holds, ns: mean %llu, max %llu; to reach: mean %llu, max %llu\n",
	       stats->holds, stats->hold_ns_sum / max(stats->holds, 1ull),
	       stats->hold_ns_max,
	       stats->reach_ns_sum / max(stats->holds, 1ull),
	       stats->reach_ns_max);
	printf("holds by log2 ns:");
	for (u32 i = 0; i < MONARCH_HIST_BUCKETS; i++)
		if (stats->hold_hist[i])
			printf(" %u:%llu", i, stats->hold_hist[i]);
	printf("\nrefused: paused %llu ring %llu taken %llu state %llu\n",
	       stats->refused_paused, stats->refused_ring,
	       stats->refused_taken, stats->refused_state);
	for (u32 i = 0; i < GI_REFUSE_MAX; i++)
		if (stats->refusals[i])
			printf("refused: %s %llu\n", gi_refusal_name(i),
			       stats->refusals[i]);
	printf("edits %llu stale %llu faults %llu kicks %llu stops %llu resumes %llu wakes %llu\n",
	       stats->edits, stats->stale, stats->faults, stats->kicks,
	       stats->stops, stats->resumes, stats->wakes);
	printf("walks %llu refreshes %llu quiet %llu errors %llu, longest %llu ns\n",
	       stats->walks, stats->refreshes, stats->quiet,
	       stats->walk_errors, stats->walk_ns_max);
}

static void test_cycles(void)
{
	u64 count = strtoull(argument, NULL, 0);
	struct monarch_stats stats;

	srand(getpid());
	while (nr_resumes + nr_gone < count) {
		if (nr_held < MAX_STOPPED && (!nr_held || rand() % 2))
			stop_random();
		else
			resume_random();
	}
	while (nr_held)
		resume_random();
	wait_nothing_stopped();
	vm_stats(&vm, &stats);
	printf("%llu stops, %llu resumes, %llu gone, %llu refused\n", nr_stops,
	       nr_resumes, nr_gone, nr_refused);
	print_holds(&stats);
	expect("in the list at the end", 0, stats.stopped);
	expect("stale plans", 0, stats.stale);
	if (!stats.kicks || !stats.wakes || !stats.edits)
		die("no kick, wake-up or edit in all that");
}

static void lease(u64 ns)
{
	struct monarch_lease args = { .size = sizeof(args), .ns = ns };

	must("LEASE", vm.fd, MONARCH_LEASE, &args);
}

static void expect_stop_error(struct monarch_target *target, int error)
{
	struct monarch_edit edit = {
		.size = sizeof(edit), .nr = 1, .targets = (uintptr_t)target,
	};

	if (!ioctl(vm.fd, MONARCH_STOP, &edit))
		die("STOP: %s expected, but it worked", strerror(error));
	if (errno != error)
		die("STOP: %s expected, found %s", strerror(error),
		    strerror(errno));
}

static void test_lease(void)
{
	struct monarch_target spin = pick("spin"), sleeper = pick("sleep");
	struct monarch_stats stats;

	lease(60 * 1000000000ull);
	stop(&spin);
	stop(&sleeper);
	wait_at_rest(&spin);
	vm_stats(&vm, &stats);
	expect("in the list", 2, stats.stopped);
	/* Renewed in time it does not end. */
	for (u32 i = 0; i < 10; i++) {
		lease(60 * 1000000000ull);
		sleep_ms(10);
	}
	expect("stopped under a lease", GI_PARKED, observed(&spin).stopped);
	lease(1000000);
	wait_nothing_stopped();
	wait_progress(&spin);
	vm_stats(&vm, &stats);
	expect("leases expired", 1, stats.leases_expired);
	expect("in the list", 0, stats.stopped);
	expect_stop_error(&spin, ETIME);
	lease(0);
	stop(&spin);
	resume(&spin);
}

static void test_close(void)
{
	struct monarch_target spin = pick("spin"), mt = pick("mt");
	struct monarch_target sleeper = pick("sleep");

	stop(&spin);
	stop(&mt);
	stop(&sleeper);
	wait_at_rest(&spin);
	wait_at_rest(&mt);
	vm_detach(&vm);
	close(vm.device);
	reopen();
	wait_nothing_stopped();
	wait_progress(&spin);
	wait_progress(&mt);
}

static void test_killed(void)
{
	struct monarch_target spin = pick("spin");
	int status;
	pid_t child;

	vm_detach(&vm);
	close(vm.device);
	sleep_ms(100);
	child = fork();
	if (!child) {
		reopen();
		stop(&spin);
		wait_at_rest(&spin);
		raise(SIGKILL);
	}
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
		die("the child ended with %d", status);
	reopen();
	wait_nothing_stopped();
	wait_progress(&spin);
}

static void hybrid(u64 cycle_ms, u64 autonomous_ms)
{
	struct monarch_hybrid args = {
		.size = sizeof(args), .cycle_ns = cycle_ms * 1000000,
		.autonomous_ns = autonomous_ms * 1000000,
	};

	must("HYBRID", vm.fd, MONARCH_HYBRID, &args);
}

/* Wait until @target is seen stopped or not, as asked. */
static void wait_stopped(const struct monarch_target *target, bool stopped)
{
	u64 end = now_ns() + WAIT_MS * 1000000ull;

	while (gi_stop_is_ours(observed(target).stopped) != stopped) {
		if (now_ns() > end)
			die("never seen %s", stopped ? "stopped" : "running");
		sleep_ms(1);
	}
}

static void test_hybrid(void)
{
	struct monarch_target spin = pick("spin");
	struct monarch_stats stats;
	u64 runtime;

	stop(&spin);
	wait_at_rest(&spin);
	runtime = observed(&spin).runtime_ns;
	hybrid(400, 200);
	for (u32 i = 0; i < 3; i++) {
		wait_stopped(&spin, false);
		wait_stopped(&spin, true);
	}
	vm_stats(&vm, &stats);
	if (stats.hybrid_phases < 6)
		die("only %llu phases", stats.hybrid_phases);
	expect("in the list all the time", 1, stats.stopped);
	if (observed(&spin).runtime_ns == runtime)
		die("it never ran");
	hybrid(0, 0);
	wait_stopped(&spin, true);
	wait_at_rest(&spin);
	runtime = observed(&spin).runtime_ns;
	sleep_ms(QUIET_MS);
	expect("ns executed after the cycle's end", 0,
	       observed(&spin).runtime_ns - runtime);
	resume(&spin);
	wait_progress(&spin);
}

static u64 read_u64(u64 gpa)
{
	u64 value;

	if (gi_read_u64(&vm.memory, gpa, &value))
		die("0x%llx can not be read", gpa);
	return value;
}

static int apply(struct monarch_step *steps, u32 nr, u32 *ret_step)
{
	struct monarch_apply args = {
		.size = sizeof(args), .steps = (uintptr_t)steps, .nr_steps = nr,
	};
	int err = 0;

	do
		err = ioctl(vm.fd, MONARCH_APPLY, &args) ? errno : 0;
	while (err == EAGAIN);
	*ret_step = args.step;
	return err;
}

/*
 * The kernel's banner is read only for the guest, not for us: a place whose
 * contents are known and that nobody else changes.
 */
static void test_apply(void)
{
	u64 gva = vm.found.layout->facts[MONARCH_F_SYM_LINUX_BANNER].value;
	struct monarch_step steps[3] = {};
	u64 gpa, before;
	u32 step;

	gva += vm.found.boot.slide;
	gpa = gva - GI_KERNEL_MAP + vm.found.boot.phys_base;
	gpa = (gpa + 7) & ~7ull;
	before = read_u64(gpa);
	for (u32 i = 0; i < 3; i++)
		steps[i] = (struct monarch_step) {
			.gpa = gpa + i, .width = 1, .mask = 0xff, .write = 1,
			.expected = (before >> (8 * i)) & 0xff,
			.value = 'A' + i,
		};
	steps[2].expected ^= 1;
	expect("wrong expectation", ESTALE, apply(steps, 3, &step));
	expect("at step", 2, step);
	expect("unchanged", before, read_u64(gpa));
	steps[2].expected ^= 1;
	steps[2].gpa = 1ull << 51;
	expect("no RAM", EFAULT, apply(steps, 3, &step));
	expect("at step", 2, step);
	expect("unchanged", before, read_u64(gpa));
	steps[2].gpa = gpa + 2;
	expect("right", 0, apply(steps, 3, &step));
	expect("changed", (before & ~0xffffffull) | 0x434241, read_u64(gpa));
	for (u32 i = 0; i < 3; i++) {
		steps[i].value = (before >> (8 * i)) & 0xff;
		steps[i].expected = 'A' + i;
	}
	expect("back", 0, apply(steps, 3, &step));
	expect("as before", before, read_u64(gpa));
}

static void tick(u64 quantum_ns)
{
	struct monarch_tick args = {
		.size = sizeof(args), .quantum_ns = quantum_ns,
	};

	must("TICK", vm.device, MONARCH_TICK, &args);
}

static void test_tick(void)
{
	struct pollfd pfd = { .fd = vm.device, .events = POLLIN };
	struct monarch_tick_event event = {}, last = {};
	u64 sequence = vm.table->sequence;

	tick(20000000);
	for (u32 i = 0; i < 50; i++) {
		if (poll(&pfd, 1, WAIT_MS) != 1)
			die("no tick");
		if (read(vm.device, &event, sizeof(event)) != sizeof(event))
			die("read: %s", strerror(errno));
		if (event.ticks <= last.ticks)
			die("tick %llu after tick %llu", event.ticks,
			    last.ticks);
		last = event;
	}
	tick(0);
	if (vm.table->sequence - sequence < last.ticks)
		die("%llu ticks, but %llu samplings", last.ticks,
		    vm.table->sequence - sequence);
	expect("error", 0, vm.table->error);
	printf("%llu ticks, %llu overruns, late ns: mean %llu max %llu\n",
	       last.ticks, last.overruns,
	       last.lateness_sum_ns / (last.ticks + last.overruns),
	       last.lateness_max_ns);
	/* Off: nothing comes any more. */
	while (poll(&pfd, 1, 200) == 1)
		if (read(vm.device, &event, sizeof(event)) < 0)
			die("read: %s", strerror(errno));
	if (poll(&pfd, 1, 200) != 0)
		die("a tick after the end");
}

static void test_regs(void)
{
	struct monarch_vm_info info = { .size = sizeof(info) };

	must("VM_INFO", vm.fd, MONARCH_VM_INFO, &info);
	expect("pid", pid, info.pid);
	expect("refusals", 0, info.refusals);
	expect("vCPUs", vm.found.boot.nr_cpus, info.nr_vcpus);
	if (!info.nr_ranges)
		die("no RAM");
}

static void touch(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0600);

	if (fd < 0)
		die("%s: %s", name, strerror(errno));
	close(fd);
}

static void test_leave(void)
{
	struct monarch_target target = pick(argument);

	stop(&target);
	wait_at_rest(&target);
	touch("stopped");
	while (access("go", F_OK))
		sleep_ms(10);
}

static void test_running(void)
{
	struct monarch_target target = pick(argument);

	wait_nothing_stopped();
	wait_progress(&target);
}

static void expect_gone(void)
{
	struct monarch_target target = {};
	struct monarch_edit edit = {
		.size = sizeof(edit), .nr = 1, .targets = (uintptr_t)&target,
	};
	struct monarch_vm_info info = { .size = sizeof(info) };

	if (!ioctl(vm.fd, MONARCH_STOP, &edit) || errno != ENODEV)
		die("STOP: ENODEV expected, found %s", strerror(errno));
	if (!ioctl(vm.fd, MONARCH_VM_INFO, &info) || errno != ENODEV)
		die("VM_INFO: ENODEV expected, found %s", strerror(errno));
}

static void test_outlive(void)
{
	struct monarch_target target = pick(argument);
	struct monarch_sample sample = { .size = sizeof(sample), .full = 1 };
	u64 end = now_ns() + WAIT_MS * 1000000ull;

	stop(&target);
	tick(10000000);
	touch("watching");
	while (!ioctl(vm.fd, MONARCH_SAMPLE, &sample) || errno != ENODEV)
		if (now_ns() > end)
			die("the VM does not end: %s", strerror(errno));
	expect_gone();
	tick(0);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "ps", test_ps },
	{ "stop", test_stop },
	{ "cycles", test_cycles },
	{ "lease", test_lease },
	{ "close", test_close },
	{ "killed", test_killed },
	{ "hybrid", test_hybrid },
	{ "apply", test_apply },
	{ "tick", test_tick },
	{ "regs", test_regs },
	{ "leave", test_leave },
	{ "running", test_running },
	{ "outlive", test_outlive },
};

int main(int argc, char **argv)
{
	if (argc < 3)
		die("usage: kmod_guest PID TEST [ARGUMENT]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	pid = atoi(argv[1]);
	argument = argc > 3 ? argv[3] : "";
	for (u32 i = 0; i < ARRAY_SIZE(tests); i++) {
		if (strcmp(tests[i].name, argv[2]))
			continue;
		reopen();
		tests[i].run();
		vm_detach(&vm);
		return 0;
	}
	die("%s: no such test", argv[2]);
}
