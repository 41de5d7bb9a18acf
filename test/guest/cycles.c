// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random processes are stopped and resumed at random moments, while processes
 * and threads come and go.
 *
 * usage: cycles DIR COUNT [silent] [seed=N]
 *
 * mode=churn in the guest. First the kernel is found FINDS times. Then COUNT
 * stops, each with its resume. After 300 ms a stopped process must be at rest;
 * after a resume nothing may be left stopped; at the end all that was stopped
 * runs, no load process saw a result that cannot be, and the spinners are back
 * at full speed. Prints every refusal reason with its count.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/guest.h"

#define MAX_STOPPED	8
#define FINDS		50
#define REST_NS		300000000ull
#define DELAY_MAX_US	3000
#define SPEED_WINDOW_US	1000000
#define SPEED_WINDOWS	40
#define REST_MS		30000	/* on an overloaded host */

struct held {
	struct gi_target target;
	u64 since_ns;
	bool checked;
	char comm[GI_COMM_LEN];
};

static struct guest guest;
static struct held held[MAX_STOPPED];
static u32 nr_held, failures;
static u64 stops, resumes, gone, escaped, not_at_rest;

static void fail(const char *comm, const char *what)
{
	fprintf(stderr, "cycles: %s: %s\n", comm, what);
	failures++;
}

/* Any user process but the shell that serves us. */
static const struct gi_process *pick(void)
{
	const struct gi_snapshot *snap = guest_walk(&guest);
	const struct gi_process *chosen = NULL;
	u32 i, k, seen = 0;

	for (i = 0; i < snap->nr_processes; i++) {
		const struct gi_process *proc = &snap->processes[i];
		bool taken = !proc->mm || proc->exit_state || proc->pid <= 1;

		for (k = 0; k < nr_held; k++)
			taken |= held[k].target.task == proc->task;
		if (!taken && rand() % ++seen == 0)
			chosen = proc;
	}
	return chosen;
}

static void stop_one(void)
{
	const struct gi_process *proc = pick();
	struct held *new = &held[nr_held];

	if (!proc)
		return;
	new->target = guest_target(proc);
	new->checked = false;
	memcpy(new->comm, proc->comm, sizeof(new->comm));
	if (guest_stop(&guest, proc, NULL))
		return;
	new->since_ns = now_ns();
	nr_held++;
	stops++;
}

/* Threads born while their process was being stopped are caught here. */
static void watch_one(struct held *it)
{
	const struct gi_process *proc = guest_again(&guest, &it->target);

	if (!proc || (proc->flags & GI_PF_EXITING))
		return;
	if (proc->stopped < GI_STOPPING) {
		escaped++;
		guest_stop(&guest, proc, NULL);
		it->since_ns = now_ns();
		return;
	}
	if (it->checked || now_ns() - it->since_ns < REST_NS)
		return;
	it->checked = true;
	if (proc->stopped == GI_STOPPING) {
		not_at_rest++;
		/* Overloaded guest: its threads may still wait for a CPU. */
		if (guest_stop_wait(&guest, &it->target, REST_MS) == -ETIMEDOUT) {
			fail(it->comm, "did not come to rest");
			guest_describe(&guest, &it->target);
		}
	}
}

static void resume_one(u32 i)
{
	int err = guest_resume_wait(&guest, &held[i].target, REST_MS);

	if (err == -ESRCH)
		gone++;
	else if (err)
		fail(held[i].comm, "was not resumed");
	else
		resumes++;
	held[i] = held[--nr_held];
	guest_settle(&guest);
}

static void cycle(void)
{
	u32 i;

	if (nr_held < MAX_STOPPED && (!nr_held || rand() % 2))
		stop_one();
	else
		resume_one(rand() % nr_held);
	guest_walk(&guest);
	for (i = 0; i < nr_held; i++)
		watch_one(&held[i]);
	sleep_us(rand() % DELAY_MAX_US);
}

/* What a spinner did in a window, and the busiest thread of the guest. */
struct speed {
	double counts_per_s;	/* per second of its own runtime */
	double share;		/* of the busiest thread's runtime */
};

static u64 runtime_before(const struct gi_snapshot *snap,
			  const struct gi_thread *thread)
{
	u32 i;

	for (i = 0; i < snap->nr_threads; i++)
		if (snap->threads[i].task == thread->task &&
		    snap->threads[i].start_time == thread->start_time)
			return snap->threads[i].runtime_ns;
	return thread->runtime_ns;
}

static u64 busiest_ns(void)
{
	const struct gi_snapshot *old = &guest.snaps[1 - guest.current];
	const struct gi_snapshot *new = &guest.snaps[guest.current];
	u64 most = 1;
	u32 i;

	for (i = 0; i < new->nr_threads; i++)
		most = max(most, new->threads[i].runtime_ns -
				 runtime_before(old, &new->threads[i]));
	return most;
}

static bool spin_sample(const char *comm, u64 *runtime, u64 *count)
{
	const struct gi_process *proc;
	struct load_page page;

	guest_walk(&guest);
	proc = guest_find(&guest, comm);
	if (!proc || !guest_page(&guest, proc, &page))
		return false;
	*runtime = proc->runtime_ns;
	*count = page.counter[0];
	return true;
}

static struct speed spin_window(const char *comm)
{
	u64 runtime[2], count[2];
	struct speed speed = { 0 };

	if (!spin_sample(comm, &runtime[0], &count[0]))
		return speed;
	sleep_us(SPEED_WINDOW_US);
	if (!spin_sample(comm, &runtime[1], &count[1]) ||
	    runtime[1] <= runtime[0])
		return speed;
	speed.counts_per_s = (count[1] - count[0]) * 1e9 /
			     (runtime[1] - runtime[0]);
	speed.share = (double)(runtime[1] - runtime[0]) / busiest_ns();
	return speed;
}

/*
 * Windows until one is at least as good as @enough, the last if none is. A
 * thread that is current while the host runs something else is charged for
 * it and then waits for its turn, for seconds: one window says little.
 */
static struct speed spin_speed(const char *comm, const struct speed *enough)
{
	struct speed speed;
	u32 i = 0;

	do
		speed = spin_window(comm);
	while (++i < SPEED_WINDOWS &&
	       (speed.counts_per_s < enough->counts_per_s ||
		speed.share < enough->share));
	return speed;
}

/*
 * Full speed: the guest's scheduler gives it its turn as it does others, and in
 * its turn it counts as before.
 */
static void check_speed(const char *comm, const struct speed *before)
{
	const struct speed enough = { before->counts_per_s / 2, 0.5 };
	struct speed after = spin_speed(comm, &enough);
	struct gi_target target = { 0 };

	printf("cycles: %s: %.0f M counts per second of runtime before, %.0f M after; %.2f of the busiest thread's time before, %.2f after\n",
	       comm, before->counts_per_s / 1e6, after.counts_per_s / 1e6,
	       before->share, after.share);
	if (before->counts_per_s > 0 &&
	    after.counts_per_s >= enough.counts_per_s &&
	    after.share >= enough.share)
		return;
	fail(comm, "is not back at full speed");
	guest_walk(&guest);
	if (guest_find(&guest, comm))
		target = guest_target(guest_find(&guest, comm));
	guest_describe(&guest, &target);
}

static void check_loads(void)
{
	const struct gi_snapshot *snap = guest_walk(&guest);
	struct load_page page;
	u32 i, read = 0;

	for (i = 0; i < snap->nr_processes; i++) {
		const struct gi_process *proc = &snap->processes[i];

		if (gi_stop_is_ours(proc->stopped))
			fail(proc->comm, "is left stopped");
		if (!guest_page(&guest, proc, &page))
			continue;
		read++;
		if (page.errors)
			fail(proc->comm, "saw results that cannot be");
	}
	if (read < 10)
		fail("loads", "too few to mean anything");
}

static void report(u64 start)
{
	u32 i;

	printf("cycles: %s %s: %llu cycles in %.1f s: %llu resumed, %llu gone while stopped, %llu unmarked by the guest, %llu not at rest after 300 ms, %llu holds late\n",
	       guest.found.release,
	       gi_stop_method_name(gi_stop_method(guest.found.layout)), stops,
	       (now_ns() - start) / 1e9, resumes, gone, escaped,
	       not_at_rest, guest.late);
	printf("cycles: refusals:");
	for (i = 1; i < GI_REFUSE_MAX; i++)
		printf(" %s %llu%s", gi_refusal_name(i), guest.refusals[i],
		       i + 1 < GI_REFUSE_MAX ? "," : "\n");
}

/*
 * Whatever runs when the registers are read may end during the search: the
 * kernel is found all the same, each time at the same place.
 */
static void find_again(void)
{
	const struct gi_boot *first = &guest.found.boot;
	struct gi_found again;
	u32 i;

	for (i = 0; i < FINDS; i++) {
		guest_locate(&guest, &again);
		if (again.boot.pgd != first->pgd ||
		    again.boot.slide != first->slide)
			fail("kernel", "is found at another place");
		gi_found_deinit(&again);
	}
	printf("cycles: kernel found %u times in the churn\n", FINDS);
}

static void option(const char *text, bool *ret_silent)
{
	if (!strcmp(text, "silent"))
		*ret_silent = true;
	else if (!strncmp(text, "seed=", 5))
		srand((unsigned int)atoi(text + 5));
	else
		die("cycles: '%s': expected silent or seed=N", text);
}

int main(int argc, char **argv)
{
	static const char *const spinners[] = { "spin0", "spin1" };
	const struct speed some = { 1e6, 0.5 };
	struct speed before[2];
	bool silent = false;
	u64 count, i, start;
	int arg;

	if (argc < 3)
		die("usage: cycles DIR COUNT [silent] [seed=N]");
	count = strtoull(argv[2], NULL, 10);
	for (arg = 3; arg < argc; arg++)
		option(argv[arg], &silent);
	guest_open(&guest, argv[1], silent);
	find_again();
	for (i = 0; i < 2; i++)
		before[i] = spin_speed(spinners[i], &some);
	start = now_ns();
	/* Each stop is followed by a resume; some try what cannot be stopped. */
	for (i = 0; stops < count && i < count * 10; i++)
		cycle();
	while (nr_held)
		resume_one(0);
	report(start);
	if (stops < count)
		fail("all", "too few could be stopped");
	for (i = 0; i < 10; i++, sleep_us(100000))
		guest_settle(&guest);
	for (i = 0; i < 2; i++)
		check_speed(spinners[i], &before[i]);
	check_loads();
	guest_close(&guest);
	printf("cycles: %u failures\n", failures);
	return failures || !stops || !resumes ? 1 : 0;
}
