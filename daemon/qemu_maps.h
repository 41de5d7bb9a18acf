/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /proc/PID/maps: what a process has mapped at an address, and the file
 * behind it.
 */
#ifndef DAEMON_QEMU_MAPS_H
#define DAEMON_QEMU_MAPS_H

#include <sys/types.h>

#include "../guestinfo/core/env.h"

struct qemu_map {
	u64 start, end;
	u64 offset;
	u64 device, inode;
	bool shared, writable;
};

struct qemu_maps {
	u32 nr;
	struct qemu_map *maps;
};

/*
 * Mappings of @pid, neighbours that continue each other joined.
 * Return: 0, -ESRCH, -EPERM, -ENOMEM.
 */
int qemu_maps_read(pid_t pid, struct qemu_maps *ret);
void qemu_maps_deinit(struct qemu_maps *maps);

/* The mapping that holds @hva, or NULL. */
const struct qemu_map *qemu_maps_find(const struct qemu_maps *maps, u64 hva);

/* Open the file behind a mapping, for reading and writing. Return: fd, -errno. */
int qemu_map_open(pid_t pid, const struct qemu_map *map);

#endif /* DAEMON_QEMU_MAPS_H */
