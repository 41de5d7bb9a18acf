/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake Linux guest: a few hundred KiB of RAM with task_structs, lists, run
 * queues and call queues in a made-up layout. It lets tests put a guest into any
 * state, and plays the guest kernel's part in stopping and resuming, so that
 * refusals and faults can be produced at will. Real guests are in test/guest.
 */
#ifndef TEST_CORE_FAKE_GUEST_H
#define TEST_CORE_FAKE_GUEST_H

#include "../../guestinfo/core/linux_stop.h"
#include "../../guestinfo/core/linux_task.h"

#define FAKE_RAM_SIZE	(1u << 20)
#define FAKE_CPUS	2
#define FAKE_TASKS_MAX	200
#define FAKE_PAGE_OFFSET	0xffff888000000000ull

struct fake_guest {
	u8 *ram;
	struct gi_ram_range range;
	struct gi_memory mem;
	struct gi_layout layout;
	struct gi_kernel kernel;
	u32 nr_tasks;
	u64 init;
	u64 last;		/* tail of the process list */
};

/* A guest with init_task only; @ram of FAKE_RAM_SIZE, 8-aligned. */
bool fake_guest_init(struct fake_guest *guest, u8 *ram);

/* A new process (its leader's gva), or another thread of @leader's process. */
u64 fake_process(struct fake_guest *guest, u32 pid, const char *comm);
u64 fake_thread(struct fake_guest *guest, u64 leader, u32 pid);

/* Write or read a member by its fact. */
void fake_set(struct fake_guest *guest, u64 gva, u32 id, u64 value);
u64 fake_get(struct fake_guest *guest, u64 gva, u32 id);
void fake_poke(struct fake_guest *guest, u64 gva, u64 value);	/* 8 bytes */
u64 fake_peek(struct fake_guest *guest, u64 gva);

/* CPU hotplug: CPUs 0 to @nr - 1 are online (and active). */
void fake_online(struct fake_guest *guest, u32 nr);

/* What a backend does: compare all, then write. Return: 0 or -ESTALE. */
int fake_apply(struct fake_guest *guest, const struct gi_plan *plan);

/* The guest's part: threads marked and runnable go into the trap. */
void fake_park(struct fake_guest *guest, u64 task);
/* The guest's part: take what is on all call queues. Return: wake-ups done. */
u32 fake_take_queues(struct fake_guest *guest);

#endif /* TEST_CORE_FAKE_GUEST_H */
