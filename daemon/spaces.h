/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose an address space is: time that a backend knows by page-table root, told
 * to processes by theirs. Kernel threads and interrupts run on a borrowed space
 * and count for its owner; what no process owns is told apart.
 */
#ifndef DAEMON_SPACES_H
#define DAEMON_SPACES_H

#include "backend.h"
#include "table.h"

#define SPACES_MAX	1024

/**
 * spaces_charge() - tell @times to the processes of @vm
 * @times: up to SPACES_MAX; is sorted
 * To be called in a round, before table_commit(). Processes that share a space
 * (vfork; or roots that differ only in what MONARCH_SPACE_MASK takes off) share
 * its time by what the guest charged them in this round.
 */
void spaces_charge(struct table_vm *vm, struct space_time *times, u32 nr);

#endif /* DAEMON_SPACES_H */
