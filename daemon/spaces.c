// SPDX-License-Identifier: GPL-2.0-only
/* See spaces.h. */
#include "spaces.h"

#include <stdlib.h>

/* Page-table roots are physical: what is above is not part of them (LAM). */
#define SPACE_KEY	(MONARCH_SPACE_MASK & GENMASK_ULL(51, 0))

/**
 * struct owners - of one space
 * @nr: processes
 * @charged_ns: what the guest charged them in this round
 */
struct owners {
	u32 nr;
	u64 charged_ns;
};

static int by_key(const void *a, const void *b)
{
	const struct space_time *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static struct space_time *space_of(const struct proc *proc,
				   struct space_time *times, u32 nr)
{
	struct space_time key = { .key = proc->now.pgd & SPACE_KEY };

	return key.key ? bsearch(&key, times, nr, sizeof(*times), by_key) : NULL;
}

static u64 owner_share(const struct proc *proc, u64 ns,
		       const struct owners *owners)
{
	if (owners->nr == 1)
		return ns;
	if (!owners->charged_ns)
		return 0;
	return (u64)((unsigned __int128)ns * proc->delta_ns /
		     owners->charged_ns);
}

void spaces_charge(struct table_vm *vm, struct space_time *times, u32 nr)
{
	struct owners owners[SPACES_MAX] = {};
	struct space_time *space;
	u64 rest_ns = 0;

	for (u32 i = 0; i < nr; i++) {
		times[i].key &= SPACE_KEY;
		rest_ns += times[i].ns;
	}
	qsort(times, nr, sizeof(*times), by_key);
	for (u32 i = 0; i < vm->nr && nr; i++) {
		space = space_of(vm->order[i], times, nr);
		if (!space)
			continue;
		owners[space - times].nr++;
		owners[space - times].charged_ns += vm->order[i]->delta_ns;
	}
	for (u32 i = 0; i < vm->nr && nr; i++) {
		u64 ns;

		space = space_of(vm->order[i], times, nr);
		if (!space)
			continue;
		ns = owner_share(vm->order[i], space->ns,
				 &owners[space - times]);
		vm->order[i]->space_ns += ns;
		vm->space_ns += ns;
		rest_ns -= ns;
	}
	vm->other_ns += rest_ns;
}
