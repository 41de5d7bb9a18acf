// SPDX-License-Identifier: GPL-2.0-only
/* Cases of guestinfo/core/linux_task.c on a fake guest. */
#include "fake_guest.h"
#include "suite.h"

#define BUDGET 1000

static u64 ram[FAKE_RAM_SIZE / 8];
static struct fake_guest guest;
static struct gi_process processes[3][FAKE_TASKS_MAX];
static struct gi_thread threads[3][FAKE_TASKS_MAX];
static struct gi_snapshot snaps[3];

static struct gi_snapshot *snapshot(u32 i)
{
	struct gi_snapshot *snap = &snaps[i];

	memset(snap, 0, sizeof(*snap));
	snap->processes = processes[i];
	snap->threads = threads[i];
	snap->max_processes = FAKE_TASKS_MAX;
	snap->max_threads = FAKE_TASKS_MAX;
	return snap;
}

static bool start(void)
{
	return fake_guest_init(&guest, (u8 *)ram);
}

static bool whole_record(void)
{
	struct gi_snapshot *snap = snapshot(0);
	const struct gi_process *proc;
	u64 task, thread;

	CHECK(start());
	fake_process(&guest, 1, "init");
	task = fake_process(&guest, 42, "a name of sixteen or more");
	thread = fake_thread(&guest, task, 43);
	fake_set(&guest, task, MONARCH_F_TASK_REAL_PARENT, guest.init);
	fake_set(&guest, task + 0x800, MONARCH_F_SIGNAL_SUM_SCHED, 7);
	fake_set(&guest, thread, MONARCH_F_TASK_UTIME, 11);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == 0);
	CHECK(snap->complete && snap->nr_processes == 2 &&
	      snap->nr_threads == 3);
	proc = &snap->processes[1];
	CHECK(proc->pid == 42 && proc->parent == 0 && proc->task == task);
	CHECK(proc->uid == 1000 && proc->gid == 100 && proc->pgd == 0xf000);
	CHECK(proc->nr_threads == 2 && proc->first_thread == 1);
	CHECK(proc->runtime_ns == 4200 + 4300 + 7 && proc->utime_ns == 11);
	CHECK(!memcmp(proc->comm, "a name of sixtee", 15));
	CHECK(proc->comm[15] == '\0');
	CHECK(snap->threads[2].task == thread && snap->threads[2].pid == 43);
	CHECK(snap->threads[2].process == 1);
	return true;
}

/* A walk guided by an older one must say what a fresh walk says. */
static bool same(const struct gi_snapshot *a, const struct gi_snapshot *b)
{
	CHECK(a->nr_processes == b->nr_processes);
	CHECK(a->nr_threads == b->nr_threads);
	CHECK(!memcmp(a->processes, b->processes,
		      a->nr_processes * sizeof(a->processes[0])));
	CHECK(!memcmp(a->threads, b->threads,
		      a->nr_threads * sizeof(a->threads[0])));
	return true;
}

/* What a guest does between two walks: only those that run change themselves */
static void run_guest(u64 *seed, const u64 *tasks, u32 nr)
{
	u32 i, task;

	for (i = 0; i < 5; i++) {
		task = suite_random(seed) % nr;
		fake_set(&guest, tasks[task], MONARCH_F_TASK_SUM_EXEC,
			 fake_get(&guest, tasks[task],
				  MONARCH_F_TASK_SUM_EXEC) + 1 +
			 suite_random(seed) % 100);
		fake_set(&guest, tasks[task], MONARCH_F_TASK_UTIME,
			 suite_random(seed));
		fake_set(&guest, tasks[task] + 0xb80, MONARCH_F_CRED_UID,
			 suite_random(seed));
	}
	for (i = 0; i < 5; i++) {
		task = suite_random(seed) % nr;
		fake_set(&guest, tasks[task], MONARCH_F_TASK_STATE,
			 suite_random(seed) % 3);
		fake_set(&guest, tasks[task], MONARCH_F_TASK_ON_RQ,
			 suite_random(seed) % 2);
	}
}

/* The copy into a scratch buffer must say what the mapping says. */
static int op_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	memcpy(buf, (u8 *)ram + gpa, len);
	return 0;
}

static const struct gi_memory_ops copy_ops = { .read = op_read };
static u8 scratch[GI_TASK_SPAN_MAX];

static void unmap(bool unmapped)
{
	guest.mem.ops = &copy_ops;
	guest.range.hva = unmapped ? NULL : (u8 *)ram;
}

static bool guided_equals_fresh_in(bool unmapped)
{
	static u64 tasks[FAKE_TASKS_MAX];
	u32 nr = 0, i, round;
	u64 seed = 5;

	CHECK(start());
	for (i = 0; i < 30; i++) {
		tasks[nr++] = fake_process(&guest, 100 + i, "worker");
		if (i % 4)
			continue;
		tasks[nr] = fake_thread(&guest, tasks[nr - 1], 500 + i);
		nr++;
	}
	CHECK(gi_linux_walk(&guest.kernel, NULL, snapshot(0), BUDGET) == 0);
	for (round = 0; round < 200; round++) {
		struct gi_snapshot *old = &snaps[round % 2];
		struct gi_snapshot *new = snapshot(1 - round % 2);

		run_guest(&seed, tasks, nr);
		if (round % 50 == 20)
			tasks[nr++] = fake_process(&guest, 600 + round, "new");
		new->scratch = scratch;
		unmap(unmapped);
		CHECK(gi_linux_walk(&guest.kernel, old, new, BUDGET) == 0);
		unmap(false);
		CHECK(gi_linux_walk(&guest.kernel, NULL, snapshot(2),
				    BUDGET) == 0);
		CHECK(same(new, &snaps[2]));
		CHECK(new->reused > 15);
	}
	return true;
}

static bool guided_equals_fresh(void)
{
	return guided_equals_fresh_in(false);
}

static bool guided_equals_fresh_unmapped(void)
{
	return guided_equals_fresh_in(true);
}

static bool unmapped_memory(void)
{
	struct gi_snapshot *mapped = snapshot(0), *copied = snapshot(1);
	u32 i;

	CHECK(start());
	for (i = 0; i < 10; i++)
		fake_thread(&guest, fake_process(&guest, 10 + i, "w"), 50 + i);
	CHECK(gi_linux_walk(&guest.kernel, NULL, mapped, BUDGET) == 0);
	unmap(true);
	CHECK(gi_linux_walk(&guest.kernel, NULL, copied, BUDGET) == -EFAULT);
	copied->scratch = scratch;
	CHECK(gi_linux_walk(&guest.kernel, NULL, copied, BUDGET) == 0);
	CHECK(same(mapped, copied));
	CHECK(gi_linux_walk(&guest.kernel, mapped, copied, BUDGET) == 0);
	CHECK(copied->reused > 0 && same(mapped, copied));
	return true;
}

static bool hostile_lists(void)
{
	struct gi_snapshot *snap = snapshot(0);
	u64 a, b, c, tasks_at = 512, node_at = 704;

	/* A node that is its own successor: its prev gives it away. */
	CHECK(start());
	a = fake_process(&guest, 10, "a");
	b = fake_process(&guest, 11, "b");
	fake_poke(&guest, b + tasks_at, b + tasks_at);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);
	CHECK(snap->nr_processes == 0 && snap->restarts == GI_WALK_TRIES);

	/* The same with a prev that lies as well: it costs the budget. */
	fake_poke(&guest, b + tasks_at + 8, b + tasks_at);
	fake_poke(&guest, a + tasks_at, b + tasks_at);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);
	fake_poke(&guest, guest.init + tasks_at, b + tasks_at);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);

	/* A ring that leaves the head out, consistent in itself. */
	CHECK(start());
	a = fake_process(&guest, 10, "a");
	b = fake_process(&guest, 11, "b");
	c = fake_process(&guest, 12, "c");
	fake_poke(&guest, c + tasks_at, b + tasks_at);
	fake_poke(&guest, b + tasks_at + 8, c + tasks_at);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);

	/* Threads for ever: ends with what there was room for. */
	CHECK(start());
	a = fake_process(&guest, 10, "a");
	b = fake_thread(&guest, a, 11);
	fake_poke(&guest, b + node_at, b + node_at);
	fake_poke(&guest, b + node_at + 8, b + node_at);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);
	CHECK(start());
	a = fake_process(&guest, 10, "a");
	fake_poke(&guest, a + node_at, a + node_at);
	fake_poke(&guest, a + node_at + 8, a + 0x800 + 16);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);

	/* Pointers into nowhere. */
	CHECK(start());
	a = fake_process(&guest, 10, "a");
	fake_poke(&guest, a + tasks_at, 0xdead000000000100ull);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);
	fake_poke(&guest, a + tasks_at, U64_MAX - 7);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);
	return true;
}

static bool wild_members(void)
{
	struct gi_snapshot *snap = snapshot(0);
	u64 a;

	CHECK(start());
	a = fake_process(&guest, 10, "a");
	fake_set(&guest, a, MONARCH_F_TASK_CRED, 0x1234);
	fake_set(&guest, a, MONARCH_F_TASK_MM, U64_MAX);
	fake_set(&guest, a, MONARCH_F_TASK_REAL_PARENT, 0);
	fake_set(&guest, a, MONARCH_F_TASK_CPU, U32_MAX);
	fake_set(&guest, a, MONARCH_F_TASK_ON_CPU, 1);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == 0);
	CHECK(snap->nr_processes == 1);
	CHECK(snap->processes[0].uid == 0 && snap->processes[0].pgd == 0);
	/* Its signal_struct is what the threads hang on: that must be there. */
	fake_set(&guest, a, MONARCH_F_TASK_SIGNAL, 0x1000);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -EUCLEAN);
	return true;
}

static bool capacity_and_budget(void)
{
	struct gi_snapshot *snap = snapshot(0);
	u32 i;

	CHECK(start());
	for (i = 0; i < 20; i++)
		fake_process(&guest, 10 + i, "p");
	snap->max_processes = 5;
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == 0);
	CHECK(!snap->complete && snap->nr_processes == 5);
	snap = snapshot(0);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, 8) == 0);
	CHECK(!snap->complete && snap->nr_processes == 4);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == 0);
	CHECK(snap->complete && snap->nr_processes == 20);
	return true;
}

static bool missing_facts(void)
{
	struct gi_snapshot *snap = snapshot(0);
	u32 missing = 0;

	CHECK(start());
	CHECK(gi_linux_walk_supported(&guest.layout, &missing));
	guest.layout.facts[MONARCH_F_TASK_COMM].kind = 0;
	CHECK(!gi_linux_walk_supported(&guest.layout, &missing));
	CHECK(missing == MONARCH_F_TASK_COMM);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == -ENOENT);
	return true;
}

static bool activity(void)
{
	struct gi_snapshot *snap = snapshot(0);
	static struct gi_activity before, after;
	u64 a, b, rq;

	CHECK(start());
	rq = gi_kernel_per_cpu(&guest.kernel, MONARCH_F_SYM_RUNQUEUES, 1);
	a = fake_process(&guest, 11, "runs");
	b = fake_process(&guest, 12, "sleeps");
	fake_set(&guest, a, MONARCH_F_TASK_ON_CPU, 1);
	fake_set(&guest, rq, MONARCH_F_RQ_CURR, a);
	CHECK(gi_linux_activity(&guest.kernel, &before) == 0);
	CHECK(gi_linux_walk(&guest.kernel, NULL, snap, BUDGET) == 0);
	fake_set(&guest, a, MONARCH_F_TASK_SUM_EXEC, 5000);
	CHECK(gi_linux_activity(&guest.kernel, &after) == 0);
	CHECK(gi_activity_same(&before, &after));
	CHECK(gi_linux_refresh(&guest.kernel, &after, snap) == 0);
	CHECK(snap->processes[0].runtime_ns == 5000);
	CHECK(snap->processes[1].runtime_ns == 1200);

	/* Another task is current, or somebody was scheduled: not the same. */
	fake_set(&guest, rq, MONARCH_F_RQ_CURR, b);
	CHECK(gi_linux_activity(&guest.kernel, &after) == 0);
	CHECK(!gi_activity_same(&before, &after));
	fake_set(&guest, rq, MONARCH_F_RQ_CURR, a);
	fake_set(&guest, rq, MONARCH_F_RQ_NR_SWITCHES, 1);
	CHECK(gi_linux_activity(&guest.kernel, &after) == 0);
	CHECK(!gi_activity_same(&before, &after));

	/* CPU hotplug: counters of other CPUs would be missing. */
	fake_online(&guest, 1);
	CHECK(gi_linux_activity(&guest.kernel, &after) == -ESTALE);
	fake_online(&guest, 3);
	CHECK(gi_linux_activity(&guest.kernel, &after) == -ESTALE);
	CHECK(!after.valid);
	fake_online(&guest, 2);

	/* Current, but unknown: a walk must be made. */
	fake_set(&guest, rq, MONARCH_F_RQ_CURR, guest.init + 0x100);
	CHECK(gi_linux_activity(&guest.kernel, &after) == 0);
	CHECK(gi_linux_refresh(&guest.kernel, &after, snap) == -ESTALE);
	return true;
}

const struct suite_case cases_task[] = {
	{ "task: whole record", whole_record },
	{ "task: guided walk equals fresh walk", guided_equals_fresh },
	{ "task: the same, unmapped", guided_equals_fresh_unmapped },
	{ "task: unmapped memory", unmapped_memory },
	{ "task: hostile lists", hostile_lists },
	{ "task: wild members", wild_members },
	{ "task: capacity and budget", capacity_and_budget },
	{ "task: missing facts", missing_facts },
	{ "task: activity and refresh", activity },
	{ NULL, NULL },
};
