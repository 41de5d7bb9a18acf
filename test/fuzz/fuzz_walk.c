// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile guest's processes: a fake guest whose RAM (and, if the input says
 * so, layout) is then overwritten by the input, in places that it chooses. The
 * walk must end within its budget and stay in bounds; plans must only name
 * guest RAM and must be repeatable.
 */
#include <stdlib.h>

#include "../core/fake_guest.h"

#define BUDGET	400

static u64 ram[FAKE_RAM_SIZE / 8];
static struct fake_guest guest;
static struct gi_process processes[2][FAKE_TASKS_MAX];
static struct gi_thread threads[2][FAKE_TASKS_MAX];
static struct gi_snapshot snaps[2];
static struct gi_activity activity;
static struct gi_plan plan;
static u64 tasks[12];

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void build(void)
{
	u32 i, nr = 0;

	if (!fake_guest_init(&guest, (u8 *)ram))
		abort();
	for (i = 0; i < 6; i++) {
		tasks[nr] = fake_process(&guest, 10 + i, "process");
		tasks[nr + 1] = fake_thread(&guest, tasks[nr], 50 + i);
		nr += 2;
	}
	for (i = 0; i < 2; i++) {
		memset(&snaps[i], 0, sizeof(snaps[i]));
		snaps[i].processes = processes[i];
		snaps[i].threads = threads[i];
		snaps[i].max_processes = FAKE_TASKS_MAX;
		snaps[i].max_threads = FAKE_TASKS_MAX;
	}
}

/* One change: 2 bytes say what and where, 8 say which value. */
static void change(const u8 *data)
{
	u32 what = data[0], where = data[1];
	u64 value;

	memcpy(&value, data + 2, 8);
	if (what < 12)			/* a word of a task */
		fake_poke(&guest, tasks[what] + where * 8, value);
	else if (what < 24)		/* of its signal_struct and the rest */
		fake_poke(&guest, tasks[what - 12] + 0x800 + where * 8, value);
	else if (what < 36)		/* make it point at another task */
		fake_poke(&guest, tasks[what - 24] + where * 8,
			  tasks[value % 12] + (value >> 32) % 2048);
	else if (what < 44)		/* anywhere low: image, per-CPU, cave */
		fake_poke(&guest, FAKE_PAGE_OFFSET + 0x1000 +
			  (where | (what - 36u) << 8) * 32, value);
	else if (what < 52) {		/* the layout's offsets */
		struct gi_fact *fact = &guest.layout.facts[where];

		fact->offset = value % GI_LAYOUT_MAX_OFFSET;
		fact->bit = (value >> 32) % 8;
	} else if (what < 54) {
		guest.layout.facts[where].kind = 0;
	} else if (what < 60) {		/* symbols and numbers */
		guest.layout.facts[200 + where % 103].value = value;
	}
}

static void check_snapshot(const struct gi_snapshot *snap)
{
	u32 i;

	if (snap->nr_processes > snap->max_processes ||
	    snap->nr_threads > snap->max_threads)
		abort();
	for (i = 0; i < snap->nr_processes; i++) {
		const struct gi_process *proc = &snap->processes[i];

		if (proc->first_thread + proc->nr_threads > snap->nr_threads ||
		    proc->comm[GI_COMM_LEN - 1])
			abort();
	}
	for (i = 0; i < snap->nr_threads; i++)
		if (snap->threads[i].process >= snap->nr_processes + 1)
			abort();
}

static void check_plan(void)
{
	u32 i;

	if (plan.nr_steps > GI_PLAN_STEPS || plan.nr_kicks > GI_PLAN_KICKS)
		abort();
	for (i = 0; i < plan.nr_steps; i++)
		if (!gi_memory_hva(&guest.mem, plan.steps[i].gpa,
				   plan.steps[i].width))
			abort();
	/* Nothing changed since planning: every comparison must hold. */
	if (fake_apply(&guest, &plan))
		abort();
}

static void plan_all(void)
{
	struct gi_stop_result result;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(tasks); i++) {
		struct gi_target target = {
			.task = tasks[i],
			.start_time = fake_get(&guest, tasks[i],
					       MONARCH_F_TASK_START_TIME),
		};

		if (!gi_plan_stop(&guest.kernel, &target, &plan, &result))
			check_plan();
		if (i % 2)
			fake_park(&guest, tasks[i]);
		if (!gi_plan_resume(&guest.kernel, &target, &plan, &result))
			check_plan();
		if (!gi_plan_settle(&guest.kernel, &plan))
			check_plan();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct gi_snapshot *prev = NULL;
	u32 round;

	build();
	for (round = 0; round < 4; round++) {
		struct gi_snapshot *snap = &snaps[round % 2];
		u32 changes;

		for (changes = 0; size >= 10 && changes < 8; changes++) {
			change(data);
			data += 10;
			size -= 10;
		}
		if (!gi_linux_walk(&guest.kernel, prev, snap, BUDGET)) {
			check_snapshot(snap);
			prev = snap;
		} else {
			prev = NULL;
		}
		if (prev && !gi_linux_activity(&guest.kernel, &activity) &&
		    !gi_linux_refresh(&guest.kernel, &activity, snap))
			check_snapshot(snap);
	}
	plan_all();
	return 0;
}
