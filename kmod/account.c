// SPDX-License-Identifier: GPL-2.0-only
/* Accounting of one vCPU; the idea is in account.h. */
#include "account.h"

#define STORM_WINDOW_MS		100
#define STORM_EXITS		2000	/* 20 000 a second */
#define STORM_FLIPS		500	/* KPTI shows itself sooner */
#define STORM_BACKOFF_MS	1000
#define STORM_BACKOFF_MAX_MS	60000

/* The user half of KPTI's page tables, and the PCID bit that goes with it. */
#define KPTI_HALF		BIT_ULL(12)
#define KPTI_PCID		BIT_ULL(11)

static void record_begin(struct monarch_vcpu *record)
{
	WRITE_ONCE(record->seq, record->seq + 1);
	smp_wmb();
}

static void record_end(struct monarch_vcpu *record)
{
	smp_wmb();
	WRITE_ONCE(record->seq, record->seq + 1);
}

static struct monarch_space *space_set(struct monarch_vcpu *record, u64 key)
{
	u32 set = ((key >> 13) * 0x9e3779b1u >> 16) % MONARCH_SPACE_SETS;

	return &record->spaces[set * MONARCH_SPACE_WAYS];
}

/* The slot of @key; one that was used longest ago gives way to a new one. */
static struct monarch_space *space_get(struct monarch_vcpu *record, u64 key)
{
	struct monarch_space *set = space_set(record, key), *oldest = set;
	u32 i;

	for (i = 0; i < MONARCH_SPACE_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].last_cycles < oldest->last_cycles)
			oldest = &set[i];
	}
	record->evicted_cycles += oldest->cycles;
	record->evicted_switches += oldest->switches;
	oldest->key = key;
	oldest->cycles = 0;
	oldest->switches = 0;
	return oldest;
}

static void add_interval(const struct account *account,
			 struct monarch_vcpu *record, u64 tsc)
{
	u64 cycles = tsc > account->entry ? tsc - account->entry : 0;
	struct monarch_space *space;

	record->guest_cycles += cycles;
	if (account->nested) {
		record->nested_cycles += cycles;
	} else if (!account->key) {
		record->unknown_cycles += cycles;
	} else {
		space = space_get(record, account->key);
		space->cycles += cycles;
		space->last_cycles = tsc;
	}
}

static void see_space(struct account *account, struct monarch_vcpu *record,
		      const struct account_sight *sight)
{
	u64 key = sight->known && !sight->nested ?
			  sight->cr3 & MONARCH_SPACE_MASK : 0;
	struct monarch_space *space;

	account->nested = sight->nested;
	if (sight->known)
		record->cr3 = sight->cr3;
	if (key && key != account->key) {
		record->switches++;
		space = space_get(record, key);
		space->switches++;
		space->last_cycles = sight->tsc;
	}
	account->key = key;
}

void account_enter(struct account *account, struct monarch_vcpu *record,
		   const struct account_sight *sight)
{
	u32 storm = account_may_trap(account, sight->tsc) ?
			    0 : MONARCH_VCPU_STORM;

	record_begin(record);
	if (account->entry)
		add_interval(account, record, sight->tsc);
	if (!account->seen) {
		account->seen = true;
		account->delay_base = sight->run_delay;
	}
	see_space(account, record, sight);
	record->flags = sight->flags | storm | MONARCH_VCPU_SEEN;
	record->entries++;
	record->steal_ns = sight->run_delay - account->delay_base;
	record->entry_cycles = sight->tsc;
	record_end(record);
	account->entry = sight->tsc;
}

void account_leave(struct account *account, struct monarch_vcpu *record,
		   u64 tsc, bool cr3_exit)
{
	if (!account->entry)
		return;
	record_begin(record);
	add_interval(account, record, tsc);
	record->exits++;
	record->cr3_exits += cr3_exit;
	record->entry_cycles = 0;
	record_end(record);
	account->entry = 0;
	account->cr3_exit = cr3_exit;
}

bool account_may_trap(const struct account *account, u64 tsc)
{
	return tsc >= account->off_until;
}

static bool is_flip(u64 old_cr3, u64 new_cr3)
{
	u64 diff = (old_cr3 ^ new_cr3) & ~BIT_ULL(63);

	return diff == KPTI_HALF || diff == (KPTI_HALF | KPTI_PCID);
}

bool account_storm(struct account *account, u64 tsc, u64 khz, u64 old_cr3,
		   u64 new_cr3)
{
	if (tsc - account->window > STORM_WINDOW_MS * khz) {
		/* A calm window after the pause: begin anew with short ones. */
		if (tsc - account->window > 10 * STORM_WINDOW_MS * khz)
			account->backoff = 0;
		account->window = tsc;
		account->window_exits = 0;
		account->flips = 0;
	}
	account->window_exits++;
	account->flips += is_flip(old_cr3, new_cr3);
	if (account->window_exits < STORM_EXITS &&
	    account->flips < STORM_FLIPS)
		return false;
	account->backoff = account->backoff ? account->backoff * 2 :
					      STORM_BACKOFF_MS * khz;
	account->backoff = min(account->backoff,
			       (u64)STORM_BACKOFF_MAX_MS * khz);
	account->off_until = tsc + account->backoff;
	account->window = account->off_until;
	account->window_exits = 0;
	account->flips = 0;
	return true;
}
