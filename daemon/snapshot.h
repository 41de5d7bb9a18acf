/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of a snapshot of a guest's processes. */
#ifndef DAEMON_SNAPSHOT_H
#define DAEMON_SNAPSHOT_H

#include "../guestinfo/core/linux_task.h"

/*
 * Room for so many at least; what is there stays.
 * Return: 0 or -ENOMEM.
 */
int snapshot_reserve(struct gi_snapshot *snapshot, u32 processes, u32 threads);
void snapshot_deinit(struct gi_snapshot *snapshot);

#endif /* DAEMON_SNAPSHOT_H */
