/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands: a table per kind of descriptor, and one place that gets their
 * structures in and out of user space by the rules of the uapi.
 */
#ifndef MONARCH_DISPATCH_H
#define MONARCH_DISPATCH_H

#include <linux/types.h>

/**
 * struct command - one ioctl
 * @cmd: MONARCH_*
 * @size: of its structure, as this module knows it
 * @size_min: as its first version was
 * @out_on_error: the structure goes back even if the command fails
 * @run: @object is what the descriptor is of; @arg the structure, in kernel
 *	memory, whose first two words are size and flags
 */
struct command {
	unsigned int cmd;
	u32 size;
	u32 size_min;
	bool out_on_error;
	int (*run)(void *object, void *arg);
};

#define COMMAND(nr, type, last, function) {				\
	.cmd = nr, .size = sizeof(struct type),				\
	.size_min = offsetofend(struct type, last), .run = function }

#define COMMAND_OUT(nr, type, last, function) {				\
	.cmd = nr, .size = sizeof(struct type),				\
	.size_min = offsetofend(struct type, last),			\
	.out_on_error = true, .run = function }

long dispatch(const struct command *commands, u32 nr, void *object,
	      unsigned int cmd, unsigned long arg);

#endif /* MONARCH_DISPATCH_H */
