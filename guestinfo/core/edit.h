/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Edit plans: what to change in a guest's memory, as data.
 *
 * The core plans; a backend applies a plan while the guest is held: first it
 * compares every step's expected value (under @mask), then it writes those that
 * write, in order. One mismatch and nothing is written (-ESTALE).
 */
#ifndef GUESTINFO_CORE_EDIT_H
#define GUESTINFO_CORE_EDIT_H

#include "env.h"

#define GI_PLAN_STEPS	256	/* steps in one plan */
#define GI_PLAN_KICKS	64

enum gi_purpose {
	GI_CHECK_LOCK,		/* a lock must be free */
	GI_CHECK_IDENTITY,	/* still the same task */
	GI_CHECK_STATE,
	GI_EDIT_JOBCTL,
	GI_EDIT_TI_FLAGS,
	GI_EDIT_TASK_STATE,
	GI_EDIT_CSD,		/* fields of a call_single_data */
	GI_EDIT_QUEUE,		/* head of a call_single_queue */
	GI_EDIT_RQ,		/* rq->ttwu_pending */
	GI_EDIT_USAGE,		/* task->usage */
	GI_PURPOSE_MAX
};

/**
 * struct gi_step - one comparison, and a write if @write
 * @gpa: naturally aligned to @width
 * @width: 1, 2, 4 or 8 bytes
 * @mask: bits of @expected that must match
 * @expected: value seen when planning
 * @value: what to write; bits outside @mask are taken from memory
 *	at the time of the write
 */
struct gi_step {
	u64 gpa;
	u64 mask;
	u64 expected;
	u64 value;
	u8 width;
	u8 purpose;
	u8 write;
};

/* An interrupt to send after the writes. */
struct gi_kick {
	u32 apic_id;
	u8 vector;
};

struct gi_plan {
	struct gi_step steps[GI_PLAN_STEPS];
	struct gi_kick kicks[GI_PLAN_KICKS];
	u32 nr_steps;
	u32 nr_kicks;
};

static inline void gi_plan_init(struct gi_plan *plan)
{
	plan->nr_steps = 0;
	plan->nr_kicks = 0;
}

static inline bool gi_plan_empty(const struct gi_plan *plan)
{
	return !plan->nr_steps && !plan->nr_kicks;
}

/*
 * Add a step. Return: 0; -ENOSPC the plan is full; -EINVAL misaligned or bad
 * width.
 */
int __must_check gi_plan_check(struct gi_plan *plan, u64 gpa, u32 width,
			       u64 mask, u64 expected, enum gi_purpose purpose);
int __must_check gi_plan_write(struct gi_plan *plan, u64 gpa, u32 width,
			       u64 mask, u64 expected, u64 value,
			       enum gi_purpose purpose);

/* Add a kick unless the same is there. Return: 0 or -ENOSPC. */
int __must_check gi_plan_kick(struct gi_plan *plan, u32 apic_id, u8 vector);

/* The value to store: @step->value inside the mask, @current outside. */
static inline u64 gi_step_merge(const struct gi_step *step, u64 current_value)
{
	return (current_value & ~step->mask) | (step->value & step->mask);
}

const char *gi_purpose_name(enum gi_purpose purpose);

#endif /* GUESTINFO_CORE_EDIT_H */
