// SPDX-License-Identifier: GPL-2.0-only
/*
 * Monarch's process list equals the guest's own, and so do the CPU times.
 *
 * usage: processes DIR
 *
 * The guest is asked between two walks from outside. A thread that both walks
 * saw must be in its answer, with the same parent, uids and name; what it lists
 * must be in one of the walks, except the command's own processes. Its CPU times
 * must lie between those of the walks, give or take 2 %. Before that, the kernel
 * must be found without registers as it was found with them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/guest.h"

#define ROWS		4096
#define TOLERANCE	0.02

/* What `ps` said of a thread. */
struct row {
	u32 pid, tid, ppid, uid, gid;
	char comm[64];
	bool matched;
};

static struct row rows[ROWS];
static u32 nr_rows, failures;
static struct guest guest;

static void fail(const char *what, u32 tid, const char *comm)
{
	fprintf(stderr, "processes: %s: thread %u (%s)\n", what, tid, comm);
	failures++;
}

static void ask_ps(void)
{
	char *output, *line, *save;

	if (guest_sh(&guest, "ps -eLo pid,tid,ppid,ruid,rgid,comm --no-headers",
		     &output))
		die("ps failed in the guest: %s", output);
	for (line = strtok_r(output, "\n", &save); line && nr_rows < ROWS;
	     line = strtok_r(NULL, "\n", &save)) {
		struct row *row = &rows[nr_rows++];

		if (sscanf(line, "%u %u %u %u %u %63[^\n]", &row->pid,
			   &row->tid, &row->ppid, &row->uid, &row->gid,
			   row->comm) != 6)
			die("ps: cannot read '%s'", line);
	}
	free(output);
}

/*
 * The guest's kernel shows kernel threads by longer names than their comm: with
 * what a worker does at the moment, or uncut.
 */
static bool same_name(const struct gi_process *proc, const char *theirs)
{
	size_t len = strcspn(theirs, "-+");

	if (!(proc->flags & GI_PF_KTHREAD))
		return !strcmp(proc->comm, theirs);
	if (!strncmp(proc->comm, "kworker/", 8))
		return !strncmp(proc->comm, theirs, len) ||
		       strstr(theirs, proc->comm);
	return !strncmp(proc->comm, theirs, GI_COMM_LEN - 1);
}

static struct row *row_of(u32 tid)
{
	u32 i;

	for (i = 0; i < nr_rows; i++)
		if (rows[i].tid == tid)
			return &rows[i];
	return NULL;
}

static bool seen(const struct gi_snapshot *snap, const struct gi_thread *thread)
{
	u32 i;

	for (i = 0; i < snap->nr_threads; i++)
		if (snap->threads[i].task == thread->task &&
		    snap->threads[i].start_time == thread->start_time)
			return true;
	return false;
}

static void compare_thread(const struct gi_snapshot *snap,
			   const struct gi_thread *thread)
{
	const struct gi_process *proc = &snap->processes[thread->process];
	struct row *row = row_of(thread->pid);

	if (!row) {
		fail("not in the guest's ps", thread->pid, proc->comm);
		return;
	}
	row->matched = true;
	if (row->pid != proc->pid || row->ppid != proc->parent)
		fail("other process or parent in ps", thread->pid, proc->comm);
	if (row->uid != proc->uid || row->gid != proc->gid)
		fail("other user or group in ps", thread->pid, proc->comm);
	if (thread->pid == proc->pid && !same_name(proc, row->comm))
		fail("other name in ps", thread->pid, row->comm);
}

static void compare_lists(void)
{
	const struct gi_snapshot *before = &guest.snaps[1 - guest.current];
	const struct gi_snapshot *after = &guest.snaps[guest.current];
	u32 i, last = 0;

	for (i = 0; i < before->nr_threads; i++) {
		last = max(last, before->threads[i].pid);
		if (seen(after, &before->threads[i]))
			compare_thread(before, &before->threads[i]);
	}
	for (i = 0; i < after->nr_threads; i++)
		if (row_of(after->threads[i].pid))
			row_of(after->threads[i].pid)->matched = true;
	for (i = 0; i < nr_rows; i++)
		if (!rows[i].matched && rows[i].tid <= last)
			fail("in ps only", rows[i].tid, rows[i].comm);
}

static const struct gi_process *process_of(const struct gi_snapshot *snap,
					   u32 pid)
{
	u32 i;

	for (i = 0; i < snap->nr_processes; i++)
		if (snap->processes[i].pid == pid)
			return &snap->processes[i];
	return NULL;
}

/* @guest_s of a process, between what the two walks saw? */
static void compare_time(u32 pid, double guest_s, double slack_s)
{
	const struct gi_process *old, *new;
	double low, high;

	old = process_of(&guest.snaps[1 - guest.current], pid);
	new = process_of(&guest.snaps[guest.current], pid);
	if (!old || !new || old->start_time != new->start_time)
		return;
	low = old->runtime_ns / 1e9 * (1 - TOLERANCE) - slack_s;
	high = new->runtime_ns / 1e9 * (1 + TOLERANCE) + slack_s;
	if (guest_s >= low && guest_s <= high)
		return;
	fprintf(stderr,
		"processes: CPU time of %u (%s): guest says %.3f s, we saw %.3f to %.3f s\n",
		pid, new->comm, guest_s, old->runtime_ns / 1e9,
		new->runtime_ns / 1e9);
	failures++;
}

/* /proc/PID/stat: utime + stime, which the guest scales to the runtime. */
static u32 compare_times(void)
{
	char *output, *line, *save;
	u32 compared = 0;

	guest_walk(&guest);
	if (guest_sh(&guest, "cat /proc/[0-9]*/stat 2>/dev/null; true",
		     &output))
		die("cat failed in the guest: %s", output);
	guest_walk(&guest);
	for (line = strtok_r(output, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *after = strrchr(line, ')');
		unsigned long utime, stime;

		if (!after || sscanf(after + 1,
				     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				     &utime, &stime) != 2)
			continue;
		/* Two figures, each cut to a tick of USER_HZ. */
		compare_time((u32)strtoul(line, NULL, 10),
			     (utime + stime) / 100.0, 0.021);
		compared++;
	}
	free(output);
	return compared;
}

/* Without registers, from RAM alone, the kernel must be found just the same. */
static void find_without_registers(void)
{
	static const struct gi_find_options options;
	const struct gi_boot *boot = &guest.found.boot;
	struct gi_found found;
	int err;

	err = gi_find_linux(&guest.backend->memory, NULL, 0, &options, &found);
	if (err) {
		fprintf(stderr, "processes: not found without registers: %s\n",
			err < 0 ? strerror(-err) : gi_find_outcome_text(err));
		failures++;
		return;
	}
	if (found.boot.slide != boot->slide ||
	    found.boot.phys_base != boot->phys_base ||
	    found.boot.page_offset != boot->page_offset ||
	    found.boot.pgd != boot->pgd || found.boot.levels != boot->levels ||
	    found.boot.nr_cpus != boot->nr_cpus ||
	    memcmp(found.layout->facts, guest.found.layout->facts,
		   sizeof(found.layout->facts))) {
		fprintf(stderr, "processes: found otherwise without registers\n");
		failures++;
	}
	gi_found_deinit(&found);
}

int main(int argc, char **argv)
{
	u32 compared;

	if (argc != 2)
		die("usage: processes DIR");
	guest_open(&guest, argv[1], false);
	find_without_registers();
	guest_walk(&guest);
	ask_ps();
	guest_walk(&guest);
	compare_lists();
	sleep_us(3000000);
	compared = compare_times();
	printf("processes: %u threads in ps, %u CPU times compared, %u failures\n",
	       nr_rows, compared, failures);
	if (nr_rows < 20 || compared < 20)
		die("processes: too few to mean anything");
	guest_close(&guest);
	return failures ? 1 : 0;
}
