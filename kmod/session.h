/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open /dev/monarch: beats time for the VMs that were attached through it.
 */
#ifndef MONARCH_SESSION_H
#define MONARCH_SESSION_H

#include <linux/types.h>

#include "../include/uapi/linux/monarch.h"

struct file;
struct poll_table_struct;
struct session;
struct vm;

struct session *session_create(void);

/* Its file is closed: no more ticks. VMs may outlive that. */
void session_end(struct session *session);

/* A VM has at most one session, and is in it from ATTACH to its close. */
void session_add(struct session *session, struct vm *vm);
void session_del(struct vm *vm);

/* Return: 0; -EINVAL out of range. */
int session_tick(struct session *session, u64 quantum_ns);

/* A VM's worker has done what the tick asked of it. */
void session_vm_done(struct session *session);

/* For read() and poll() of the device. */
int session_read(struct session *session, bool wait,
		 struct monarch_tick_event *ret);
__poll_t session_poll(struct session *session, struct file *file,
		      struct poll_table_struct *table);

#endif /* MONARCH_SESSION_H */
