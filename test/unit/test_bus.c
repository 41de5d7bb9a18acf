// SPDX-License-Identifier: GPL-2.0-only
/*
 * The D-Bus interface, called for real: peer to peer over a socket pair and over
 * the daemon's own socket, and by name over a bus daemon of the test's own. The
 * daemon runs in a thread, around a fake guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../include/monarch/bus.h"
#include "daemon_maker.h"

#define PATH MONARCH_BUS_PATH
#define MANAGER MONARCH_BUS_MANAGER

/**
 * struct server - the daemon in its thread
 * @destination: for calls, NULL peer to peer
 */
struct server {
	struct daemon *daemon;
	pthread_t thread;
	atomic_bool end;
	sd_bus *client;
	const char *destination;
	char directory[64];
	char socket[80];
};

/* A quantum of 5 ms, and what came in meanwhile. */
static void *server_run(void *data)
{
	struct server *server = data;
	u64 next = 0;

	while (!server->end) {
		sd_event_run(server->daemon->manager.event, 2000);
		if (clock_ns() < next)
			continue;
		daemon_tick(server->daemon);
		next = clock_ns() + 5 * NS_PER_MS;
	}
	return NULL;
}

static struct server *server_create(bool system_bus)
{
	struct server *server = calloc(1, sizeof(*server));
	struct manager *manager;

	server->daemon = daemon_create();
	manager = &server->daemon->manager;
	daemon_ticks(server->daemon, 3);
	strcpy(server->directory, "/tmp/monarch-test-bus-XXXXXX");
	assert_non_null(mkdtemp(server->directory));
	snprintf(server->socket, sizeof(server->socket), "%s/bus",
		 server->directory);
	manager->options.bus_socket = server->socket;
	manager->options.system_bus = system_bus;
	assert_int_equal(bus_create(manager, &manager->bus), 0);
	return server;
}

static void server_start(struct server *server)
{
	assert_int_equal(pthread_create(&server->thread, NULL, server_run,
					server), 0);
}

static void server_destroy(struct server *server)
{
	sd_bus_flush_close_unref(server->client);
	server->end = true;
	pthread_join(server->thread, NULL);
	daemon_destroy(server->daemon);
	/* the socket file went with the daemon */
	assert_int_equal(rmdir(server->directory), 0);
	free(server);
}

/* A daemon with a client at the other end of a socket pair. */
static struct server *server_with_pair(void)
{
	struct server *server = server_create(false);
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
				    SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(bus_serve(server->daemon->manager.bus, pair[0]), 0);
	server_start(server);
	assert_true(sd_bus_new(&server->client) >= 0);
	assert_true(sd_bus_set_fd(server->client, pair[1], pair[1]) >= 0);
	assert_true(sd_bus_start(server->client) >= 0);
	return server;
}

static void connect_socket(struct server *server)
{
	char address[128];

	snprintf(address, sizeof(address), "unix:path=%s", server->socket);
	assert_true(sd_bus_new(&server->client) >= 0);
	assert_true(sd_bus_set_address(server->client, address) >= 0);
	assert_true(sd_bus_start(server->client) >= 0);
}

/* Calls. */

static sd_bus_message *call(struct server *server, const char *method,
			    const char *types, ...)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *message, *reply = NULL;
	va_list arguments;

	assert_true(sd_bus_message_new_method_call(server->client, &message,
			server->destination, PATH, MANAGER, method) >= 0);
	va_start(arguments, types);
	assert_true(sd_bus_message_appendv(message, types, arguments) >= 0);
	va_end(arguments);
	if (sd_bus_call(server->client, message, 10000000, &error, &reply) < 0)
		fail_msg("%s: %s: %s", method, error.name, error.message);
	sd_bus_message_unref(message);
	return reply;
}

static void call_fails(struct server *server, const char *method, const char *vm,
		       const char *process, bool all, const char *name,
		       const char *part)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int result = sd_bus_call_method(server->client, server->destination,
					PATH, MANAGER, method, &error, NULL,
					"ssb", vm, process, (int)all);

	assert_true(result < 0);
	assert_string_equal(error.name, name);
	if (!strstr(error.message, part))
		fail_msg("\"%s\" does not say \"%s\"", error.message, part);
	sd_bus_error_free(&error);
}

/* The text of @key in the dictionary at hand; it is read to its end. */
static void dictionary_text(sd_bus_message *reply, const char *key, char *ret,
			    size_t size)
{
	const char *found, *text, *contents;
	char type;

	ret[0] = '\0';
	assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
		assert_true(sd_bus_message_read(reply, "s", &found) > 0);
		assert_true(sd_bus_message_peek_type(reply, &type, &contents) > 0);
		if (!strcmp(found, key) && !strcmp(contents, "s")) {
			assert_true(sd_bus_message_read(reply, "v", "s", &text) > 0);
			snprintf(ret, size, "%s", text);
		} else {
			assert_true(sd_bus_message_skip(reply, "v") > 0);
		}
		sd_bus_message_exit_container(reply);
	}
	sd_bus_message_exit_container(reply);
}

/* Suspend or resume; the outcome of the (first) process. */
static void control(struct server *server, const char *method,
		    const char *process, char *ret, size_t size)
{
	sd_bus_message *reply = call(server, method, "ssb", "vm one", process, 0);

	assert_true(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
	dictionary_text(reply, "outcome", ret, size);
	sd_bus_message_unref(reply);
}

/* The stop state of a process as ListProcesses tells it. */
static void process_stop(struct server *server, u32 wanted, char *ret,
			 size_t size)
{
	sd_bus_message *reply = call(server, "ListProcesses", "s", "vm one");
	u32 pid;

	ret[0] = '\0';
	assert_true(sd_bus_message_enter_container(reply, 'a',
			"(" MONARCH_PROCESS_FIELDS ")") > 0);
	while (sd_bus_message_enter_container(reply, 'r',
					      MONARCH_PROCESS_FIELDS) > 0) {
		const char *stop;

		assert_true(sd_bus_message_read(reply, "u", &pid) > 0);
		assert_true(sd_bus_message_skip(reply, "uuuusstttd") > 0);
		assert_true(sd_bus_message_read(reply, "s", &stop) > 0);
		if (pid == wanted)
			snprintf(ret, size, "%s", stop);
		assert_true(sd_bus_message_skip(reply, "a{sv}") > 0);
		sd_bus_message_exit_container(reply);
	}
	sd_bus_message_unref(reply);
}

/* Tests. */

static void check_suspend_resume(struct server *server)
{
	char text[64];

	process_stop(server, 102, text, sizeof(text));
	assert_string_equal(text, "runs");
	control(server, "Suspend", "indexer", text, sizeof(text));
	assert_string_equal(text, "parked");
	process_stop(server, 102, text, sizeof(text));
	assert_string_equal(text, "parked");
	control(server, "Suspend", "102", text, sizeof(text));
	assert_string_equal(text, "parked");
	control(server, "Resume", "indexer", text, sizeof(text));
	assert_string_equal(text, "runs");
	process_stop(server, 102, text, sizeof(text));
	assert_string_equal(text, "runs");
}

static void test_suspend_resume(void **state)
{
	struct server *server = server_with_pair();

	check_suspend_resume(server);
	server_destroy(server);
}

static void test_errors(void **state)
{
	struct server *server = server_with_pair();

	call_fails(server, "Suspend", "vm two", "indexer", false,
		   MONARCH_ERROR_NO_VM, "known are: vm one");
	call_fails(server, "Suspend", "vm\033[2J", "indexer", false,
		   MONARCH_ERROR_NO_VM, "\"vm\\x1b[2J\"");
	call_fails(server, "Suspend", "vm one", "nobody", false,
		   MONARCH_ERROR_NO_PROCESS, "no process \"nobody\"");
	call_fails(server, "Suspend", "vm one", "4711", false,
		   MONARCH_ERROR_NO_PROCESS, "no process \"4711\"");
	call_fails(server, "Suspend", "vm one", "-1", false,
		   MONARCH_ERROR_NO_PROCESS, "no process \"-1\"");
	call_fails(server, "Suspend", "vm one", "twin", false,
		   MONARCH_ERROR_AMBIGUOUS, "pids 103, 104");
	call_fails(server, "Suspend", "vm one", "init", false,
		   MONARCH_ERROR_REFUSED, "never stopped");
	call_fails(server, "Suspend", "vm one", "105", false,
		   MONARCH_ERROR_REFUSED, "kernel thread");
	call_fails(server, "Resume", "vm one", "indexer", false,
		   MONARCH_ERROR_NO_PROCESS, "no stopped process");
	server_destroy(server);
}

static void test_all_of_a_name(void **state)
{
	struct server *server = server_with_pair();
	sd_bus_message *reply = call(server, "Suspend", "ssb", "vm one", "twin", 1);
	char text[64];
	u32 nr = 0;

	assert_true(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
	while (sd_bus_message_at_end(reply, false) == 0) {
		dictionary_text(reply, "outcome", text, sizeof(text));
		assert_string_equal(text, "parked");
		nr++;
	}
	assert_int_equal(nr, 2);
	sd_bus_message_unref(reply);
	call_fails(server, "Resume", "vm one", "twin", false,
		   MONARCH_ERROR_AMBIGUOUS, "pids 103, 104");
	control(server, "Resume", "103", text, sizeof(text));
	assert_string_equal(text, "runs");
	control(server, "Resume", "twin", text, sizeof(text));
	assert_string_equal(text, "runs");
	server_destroy(server);
}

/* A process that cannot be stopped: said, and not tried for ever. */
static void test_refused(void **state)
{
	struct server *server = server_create(false);
	int pair[2];
	char text[64];

	fake_set(&server->daemon->guest, server->daemon->tasks[2],
		 MONARCH_F_TASK_PTRACE, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
				    SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(bus_serve(server->daemon->manager.bus, pair[0]), 0);
	server_start(server);
	assert_true(sd_bus_new(&server->client) >= 0);
	assert_true(sd_bus_set_fd(server->client, pair[1], pair[1]) >= 0);
	assert_true(sd_bus_start(server->client) >= 0);
	control(server, "Suspend", "indexer", text, sizeof(text));
	assert_string_equal(text, "refused");
	call_fails(server, "Suspend", "vm one", "nobody", false,
		   MONARCH_ERROR_NO_PROCESS, "nobody");
	server_destroy(server);
}

/* Resuming does not say "runs" of what the guest itself has frozen. */
static void test_resume_guest_frozen(void **state)
{
	struct server *server = server_create(false);
	struct fake_guest *guest = &server->daemon->guest;
	u64 task = server->daemon->tasks[1];
	char text[64];

	fake_set(guest, task + 0xc00 + 64, MONARCH_F_CGROUP_E_FREEZE, 1);
	fake_set(guest, task, MONARCH_F_TASK_JOBCTL, GI_JOBCTL_TRAP_FREEZE);
	server_start(server);
	connect_socket(server);
	control(server, "Resume", "101", text, sizeof(text));
	assert_string_equal(text, "guest-frozen");
	server_destroy(server);
}

/* Nor of what is stopped, and not by us, where that cannot be undone now. */
static void test_resume_unknown(void **state)
{
	struct server *server = server_create(false);
	struct fake_guest *guest = &server->daemon->guest;
	char text[64];

	server->daemon->hold_error = -EBUSY;
	fake_set(guest, server->daemon->tasks[1], MONARCH_F_TASK_JOBCTL,
		 GI_JOBCTL_TRAP_FREEZE);
	fake_park(guest, server->daemon->tasks[1]);
	server_start(server);
	connect_socket(server);
	control(server, "Resume", "101", text, sizeof(text));
	assert_string_not_equal(text, "runs");
	server_destroy(server);
}

static void test_not_editable(void **state)
{
	struct server *server = server_with_pair();

	/* what a VM without a monitor looks like */
	strcpy(server->daemon->backend.no_edit_why, "no monitor; add -qmp");
	call_fails(server, "Suspend", "vm one", "indexer", false,
		   MONARCH_ERROR_REFUSED, "no monitor; add -qmp");
	/* it quotes the VM's name, which may be anything */
	strcpy(server->daemon->backend.no_edit_why, "VM '\033[31m\xff' has none");
	call_fails(server, "Suspend", "vm one", "indexer", false,
		   MONARCH_ERROR_REFUSED, "VM '\\x1b[31m\\xff' has none");
	server_destroy(server);
}

static void test_lists(void **state)
{
	struct server *server = server_with_pair();
	sd_bus_message *reply = call(server, "ListVMs", "");
	char text[64];

	assert_true(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
	dictionary_text(reply, "state", text, sizeof(text));
	assert_string_equal(text, "running");
	assert_true(sd_bus_message_at_end(reply, false));
	sd_bus_message_unref(reply);
	reply = call(server, "GetStatistics", "");
	assert_true(sd_bus_message_has_signature(reply, "a{st}"));
	sd_bus_message_unref(reply);
	reply = call(server, "ListPolicies", "");
	assert_true(sd_bus_message_has_signature(reply, "aa{sv}"));
	sd_bus_message_unref(reply);
	server_destroy(server);
}

/* The one VM that Recover("") leaves out, and why; "" if none is. */
static void recover_skips(struct server *server, char *ret, size_t size)
{
	sd_bus_message *reply = call(server, "Recover", "s", "");
	const char *key, *vm, *why;
	uint32_t found;

	ret[0] = '\0';
	assert_true(sd_bus_message_has_signature(reply, "a{sv}"));
	assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
	assert_true(sd_bus_message_read(reply, "{sv}", &key, "u", &found) > 0);
	assert_string_equal(key, "orphans");
	assert_int_equal(found, 0);
	assert_true(sd_bus_message_enter_container(reply, 'e', "sv") > 0);
	assert_true(sd_bus_message_read(reply, "s", &key) > 0);
	assert_string_equal(key, "skipped");
	assert_true(sd_bus_message_enter_container(reply, 'v', "a{ss}") > 0);
	assert_true(sd_bus_message_enter_container(reply, 'a', "{ss}") > 0);
	if (sd_bus_message_read(reply, "{ss}", &vm, &why) > 0)
		snprintf(ret, size, "%s: %s", vm, why);
	sd_bus_message_unref(reply);
}

static void recover_fails(struct server *server, const char *name,
			  const char *part)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;

	assert_true(sd_bus_call_method(server->client, server->destination, PATH,
				       MANAGER, "Recover", &error, NULL, "s",
				       "vm one") < 0);
	assert_string_equal(error.name, name);
	assert_non_null(strstr(error.message, part));
	sd_bus_error_free(&error);
}

/* Where nothing can be freed, recover does not say that it is. */
static void test_recover_skips(void **state)
{
	struct server *server = server_with_pair();
	char text[256];

	recover_skips(server, text, sizeof(text));
	assert_string_equal(text, "");
	strcpy(server->daemon->backend.no_edit_why, "no monitor");
	recover_skips(server, text, sizeof(text));
	assert_string_equal(text, "vm one: no monitor");
	recover_fails(server, MONARCH_ERROR_REFUSED, "no monitor");
	server->daemon->vm->retry_ns = U64_MAX;	/* no other look */
	server->daemon->vm->state = VM_BOOTING;
	recover_skips(server, text, sizeof(text));
	assert_string_equal(text, "vm one: booting");
	recover_fails(server, MONARCH_ERROR_NOT_READY, "booting");
	server->daemon->vm->state = VM_RUNS;
	server_destroy(server);
}

static void test_properties(void **state)
{
	struct server *server = server_with_pair();
	sd_bus_error error = SD_BUS_ERROR_NULL;
	char *version = NULL;
	uint64_t quantum = 0;

	assert_true(sd_bus_get_property_string(server->client, NULL, PATH,
			MANAGER, "Version", &error, &version) >= 0);
	assert_string_equal(version, MONARCH_VERSION);
	assert_true(sd_bus_get_property_trivial(server->client, NULL, PATH,
			MANAGER, "Quantum", &error, 't', &quantum) >= 0);
	assert_int_equal(quantum, 10 * NS_PER_MS);
	free(version);
	server_destroy(server);
}

static int on_stopped(sd_bus_message *message, void *data, sd_bus_error *error)
{
	const char *vm, *name, *by;
	u32 *ret_pid = data;
	u32 pid;

	assert_true(sd_bus_message_read(message, "suss", &vm, &pid, &name, &by) > 0);
	assert_string_equal(vm, "vm one");
	assert_string_equal(by, "manual");
	*ret_pid = pid;
	return 0;
}

static void test_signal(void **state)
{
	struct server *server = server_with_pair();
	u64 end = clock_ns() + 5 * NS_PER_S;
	u32 pid = 0;
	char text[64];

	assert_true(sd_bus_match_signal(server->client, NULL, NULL, PATH, MANAGER,
					"ProcessStopped", on_stopped, &pid) >= 0);
	control(server, "Suspend", "indexer", text, sizeof(text));
	while (!pid && clock_ns() < end)
		if (!sd_bus_process(server->client, NULL))
			sd_bus_wait(server->client, 10000);
	assert_int_equal(pid, 102);
	server_destroy(server);
}

static void test_socket(void **state)
{
	struct server *server = server_create(false);
	struct stat status;

	assert_int_equal(stat(server->socket, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
	server_start(server);
	connect_socket(server);
	check_suspend_resume(server);
	server_destroy(server);
}

/* A second daemon on the same socket is refused, and breaks nothing. */
static void test_socket_taken(void **state)
{
	struct server *server = server_create(false);
	struct daemon *second = daemon_create();

	server_start(server);
	second->manager.options.bus_socket = server->socket;
	assert_int_equal(bus_create(&second->manager, &second->manager.bus),
			 -EADDRINUSE);
	daemon_destroy(second);
	connect_socket(server);
	check_suspend_resume(server);
	server_destroy(server);
}

/* What lies at the socket's path and is no dead socket stays as it is. */
static void socket_refused(struct daemon *daemon, const char *path)
{
	struct stat before, after;

	assert_int_equal(lstat(path, &before), 0);
	daemon->manager.options.bus_socket = path;
	assert_true(bus_create(&daemon->manager, &daemon->manager.bus) < 0);
	assert_null(daemon->manager.bus);
	assert_int_equal(lstat(path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_size, before.st_size);
}

static int bind_at(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      sizeof(address)), 0);
	return fd;
}

static void test_socket_path_not_ours(void **state)
{
	char directory[] = "/tmp/monarch-test-path-XXXXXX";
	struct daemon *daemon = daemon_create();
	int tree = open(".", O_PATH | O_DIRECTORY), fd;

	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	fd = open("file", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	socket_refused(daemon, "file");
	assert_int_equal(symlink("file", "link"), 0);
	socket_refused(daemon, "link");
	fd = bind_at("datagram", SOCK_DGRAM);
	socket_refused(daemon, "datagram");
	close(fd);
	/* a dead daemon's: bound once, nobody listens */
	close(bind_at("dead", SOCK_STREAM));
	daemon->manager.options.bus_socket = "dead";
	assert_int_equal(bus_create(&daemon->manager, &daemon->manager.bus), 0);
	daemon_destroy(daemon);
	assert_int_equal(unlink("file") | unlink("link") | unlink("datagram"), 0);
	assert_int_equal(fchdir(tree) | rmdir(directory), 0);
	close(tree);
}

/* Clients that talk nonsense or hang up in the middle do no harm. */
static void test_rude_clients(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct server *server = server_create(false);

	server_start(server);
	strcpy(address.sun_path, server->socket);
	for (u32 i = 0; i < 200; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_int_equal(connect(fd, (struct sockaddr *)&address,
					 sizeof(address)), 0);
		if (i % 3)
			assert_true(send(fd, "\0AUTH EXTERNAL x\r\nl\1\0\1", 21,
					 MSG_NOSIGNAL) != 0);
		close(fd);
	}
	connect_socket(server);
	check_suspend_resume(server);
	server_destroy(server);
}

/* A connection on which nothing is ever said. */
static int connect_raw(const struct server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, server->socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address,
				 sizeof(address)), 0);
	return fd;
}

/* Clients that say nothing do not keep the daemon from its end. */
static void test_silent_clients(void **state)
{
	struct server *server = server_create(false);
	int fds[8];

	server_start(server);
	for (u32 i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = connect_raw(server);
	/* answered on one connection: the others have been accepted */
	connect_socket(server);
	sd_bus_message_unref(call(server, "ListVMs", ""));
	/* not a measure: the end waited for each of them to speak, for minutes */
	alarm(60);
	server_destroy(server);
	alarm(0);
	for (u32 i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* Both ends in one thread, so that one of them can be deaf. */
static void pump(struct server *server, u32 rounds)
{
	while (rounds--) {
		sd_event_run(server->daemon->manager.event, 0);
		while (sd_bus_process(server->client, NULL) > 0)
			;
	}
}

/* Call without waiting for the answer, so that the daemon has heard of us. */
static void greet(struct server *server)
{
	assert_true(sd_bus_call_method_async(server->client, NULL, NULL, PATH,
					     MANAGER, "ListVMs", NULL, NULL,
					     "") >= 0);
	pump(server, 50);
	assert_true(sd_bus_is_ready(server->client) > 0);
}

static bool hung_up(sd_bus *bus)
{
	struct pollfd pfd = { .fd = sd_bus_get_fd(bus) };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP);
}

/* A client that calls and then never reads is let go, the others are not. */
static void test_deaf_client(void **state)
{
	struct server *server = server_create(false);
	struct bus *bus = server->daemon->manager.bus;
	u32 signals = 0;
	sd_bus *deaf;

	connect_socket(server);
	greet(server);
	deaf = server->client;
	connect_socket(server);
	greet(server);
	/* the kernel's buffers take some ten thousand before any is queued */
	while (!hung_up(deaf) && signals++ < 200000) {
		bus_policies_reloaded(bus);
		bus_tick(bus, 0);
		pump(server, 1);
	}
	assert_true(hung_up(deaf));
	assert_false(hung_up(server->client));
	sd_bus_close_unref(deaf);
	server_start(server);
	check_suspend_resume(server);
	server_destroy(server);
}

/* A caller that hangs up before the answer. */
static void test_hang_up(void **state)
{
	struct server *server = server_create(false);
	sd_bus_message *message;

	server->daemon->frozen = true;	/* so that Suspend has to wait */
	server_start(server);
	connect_socket(server);
	assert_true(sd_bus_message_new_method_call(server->client, &message, NULL,
						   PATH, MANAGER, "Suspend") >= 0);
	assert_true(sd_bus_message_append(message, "ssb", "vm one", "indexer", 0) >= 0);
	assert_true(sd_bus_send(server->client, message, NULL) >= 0);
	sd_bus_message_unref(message);
	server->client = sd_bus_flush_close_unref(server->client);
	poll(NULL, 0, 1500);
	connect_socket(server);
	sd_bus_message_unref(call(server, "ListVMs", ""));
	server_destroy(server);
}

/* A bus daemon of our own. */

static const char bus_config[] =
	"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
	" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
	"<busconfig><type>system</type><listen>unix:path=%s/system</listen>\n"
	"<auth>EXTERNAL</auth>\n"
	"<policy context=\"default\"><allow send_destination=\"*\"/>\n"
	"<allow receive_sender=\"*\"/></policy>\n"
	"<include>%s/daemon/org.monarch1.conf</include></busconfig>\n";

static pid_t bus_daemon_start(const char *directory)
{
	char tree[4096], path[128], option[160], address[160];
	int ready[2];
	FILE *file;
	pid_t pid;
	char byte;

	assert_non_null(getcwd(tree, sizeof(tree)));
	snprintf(path, sizeof(path), "%s/bus.conf", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, bus_config, directory, tree);
	fclose(file);
	snprintf(option, sizeof(option), "--config-file=%s", path);
	snprintf(address, sizeof(address), "unix:path=%s/system", directory);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ready[1], 3);
		execlp("dbus-daemon", "dbus-daemon", option, "--nofork",
		       "--nopidfile", "--print-address=3", NULL);
		_exit(127);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail_msg("dbus-daemon does not start (package dbus-daemon)");
	close(ready[0]);
	return pid;
}

static void bus_daemon_stop(pid_t pid, const char *directory)
{
	char path[128];

	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/bus.conf", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/system", directory);
	unlink(path);
	rmdir(directory);
}

/* The daemon takes its name when the bus is there, and not at once. */
static void wait_for_name(struct server *server)
{
	u64 end = clock_ns() + 30 * NS_PER_S;
	char *version = NULL;

	while (sd_bus_get_property_string(server->client, server->destination,
					  PATH, MANAGER, "Version", NULL,
					  &version) < 0) {
		if (clock_ns() > end)
			fail_msg("not on the bus as " MONARCH_BUS_NAME);
		poll(NULL, 0, 20);
	}
	free(version);
}

static void test_system_bus(void **state)
{
	char directory[] = "/tmp/monarch-test-dbus-XXXXXX";
	struct server *server;
	pid_t pid;

	assert_non_null(mkdtemp(directory));
	pid = bus_daemon_start(directory);
	server = server_create(true);
	server_start(server);
	assert_true(sd_bus_open_system(&server->client) >= 0);
	server->destination = MONARCH_BUS_NAME;
	wait_for_name(server);
	check_suspend_resume(server);
	call_fails(server, "Suspend", "vm two", "indexer", false,
		   MONARCH_ERROR_NO_VM, "known are: vm one");
	server_destroy(server);
	/* no bus: the socket alone does */
	bus_daemon_stop(pid, directory);
	server = server_create(true);
	server_start(server);
	connect_socket(server);
	check_suspend_resume(server);
	server_destroy(server);
	unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suspend_resume),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_all_of_a_name),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_resume_guest_frozen),
		cmocka_unit_test(test_resume_unknown),
		cmocka_unit_test(test_not_editable),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_recover_skips),
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_socket_taken),
		cmocka_unit_test(test_socket_path_not_ours),
		cmocka_unit_test(test_rude_clients),
		cmocka_unit_test(test_silent_clients),
		cmocka_unit_test(test_deaf_client),
		cmocka_unit_test(test_hang_up),
		cmocka_unit_test(test_system_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
