/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What runs in a VM: the core's view of it (memory, layout, boot), and its
 * sampling into the table. Used by the VM's worker only.
 */
#ifndef MONARCH_GUEST_H
#define MONARCH_GUEST_H

#include "../guestinfo/core/linux_task.h"
#include "../include/uapi/linux/monarch.h"

struct link;
struct table;

/**
 * struct guest - a guest and how to read it
 * @known: SET_GUEST has been given; without it there is only @memory
 * @may_fault: reads may ask the host for pages; false under a hold
 * @slots: scratch: memory slots before adjoining ones are made one
 * @reads: since the last cond_resched()
 * @snaps: the two halves of the table
 * @active: the one that is published
 */
struct guest {
	struct gi_memory memory;
	struct link *link;
	struct gi_ram_range ranges[MONARCH_VM_RANGES_MAX];
	struct monarch_ram_range slots[4 * MONARCH_VM_RANGES_MAX];
	bool known;
	bool may_fault;
	u32 reads;
	struct gi_layout layout;
	struct gi_kernel kernel;
	struct gi_boot boot;
	struct gi_snapshot snaps[2];
	struct gi_activity activity[2];
	u32 active;
};

struct guest *guest_create(struct link *link, const struct table *table);
void guest_destroy(struct guest *guest);

/*
 * guest_begin() / guest_end(): around all use, as link_begin() / link_end().
 * Looks at the VM's memory slots again.
 */
int __must_check guest_begin(struct guest *guest, bool edit);
void guest_end(struct guest *guest);

/*
 * guest_set() - what runs here, from now on; between begin and end
 * @boot: NULL: nothing that we know
 * Return: 0; -EUCLEAN or -ENOENT as SET_GUEST says.
 */
int __must_check guest_set(struct guest *guest, const void *blob, u32 len,
			   const struct gi_boot *boot);

enum guest_sampling { GUEST_WALKED, GUEST_REFRESHED, GUEST_QUIET };

/*
 * guest_sample() - bring the table up to date; between begin and end
 * @full: walk even if nothing seems to have changed
 * Return: enum guest_sampling, or -ENOENT, -EUCLEAN, -EFAULT.
 */
int __must_check guest_sample(struct guest *guest, struct table *table,
			      bool full);

#endif /* MONARCH_GUEST_H */
