/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long each address space of a guest ran, from the module's records of its
 * vCPUs. A record keeps 128 spaces, and others give way for them; so what is
 * wanted, time since the last look, is gathered at each look, and what was
 * evicted in between is time of nobody known.
 */
#ifndef DAEMON_KERNEL_SPACES_H
#define DAEMON_KERNEL_SPACES_H

#include "backend.h"

#define KERNEL_SPACES	(MONARCH_SPACE_SETS * MONARCH_SPACE_WAYS)

/* The spaces of one vCPU at the last look, what was under way included. */
struct kernel_vcpu {
	struct monarch_space spaces[KERNEL_SPACES];
};

static inline u64 kernel_ns(u64 cycles, u32 tsc_khz)
{
	return (u64)((unsigned __int128)cycles * 1000000 / tsc_khz);
}

/* Cycles in guest mode until @now_cycles, what is under way included. */
u64 kernel_vcpu_cycles(const struct monarch_vcpu *record, u64 now_cycles);

/**
 * kernel_vcpu_spaces() - what ran on a vCPU since the last look
 * @ret: added to by key, or appended to; what finds no room is dropped
 */
void kernel_vcpu_spaces(struct kernel_vcpu *last,
			const struct monarch_vcpu *record, u64 now_cycles,
			u32 tsc_khz, struct space_time *ret, u32 max,
			u32 *ret_nr);

#endif /* DAEMON_KERNEL_SPACES_H */
