/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Correcting a guest's own CPU accounting by what only the host knows.
 *
 * A Linux guest charges a task for the wall time between two context switches,
 * so time in which the host had taken the vCPU away is charged too. Over a short
 * window the guest's total can then exceed the CPU time that its vCPU threads
 * really got; in that proportion every process's time is scaled down.
 *
 * Both sides lag by up to a scheduler tick, so nothing is scaled unless the guest
 * claims more than the ticks can explain.
 */
#ifndef DAEMON_ACCOUNT_H
#define DAEMON_ACCOUNT_H

#include "../guestinfo/core/env.h"

#define ACCOUNT_WINDOW		32
#define ACCOUNT_SLACK_NS	8000000ull	/* two ticks at 250 Hz */
#define ACCOUNT_UNIT		65536u		/* scale 1.0 */

struct account_interval {
	u64 host_ns;
	u64 guest_ns;
};

struct account {
	struct account_interval intervals[ACCOUNT_WINDOW];
	u32 next;
	struct account_interval sum;
	u64 last_host_ns;
	bool has_host;
	u32 scale;
};

void account_init(struct account *account);

/**
 * account_add() - note one interval and find its scale
 * @host_ns: CPU time of all vCPU threads so far (absolute)
 * @guest_ns: what the guest charged its tasks in this interval
 * Return: the scale in 1/ACCOUNT_UNIT, at most ACCOUNT_UNIT.
 */
u32 account_add(struct account *account, u64 host_ns, u64 guest_ns,
		u32 nr_vcpus);

static inline u64 account_scaled(u64 ns, u32 scale)
{
	return (u64)((unsigned __int128)ns * scale / ACCOUNT_UNIT);
}

#endif /* DAEMON_ACCOUNT_H */
