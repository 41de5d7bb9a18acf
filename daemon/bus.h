/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's D-Bus interface, on the system bus where there is one, and always
 * on a socket of its own, peer to peer. include/monarch/bus.h has the names,
 * docs/bus.md the calls. Who may connect to the socket (its group) may call
 * everything; on the system bus the bus's own policy file decides.
 */
#ifndef DAEMON_BUS_H
#define DAEMON_BUS_H

#include <systemd/sd-bus.h>

#include "manager.h"

struct bus;

/**
 * struct bus_request - a Suspend or Resume waiting for its effect
 * @targets: processes, by identity
 */
struct bus_request {
	sd_bus_message *message;
	u64 vm;
	bool stop;
	u64 end_ns;
	u32 nr;
	struct gi_target targets[64];
	TAILQ_ENTRY(bus_request) entry;
};

int bus_create(struct manager *manager, struct bus **ret);
struct bus *bus_destroy(struct bus *bus);

/*
 * Serve the interface on @connection, which a client has at its other end; it is
 * closed when the client hangs up. Takes @fd, also on failure.
 */
int bus_serve(struct bus *bus, int fd);

/*
 * Answer requests that have come true or waited long enough; drop clients that
 * read nothing; join the system bus where we are not on it. Once per quantum.
 */
void bus_tick(struct bus *bus, u64 now_ns);

/* Signals. @bus may be NULL. */
void bus_vm_added(struct bus *bus, const struct vm *vm);
void bus_vm_removed(struct bus *bus, const struct vm *vm);
void bus_vm_changed(struct bus *bus, const struct vm *vm);
void bus_process_changed(struct bus *bus, const struct vm *vm,
			 const struct proc *proc, const char *signal,
			 const char *name);
void bus_policies_reloaded(struct bus *bus);

/* bus_manager.c: the calls. */
extern const sd_bus_vtable bus_manager_vtable[];

/* For bus_manager.c: keep @request until bus_tick() answers it. */
void bus_wait(struct manager *manager, struct bus_request *request);

#endif /* DAEMON_BUS_H */
