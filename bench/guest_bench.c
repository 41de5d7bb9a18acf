// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Monarch costs, measured on a real guest's RAM.
 *
 * usage: guest_bench DIR attach | walk LABEL | quantum LABEL | latency
 *
 * Prints lines "NAME VALUE"; scripts/bench puts them together. The names are in
 * bench/README.md.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../test/guest/lib/guest.h"

#define ROUNDS		400
#define COLD_ROUNDS	40
#define SERIES		5
#define FLUSH_BYTES	(96u << 20)	/* where the cache's size is unknown */
#define LATENCY_ROUNDS	300

static struct guest guest;
static u64 samples[4096];
static u8 *flush_area;
static size_t flush_bytes;

static void emit(const char *name, const char *label, const char *end,
		 double value)
{
	printf("%s%s%s%s%s %.6g\n", name, label[0] ? "." : "", label,
	       end[0] ? "." : "", end, value);
}

/* ---- attach ---- */

static volatile bool sampling;

static u64 anonymous_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	u64 kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %llu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static void *sample_memory(void *peak)
{
	while (sampling) {
		u64 kib = anonymous_kib();

		if (kib > *(u64 *)peak)
			*(u64 *)peak = kib;
		sleep_us(100);
	}
	return NULL;
}

static void bench_attach(const char *dir)
{
	u64 before = anonymous_kib(), peak = 0;
	pthread_t thread;

	sampling = true;
	if (pthread_create(&thread, NULL, sample_memory, &peak))
		die("pthread_create: %m");
	guest_open(&guest, dir, false);
	sampling = false;
	pthread_join(thread, NULL);
	emit("attach", "", "cold_s", guest.attach_ns / 1e9);
	/* Guest RAM that is only mapped is the guest's, and not counted. */
	emit("attach", "", "peak_mib",
	     peak > before ? (peak - before) / 1024.0 : 0);
}

/* ---- walk ---- */

/* As much as the last level holds, so that nothing else is left in it. */
static void flush_init(void)
{
	long size = sysconf(_SC_LEVEL3_CACHE_SIZE);

	flush_bytes = size > 0 ? (size_t)size : FLUSH_BYTES;
	flush_area = calloc(1, flush_bytes);
	if (!flush_area)
		die("out of memory: %zu bytes to flush the caches with",
		    flush_bytes);
}

static void flush_caches(void)
{
	size_t i;

	for (i = 0; i < flush_bytes; i += 64)
		flush_area[i]++;
}

/* Median ns of a walk; @guided: with the snapshot before, as the daemon does. */
static u64 time_series(bool guided, bool cold)
{
	u32 rounds = cold ? COLD_ROUNDS : ROUNDS, i, now = 0;

	if (gi_linux_walk(&guest.kernel, NULL, &guest.snaps[0], 100000))
		die("walk failed");
	for (i = 0; i < rounds; i++) {
		struct gi_snapshot *old = &guest.snaps[now];
		struct gi_snapshot *new = &guest.snaps[1 - now];
		u64 start;

		if (cold)
			flush_caches();
		start = now_ns();
		if (gi_linux_walk(&guest.kernel, guided ? old : NULL, new,
				  100000))
			die("walk failed");
		samples[i] = now_ns() - start;
		now = 1 - now;
	}
	guest.current = now;
	return percentile(samples, rounds, 50);
}

/* The best of some series: what else the machine does only makes it slower. */
static u64 time_walk(bool guided, bool cold)
{
	u64 best = U64_MAX;
	u32 i;

	for (i = 0; i < SERIES; i++)
		best = min(best, time_series(guided, cold));
	return best;
}

static void bench_walk(const char *label)
{
	double nr;

	flush_init();
	time_walk(true, false);
	nr = guest.snaps[guest.current].nr_processes;
	emit("walk.processes", label, "", nr);
	emit("walk.ns_per_process", label, "warm", time_walk(true, false) / nr);
	emit("walk.ns_per_process", label, "cold", time_walk(true, true) / nr);
	emit("walk.fresh_ns_per_process", label, "warm",
	     time_walk(false, false) / nr);
	emit("walk.fresh_ns_per_process", label, "cold",
	     time_walk(false, true) / nr);
	free(flush_area);
}

/* ---- a quantum in which nothing was scheduled ---- */

static void bench_quantum(const char *label)
{
	static struct gi_activity before, now;
	u32 kept = 0, tries;
	u64 walk_ns;

	walk_ns = time_walk(true, false);
	for (tries = 0; kept < ROUNDS && tries < 100000; tries++) {
		struct gi_snapshot *snap = &guest.snaps[guest.current];
		u64 start = now_ns();

		if (gi_linux_activity(&guest.kernel, &now))
			die("activity failed");
		if (gi_activity_same(&before, &now)) {
			if (gi_linux_refresh(&guest.kernel, &now, snap))
				die("refresh failed");
			samples[kept++] = now_ns() - start;
			continue;
		}
		guest_walk(&guest);
		if (gi_linux_activity(&guest.kernel, &before))
			die("activity failed");
	}
	if (kept < ROUNDS)
		die("quantum: the guest is never quiet");
	emit("quantum.idle_ns", label, "", percentile(samples, kept, 50));
	emit("quantum.walk_ns", label, "", walk_ns);
}

/* ---- stopping and resuming ---- */

static void emit_distribution(const char *name, u64 *ns, u32 nr, double unit)
{
	emit(name, "", unit == 1e3 ? "p50_us" : "p50_ms",
	     percentile(ns, nr, 50) / unit);
	emit(name, "", unit == 1e3 ? "p90_us" : "p90_ms",
	     percentile(ns, nr, 90) / unit);
	emit(name, "", unit == 1e3 ? "p99_us" : "p99_ms",
	     percentile(ns, nr, 99) / unit);
}

/* Until the state is (not) that of a stopped process; ns since @start. */
static u64 until(const struct gi_target *target, bool stopped, u64 start)
{
	const struct gi_process *proc;
	bool is;

	do {
		sleep_us(20);	/* QEMU's main loop needs this CPU, too */
		guest_walk(&guest);
		proc = guest_again(&guest, target);
		if (!proc)
			die("the process is gone");
		is = stopped ? proc->stopped == GI_PARKED :
			       proc->stopped == GI_RUNS;
	} while (!is && now_ns() - start < 2000000000ull);
	return now_ns() - start;
}

static void bench_latency(void)
{
	static u64 stop[LATENCY_ROUNDS], resume[LATENCY_ROUNDS];
	static u64 hold[2 * LATENCY_ROUNDS], edit[2 * LATENCY_ROUNDS];
	struct gi_target target;
	u32 i, tries;

	guest_walk(&guest);
	if (!guest_find(&guest, "spin"))
		die("latency: boot the guest with mode=spin");
	target = guest_target(guest_find(&guest, "spin"));
	for (i = 0; i < LATENCY_ROUNDS; i++) {
		u64 start = now_ns();

		for (tries = 0; tries < 1000; tries++)
			if (!guest_stop(&guest, guest_again(&guest, &target),
					NULL))
				break;
		hold[2 * i] = guest.released_ns - guest.held_ns;
		edit[2 * i] = guest.backend->ops->last_hold_ns(guest.backend);
		stop[i] = until(&target, true, start);
		sleep_us(2000 + (u64)(rand() % 3000));
		start = now_ns();
		for (tries = 0; tries < 1000; tries++)
			if (!guest_resume(&guest, &target))
				break;
		hold[2 * i + 1] = guest.released_ns - guest.held_ns;
		edit[2 * i + 1] =
			guest.backend->ops->last_hold_ns(guest.backend);
		resume[i] = until(&target, false, start);
		guest_settle(&guest);
		sleep_us(5000 + (u64)(rand() % 5000));
	}
	emit_distribution("hold", hold, 2 * LATENCY_ROUNDS, 1e3);
	emit_distribution("hold.edit", edit, 2 * LATENCY_ROUNDS, 1e3);
	emit_distribution("stop.latency", stop, LATENCY_ROUNDS, 1e6);
	emit_distribution("resume.latency", resume, LATENCY_ROUNDS, 1e6);
}

int main(int argc, char **argv)
{
	const char *label = argc > 3 ? argv[3] : "";

	if (argc < 3)
		die("usage: guest_bench DIR attach | walk LABEL | quantum LABEL | latency");
	if (!strcmp(argv[2], "attach")) {
		bench_attach(argv[1]);
		guest_close(&guest);
		return 0;
	}
	guest_open(&guest, argv[1], false);
	if (!strcmp(argv[2], "walk") && label[0])
		bench_walk(label);
	else if (!strcmp(argv[2], "quantum") && label[0])
		bench_quantum(label);
	else if (!strcmp(argv[2], "latency"))
		bench_latency();
	else
		die("guest_bench: '%s': no such part", argv[2]);
	guest_close(&guest);
	return 0;
}
