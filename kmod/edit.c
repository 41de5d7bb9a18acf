// SPDX-License-Identifier: GPL-2.0-only
/* Applying a plan; the idea is in edit.h. */
#include "edit.h"
#include "kvm.h"

static int compare(struct gi_memory *memory, const struct gi_plan *plan,
		   u32 *ret_step)
{
	const struct gi_step *step;
	u64 value;
	u32 i;

	for (i = 0; i < plan->nr_steps; i++) {
		step = &plan->steps[i];
		*ret_step = i;
		if (gi_read_uint(memory, step->gpa, step->width, &value))
			return -EFAULT;
		if ((value ^ step->expected) & step->mask)
			return -ESTALE;
	}
	return 0;
}

static int write_step(struct link *link, struct gi_memory *memory,
		      const struct gi_step *step, u64 *ret_old)
{
	if (gi_read_uint(memory, step->gpa, step->width, ret_old))
		return -EFAULT;
	return link_store(link, step->gpa, step->width,
			  gi_step_merge(step, *ret_old));
}

/* Backwards: steps may have written to the same place. */
static void take_back(struct link *link, const struct gi_plan *plan,
		      const u64 *old, u32 nr)
{
	const struct gi_step *step;

	while (nr--) {
		step = &plan->steps[nr];
		/* If its memory went away since, there is nothing to restore. */
		if (step->write)
			(void)!link_store(link, step->gpa, step->width,
					  old[nr]);
	}
}

int edit_apply(struct link *link, struct gi_memory *memory,
	       const struct gi_plan *plan, u64 *old, u32 *ret_step)
{
	int err = compare(memory, plan, ret_step), writes = 0;
	u32 i;

	if (err)
		return err;
	for (i = 0; i < plan->nr_steps; i++) {
		if (!plan->steps[i].write)
			continue;
		err = write_step(link, memory, &plan->steps[i], &old[i]);
		if (err) {
			take_back(link, plan, old, i);
			*ret_step = i;
			return err;
		}
		writes++;
	}
	return writes;
}

void edit_fault_in(struct link *link, const struct gi_plan *plan)
{
	u32 i;

	/* What can not be had now fails under the hold, and is taken back. */
	for (i = 0; i < plan->nr_steps; i++)
		if (plan->steps[i].write)
			(void)!link_fault_in(link, plan->steps[i].gpa);
}

u32 edit_kick(struct link *link, const struct gi_plan *plan)
{
	u32 i, sent = 0;

	for (i = 0; i < plan->nr_kicks; i++)
		sent += !link_kick(link, plan->kicks[i].apic_id,
				   plan->kicks[i].vector);
	return sent;
}
