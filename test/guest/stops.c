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
 * parent. Then all are stopped at once, forgotten, and found and freed from guest
 * memory alone. At last one is killed while stopped.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/guest.h"

#define STILL_MS	2000
#define PARK_MS		30000	/* on an overloaded host */
#define RESUME_MS	30000
#define NAMES		32

static struct guest guest;
static u32 failures;

/* Processes of mode=states, and whether their counters move by themselves. */
static const struct {
	const char *comm;
	bool moves;
	bool counts_eintr;	/* must see no EINTR because of us */
} states[] = {
	{ "spin", true, false },	{ "sysspin", true, false },
	{ "yield", true, false },	{ "duty", true, false },
	{ "longcall", true, false },	{ "mt", true, false },
	{ "sleep", true, true },	{ "longsleep", false, true },
	{ "epoll", true, true },	{ "piper", true, false },
	{ "pipew", true, false },	{ "futex", true, false },
	{ "sigtimer", true, false },	{ "swchild", true, false },
	{ "io", true, false },
};

static void fail(const char *comm, const char *what)
{
	fprintf(stderr, "stops: %s: %s\n", comm, what);
	failures++;
}

static const struct gi_process *need(const char *comm)
{
	const struct gi_process *proc;

	guest_walk(&guest);
	proc = guest_find(&guest, comm);
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

static void check_state(u32 i)
{
	const char *comm = states[i].comm;
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
	sleep_us(STILL_MS * 1000);
	still = page_now(&target);
	if (!held.magic || !still.magic)
		fail(comm, "its counters cannot be read");
	else if (!same_counters(&held, &still))
		fail(comm, "ran in user mode after it was stopped");
	if (guest_resume_wait(&guest, &target, RESUME_MS)) {
		fail(comm, "was not resumed");
		guest_describe(&guest, &target);
	}
	if (states[i].moves && !moves_again(&target, &still)) {
		fail(comm, "does not go on after being resumed");
		guest_describe(&guest, &target);
	}
	after = page_now(&target);
	if (after.errors)
		fail(comm, "saw results that cannot be");
	if (states[i].counts_eintr && after.eintr != held.eintr)
		fail(comm, "saw EINTR because of the stop");
	printf("stops: %-9s stood still for %d ms, %s\n", comm, STILL_MS,
	       states[i].moves ? "went on" : "sleeps on");
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
		check_state(i);
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
