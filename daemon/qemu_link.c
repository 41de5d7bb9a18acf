// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link to QEMU's gdb stub: see qemu_link.h. The monitor makes it and takes
 * it down, and may block for seconds at each command, so its first silence ends
 * a try. Holds go over the socket alone.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "monitor.h"
#include "qemu_link.h"

#define CHARDEV			"monarch-gdb"
#define HOLD_TIMEOUT_MS		2000
#define RELEASE_TIMEOUT_MS	2000
#define RETRY_NS		(3 * NS_PER_S)
#define FOREIGN_RETRY_NS	(30 * NS_PER_S)

static bool is_gone(const struct qemu_link *link)
{
	struct pollfd pfd = { .fd = link->pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) != 0;
}

/* ---- Making it and taking it down ---- */

static int is_running(struct qemu_link *link, bool *ret)
{
	struct json_object *status;
	int err;

	err = monitor_query(link->monitor, "query-status", &status);
	if (err)
		return err;
	*ret = !strcmp(json_member_string(status, "status"), "running");
	json_object_put(status);
	return 0;
}

/* We died while the VM was held: let it run. */
static int recover_hold(struct qemu_link *link)
{
	bool running;
	int err;

	if (!held_flag_get(&link->flag))
		return 0;
	err = is_running(link, &running);
	if (!err && !running)
		err = monitor_query(link->monitor, "cont", NULL);
	if (!err)
		held_flag_set(&link->flag, false);
	return err;
}

/*
 * Gdb servers and chardevs in a QEMU.
 * @foreign: somebody else's server: by "-gdb", "-s" or the monitor command
 * @ours: our chardev exists, of now or of a predecessor
 * @serving: and is the gdb server
 */
struct servers {
	bool foreign, ours, serving;
};

static bool is_open(struct json_object *chardev)
{
	struct json_object *value;

	return json_object_object_get_ex(chardev, "frontend-open", &value) &&
	       json_object_get_boolean(value);
}

static int look_at_servers(struct qemu_link *link, struct servers *ret)
{
	struct json_object *list;
	size_t n;
	int err;

	*ret = (struct servers){ 0 };
	err = monitor_query(link->monitor, "query-chardev", &list);
	if (err)
		return err;
	n = json_object_is_type(list, json_type_array) ?
		json_object_array_length(list) : 0;
	for (size_t i = 0; i < n; i++) {
		struct json_object *chardev = json_object_array_get_idx(list, i);
		const char *label = json_member_string(chardev, "label");

		ret->foreign |= !strcmp(label, "gdb");
		if (!strcmp(label, CHARDEV)) {
			ret->ours = true;
			ret->serving = is_open(chardev);
		}
	}
	json_object_put(list);
	return 0;
}

static int end_server(struct qemu_link *link)
{
	char *text;
	int err;

	err = monitor_hmp(link->monitor, "gdbserver none", &text);
	if (!err)
		free(text);
	return err;
}

/* That it is gone already, with its server, is no failure. */
static int remove_chardev(struct qemu_link *link)
{
	char *reply;
	int err;

	err = link->monitor->qmp(link->monitor,
				 "{\"execute\":\"chardev-remove\","
				 "\"arguments\":{\"id\":\"" CHARDEV "\"}}",
				 &reply);
	if (!err)
		free(reply);
	return err == -EIO ? 0 : err;
}

/*
 * Take back what is ours, of a predecessor too, so that names are free. A gdb
 * server of somebody else has taken the place of ours, and stays.
 */
static int unlink_stub(struct qemu_link *link)
{
	struct servers servers;
	int err;

	err = look_at_servers(link, &servers);
	if (err)
		return err;
	link->foreign = servers.foreign;
	if (servers.serving)
		err = end_server(link);
	if (!err && servers.ours)
		err = remove_chardev(link);
	return err;
}

static int hand_over(struct qemu_link *link, int fd)
{
	static const char add[] =
		"{\"execute\":\"chardev-add\",\"arguments\":{\"id\":\"" CHARDEV
		"\",\"backend\":{\"type\":\"socket\",\"data\":{\"server\":false,"
		"\"addr\":{\"type\":\"fd\",\"data\":{\"str\":\"" CHARDEV
		"\"}}}}}}";
	char *reply;
	int err;

	err = link->monitor->qmp_fd(link->monitor, CHARDEV, fd, add, &reply);
	if (!err)
		free(reply);
	return err;
}

/*
 * Connecting stops the VM. The packet that continues it waits in the socket
 * already, so the stop is short and our death in between does no harm; a VM
 * that was not running gets no such packet.
 */
static int start_server(struct qemu_link *link)
{
	bool running;
	char *text;
	int err;

	err = is_running(link, &running);
	if (err)
		return err;
	if (running) {
		held_flag_set(&link->flag, true);
		err = gdbstub_preset_continue(&link->stub);
	}
	if (!err)
		err = monitor_hmp(link->monitor, "gdbserver chardev:" CHARDEV,
				  &text);
	if (err)
		return err;
	err = strstr(text, "Waiting for gdb") ? 0 : -EIO;
	free(text);
	if (!err)
		err = gdbstub_settle(&link->stub, RELEASE_TIMEOUT_MS);
	return err;
}

static void forget_stub(struct qemu_link *link)
{
	gdbstub_deinit(&link->stub);
	link->linked = false;
	link->held = false;
	link->nr_kicks = 0;
}

/* What cannot be recovered now is, when the link is opened again. */
static void close_link(struct qemu_link *link)
{
	forget_stub(link);
	if (!unlink_stub(link))
		recover_hold(link);
}

static int open_link(struct qemu_link *link)
{
	int pair[2];
	int err;

	err = recover_hold(link);
	if (!err)
		err = unlink_stub(link);
	if (!err && link->foreign)
		err = -EOPNOTSUPP;
	if (err)
		return err;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	gdbstub_init(&link->stub, pair[0]);
	err = hand_over(link, pair[1]);
	close(pair[1]);
	if (!err)
		err = start_server(link);
	if (err) {
		if (monitor_is_silent(err))
			forget_stub(link);
		else
			close_link(link);
		return err;
	}
	held_flag_set(&link->flag, false);
	link->linked = true;
	return 0;
}

int qemu_link_open(struct qemu_link *link)
{
	if (link->linked)
		return 0;
	link->error = is_gone(link) ? -ENOTCONN : open_link(link);
	link->retry_ns = clock_ns() +
			 (link->foreign ? FOREIGN_RETRY_NS : RETRY_NS);
	return link->error;
}

/* ---- Using it ---- */

/*
 * If it broke in a hold, the VM stands still. Only the monitor can mend that,
 * and it may block: qemu_link_open() does, at once.
 */
static int link_error(struct qemu_link *link, int err)
{
	if (link->stub.state != GDBSTUB_BROKEN)
		return err;
	forget_stub(link);
	link->error = 0;
	link->retry_ns = 0;
	return is_gone(link) ? -ENOTCONN : -EAGAIN;
}

/* If nothing could be sent, the kicks are kept for the next try. */
static int let_run(struct qemu_link *link, u32 timeout_ms)
{
	int err = gdbstub_continue(&link->stub, link->kicks, link->nr_kicks,
				   timeout_ms);

	if (link->stub.state != GDBSTUB_STOPPED)
		link->nr_kicks = 0;
	return err;
}

int qemu_link_settle(struct qemu_link *link)
{
	int err;

	if (link->held)
		return 0;
	if (is_gone(link))
		return -ENOTCONN;
	if (!link->linked)
		return clock_ns() < link->retry_ns ? 0 : -EAGAIN;
	if (link->stub.state == GDBSTUB_STOPPED)
		err = let_run(link, 0);
	else
		err = gdbstub_settle(&link->stub, 0);
	if (!err || err == -EIO)
		held_flag_set(&link->flag, false);
	return err && err != -EIO ? link_error(link, err) : 0;
}

/*
 * Does "info migrate" tell of a migration (or of a snapshot, which is one)?
 * "Migration status: active", since 10.1 "Status: active".
 */
static bool is_migrating(const char *text)
{
	static const char *const over[] = {
		"none", "completed", "failed", "cancelled",
	};
	const char *at = strstr(text, "tatus:");

	/* "Migration status" or "Status", not some "... status" of a detail. */
	if (!at)
		return false;
	at += strlen("tatus:");
	at += strspn(at, " \t");
	for (u32 i = 0; i < ARRAY_SIZE(over); i++)
		if (!strncmp(at, over[i], strlen(over[i])))
			return false;
	return true;
}

int qemu_link_release(struct qemu_link *link)
{
	int err;

	link->held = false;
	err = let_run(link, RELEASE_TIMEOUT_MS);
	if (!err || err == -EIO)
		held_flag_set(&link->flag, false);
	return err ? link_error(link, err) : 0;
}

int qemu_link_hold(struct qemu_link *link)
{
	int err;

	if (link->held)
		return 0;
	err = qemu_link_settle(link);
	if (err)
		return err;
	if (!link->linked)
		return link->error == -ENOTCONN ||
		       link->error == -EOPNOTSUPP ? link->error : -EAGAIN;
	held_flag_set(&link->flag, true);
	err = gdbstub_stop(&link->stub, "info migrate", HOLD_TIMEOUT_MS);
	if (err) {
		/* Late: still ours to undo, so the flag stays. */
		if (link->stub.state == GDBSTUB_IDLE)
			held_flag_set(&link->flag, false);
		return link_error(link, err);
	}
	link->held = true;
	if (is_migrating(link->stub.text)) {
		err = qemu_link_release(link);
		return err ? err : -EBUSY;
	}
	return 0;
}

int qemu_link_kick(struct qemu_link *link, u64 gpa, u32 value)
{
	if (link->nr_kicks == GDBSTUB_WRITES)
		return -ENOSPC;
	link->kicks[link->nr_kicks++] = (struct gdbstub_write){
		.gpa = gpa, .value = value,
	};
	return 0;
}

/* ---- Life ---- */

int qemu_link_init(struct qemu_link *link, pid_t pid, struct monitor *monitor,
		   int pidfd)
{
	int err;

	link->monitor = monitor;
	link->pidfd = pidfd;
	err = held_flag_open(&link->flag, pid);
	return err ? err : recover_hold(link);
}

void qemu_link_deinit(struct qemu_link *link)
{
	if (!link->monitor)
		return;
	if (link->held)
		qemu_link_release(link);
	if (link->linked && !is_gone(link)) {
		gdbstub_settle(&link->stub, RELEASE_TIMEOUT_MS);
		close_link(link);
	} else if (link->linked) {
		gdbstub_deinit(&link->stub);
	} else if (!is_gone(link)) {
		recover_hold(link);
	}
	/* There is nothing left to resume. */
	if (is_gone(link))
		held_flag_set(&link->flag, false);
	held_flag_deinit(&link->flag);
}
