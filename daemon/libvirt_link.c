// SPDX-License-Identifier: GPL-2.0-only
/*
 * The connection to libvirt. Its thread runs libvirt's own event loop; all that
 * blocks on connecting and listing happens here. A connection that broke
 * (libvirtd restarts, stops answering keepalives) is closed and tried again
 * every two seconds. Why it cannot be made is logged when it changes.
 *
 * Lifecycle events are used as a hint only: at each one the list of active
 * domains is asked for again, so that nothing hangs on having seen them all.
 */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../include/monarch/escape.h"
#include "libvirt_link.h"
#include "log.h"

#define RETRY_MS		2000
#define KEEPALIVE_SECONDS	5
#define KEEPALIVE_COUNT		3

struct libvirt_link {
	atomic_uint references;
	atomic_bool stopping;
	atomic_bool broken;		/* the connection has ended */
	atomic_bool changed;		/* the list of domains may have */
	struct libvirt_listener *listener;	/* link's thread only */
	pthread_t thread;
	bool thread_runs;
	int timer, watch;
	int wake_fd;
	pthread_mutex_t lock;
	virConnectPtr connection;	/* under lock */
	char said[512];			/* why not connected; link's thread only */
	char uri[];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool in_use;

/* libvirt prints errors to stderr by itself otherwise. */
static void ignore_error(void *opaque, virErrorPtr error)
{
}

static void init_libvirt(void)
{
	virInitialize();
	virEventRegisterDefaultImpl();
	virSetErrorFunc(NULL, ignore_error);
}

struct libvirt_link *libvirt_link_get(struct libvirt_link *link)
{
	atomic_fetch_add(&link->references, 1);
	return link;
}

struct libvirt_link *libvirt_link_put(struct libvirt_link *link)
{
	if (link && atomic_fetch_sub(&link->references, 1) == 1) {
		if (link->wake_fd >= 0)
			close(link->wake_fd);
		pthread_mutex_destroy(&link->lock);
		free(link);
	}
	return NULL;
}

void *libvirt_link_connection(struct libvirt_link *link)
{
	virConnectPtr connection;

	pthread_mutex_lock(&link->lock);
	connection = link->connection;
	if (connection)
		virConnectRef(connection);
	pthread_mutex_unlock(&link->lock);
	return connection;
}

static void set_connection(struct libvirt_link *link, virConnectPtr connection)
{
	pthread_mutex_lock(&link->lock);
	link->connection = connection;
	pthread_mutex_unlock(&link->lock);
}

static void on_close(virConnectPtr connection, int reason, void *opaque)
{
	struct libvirt_link *link = opaque;

	link->broken = true;
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain,
			int event, int detail, void *opaque)
{
	struct libvirt_link *link = opaque;

	/* Our own holds come back as these two. */
	if (event != VIR_DOMAIN_EVENT_SUSPENDED &&
	    event != VIR_DOMAIN_EVENT_RESUMED)
		link->changed = true;
	return 0;
}

/* It is tried for ever: said once, and again when the reason is another one. */
static void say_unreachable(struct libvirt_link *link)
{
	char why[sizeof(link->said)];

	monarch_escape(why, sizeof(why), virGetLastErrorMessage());
	if (!strcmp(link->said, why))
		return;
	memcpy(link->said, why, sizeof(why));
	log_warning("libvirt cannot be reached at %s: %s; it is tried again, until then its VMs can be seen, not stopped (--libvirt-uri, --no-libvirt)",
		    link->uri, why);
}

static bool connect_now(struct libvirt_link *link)
{
	virConnectPtr connection = virConnectOpen(link->uri);

	if (!connection) {
		say_unreachable(link);
		return false;
	}
	link->broken = false;
	if (virConnectRegisterCloseCallback(connection, on_close, link, NULL) ||
	    virConnectDomainEventRegisterAny(
		    connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
		    VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), link, NULL) < 0) {
		say_unreachable(link);
		virConnectClose(connection);
		return false;
	}
	link->said[0] = '\0';
	virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVE_COUNT);
	set_connection(link, connection);
	link->changed = true;
	link->listener->state(link->listener, true);
	return true;
}

static void disconnect(struct libvirt_link *link)
{
	virConnectPtr connection = link->connection;

	set_connection(link, NULL);
	virConnectUnregisterCloseCallback(connection, on_close);
	virConnectClose(connection);
	link->listener->state(link->listener, false);
}

static void list_domains(struct libvirt_link *link)
{
	struct libvirt_domain *list;
	virDomainPtr *domains;
	u32 nr = 0;
	int n;

	link->changed = false;
	n = virConnectListAllDomains(link->connection, &domains,
				     VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (n < 0) {
		link->broken = !virConnectIsAlive(link->connection);
		return;
	}
	list = calloc(n ? n : 1, sizeof(*list));
	for (int i = 0; i < n; i++) {
		if (list && nr < LIBVIRT_DOMAINS &&
		    !virDomainGetUUIDString(domains[i], list[nr].uuid)) {
			snprintf(list[nr].name, sizeof(list[nr].name), "%s",
				 virDomainGetName(domains[i]));
			nr++;
		}
		virDomainFree(domains[i]);
	}
	free(domains);
	if (list)
		link->listener->domains(link->listener, list, nr);
	free(list);
}

/* Only to make the loop turn: what is due is looked at after each turn. */
static void on_timer(int timer, void *opaque)
{
}

static void on_wake(int watch, int fd, int events, void *opaque)
{
	eventfd_t value;

	eventfd_read(fd, &value);
}

static void *run(void *opaque)
{
	struct libvirt_link *link = opaque;

	while (!link->stopping) {
		if (link->connection && link->broken)
			disconnect(link);
		if (!link->connection)
			connect_now(link);
		if (link->connection && link->changed)
			list_domains(link);
		virEventRunDefaultImpl();
	}
	if (link->connection)
		disconnect(link);
	return NULL;
}

static int start(struct libvirt_link *link)
{
	link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (link->wake_fd < 0)
		return -errno;
	link->watch = virEventAddHandle(link->wake_fd,
					VIR_EVENT_HANDLE_READABLE, on_wake,
					NULL, NULL);
	link->timer = virEventAddTimeout(RETRY_MS, on_timer, NULL, NULL);
	if (link->watch < 0 || link->timer < 0)
		return -ENOMEM;
	link->thread_runs = !pthread_create(&link->thread, NULL, run, link);
	return link->thread_runs ? 0 : -EAGAIN;
}

int libvirt_link_create(const char *uri, struct libvirt_listener *listener,
			struct libvirt_link **ret)
{
	struct libvirt_link *link;
	int err;

	if (atomic_exchange(&in_use, true))
		return -EBUSY;
	pthread_once(&once, init_libvirt);
	link = calloc(1, sizeof(*link) + strlen(uri) + 1);
	if (!link) {
		in_use = false;
		return -ENOMEM;
	}
	strcpy(link->uri, uri);
	link->references = 1;
	link->listener = listener;
	link->timer = link->watch = link->wake_fd = -1;
	pthread_mutex_init(&link->lock, NULL);
	err = start(link);
	if (err) {
		libvirt_link_stop(link);
		libvirt_link_put(link);
		return err;
	}
	*ret = link;
	return 0;
}

void libvirt_link_stop(struct libvirt_link *link)
{
	link->stopping = true;
	if (link->thread_runs) {
		eventfd_write(link->wake_fd, 1);
		pthread_join(link->thread, NULL);
		link->thread_runs = false;
	}
	if (link->timer >= 0)
		virEventRemoveTimeout(link->timer);
	if (link->watch >= 0)
		virEventRemoveHandle(link->watch);
	link->timer = link->watch = -1;
	in_use = false;
}
