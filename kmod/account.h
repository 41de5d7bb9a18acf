/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accounting of one vCPU: guest-mode time, by address space, out of what the
 * probes saw at each entry and exit. Pure: no locks, no clock of its own. The
 * result is struct monarch_vcpu of the shared table, whose only writer this is.
 *
 * Time between an entry and the exit belongs to the address space seen at the
 * entry. With CR3 writes trapped each of them ends such an interval, so that is
 * exact; without, it is as good as exits are frequent ("sample").
 *
 * A storm (a guest with page-table isolation writes CR3 twice per system call)
 * makes the trap cost more than it tells: then it is off for a while, which
 * doubles each time up to a bound.
 */
#ifndef MONARCH_ACCOUNT_H
#define MONARCH_ACCOUNT_H

#include "../guestinfo/core/env.h"
#include "../include/uapi/linux/monarch.h"

/**
 * struct account - what the next probe must remember
 * @entry: TSC of the entry; 0: not in guest mode
 * @key: address space of the interval; 0: not known
 * @window, @window_exits, @flips: storm detector: start of the window, CR3
 *	exits in it, and those of them that only flipped page-table halves
 * @off_until, @backoff: no trap until this TSC; the next pause, in cycles
 * @delay_base: run_delay of the thread at the first entry
 */
struct account {
	u64 entry;
	u64 key;
	u64 window;
	u64 off_until;
	u64 backoff;
	u64 delay_base;
	u32 window_exits;
	u32 flips;
	bool nested;
	bool cr3_exit;
	bool seen;
};

/**
 * struct account_sight - what is seen at an entry
 * @cr3: valid if @known
 * @nested: it is the guest's own guest that is entered
 * @run_delay: ns that the thread has waited for a CPU, ever
 * @flags: MONARCH_VCPU_* to show, but SEEN and STORM
 */
struct account_sight {
	u64 tsc;
	u64 cr3;
	u64 run_delay;
	u32 flags;
	bool known;
	bool nested;
};

/**
 * account_enter() - the vCPU enters the guest
 * An entry without an exit before (fast re-entry) ends that interval here.
 */
void account_enter(struct account *account, struct monarch_vcpu *record,
		   const struct account_sight *sight);

/* The vCPU left at @tsc; @cr3_exit: because of a write to CR3. */
void account_leave(struct account *account, struct monarch_vcpu *record,
		   u64 tsc, bool cr3_exit);

/* May CR3 be trapped at @tsc? False during a storm's pause. */
bool account_may_trap(const struct account *account, u64 tsc);

/*
 * Count a CR3 exit for the detector, whose windows are measured with @khz.
 * Return: true: a storm begins.
 */
bool account_storm(struct account *account, u64 tsc, u64 khz, u64 old_cr3,
		   u64 new_cr3);

#endif /* MONARCH_ACCOUNT_H */
