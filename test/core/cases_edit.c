// SPDX-License-Identifier: GPL-2.0-only
/* Cases of guestinfo/core/edit.c. */
#include "../../guestinfo/core/edit.h"
#include "suite.h"

static struct gi_plan plan;

static bool steps(void)
{
	u32 i;

	gi_plan_init(&plan);
	CHECK(gi_plan_check(&plan, 8, 3, 1, 1, GI_CHECK_LOCK) == -EINVAL);
	CHECK(gi_plan_check(&plan, 6, 4, 1, 1, GI_CHECK_LOCK) == -EINVAL);
	CHECK(gi_plan_check(&plan, 6, 2, 1, 1, GI_CHECK_LOCK) == 0);
	CHECK(!plan.steps[0].write);
	CHECK(gi_plan_write(&plan, 8, 8, 0xff, 1, 2, GI_EDIT_JOBCTL) == 0);
	CHECK(plan.steps[1].write);
	CHECK(gi_step_merge(&plan.steps[1], 0xab01) == 0xab02);
	for (i = plan.nr_steps; i < GI_PLAN_STEPS; i++)
		CHECK(gi_plan_check(&plan, 8, 8, 1, 1, GI_CHECK_LOCK) == 0);
	CHECK(gi_plan_check(&plan, 8, 8, 1, 1, GI_CHECK_LOCK) == -ENOSPC);
	CHECK(plan.nr_steps == GI_PLAN_STEPS);
	return true;
}

static bool kicks(void)
{
	u32 i;

	gi_plan_init(&plan);
	CHECK(gi_plan_kick(&plan, 1, 0xfb) == 0);
	CHECK(gi_plan_kick(&plan, 1, 0xfb) == 0);
	CHECK(plan.nr_kicks == 1);
	CHECK(gi_plan_kick(&plan, 1, 0xfd) == 0);
	CHECK(plan.nr_kicks == 2);
	for (i = 2; i < GI_PLAN_KICKS; i++)
		CHECK(gi_plan_kick(&plan, i, 0xfb) == 0);
	CHECK(gi_plan_kick(&plan, 1000, 0xfb) == -ENOSPC);
	return true;
}

static bool names(void)
{
	u32 i;

	for (i = 0; i < GI_PURPOSE_MAX; i++)
		CHECK(gi_purpose_name((enum gi_purpose)i)[0] != '?');
	CHECK(gi_purpose_name(GI_PURPOSE_MAX)[0] == '?');
	return true;
}

const struct suite_case cases_edit[] = {
	{ "edit: steps", steps },
	{ "edit: kicks", kicks },
	{ "edit: names", names },
	{ NULL, NULL },
};
