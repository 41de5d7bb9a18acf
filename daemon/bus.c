// SPDX-License-Identifier: GPL-2.0-only
/* See bus.h: connections and signals. */
#include "bus.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../include/monarch/bus.h"
#include "../include/monarch/escape.h"
#include "bus_reply.h"
#include "clock.h"
#include "log.h"

#define BUS_MAX_CLIENTS		64
#define BUS_ACCEPT_AT_ONCE	8
#define BUS_MAX_REQUESTS	256
#define BUS_MAX_QUEUED		1000	/* messages that a client has not read */
#define BUS_GROUP		"monarch"
#define BUS_REJOIN_NS		(5 * NS_PER_S)

/**
 * struct bus_client - a peer
 * @heard: it has sent something. Signals wait for that: the answer to its greeting
 * has to be the first that a program made for buses gets.
 */
struct bus_client {
	struct bus *bus;
	sd_bus *connection;
	bool heard;
	LIST_ENTRY(bus_client) entry;
};

/**
 * struct bus - the server
 * @system: connection to the system bus, or NULL
 * @rejoin_ns: it is not tried again before this
 * @said: that there is no system bus
 * @listening: socket at @path, or -1
 */
struct bus {
	struct manager *manager;
	sd_bus *system;
	u64 rejoin_ns;
	bool said;
	sd_event_source *source;
	int listening;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	u32 nr_clients;
	LIST_HEAD(, bus_client) clients;
	TAILQ_HEAD(, bus_request) requests;
	u32 nr_requests;
};

/* Connections. */

static void client_destroy(struct bus_client *client)
{
	LIST_REMOVE(client, entry);
	client->bus->nr_clients--;
	/* not flushed: that waits for a client that does not read, or speak */
	sd_bus_close_unref(client->connection);
	free(client);
}

static int on_disconnected(sd_bus_message *message, void *data,
			   sd_bus_error *error)
{
	client_destroy(data);
	return 0;
}

/* What the other end does not read is kept for it: up to a bound. */
static bool is_deaf(sd_bus *connection)
{
	uint64_t queued;

	return sd_bus_get_n_queued_write(connection, &queued) >= 0 &&
	       queued > BUS_MAX_QUEUED;
}

static void clients_drop_deaf(struct bus *bus)
{
	struct bus_client *client, *next;

	for (client = LIST_FIRST(&bus->clients); client; client = next) {
		next = LIST_NEXT(client, entry);
		if (!is_deaf(client->connection))
			continue;
		log_warning("a client of the socket is dropped: it left more than %u messages unread",
			    BUS_MAX_QUEUED);
		client_destroy(client);
	}
}

static int on_message(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct bus_client *client = data;

	client->heard = true;
	return 0;
}

static int bus_add_object(struct bus *bus, sd_bus *connection)
{
	return sd_bus_add_object_vtable(connection, NULL, MONARCH_BUS_PATH,
					MONARCH_BUS_MANAGER, bus_manager_vtable,
					bus->manager);
}

/*
 * Programs made for buses (busctl) begin with a greeting to the bus. There is no
 * bus here, but nothing else keeps them from calling us.
 */
static int on_hello(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return sd_bus_reply_method_return(message, "s", ":1.0");
}

static const sd_bus_vtable hello_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Hello", "", "s", on_hello, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END
};

static int client_start(struct bus_client *client, int fd)
{
	sd_bus *connection = client->connection;
	sd_id128_t id;
	int error = sd_bus_set_fd(connection, fd, fd);

	if (error < 0) {
		close(fd);
		return error;
	}
	error = sd_id128_randomize(&id);
	if (error >= 0)
		error = sd_bus_set_server(connection, true, id);
	/* whoever could open the socket may call: its mode is the check */
	if (error >= 0)
		error = sd_bus_set_trusted(connection, true);
	if (error >= 0)
		error = bus_add_object(client->bus, connection);
	if (error >= 0)
		error = sd_bus_add_object_vtable(connection, NULL,
						 "/org/freedesktop/DBus",
						 "org.freedesktop.DBus",
						 hello_vtable, NULL);
	if (error >= 0)
		error = sd_bus_add_filter(connection, NULL, on_message, client);
	if (error >= 0)
		error = sd_bus_start(connection);
	if (error >= 0)
		error = sd_bus_match_signal(connection, NULL, NULL,
					    "/org/freedesktop/DBus/Local",
					    "org.freedesktop.DBus.Local",
					    "Disconnected", on_disconnected,
					    client);
	if (error >= 0)
		error = sd_bus_attach_event(connection,
					    client->bus->manager->event, 0);
	return error;
}

int bus_serve(struct bus *bus, int fd)
{
	struct bus_client *client;
	int error;

	client = bus->nr_clients < BUS_MAX_CLIENTS ?
			 calloc(1, sizeof(*client)) : NULL;
	if (!client || sd_bus_new(&client->connection) < 0) {
		free(client);
		close(fd);
		return -ENOMEM;
	}
	client->bus = bus;
	LIST_INSERT_HEAD(&bus->clients, client, entry);
	bus->nr_clients++;
	error = client_start(client, fd);
	if (error >= 0)
		return 0;
	client_destroy(client);
	return error;
}

static int on_connect(sd_event_source *source, int fd, uint32_t revents,
		      void *data)
{
	/* several at once, but not so many that a quantum is late */
	for (u32 i = 0; i < BUS_ACCEPT_AT_ONCE; i++) {
		int connection = accept4(fd, NULL, NULL,
					 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (connection < 0)
			break;
		bus_serve(data, connection);
	}
	return 0;
}

/* The socket. */

/*
 * Who is at that socket: 0 somebody, -ECONNREFUSED nobody any more, or why that
 * cannot be told.
 */
static int bus_probe(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
	    errno != EAGAIN)
		error = -errno;
	close(fd);
	return error;
}

/*
 * A socket that nobody listens on is left from a daemon that died, and may go.
 * Anything else at @path is somebody's: the path may be a mistake.
 */
static int bus_clear_path(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat status;
	int error;

	/* not there, or what is wrong with it is for bind() to say */
	if (lstat(path, &status))
		return 0;
	if (!S_ISSOCK(status.st_mode)) {
		log_error("%s: expected a socket or nothing, found something else, which stays; use another --bus-socket, or remove it",
			  path);
		return -EEXIST;
	}
	error = bus_probe(address);
	if (!error) {
		log_error("%s: another daemon listens there; stop it, or use another --bus-socket",
			  path);
		return -EADDRINUSE;
	}
	if (error == -ECONNREFUSED && !unlink(path))
		return 0;
	log_error("%s: this socket stays, for it cannot be told to be dead: %s; use another --bus-socket, or remove it",
		  path, strerror(error == -ECONNREFUSED ? errno : -error));
	return -EADDRINUSE;
}

static void bus_give_to_group(const char *path)
{
	struct group *group = getgrnam(BUS_GROUP);

	/* without the group only root may connect */
	if (group && chown(path, (uid_t)-1, group->gr_gid))
		log_warning("%s: cannot be given to group %s: %s", path,
			    BUS_GROUP, strerror(errno));
}

static int bus_bind(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0117);
	int error = bind(fd, (const struct sockaddr *)address, sizeof(*address)) ?
			    -errno : 0;

	umask(mask);
	if (!error && listen(fd, SOMAXCONN))
		error = -errno;
	return error;
}

static int bus_listen(struct bus *bus, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;

	if (strlen(path) >= sizeof(address.sun_path)) {
		log_error("%s: the path of a socket has at most %zu characters",
			  path, sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	error = bus_clear_path(&address);
	if (error)
		return error;
	bus->listening = socket(AF_UNIX,
				SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	error = bus->listening < 0 ? -errno : bus_bind(bus->listening, &address);
	if (error) {
		log_error("%s: cannot listen there: %s", path, strerror(-error));
		return error;
	}
	strcpy(bus->path, path);
	bus_give_to_group(path);
	error = sd_event_add_io(bus->manager->event, &bus->source, bus->listening,
				EPOLLIN, on_connect, bus);
	return min(error, 0);
}

/* The system bus is welcome, not needed; it may come and go. */

static void bus_leave_system(struct bus *bus, const char *what, int error)
{
	if (!bus->said)
		log_info("%s (%s): only the socket serves until that changes",
			 what, strerror(-error));
	bus->said = true;
	bus->system = sd_bus_close_unref(bus->system);
}

static int on_system_gone(sd_bus_message *message, void *data,
			  sd_bus_error *error)
{
	bus_leave_system(data, "the system bus is gone", -ENOTCONN);
	return 0;
}

static int on_name(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct bus *bus = data;

	if (sd_bus_message_is_method_error(message, NULL)) {
		bus_leave_system(bus, "the name " MONARCH_BUS_NAME " on the system bus is refused",
				 -sd_bus_message_get_errno(message));
		return 0;
	}
	log_info("on the system bus as " MONARCH_BUS_NAME);
	bus->said = false;
	return 0;
}

/* Nothing here waits for the bus: the loop has a quantum to keep. */
static void bus_join_system(struct bus *bus)
{
	int error = sd_bus_open_system(&bus->system);

	if (error >= 0)
		error = bus_add_object(bus, bus->system);
	if (error >= 0)
		error = sd_bus_match_signal(bus->system, NULL, NULL,
					    "/org/freedesktop/DBus/Local",
					    "org.freedesktop.DBus.Local",
					    "Disconnected", on_system_gone, bus);
	if (error >= 0)
		error = sd_bus_request_name_async(bus->system, NULL,
						  MONARCH_BUS_NAME, 0, on_name,
						  bus);
	if (error >= 0)
		error = sd_bus_attach_event(bus->system, bus->manager->event, 0);
	if (error < 0)
		bus_leave_system(bus, "no system bus", error);
}

static void bus_tend_system(struct bus *bus, u64 now_ns)
{
	if (bus->system && is_deaf(bus->system))
		bus_leave_system(bus, "the system bus reads nothing", -EPIPE);
	if (!bus->manager->options.system_bus || bus->system ||
	    now_ns < bus->rejoin_ns)
		return;
	bus->rejoin_ns = now_ns + BUS_REJOIN_NS;
	bus_join_system(bus);
}

int bus_create(struct manager *manager, struct bus **ret)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int error;

	if (!bus)
		return -ENOMEM;
	bus->manager = manager;
	bus->listening = -1;
	LIST_INIT(&bus->clients);
	TAILQ_INIT(&bus->requests);
	error = manager->options.bus_socket ?
			bus_listen(bus, manager->options.bus_socket) : 0;
	if (error) {
		bus_destroy(bus);
		return error;
	}
	*ret = bus;
	return 0;
}

/* Requests. */

static void request_end(struct bus *bus, struct bus_request *request)
{
	TAILQ_REMOVE(&bus->requests, request, entry);
	bus->nr_requests--;
	sd_bus_message_unref(request->message);
	free(request);
}

void bus_wait(struct manager *manager, struct bus_request *request)
{
	struct bus *bus = manager->bus;

	/* the oldest has waited long enough */
	if (bus->nr_requests == BUS_MAX_REQUESTS) {
		struct bus_request *oldest = TAILQ_FIRST(&bus->requests);

		bus_reply_request(manager, oldest);
		request_end(bus, oldest);
	}
	TAILQ_INSERT_TAIL(&bus->requests, request, entry);
	bus->nr_requests++;
}

void bus_tick(struct bus *bus, u64 now_ns)
{
	struct bus_request *request, *next;

	if (!bus)
		return;
	clients_drop_deaf(bus);
	bus_tend_system(bus, now_ns);
	for (request = TAILQ_FIRST(&bus->requests); request; request = next) {
		next = TAILQ_NEXT(request, entry);
		if (now_ns < request->end_ns &&
		    !bus_request_done(bus->manager, request))
			continue;
		bus_reply_request(bus->manager, request);
		request_end(bus, request);
	}
}

struct bus *bus_destroy(struct bus *bus)
{
	if (!bus)
		return NULL;
	while (!TAILQ_EMPTY(&bus->requests))
		request_end(bus, TAILQ_FIRST(&bus->requests));
	while (!LIST_EMPTY(&bus->clients))
		client_destroy(LIST_FIRST(&bus->clients));
	sd_bus_close_unref(bus->system);
	sd_event_source_unref(bus->source);
	if (bus->listening >= 0)
		close(bus->listening);
	if (bus->path[0])
		unlink(bus->path);
	free(bus);
	return NULL;
}

/* Signals. */

/* A client that cannot take a signal finds out by itself. */
static void bus_send(sd_bus *connection, sd_bus_message *message)
{
	if (connection)
		sd_bus_send(connection, message, NULL);
}

static void bus_emit(struct bus *bus, const char *signal, const char *types,
		     const char *vm, u32 pid, const char *a, const char *b)
{
	struct bus_client *client;
	sd_bus *connections[BUS_MAX_CLIENTS + 1];
	u32 nr = 0;

	if (!bus)
		return;
	if (bus->system && sd_bus_is_ready(bus->system) > 0)
		connections[nr++] = bus->system;
	LIST_FOREACH(client, &bus->clients, entry)
		if (client->heard)
			connections[nr++] = client->connection;
	for (u32 i = 0; i < nr; i++) {
		sd_bus_message *message = NULL;
		int error = sd_bus_message_new_signal(connections[i], &message,
						      MONARCH_BUS_PATH,
						      MONARCH_BUS_MANAGER,
						      signal);

		if (error >= 0 && !strcmp(types, "s"))
			error = sd_bus_message_append(message, "s", vm);
		else if (error >= 0 && !strcmp(types, "ss"))
			error = sd_bus_message_append(message, "ss", vm, a);
		else if (error >= 0 && !strcmp(types, "suss"))
			error = sd_bus_message_append(message, "suss", vm, pid,
						      a, b);
		if (error >= 0)
			bus_send(connections[i], message);
		sd_bus_message_unref(message);
	}
}

static const char *bus_vm_name(const struct vm *vm)
{
	static char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];

	return monarch_escape(name, sizeof(name), vm->identity.name);
}

void bus_vm_added(struct bus *bus, const struct vm *vm)
{
	bus_emit(bus, "VMAdded", "s", bus_vm_name(vm), 0, NULL, NULL);
}

void bus_vm_removed(struct bus *bus, const struct vm *vm)
{
	bus_emit(bus, "VMRemoved", "s", bus_vm_name(vm), 0, NULL, NULL);
}

void bus_vm_changed(struct bus *bus, const struct vm *vm)
{
	bus_emit(bus, "VMChanged", "ss", bus_vm_name(vm), 0,
		 vm_state_name(vm->state), NULL);
}

void bus_process_changed(struct bus *bus, const struct vm *vm,
			 const struct proc *proc, const char *signal,
			 const char *name)
{
	bus_emit(bus, signal, "suss", bus_vm_name(vm), proc->now.pid, name,
		 proc->stop.held_by);
}

void bus_policies_reloaded(struct bus *bus)
{
	bus_emit(bus, "PoliciesReloaded", "", "", 0, NULL, NULL);
}
