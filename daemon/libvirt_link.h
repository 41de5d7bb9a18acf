/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to libvirt: made again whenever it breaks, and shared by the
 * watcher of VMs and by each VM's monitor, in several threads.
 */
#ifndef DAEMON_LIBVIRT_LINK_H
#define DAEMON_LIBVIRT_LINK_H

#include "../guestinfo/core/env.h"

#define LIBVIRT_DOMAINS	4096

struct libvirt_link;

/* An active domain. */
struct libvirt_domain {
	char name[128];
	char uuid[40];
};

/**
 * struct libvirt_listener - told from the link's thread
 * @state: connected, or not any more
 * @domains: the active domains now; after connecting and at each change
 */
struct libvirt_listener {
	void (*state)(struct libvirt_listener *listener, bool up);
	void (*domains)(struct libvirt_listener *listener,
			const struct libvirt_domain *domains, u32 nr);
};

/*
 * Start the thread; one reference. One link per process: libvirt's event loop
 * is one. Return: 0, -EBUSY there is one already, -ENOMEM, -EAGAIN.
 */
int libvirt_link_create(const char *uri, struct libvirt_listener *listener,
			struct libvirt_link **ret);
/* End the thread; the listener is not called any more. Keeps the reference. */
void libvirt_link_stop(struct libvirt_link *link);

struct libvirt_link *libvirt_link_get(struct libvirt_link *link);
struct libvirt_link *libvirt_link_put(struct libvirt_link *link);

/*
 * The connection of now, with a reference for the caller (virConnectClose()),
 * or NULL. Type: virConnectPtr.
 */
void *libvirt_link_connection(struct libvirt_link *link);

#endif /* DAEMON_LIBVIRT_LINK_H */
