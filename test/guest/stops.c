// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stopped process executes not one user instruction more.
 *
 * usage: stops DIR [silent]
 *
 * The guest runs one process in each state (mode=states). Each is stopped; the
 * counters in its memory, read under the hold that stops it, must be the same
 * two seconds later; stopping it again must change nothing; resumed, it must go
 * on, with no error, no EINTR that it did not have before, no SIGCHLD to its
 * parent. So are processes that make children or threads without end, and
 * processes that are just exiting, which must be let go. Then all are stopped at
 * once, forgotten, and found and freed from guest memory alone. At last one is
 * killed while stopped.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/guest.h"

#define STILL_MS	2000
#define PARK_MS		30000	/* on an overloaded host */
#define RESUME_MS	30000
#define EXITS		5	/* to be met, and as many before their exit */
#define EXITS_MS	60000

static struct guest guest;
static u32 failures;

/**
 * struct state - a process to be stopped
 * @moves: its counters move by themselves
 * @counts_eintr: must see no EINTR because of us
 * @breeds: makes children or threads: those born while it is being stopped may
 *	run until the stop is complete, and no longer
 */
struct state {
	const char *comm;
	bool moves;
	bool counts_eintr;
	bool breeds;
};

/* Those of mode=states. */
static const struct state states[] = {
	{ .comm = "spin", .moves = true },
	{ .comm = "sysspin", .moves = true },
	{ .comm = "yield", .moves = true },
	{ .comm = "duty", .moves = true },
	{ .comm = "longcall", .moves = true },
	{ .comm = "mt", .moves = true },
	{ .comm = "sleep", .moves = true, .counts_eintr = true },
	{ .comm = "longsleep", .counts_eintr = true },
	{ .comm = "epoll", .moves = true, .counts_eintr = true },
	{ .comm = "piper", .moves = true },
	{ .comm = "pipew", .moves = true },
	{ .comm = "futex", .moves = true },
	{ .comm = "sigtimer", .moves = true },
	{ .comm = "swchild", .moves = true },
	{ .comm = "io", .moves = true },
};

/* Started for the test only: who compares lists of processes wants calm. */
static const struct state breeders[] = {
	{ .comm = "forker", .moves = true, .breeds = true },
	{ .comm = "vforker", .moves = true, .breeds = true },
	{ .comm = "threads", .moves = true, .breeds = true },
};

static void fail(const char *comm, const char *what)
{
	fprintf(stderr, "stops: %s: %s\n", comm, what);
	failures++;
}

/* The oldest of that name: a child has its parent's until it sets its own. */
static const struct gi_process *oldest(const char *comm)
{
	const struct gi_snapshot *snap = guest_walk(&guest);
	const struct gi_process *found = NULL;
	u32 i;

	for (i = 0; i < snap->nr_processes; i++) {
		const struct gi_process *proc = &snap->processes[i];

		if (!strcmp(proc->comm, comm) && !proc->exit_state &&
		    (!found || proc->start_time < found->start_time))
			found = proc;
	}
	return found;
}

static const struct gi_process *need(const char *comm)
{
	const struct gi_process *proc = oldest(comm);

	if (!proc)
		die("stops: no process '%s' in the guest: boot it with mode=states",
		    comm);
	return proc;
}

static bool same_counters(const struct load_page *a, const struct load_page *b)
{
	u32 i;

	for (i = 0; i < LOAD_COUNTERS; i++)
		if (a->counter[i] != b->counter[i])
			return false;
	return a->signals == b->signals;
}

static struct load_page page_now(const struct gi_target *target)
{
	const struct gi_process *proc;
	struct load_page page = { 0 };

	guest_walk(&guest);
	proc = guest_again(&guest, target);
	if (!proc || !guest_page(&guest, proc, &page))
		page.magic = 0;
	return page;
}

/* Refusals that ask for another try are met with another try. */
static enum gi_refusal stop_now(const char *comm, struct gi_target *target,
				struct load_page *page)
{
	enum gi_refusal refusal;
	u32 tries = 0;

	do {
		const struct gi_process *proc = need(comm);

		*target = guest_target(proc);
		refusal = guest_stop(&guest, proc, page);
	} while (refusal && gi_refusal_retry(refusal) && tries++ < 1000);
	return refusal;
}

static bool moves_again(const struct gi_target *target,
			const struct load_page *since)
{
	u64 end = now_ns() + RESUME_MS * 1000000ull;
	struct load_page page;

	do {
		sleep_us(20000);
		page = page_now(target);
		if (page.magic && !same_counters(&page, since))
			return true;
	} while (now_ns() < end);
	return false;
}

/* When the youngest child of @target was born, 0: it has none. */
static u64 youngest_child(const struct gi_target *target, bool *ret_alive)
{
	const struct gi_snapshot *snap = guest_walk(&guest);
	const struct gi_process *parent = guest_again(&guest, target);
	u64 born = 0;
	u32 i;

	*ret_alive = false;
	for (i = 0; parent && i < snap->nr_processes; i++) {
		const struct gi_process *child = &snap->processes[i];

		if (child->parent != parent->pid)
			continue;
		born = max(born, child->start_time);
		*ret_alive |= !child->exit_state;
	}
	return born;
}

/*
 * A child that was born in time is a process of its own and lives its life: wait
 * for its end. A parent stopped in wait() still reaps it: that is the kernel's.
 */
static u64 await_children(const struct state *state,
			  const struct gi_target *target)
{
	u64 end = now_ns() + PARK_MS * 1000000ull, born;
	bool alive;

	while ((born = youngest_child(target, &alive)) && alive &&
	       now_ns() < end)
		sleep_us(10000);
	if (alive)
		fail(state->comm, "has a child that does not end");
	return born;
}

static void stand_still(const struct state *state,
			const struct gi_target *target,
			struct load_page *held, struct load_page *still)
{
	u64 born = 0;
	bool alive;

	if (state->breeds) {
		born = await_children(state, target);
		*held = page_now(target);
	}
	sleep_us(STILL_MS * 1000);
	*still = page_now(target);
	if (!held->magic || !still->magic)
		fail(state->comm, "its counters cannot be read");
	else if (!same_counters(held, still))
		fail(state->comm, "ran in user mode after it was stopped");
	if (state->breeds && youngest_child(target, &alive) > born)
		fail(state->comm, "had a child after it was stopped");
}

static void check_state(const struct state *state)
{
	const char *comm = state->comm;
	struct load_page held, still, after;
	enum gi_refusal refusal;
	struct gi_target target;

	refusal = stop_now(comm, &target, &held);
	if (refusal) {
		fail(comm, gi_refusal_text(refusal));
		return;
	}
	if (guest_stop_wait(&guest, &target, PARK_MS)) {
		fail(comm, "did not come to rest");
		guest_describe(&guest, &target);
	}
	if (guest_stop(&guest, guest_again(&guest, &target), NULL) ||
	    guest.plan.nr_steps)
		fail(comm, "stopping it twice is not idempotent");
	stand_still(state, &target, &held, &still);
	if (guest_resume_wait(&guest, &target, RESUME_MS)) {
		fail(comm, "was not resumed");
		guest_describe(&guest, &target);
	}
	if (state->moves && !moves_again(&target, &still)) {
		fail(comm, "does not go on after being resumed");
		guest_describe(&guest, &target);
	}
	after = page_now(&target);
	if (after.errors)
		fail(comm, "saw results that cannot be");
	if (state->counts_eintr && after.eintr != held.eintr)
		fail(comm, "saw EINTR because of the stop");
	printf("stops: %-9s stood still for %d ms, %s\n", comm, STILL_MS,
	       state->moves ? "went on" : "sleeps on");
}

static void run_in_guest(const char *command)
{
	char *output;

	if (guest_sh(&guest, command, &output))
		die("stops: in the guest: %s: %s", command, output);
	free(output);
}

/* Start a load of the test's own, and wait until it counts. */
static void load_start(const char *comm)
{
	u64 end = now_ns() + PARK_MS * 1000000ull;
	const struct load_page none = { 0 };
	const struct gi_process *proc;
	struct gi_target target;
	char command[64];

	snprintf(command, sizeof(command), "load %s >/dev/null 2>&1 &", comm);
	run_in_guest(command);
	while (!(proc = oldest(comm)) && now_ns() < end)
		sleep_us(10000);
	target = guest_target(need(comm));
	if (!moves_again(&target, &none))
		fail(comm, "does not count");
}

static void load_end(const char *comm)
{
	char command[64];

	snprintf(command, sizeof(command), "kill -9 %u", need(comm)->pid);
	run_in_guest(command);
}

static void check_breeder(const struct state *state)
{
	load_start(state->comm);
	check_state(state);
	load_end(state->comm);
}

/* How tries to stop a process that exits sooner or later have ended. */
struct exits {
	u32 refused, ended, stopped;
};

static void must_go(const struct gi_target *target)
{
	u64 end = now_ns() + PARK_MS * 1000000ull;

	do {
		guest_walk(&guest);
		if (!guest_again(&guest, target))
			return;
		sleep_us(1000);
	} while (now_ns() < end);
	fail("exiting", "was kept from exiting");
	guest_describe(&guest, target);
}

/* It was stopped before its exit: it stands still, and exits when resumed. */
static void hold_up(const struct gi_target *target, struct exits *exits)
{
	struct load_page before, after;
	int error = guest_stop_wait(&guest, target, PARK_MS);

	if (error == -ESRCH) {
		exits->ended++;
		must_go(target);
		return;
	}
	if (error)
		fail("exiting", "did not come to rest");
	before = page_now(target);
	sleep_us(20000);
	after = page_now(target);
	if (before.magic && !same_counters(&before, &after))
		fail("exiting", "ran in user mode after it was stopped");
	exits->stopped++;
	error = guest_resume_wait(&guest, target, RESUME_MS);
	if (error && error != -ESRCH)
		fail("exiting", "was not resumed");
	must_go(target);
}

/* One that has begun its exit and has not ended all of its threads. */
static const struct gi_process *in_exit(void)
{
	const struct gi_snapshot *snap = guest_walk(&guest);
	u32 i;

	for (i = 0; i < snap->nr_processes; i++) {
		const struct gi_process *proc = &snap->processes[i];

		if (!strcmp(proc->comm, "exiting") &&
		    (proc->flags & GI_PF_EXITING) &&
		    (!proc->exit_state || proc->nr_threads > 1))
			return proc;
	}
	return NULL;
}

static void try_exiting(const struct gi_process *proc, struct exits *exits)
{
	struct gi_target target = guest_target(proc);
	enum gi_refusal refusal = guest_stop(&guest, proc, NULL);

	if (!refusal) {
		hold_up(&target, exits);
	} else if (refusal == GI_REFUSE_EXITING) {
		exits->refused++;
		must_go(&target);
	} else if (refusal != GI_REFUSE_GONE && !gi_refusal_retry(refusal)) {
		fail("exiting", gi_refusal_text(refusal));
	}
}

/* At any moment: let go at once, or held up and then let go. */
static void check_exiting(void)
{
	u64 end = now_ns() + EXITS_MS * 1000000ull;
	struct exits exits = { 0 };
	struct gi_target parent;
	struct load_page page;

	load_start("exiter");
	while ((exits.refused < EXITS || exits.stopped < EXITS) &&
	       now_ns() < end) {
		const struct gi_process *proc =
			exits.refused < EXITS ? in_exit() : NULL;

		if (!proc && exits.stopped < EXITS && rand() % 50 == 0)
			proc = oldest("exiting");
		if (proc)
			try_exiting(proc, &exits);
		else
			sleep_us(200);
	}
	parent = guest_target(need("exiter"));
	page = page_now(&parent);
	if (!moves_again(&parent, &page))
		fail("exiter", "waits for a child that does not end");
	page = page_now(&parent);
	if (!page.magic || page.errors)
		fail("exiter", "saw a child end as none can");
	load_end("exiter");
	printf("stops: exiting   %u let go at once, %u while being stopped, %u held up and let go\n",
	       exits.refused, exits.ended, exits.stopped);
	if (exits.refused < EXITS || exits.stopped < EXITS)
		fail("exiting", "too few were met in their exit, or before");
}

/* The parent of a stopped and resumed child was told nothing. */
static void check_parent(void)
{
	const struct gi_process *proc = need("stopwatch");
	struct load_page page;

	if (!guest_page(&guest, proc, &page))
		fail("stopwatch", "its counters cannot be read");
	else if (page.signals || page.errors)
		fail("stopwatch", "its child's stop sent it a signal");
}

static u32 count_ours(void)
{
	const struct gi_snapshot *snap = guest_walk(&guest);
	u32 i, ours = 0;

	for (i = 0; i < snap->nr_processes; i++)
		if (gi_stop_is_ours(snap->processes[i].stopped))
			ours++;
	return ours;
}

/* Nothing is remembered but what guest memory says. */
static void check_orphans(void)
{
	const struct gi_snapshot *snap;
	struct gi_target targets[256];
	u32 i, nr = 0, stopped = 0;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		struct gi_target target;

		if (!stop_now(states[i].comm, &target, NULL) &&
		    !guest_stop_wait(&guest, &target, PARK_MS))
			stopped++;
		else
			guest_describe(&guest, &target);
	}
	if (stopped != ARRAY_SIZE(states))
		fail("all", "could not be stopped together");
	snap = guest_walk(&guest);
	for (i = 0; i < snap->nr_threads && nr < ARRAY_SIZE(targets); i++) {
		const struct gi_process *proc =
			&snap->processes[snap->threads[i].process];

		if (gi_stop_is_ours(snap->threads[i].stopped) &&
		    (!nr || targets[nr - 1].task != proc->task))
			targets[nr++] = guest_target(proc);
	}
	printf("stops: %u processes stopped, %u found again in guest memory\n",
	       stopped, nr);
	if (nr != stopped)
		fail("orphans", "not all were found from guest memory");
	for (i = 0; i < nr; i++)
		if (guest_resume_wait(&guest, &targets[i], RESUME_MS))
			fail("orphans", "one was not freed");
	if (count_ours())
		fail("orphans", "something is left stopped");
}

static void check_kill(void)
{
	struct gi_target target;
	char command[64], *output;
	u64 start;
	int code;

	if (stop_now("spin", &target, NULL) ||
	    guest_stop_wait(&guest, &target, PARK_MS)) {
		fail("spin", "could not be stopped to be killed");
		return;
	}
	snprintf(command, sizeof(command), "kill -9 %u",
		 guest_again(&guest, &target)->pid);
	start = now_ns();
	code = guest_sh(&guest, command, &output);
	free(output);
	do {
		guest_walk(&guest);
		sleep_us(1000);
	} while (guest_again(&guest, &target) &&
		 now_ns() - start < 5000000000ull);
	if (code || guest_again(&guest, &target))
		fail("spin", "SIGKILL was not honoured while it was stopped");
	else
		printf("stops: killed while stopped: gone\n");
}

static void check_init(void)
{
	u32 i;
	const struct gi_snapshot *snap = guest_walk(&guest);

	for (i = 0; i < snap->nr_processes; i++) {
		const struct gi_process *proc = &snap->processes[i];
		enum gi_refusal refusal = GI_REFUSE_NONE;

		if (proc->pid == 1 || (proc->flags & GI_PF_KTHREAD))
			refusal = guest_stop(&guest, proc, NULL);
		else
			continue;
		if (refusal != GI_REFUSE_INIT && refusal != GI_REFUSE_KTHREAD &&
		    refusal != GI_REFUSE_GONE)
			fail(proc->comm, "is never to be stopped");
	}
}

int main(int argc, char **argv)
{
	u32 i;

	if (argc < 2)
		die("usage: stops DIR [silent]");
	guest_open(&guest, argv[1], argc > 2 && !strcmp(argv[2], "silent"));
	printf("stops: %s, method %s\n", guest.found.release,
	       gi_stop_method_name(gi_stop_method(guest.found.layout)));
	for (i = 0; i < ARRAY_SIZE(states); i++)
		check_state(&states[i]);
	for (i = 0; i < ARRAY_SIZE(breeders); i++)
		check_breeder(&breeders[i]);
	check_exiting();
	check_parent();
	check_orphans();
	check_kill();
	check_init();
	guest_settle(&guest);
	if (count_ours())
		fail("end", "something is left stopped");
	printf("stops: %u failures\n", failures);
	guest_close(&guest);
	return failures ? 1 : 0;
}
