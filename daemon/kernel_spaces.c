// SPDX-License-Identifier: GPL-2.0-only
/* See kernel_spaces.h. */
#include "kernel_spaces.h"

/* Of the interval in guest mode that has not ended yet. */
static u64 cycles_under_way(const struct monarch_vcpu *record, u64 now_cycles)
{
	return record->entry_cycles && now_cycles > record->entry_cycles ?
	       now_cycles - record->entry_cycles : 0;
}

u64 kernel_vcpu_cycles(const struct monarch_vcpu *record, u64 now_cycles)
{
	return record->guest_cycles + cycles_under_way(record, now_cycles);
}

/* Spaces keep their place as a rule, but need not. NULL: it was not there. */
static const struct monarch_space *space_before(const struct kernel_vcpu *last,
						u32 place, u64 key)
{
	if (last->spaces[place].key == key)
		return &last->spaces[place];
	for (u32 i = 0; i < KERNEL_SPACES; i++)
		if (last->spaces[i].key == key)
			return &last->spaces[i];
	return NULL;
}

static void space_add(u64 key, u64 ns, struct space_time *ret, u32 max,
		      u32 *ret_nr)
{
	u32 i = 0;

	while (i < *ret_nr && ret[i].key != key)
		i++;
	if (i == max)
		return;
	if (i == *ret_nr)
		ret[(*ret_nr)++] = (struct space_time){ .key = key };
	ret[i].ns += ns;
}

/*
 * Cycles since @before; @space then has what counts as seen: what was under way
 * may have been taken for a little too much. A space that was evicted and came
 * back counts from zero.
 */
static u64 space_passed(struct monarch_space *space,
			const struct monarch_space *before)
{
	u64 cycles = space->cycles;

	if (!before || space->switches < before->switches)
		return cycles;
	space->cycles = max(cycles, before->cycles);
	return space->cycles - before->cycles;
}

void kernel_vcpu_spaces(struct kernel_vcpu *last,
			const struct monarch_vcpu *record, u64 now_cycles,
			u32 tsc_khz, struct space_time *ret, u32 max,
			u32 *ret_nr)
{
	u64 running = record->flags & MONARCH_VCPU_NESTED ? 0 :
		      record->cr3 & MONARCH_SPACE_MASK;
	struct kernel_vcpu next;

	memcpy(next.spaces, record->spaces, sizeof(next.spaces));
	for (u32 i = 0; i < KERNEL_SPACES; i++) {
		struct monarch_space *space = &next.spaces[i];
		u64 passed;

		if (!space->key)
			continue;
		if (space->key == running)
			space->cycles += cycles_under_way(record, now_cycles);
		passed = space_passed(space, space_before(last, i, space->key));
		if (passed)
			space_add(space->key, kernel_ns(passed, tsc_khz), ret,
				  max, ret_nr);
	}
	*last = next;
}
