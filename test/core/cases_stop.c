// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cases of guestinfo/core/linux_stop.c on a fake guest: every refusal, both
 * methods, all ways to wake, and that nothing remains behind.
 */
#include "fake_guest.h"
#include "suite.h"

#define SIGNAL_AT	0x800
#define SIGHAND_AT	0xa00

static u64 ram[FAKE_RAM_SIZE / 8];
static u8 before[FAKE_RAM_SIZE];
static struct fake_guest guest;
static struct gi_plan plan;
static struct gi_stop_result result;

static struct gi_target target(u64 task)
{
	struct gi_target t = {
		.task = task,
		.start_time = fake_get(&guest, task, MONARCH_F_TASK_START_TIME),
	};

	return t;
}

static enum gi_refusal stop(u64 task)
{
	struct gi_target t = target(task);
	enum gi_refusal refusal = gi_plan_stop(&guest.kernel, &t, &plan,
					       &result);

	if (!refusal && fake_apply(&guest, &plan))
		return GI_REFUSE_MAX;
	return refusal;
}

static enum gi_refusal resume(u64 task)
{
	struct gi_target t = target(task);
	enum gi_refusal refusal = gi_plan_resume(&guest.kernel, &t, &plan,
						 &result);

	if (!refusal && fake_apply(&guest, &plan))
		return GI_REFUSE_MAX;
	return refusal;
}

static bool settle(void)
{
	return gi_plan_settle(&guest.kernel, &plan) == GI_REFUSE_NONE &&
	       fake_apply(&guest, &plan) == 0;
}

static void run_on(u64 task, u32 cpu)
{
	fake_set(&guest, task, MONARCH_F_TASK_STATE, 0);
	fake_set(&guest, task, MONARCH_F_TASK_ON_RQ, 1);
	fake_set(&guest, task, MONARCH_F_TASK_ON_CPU, 1);
	fake_set(&guest, task, MONARCH_F_TASK_CPU, cpu);
}

static bool marked(u64 task)
{
	u64 jobctl = fake_get(&guest, task, MONARCH_F_TASK_JOBCTL);

	return jobctl & (gi_has(&guest.layout, MONARCH_F_TASK_FROZEN) ?
				 GI_JOBCTL_TRAP_FREEZE :
				 GI_JOBCTL_STOP_PENDING);
}

static bool start(bool freezer)
{
	if (!fake_guest_init(&guest, (u8 *)ram))
		return false;
	if (!freezer)
		guest.layout.facts[MONARCH_F_TASK_FROZEN].kind = 0;
	fake_process(&guest, 1, "init");
	return gi_stop_method(&guest.layout) ==
	       (freezer ? GI_STOP_FREEZER : GI_STOP_SILENT);
}

/* Stop a running and a sleeping thread, let it run its course, resume. */
static bool cycle(bool freezer)
{
	u64 a, b;

	CHECK(start(freezer));
	a = fake_process(&guest, 10, "spinner");
	b = fake_thread(&guest, a, 11);
	run_on(a, 1);
	CHECK(stop(a) == GI_REFUSE_NONE);
	CHECK(result.threads == 2 && result.marked == 2);
	CHECK(plan.nr_kicks == 1 && plan.kicks[0].apic_id == 1 &&
	      plan.kicks[0].vector == 0xfd);
	CHECK(marked(a) && marked(b));
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_TI_FLAGS) == 4);

	/* Idempotent. */
	CHECK(stop(a) == GI_REFUSE_NONE);
	CHECK(plan.nr_steps == 0 && result.marked == 0);

	fake_park(&guest, a);
	CHECK(resume(a) == GI_REFUSE_NONE);
	CHECK(result.woken == 1 && plan.nr_kicks == 1 &&
	      plan.kicks[0].vector == 0xfb);
	CHECK(!marked(a) && !marked(b));
	/* The sleeper never noticed. */
	CHECK(fake_get(&guest, b, MONARCH_F_TASK_TI_FLAGS) == 0);
	CHECK(fake_get(&guest, b, MONARCH_F_TASK_STATE) == 1);
	CHECK(fake_take_queues(&guest) == 1);
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_STATE) == 0);
	CHECK(resume(a) == GI_REFUSE_NONE && plan.nr_steps == 0);
	CHECK(settle());
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 2);
	return true;
}

static bool freezer_cycle(void)
{
	return cycle(true);
}

static bool silent_cycle(void)
{
	return cycle(false);
}

/* After stop, park, resume and wake, RAM is as if the guest had just run. */
static bool leaves_nothing(void)
{
	u32 way;
	u64 a;

	for (way = 0; way < 2; way++) {
		CHECK(start(true));
		a = fake_process(&guest, 10, "spinner");
		run_on(a, 0);
		fake_set(&guest, a, MONARCH_F_TASK_ON_CPU, 0);
		fake_set(&guest, a, MONARCH_F_TASK_WAKE_FLAGS, 0x30);
		memcpy(before, ram, sizeof(before));
		CHECK(stop(a) == GI_REFUSE_NONE);
		fake_park(&guest, a);
		if (way)	/* not by TTWU: its CPU is not allowed now */
			fake_poke(&guest, a + 256, 0);
		CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
		if (way)
			fake_poke(&guest, a + 256, ~0ull);
		CHECK(fake_take_queues(&guest) == 1);
		CHECK(settle() && settle());
		CHECK(!memcmp(before, ram, sizeof(before)));
	}
	return true;
}

static bool many_wakeups(void)
{
	u64 task[20];
	u32 i, rounds = 0, woken = 0;

	CHECK(start(true));
	task[0] = fake_process(&guest, 10, "many");
	for (i = 1; i < 20; i++)
		task[i] = fake_thread(&guest, task[0], 10 + i);
	CHECK(stop(task[0]) == GI_REFUSE_NONE && result.marked == 20);
	for (i = 0; i < 20; i++) {
		fake_park(&guest, task[i]);
		if (i % 3 == 0)	/* half by TTWU, some by a call */
			fake_poke(&guest, task[i] + 256, 0);
	}
	do {
		CHECK(resume(task[0]) == GI_REFUSE_NONE);
		woken += result.woken;
	} while (result.pending && ++rounds < 20);
	CHECK(woken == 20);
	CHECK(fake_take_queues(&guest) == 20);
	for (i = 0; i < 20; i++)
		CHECK(fake_get(&guest, task[i], MONARCH_F_TASK_STATE) == 0);
	CHECK(settle());
	for (i = 0; i < 20; i++)
		CHECK(fake_get(&guest, task[i], MONARCH_F_TASK_USAGE) == 2);
	return true;
}

/* A call must not be pushed again while the guest has not taken it. */
static bool call_in_flight(void)
{
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	fake_poke(&guest, a + 256, 0);
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_park(&guest, a);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 3);
	CHECK(resume(a) == GI_REFUSE_QUEUE && result.pending == 1);
	CHECK(plan.nr_steps == 0);
	CHECK(settle());
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 3);

	/* Stopped again before the wake-up arrives: it parks again. */
	CHECK(stop(a) == GI_REFUSE_NONE && marked(a));
	CHECK(fake_take_queues(&guest) == 1);
	fake_park(&guest, a);
	CHECK(settle());
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 2);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
	return true;
}

/* Its CPU went away, or is one that came later: CPU 0 wakes it. */
static bool cpu_hotplug(void)
{
	u64 a;
	u32 cpu;

	for (cpu = 1; cpu < 8; cpu += 6) {
		CHECK(start(true));
		a = fake_process(&guest, 10, "a");
		run_on(a, cpu);
		CHECK(stop(a) == GI_REFUSE_NONE && marked(a));
		CHECK(plan.nr_kicks == (cpu < FAKE_CPUS));
		fake_park(&guest, a);
		fake_online(&guest, 1);
		CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
		CHECK(plan.nr_kicks == 1 && plan.kicks[0].apic_id == 0);
		CHECK(fake_take_queues(&guest) == 1 && settle());
	}
	return true;
}

/* Killed and reaped while its wake-up was under way: the guest frees it. */
static bool last_reference(void)
{
	u64 a, slot = FAKE_PAGE_OFFSET + 0xe000 + 2112;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	fake_poke(&guest, a + 256, 0);
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_park(&guest, a);
	CHECK(resume(a) == GI_REFUSE_NONE);
	CHECK(fake_get(&guest, slot, MONARCH_F_CSD_INFO) == a);
	CHECK(fake_take_queues(&guest) == 1);
	fake_set(&guest, a, MONARCH_F_TASK_USAGE, 1);
	CHECK(settle());
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 0);
	CHECK(fake_get(&guest, slot, MONARCH_F_CSD_FUNC) ==
	      gi_kernel_symbol(&guest.kernel, MONARCH_F_SYM_PUT_TASK_STRUCT));
	CHECK(plan.nr_kicks == 1);
	CHECK(fake_take_queues(&guest) == 0);
	CHECK(settle());
	CHECK(fake_get(&guest, slot, MONARCH_F_CSD_INFO) == 0);
	CHECK(gi_plan_settle(&guest.kernel, &plan) == GI_REFUSE_NONE);
	CHECK(plan.nr_steps == 0);
	return true;
}

static bool refusals(void)
{
	struct gi_target t;
	u64 a, b;

	CHECK(start(true));
	CHECK(stop(FAKE_PAGE_OFFSET + 0x10000) == GI_REFUSE_INIT);
	a = fake_process(&guest, 10, "a");
	b = fake_thread(&guest, a, 11);

	fake_set(&guest, a, MONARCH_F_TASK_FLAGS, GI_PF_KTHREAD);
	CHECK(stop(a) == GI_REFUSE_KTHREAD);
	fake_set(&guest, a, MONARCH_F_TASK_FLAGS, 0);
	fake_set(&guest, b, MONARCH_F_TASK_PTRACE, 1);
	CHECK(stop(a) == GI_REFUSE_PTRACED);
	fake_set(&guest, b, MONARCH_F_TASK_PTRACE, 0);
	fake_set(&guest, b, MONARCH_F_TASK_VFORK_DONE, 1);
	CHECK(stop(a) == GI_REFUSE_VFORK_EXEC);
	fake_set(&guest, b, MONARCH_F_TASK_VFORK_DONE, 0);
	fake_set(&guest, b, MONARCH_F_TASK_IN_EXECVE, 1);
	CHECK(stop(a) == GI_REFUSE_VFORK_EXEC);
	fake_set(&guest, b, MONARCH_F_TASK_IN_EXECVE, 0);
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_GROUP_EXIT_TASK, 1);
	CHECK(stop(a) == GI_REFUSE_VFORK_EXEC);
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_GROUP_EXIT_TASK, 0);
	fake_set(&guest, a + SIGHAND_AT, MONARCH_F_SIGHAND_SIGLOCK, 1);
	CHECK(stop(a) == GI_REFUSE_SIGLOCK);
	fake_set(&guest, a + SIGHAND_AT, MONARCH_F_SIGHAND_SIGLOCK, 0);
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_FLAGS, 4);
	CHECK(stop(a) == GI_REFUSE_EXITING);
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_FLAGS, 0);
	fake_set(&guest, a, MONARCH_F_TASK_FLAGS, GI_PF_EXITING);
	fake_set(&guest, b, MONARCH_F_TASK_EXIT_STATE, 32);
	CHECK(stop(a) == GI_REFUSE_EXITING);
	fake_set(&guest, a, MONARCH_F_TASK_FLAGS, 0);
	fake_set(&guest, b, MONARCH_F_TASK_EXIT_STATE, 0);

	t = target(a);
	t.start_time++;
	CHECK(gi_plan_stop(&guest.kernel, &t, &plan, &result) ==
	      GI_REFUSE_GONE);
	/* A thread that is no leader is not a process. */
	CHECK(stop(b) == GI_REFUSE_GONE);
	fake_poke(&guest, b + 704 + 8, 0);
	CHECK(stop(a) == GI_REFUSE_UNREADABLE);
	CHECK(plan.nr_steps == 0);
	fake_poke(&guest, b + 704 + 8, a + 704);
	CHECK(stop(a) == GI_REFUSE_NONE);

	guest.layout.facts[MONARCH_F_TASK_JOBCTL].kind = 0;
	CHECK(stop(a) == GI_REFUSE_NO_METHOD);
	return true;
}

static bool guest_freezer(void)
{
	u64 a, cgroup;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	cgroup = a + 0xc00 + 64;
	fake_set(&guest, cgroup, MONARCH_F_CGROUP_E_FREEZE, 1);
	fake_set(&guest, a, MONARCH_F_TASK_JOBCTL, GI_JOBCTL_TRAP_FREEZE);
	CHECK(stop(a) == GI_REFUSE_GUEST_FROZEN);
	CHECK(resume(a) == GI_REFUSE_NONE && plan.nr_steps == 0);
	CHECK(marked(a));
	/* Its cgroup is thawed: the mark is an orphan, and is freed. */
	fake_set(&guest, cgroup, MONARCH_F_CGROUP_E_FREEZE, 0);
	CHECK(resume(a) == GI_REFUSE_NONE && !marked(a));
	return true;
}

/* A thread on its way into the trap must not lose its wake-up. */
static bool trap_window(void)
{
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	run_on(a, 0);
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_set(&guest, a, MONARCH_F_TASK_STATE, 0x2001);
	CHECK(resume(a) == GI_REFUSE_TRAP_WINDOW);
	CHECK(marked(a) && plan.nr_steps == 0);
	/* PREEMPT_RT: asleep on a lock there. */
	fake_set(&guest, a, MONARCH_F_TASK_ON_CPU, 0);
	fake_set(&guest, a, MONARCH_F_TASK_ON_RQ, 0);
	fake_set(&guest, a, MONARCH_F_TASK_STATE, 0x1000);
	CHECK(resume(a) == GI_REFUSE_TRAP_WINDOW && marked(a));
	/* In the trap, not yet off its CPU: the call can wait for that. */
	fake_set(&guest, a, MONARCH_F_TASK_STATE, 0x2001);
	fake_set(&guest, a, MONARCH_F_TASK_ON_CPU, 1);
	fake_set(&guest, a, MONARCH_F_TASK_FROZEN, 1);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 3);
	return true;
}

/* A real stop signal and ours, one after the other. */
static bool stop_signal(void)
{
	u64 a;

	CHECK(start(false));
	a = fake_process(&guest, 10, "a");
	fake_set(&guest, a, MONARCH_F_TASK_STATE, 0x104);
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_FLAGS, 1);
	CHECK(resume(a) == GI_REFUSE_NONE && plan.nr_steps == 0);
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_STATE) == 0x104);
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_FLAGS, 0);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_STATE) == 1);
	return true;
}

static bool pending_signal(void)
{
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_SHARED_PENDING, 2);
	CHECK(resume(a) == GI_REFUSE_NONE && !marked(a));
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_TI_FLAGS) == 4);
	return true;
}

/* What changed between plan and apply stops the whole plan. */
static bool stale_plan(void)
{
	struct gi_target t;
	u64 a, b;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	b = fake_thread(&guest, a, 11);
	t = target(a);
	CHECK(gi_plan_stop(&guest.kernel, &t, &plan, &result) ==
	      GI_REFUSE_NONE);
	fake_set(&guest, a + SIGHAND_AT, MONARCH_F_SIGHAND_SIGLOCK, 1);
	CHECK(fake_apply(&guest, &plan) == -ESTALE);
	CHECK(!marked(a) && !marked(b));
	fake_set(&guest, a + SIGHAND_AT, MONARCH_F_SIGHAND_SIGLOCK, 0);
	fake_set(&guest, b, MONARCH_F_TASK_PID, 99);
	CHECK(fake_apply(&guest, &plan) == -ESTALE);
	return true;
}

/* A member that no natural access fits is not edited through a guess. */
static bool odd_members(void)
{
	struct gi_fact *state;
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_park(&guest, a);
	state = &guest.layout.facts[MONARCH_F_TASK_STATE];
	state->bit = 3;
	fake_poke(&guest, a + state->offset, 0x2001ull << 3);
	CHECK(resume(a) == GI_REFUSE_UNREADABLE);
	state->width = 24;
	state->bit = 0;
	fake_poke(&guest, a + state->offset, 0x2001);
	CHECK(resume(a) == GI_REFUSE_UNREADABLE && marked(a));
	state->width = 32;
	CHECK(resume(a) == GI_REFUSE_NONE);
	return true;
}

/* How far stopped a marked thread is, by what the scheduler says of it. */
static bool states(void)
{
	struct gi_stop_facts facts = { .jobctl = GI_JOBCTL_TRAP_FREEZE };
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_STOPPING);
	facts.state = 1;
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_ASLEEP);
	facts.state = 0x200;	/* TASK_WAKING: about to run into the trap */
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_STOPPING);
	facts.state = 0x2001;
	facts.frozen = 1;
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_PARKED);
	facts.on_rq = 1;	/* delayed dequeue */
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_PARKED);
	facts.on_cpu = 1;
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_STOPPING);
	facts.jobctl = 0;
	facts.on_rq = 0;
	facts.on_cpu = 0;
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_WAKING);
	return true;
}

/*
 * Delayed dequeue (6.12): parked, and still on its run queue. Only a call can
 * wake it, and where none can be made it must stay marked.
 */
static bool no_wake_up(void)
{
	struct gi_stop_facts facts = { .frozen = 1, .on_rq = 1, .state = 1 };
	struct gi_fact *cfi =
		&guest.layout.facts[MONARCH_F_SYM_CFI_WAKE_UP_PROCESS];
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	run_on(a, 0);
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_park(&guest, a);
	fake_set(&guest, a, MONARCH_F_TASK_ON_RQ, 1);
	fake_set(&guest, a, MONARCH_F_TASK_SCHED_DELAYED, 1);
	/* No calls in a kernel that checks their types. */
	cfi->kind = MONARCH_FACT_SYMBOL;
	CHECK(gi_stop_method(&guest.layout) == GI_STOP_FREEZER);
	CHECK(resume(a) == GI_REFUSE_QUEUE && marked(a));
	guest.layout.facts[MONARCH_F_TASK_FROZEN].kind = 0;
	CHECK(gi_stop_method(&guest.layout) == GI_STOP_NONE);
	guest.layout.facts[MONARCH_F_TASK_FROZEN].kind = MONARCH_FACT_FIELD;
	cfi->kind = 0;
	/* Unmarked and never woken: it must be known for what it is. */
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_WAKING);
	fake_set(&guest, a, MONARCH_F_TASK_SCHED_DELAYED, 0);
	CHECK(gi_stop_classify(&guest.kernel, a, a + SIGNAL_AT, &facts) ==
	      GI_RUNS);
	fake_set(&guest, a, MONARCH_F_TASK_SCHED_DELAYED, 1);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1 && !marked(a));
	CHECK(fake_take_queues(&guest) == 1);
	return true;
}

/* A Monarch that died between its edit and its kick leaves a queue behind. */
static bool forgotten_queue(void)
{
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	run_on(a, 1);
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_park(&guest, a);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
	CHECK(settle() && plan.nr_steps == 0 && plan.nr_kicks == 1);
	CHECK(plan.kicks[0].apic_id == 1 && plan.kicks[0].vector == 0xfb);
	CHECK(fake_take_queues(&guest) == 1);
	CHECK(settle() && gi_plan_empty(&plan));
	return true;
}

/* Data of somebody else in the cave is left alone, and does not stop us. */
static bool foreign_slot(void)
{
	u64 a, slot = FAKE_PAGE_OFFSET + 0xe000 + 2048 + 64;

	CHECK(start(true));
	fake_set(&guest, slot, MONARCH_F_CSD_INFO, 0x1234);
	fake_set(&guest, slot, MONARCH_F_CSD_FUNC, 0x5678);
	a = fake_process(&guest, 10, "a");
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_park(&guest, a);
	fake_set(&guest, a, MONARCH_F_TASK_PI_LOCK, 1);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
	CHECK(fake_take_queues(&guest) == 1);
	CHECK(settle());
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 2);
	CHECK(fake_get(&guest, slot, MONARCH_F_CSD_INFO) == 0x1234);
	return true;
}

/* A CPU on its way out is no place to wake a thread on. */
static bool dying_cpu(void)
{
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 11, "a");
	run_on(a, 1);
	CHECK(stop(a) == GI_REFUSE_NONE);
	fake_park(&guest, a);
	fake_poke(&guest, gi_kernel_symbol(&guest.kernel,
					   MONARCH_F_SYM_CPU_ACTIVE_MASK), 1);
	CHECK(resume(a) == GI_REFUSE_NONE && result.woken == 1);
	/* By a call, with a reference: not by way of its wake_entry. */
	CHECK(fake_get(&guest, a, MONARCH_F_TASK_USAGE) == 3);
	return true;
}

/* CONFIG_DEBUG_SPINLOCK: a lock that is free and not zero. */
static bool debug_lock(void)
{
	struct gi_fact *lock = &guest.layout.facts[MONARCH_F_SIGHAND_SIGLOCK];
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	lock->width = 192;
	fake_poke(&guest, a + SIGHAND_AT + lock->offset, 0xdead4eadull << 32);
	CHECK(stop(a) == GI_REFUSE_NO_METHOD);
	return true;
}

/* What a guest's own freezer or group stop says, or cannot say. */
static bool guests_own(void)
{
	u64 a;

	CHECK(start(true));
	a = fake_process(&guest, 10, "a");
	fake_set(&guest, a, MONARCH_F_TASK_JOBCTL, GI_JOBCTL_TRAP_FREEZE);
	fake_set(&guest, a, MONARCH_F_TASK_CGROUPS, 0xdead);
	CHECK(stop(a) == GI_REFUSE_GUEST_FROZEN);
	CHECK(start(false));
	a = fake_process(&guest, 10, "a");
	fake_set(&guest, a + SIGNAL_AT, MONARCH_F_SIGNAL_FLAGS, 1);
	CHECK(stop(a) == GI_REFUSE_GUEST_FROZEN && !marked(a));
	return true;
}

/* The first thread that @stopping has something to do for, from a new walk. */
static u64 first(bool stopping)
{
	static struct gi_process processes[8];
	static struct gi_thread threads[FAKE_TASKS_MAX];
	static struct gi_snapshot snap = {
		.processes = processes, .max_processes = 8,
		.threads = threads, .max_threads = FAKE_TASKS_MAX,
	};

	if (gi_linux_walk(&guest.kernel, NULL, &snap, 1000) ||
	    snap.nr_processes != 2)
		return ~0ull;
	return gi_stop_first(&snap, &processes[1], stopping);
}

/* More threads than one plan looks at: each goes on where work is left. */
static bool big_process(void)
{
	static u64 tasks[180];
	struct gi_target t;
	u32 i, plans[2] = { 0, 0 };

	CHECK(start(true));
	tasks[0] = fake_process(&guest, 10, "big");
	for (i = 1; i < ARRAY_SIZE(tasks); i++)
		tasks[i] = fake_thread(&guest, tasks[0], 10 + i);
	t = target(tasks[0]);
	while ((t.from = first(true)) && plans[0] < 5) {
		CHECK(gi_plan_stop(&guest.kernel, &t, &plan, &result) ==
		      GI_REFUSE_NONE);
		CHECK(result.threads <= GI_PLAN_THREADS && result.marked);
		CHECK(fake_apply(&guest, &plan) == 0);
		plans[0]++;
	}
	CHECK(plans[0] > 1 && plans[0] < 5);
	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		CHECK(marked(tasks[i]));
	/* From a beginning that is not in its list: from the first. */
	t.from = guest.init;
	CHECK(gi_plan_stop(&guest.kernel, &t, &plan, &result) ==
	      GI_REFUSE_NONE && gi_plan_empty(&plan));
	CHECK(result.threads == ARRAY_SIZE(tasks));
	while ((t.from = first(false)) && plans[1] < 5) {
		CHECK(gi_plan_resume(&guest.kernel, &t, &plan, &result) ==
		      GI_REFUSE_NONE);
		CHECK(fake_apply(&guest, &plan) == 0);
		plans[1]++;
	}
	CHECK(plans[1] > 1 && plans[1] < 5);
	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		CHECK(!marked(tasks[i]));
	return true;
}

static bool names(void)
{
	u32 i;

	for (i = 0; i < GI_REFUSE_MAX; i++) {
		CHECK(gi_refusal_name((enum gi_refusal)i));
		CHECK(gi_refusal_text((enum gi_refusal)i));
	}
	CHECK(gi_refusal_retry(GI_REFUSE_SIGLOCK));
	CHECK(!gi_refusal_retry(GI_REFUSE_INIT));
	return true;
}

const struct suite_case cases_stop[] = {
	{ "stop: freezer cycle", freezer_cycle },
	{ "stop: silent cycle", silent_cycle },
	{ "stop: leaves nothing behind", leaves_nothing },
	{ "stop: many wake-ups", many_wakeups },
	{ "stop: call in flight", call_in_flight },
	{ "stop: CPU hotplug", cpu_hotplug },
	{ "stop: last reference", last_reference },
	{ "stop: refusals", refusals },
	{ "stop: guest's own freezer", guest_freezer },
	{ "stop: trap window", trap_window },
	{ "stop: stop signal", stop_signal },
	{ "stop: pending signal", pending_signal },
	{ "stop: stale plan", stale_plan },
	{ "stop: odd members", odd_members },
	{ "stop: states", states },
	{ "stop: no wake-up possible", no_wake_up },
	{ "stop: forgotten queue", forgotten_queue },
	{ "stop: foreign slot", foreign_slot },
	{ "stop: dying CPU", dying_cpu },
	{ "stop: debugging lock", debug_lock },
	{ "stop: guest's own stop", guests_own },
	{ "stop: big process", big_process },
	{ "stop: names", names },
	{ NULL, NULL },
};
