/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The RAM of a QEMU VM: where it is in guest-physical space, where QEMU has it,
 * and how we get at it.
 *
 * Layout: the monitor's flat view of memory, of which only ranges of type "ram"
 * count whose block is a memory backend (so not video RAM, ROM, MMIO). Without
 * a monitor: the machine type's known split around 4 GiB.
 * Access: a file that QEMU maps shared (memfd, /dev/shm, hugetlbfs) is mapped
 * here too; private memory is read and written through /proc/PID/mem, which
 * stays bound to this very process and not to a number that may be reused.
 */
#ifndef DAEMON_QEMU_RAM_H
#define DAEMON_QEMU_RAM_H

#include <sys/types.h>

#include "../guestinfo/core/memory.h"
#include "backend.h"
#include "qemu_cmdline.h"

#define QEMU_RAM_RANGES	256
#define QEMU_RAM_IDS	64

struct json_object;

/* A range of guest RAM inside QEMU. */
struct qemu_ram_range {
	u64 gpa;
	u64 size;
	u64 hva;	/* in QEMU's address space */
	char block[64];
};

/* A part of a file that is mapped here. */
struct qemu_ram_map {
	u8 *base;
	u64 size;
	u64 hva;	/* where QEMU has the same bytes */
	u64 device, inode;
};

struct qemu_ram {
	int mem_fd;	/* /proc/PID/mem */
	u32 nr_ranges;
	u32 nr_maps;
	struct qemu_ram_range ranges[QEMU_RAM_RANGES];
	struct gi_ram_range gi_ranges[QEMU_RAM_RANGES];
	struct qemu_ram_map maps[QEMU_RAM_RANGES];
};

/**
 * qemu_ram_parse_mtree() - ranges in the output of "info mtree -f"
 * @ids: names of memory backends
 * @ret: room for QEMU_RAM_RANGES; hva is the offset in the block
 * Return: 0; -ENOENT there are none; -E2BIG too many; -EBADMSG they overlap.
 */
int qemu_ram_parse_mtree(const char *text, const char ids[][64], u32 nr_ids,
			 struct qemu_ram_range *ret, u32 *ret_nr);

/**
 * qemu_ram_parse_backends() - names of memory backends
 * @list: what "query-memdev" returned
 * @ids: room for them, and for one that old machine types make by hand
 * @why: one line for a person on failure
 * Return: 0; -E2BIG, -ENAMETOOLONG: RAM would be missing without notice.
 */
int qemu_ram_parse_backends(struct json_object *list,
			    char ids[QEMU_RAM_IDS][64], u32 *ret_nr,
			    char why[BACKEND_WHY_LEN]);

/**
 * qemu_ram_open() - find RAM and get at it
 * @monitor: or NULL
 * @why: one line for a person on failure
 * Return: 0; -EPERM; -EOPNOTSUPP the layout cannot be known; -ENOTCONN, ...
 */
int qemu_ram_open(pid_t pid, struct monitor *monitor,
		  const struct qemu_cmdline *cmdline, struct qemu_ram **ret,
		  char why[BACKEND_WHY_LEN]);

/**
 * qemu_ram_map() - get at RAM whose layout is known
 * @ranges: sorted, not overlapping, up to QEMU_RAM_RANGES; @block is not used
 * Only what can be mapped is within reach.
 * Return: 0; -E2BIG, -EPERM, -ESRCH, -ENOMEM.
 */
int qemu_ram_map(pid_t pid, const struct qemu_ram_range *ranges, u32 nr,
		 struct qemu_ram **ret);

struct qemu_ram *qemu_ram_destroy(struct qemu_ram *ram);

/* The same memory at the same places? */
bool qemu_ram_same(const struct qemu_ram *a, const struct qemu_ram *b);

/* True if every range is mapped here. */
bool qemu_ram_is_mapped(const struct qemu_ram *ram);

/* Inside one range. Return: 0, -EFAULT. */
int qemu_ram_read(struct qemu_ram *ram, u64 gpa, void *buf, u32 len);

/*
 * One naturally aligned integer of @width bytes, in one access.
 * Return: 0, -EFAULT, -EINVAL.
 */
int qemu_ram_load(struct qemu_ram *ram, u64 gpa, u32 width, u64 *ret);
int qemu_ram_store(struct qemu_ram *ram, u64 gpa, u32 width, u64 value);

#endif /* DAEMON_QEMU_RAM_H */
