/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers of the D-Bus interface: what of the daemon goes into which message. */
#ifndef DAEMON_BUS_REPLY_H
#define DAEMON_BUS_REPLY_H

#include "bus.h"

/* Append one VM, policy, ... as a{sv}. Return: as sd_bus_message_append(). */
int bus_put_vm(sd_bus_message *reply, const struct vm *vm);
int bus_put_policy(sd_bus_message *reply, const struct manager *manager,
		   u32 index);

/* Append one process as MONARCH_PROCESS_FIELDS. */
int bus_put_process(sd_bus_message *reply, const struct proc *proc, u64 now_ns);

/* Append all counters as a{st}. */
int bus_put_stats(sd_bus_message *reply, const struct manager *manager);

/* Whether all of @request has come true, or cannot. */
bool bus_request_done(struct manager *manager, const struct bus_request *request);

/* Answer @request by how things are now. */
void bus_reply_request(struct manager *manager,
		       const struct bus_request *request);

#endif /* DAEMON_BUS_REPLY_H */
