/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMs of the host by id. Nothing watches them come and go: who asks has the
 * descriptors of all processes looked through. So a host on which nobody asks
 * pays nothing.
 */
#ifndef MONARCH_ROSTER_H
#define MONARCH_ROSTER_H

#include "../include/uapi/linux/monarch.h"
#include "kvm.h"

/* Fill @ret, at most @max. Return: how many VMs there are, or -ENOMEM. */
int __must_check roster_list(struct monarch_vm_entry *ret, u32 max);

/**
 * roster_take() - a VM, to be attached by the caller alone
 * @id: 0: by @pid, in the caller's view
 * @ret: to be given to roster_found_free()
 * Return: 0; -ENOENT; -EBUSY; -ENOMEM.
 */
int __must_check roster_take(u32 id, s32 pid, struct link_found *ret,
			     u32 *ret_id);
void roster_found_free(struct link_found *found);
void roster_give_back(u32 id);

void roster_exit(void);

#endif /* MONARCH_ROSTER_H */
