/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A note that outlives us: "I have stopped this VM". If we die in the middle of
 * a hold, whoever opens the VM next finds it and lets the VM run. It is a page
 * of a file in the runtime directory, so that setting it costs a store.
 *
 * The file's lock says whose VM this is: one owner at a time.
 */
#ifndef DAEMON_HELD_FLAG_H
#define DAEMON_HELD_FLAG_H

#include <sys/types.h>

#include "../guestinfo/core/env.h"

struct held_flag {
	int fd;
	volatile u64 *held;
	char path[256];
};

/**
 * held_flag_open() - the flag of a VM
 * The directory is MONARCH_RUNTIME_DIR or /run/monarch, below it "held".
 * Return: 0; -EBUSY another process has it; -errno.
 */
int held_flag_open(struct held_flag *flag, pid_t pid);

/* Leave it, and what it says, to whoever opens it next. */
void held_flag_leave(struct held_flag *flag);

/* Forget it, file included. */
void held_flag_deinit(struct held_flag *flag);

/* @flag may be unopened (held == NULL). */
static inline void held_flag_set(struct held_flag *flag, bool held)
{
	if (flag->held)
		*flag->held = held;
}

static inline bool held_flag_get(const struct held_flag *flag)
{
	return flag->held && *flag->held;
}

#endif /* DAEMON_HELD_FLAG_H */
