// SPDX-License-Identifier: GPL-2.0-only
/* Building edit plans; the idea is in edit.h. */
#include "edit.h"

static int add_step(struct gi_plan *plan, const struct gi_step *step)
{
	u32 width = step->width;

	if ((width != 1 && width != 2 && width != 4 && width != 8) ||
	    (step->gpa & (width - 1)))
		return -EINVAL;
	if (plan->nr_steps >= GI_PLAN_STEPS)
		return -ENOSPC;
	plan->steps[plan->nr_steps++] = *step;
	return 0;
}

int gi_plan_check(struct gi_plan *plan, u64 gpa, u32 width, u64 mask,
		  u64 expected, enum gi_purpose purpose)
{
	struct gi_step step = {
		.gpa = gpa, .width = (u8)width, .mask = mask,
		.expected = expected, .purpose = (u8)purpose,
	};

	return add_step(plan, &step);
}

int gi_plan_write(struct gi_plan *plan, u64 gpa, u32 width, u64 mask,
		  u64 expected, u64 value, enum gi_purpose purpose)
{
	struct gi_step step = {
		.gpa = gpa, .width = (u8)width, .mask = mask,
		.expected = expected, .value = value, .purpose = (u8)purpose,
		.write = 1,
	};

	return add_step(plan, &step);
}

int gi_plan_kick(struct gi_plan *plan, u32 apic_id, u8 vector)
{
	u32 i;

	for (i = 0; i < plan->nr_kicks; i++)
		if (plan->kicks[i].apic_id == apic_id &&
		    plan->kicks[i].vector == vector)
			return 0;
	if (plan->nr_kicks >= GI_PLAN_KICKS)
		return -ENOSPC;
	plan->kicks[plan->nr_kicks].apic_id = apic_id;
	plan->kicks[plan->nr_kicks].vector = vector;
	plan->nr_kicks++;
	return 0;
}

const char *gi_purpose_name(enum gi_purpose purpose)
{
	static const char *const names[GI_PURPOSE_MAX] = {
		[GI_CHECK_LOCK] = "lock",
		[GI_CHECK_IDENTITY] = "identity",
		[GI_CHECK_STATE] = "state",
		[GI_EDIT_JOBCTL] = "jobctl",
		[GI_EDIT_TI_FLAGS] = "thread_info.flags",
		[GI_EDIT_TASK_STATE] = "task state",
		[GI_EDIT_CSD] = "call_single_data",
		[GI_EDIT_QUEUE] = "call_single_queue",
		[GI_EDIT_RQ] = "run queue",
		[GI_EDIT_USAGE] = "task usage",
	};

	return purpose < GI_PURPOSE_MAX ? names[purpose] : "?";
}
