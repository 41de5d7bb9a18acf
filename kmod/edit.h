/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Applying a plan: compare everything, then write, and take all back if a write
 * fails. The caller holds the guest.
 */
#ifndef MONARCH_EDIT_H
#define MONARCH_EDIT_H

#include "../guestinfo/core/edit.h"
#include "../guestinfo/core/memory.h"

struct link;

/**
 * edit_apply() - apply a plan under the hold
 * @old: scratch, GI_PLAN_STEPS of them
 * @ret_step: on error, the step that failed
 * Return: number of writes; -ESTALE a comparison failed; -EFAULT memory is not
 * there; -EROFS. On error nothing is written.
 */
int __must_check edit_apply(struct link *link, struct gi_memory *memory,
			    const struct gi_plan *plan, u64 *old,
			    u32 *ret_step);

/* Not under the hold: have the host ready for the writes of @plan. */
void edit_fault_in(struct link *link, const struct gi_plan *plan);

/* Not under the hold: send the kicks of @plan. Return: how many went. */
u32 edit_kick(struct link *link, const struct gi_plan *plan);

#endif /* MONARCH_EDIT_H */
