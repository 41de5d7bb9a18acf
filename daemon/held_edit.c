// SPDX-License-Identifier: GPL-2.0-only
/* See held_edit.h. */
#include "held_edit.h"

#include "clock.h"

#define HELD_EDIT_NS	(2 * NS_PER_MS)

static enum gi_refusal edit_plan(const struct gi_kernel *kernel,
				 struct backend_target *target,
				 struct gi_plan *plan)
{
	switch (target->act) {
	case BACKEND_STOP:
		return gi_plan_stop(kernel, &target->target, plan,
				    &target->result);
	case BACKEND_RESUME:
		return gi_plan_resume(kernel, &target->target, plan,
				      &target->result);
	case BACKEND_SETTLE:
		return gi_plan_settle(kernel, plan);
	}
	return GI_REFUSE_NO_METHOD;
}

static void edit_target(struct backend *backend, const struct gi_kernel *kernel,
			struct backend_target *target)
{
	struct gi_plan plan;
	u32 step;

	target->done = true;
	target->result = (struct gi_stop_result){};
	target->error = 0;
	target->wrote = false;
	target->refusal = edit_plan(kernel, target, &plan);
	if (target->refusal || gi_plan_empty(&plan))
		return;
	target->error = backend->ops->apply(backend, &plan, &step);
	target->wrote = !target->error;
}

/* Seldom is there something to settle, and that can be seen without a hold. */
static bool edit_needs_hold(const struct gi_kernel *kernel,
			    const struct backend_target *targets, u32 nr)
{
	struct gi_plan plan;

	for (u32 i = 0; i < nr; i++)
		if (targets[i].act != BACKEND_SETTLE ||
		    (!gi_plan_settle(kernel, &plan) && !gi_plan_empty(&plan)))
			return true;
	return false;
}

int held_edit(struct backend *backend, const struct gi_kernel *kernel,
	      struct backend_target *targets, u32 nr, struct backend_edit *ret)
{
	u64 start = clock_ns(), end;
	int error;

	*ret = (struct backend_edit){};
	if (!edit_needs_hold(kernel, targets, nr))
		return 0;
	error = backend->ops->hold(backend);
	end = clock_ns();
	ret->wait_ns = end - start;
	if (error)
		return error;
	end += HELD_EDIT_NS;
	for (u32 i = 0; i < nr && clock_ns() < end; i++)
		edit_target(backend, kernel, &targets[i]);
	/* an error is for settle() and prepare(), or the next hold, to see */
	backend->ops->release(backend);
	ret->holds = 1;
	ret->hold_ns = backend->ops->last_hold_ns(backend);
	return 0;
}
