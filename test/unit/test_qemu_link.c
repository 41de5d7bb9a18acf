// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link to QEMU's gdb stub against a made-up QEMU: a monitor that fails when
 * told to, and the made-up stub. Whatever fails, the VM must run in the end, or
 * a note must say that we stopped it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../../daemon/qemu_link.h"
#include "fake_gdbstub.h"

/**
 * struct fake_qemu - the made-up QEMU
 * @fail_on: commands with this in them answer @error
 * @asked_on: commands after such a failure
 * @served: @gdb runs on our chardev
 * @serving: QEMU's only gdb server is on our chardev, connected or not
 * @runs: the VM, while no stub is served
 */
struct fake_qemu {
	struct monitor monitor;
	struct fake_gdbstub gdb;
	struct qemu_link link;
	const char *fail_on;
	int error;
	u32 commands, failures, asked_on;
	bool served, serving, runs;
	bool ours;	/* the chardev exists */
	bool foreign;	/* somebody else's gdb server */
	int fd;		/* its end of the socket pair, until it is served */
};

static bool qemu_runs(struct fake_qemu *qemu)
{
	return qemu->served ? fake_is_running(&qemu->gdb) : qemu->runs;
}

static void qemu_unserve(struct fake_qemu *qemu)
{
	if (!qemu->served)
		return;
	qemu->runs = qemu_runs(qemu);
	shutdown(qemu->gdb.fd, SHUT_RDWR);
	fake_end(&qemu->gdb);
	qemu->served = false;
}

/* Connecting stops the VM before the stub reads anything. */
static void qemu_serve(struct fake_qemu *qemu)
{
	fake_start(&qemu->gdb, qemu->fd, NO_FAULT, false);
	qemu->fd = -1;
	qemu->served = qemu->serving = true;
}

static void qemu_cont(struct fake_qemu *qemu)
{
	qemu->runs = true;
	if (qemu->served)
		fake_set_running(&qemu->gdb, true);
}

static void qemu_drop_chardev(struct fake_qemu *qemu)
{
	qemu_unserve(qemu);
	if (qemu->fd >= 0)
		close(qemu->fd);
	qemu->fd = -1;
	qemu->ours = false;
}

static void qemu_end_server(struct fake_qemu *qemu)
{
	if (qemu->serving)
		qemu_drop_chardev(qemu);
	qemu->serving = qemu->foreign = false;
}

/* Somebody else's takes the place of ours. */
static void qemu_foreign_server(struct fake_qemu *qemu)
{
	qemu_end_server(qemu);
	qemu->foreign = true;
}

static const char *qemu_answer(struct fake_qemu *qemu, const char *command,
			       int fd)
{
	static char text[256];

	if (strstr(command, "query-status")) {
		snprintf(text, sizeof(text),
			 "{\"return\":{\"status\":\"%s\"}}",
			 qemu_runs(qemu) ? "running" : "paused");
		return text;
	}
	if (strstr(command, "query-chardev")) {
		snprintf(text, sizeof(text),
			 "{\"return\":[{\"label\":\"compat_monitor0\",\"frontend-open\":true}%s%s%s]}",
			 qemu->foreign ? ",{\"label\":\"gdb\",\"frontend-open\":true}" : "",
			 qemu->ours ? ",{\"label\":\"monarch-gdb\",\"frontend-open\":" : "",
			 qemu->ours ? qemu->serving ? "true}" : "false}" : "");
		return text;
	}
	if (strstr(command, "\"cont\""))
		qemu_cont(qemu);
	else if (strstr(command, "chardev-add"))
		qemu->fd = dup(fd), qemu->ours = true;
	else if (strstr(command, "chardev-remove"))
		qemu_drop_chardev(qemu);
	else if (strstr(command, "gdbserver none"))
		qemu_end_server(qemu);
	else if (strstr(command, "gdbserver chardev:monarch-gdb"))
		qemu_serve(qemu);
	return strstr(command, "human-monitor-command") ?
		"{\"return\":\"Waiting for gdb connection\\r\\n\"}" :
		"{\"return\":{}}";
}

static int qemu_qmp_fd(struct monitor *monitor, const char *fd_name, int fd,
		       const char *command, char **ret_reply)
{
	struct fake_qemu *qemu = container_of(monitor, struct fake_qemu,
					      monitor);

	qemu->commands++;
	qemu->asked_on += qemu->failures != 0;
	if (qemu->fail_on && strstr(command, qemu->fail_on)) {
		qemu->failures++;
		return qemu->error;
	}
	*ret_reply = strdup(qemu_answer(qemu, command, fd));
	return 0;
}

static int qemu_qmp(struct monitor *monitor, const char *command,
		    char **ret_reply)
{
	return qemu_qmp_fd(monitor, NULL, -1, command, ret_reply);
}

static void qemu_fail(struct fake_qemu *qemu, const char *what, int error)
{
	qemu->fail_on = what;
	qemu->error = error;
	qemu->commands = qemu->failures = qemu->asked_on = 0;
}

/* The VM is this process: it has a start time, and it is not gone. */
static int qemu_init(struct fake_qemu *qemu)
{
	memset(&qemu->link, 0, sizeof(qemu->link));
	return qemu_link_init(&qemu->link, getpid(), &qemu->monitor,
			      syscall(SYS_pidfd_open, getpid(), 0));
}

static void qemu_deinit(struct fake_qemu *qemu)
{
	qemu_link_deinit(&qemu->link);
	close(qemu->link.pidfd);
}

static struct fake_qemu *qemu_create(void)
{
	struct fake_qemu *qemu = calloc(1, sizeof(*qemu));

	assert_non_null(qemu);
	qemu->monitor.qmp = qemu_qmp;
	qemu->monitor.qmp_fd = qemu_qmp_fd;
	qemu->runs = true;
	qemu->fd = -1;
	return qemu;
}

static void qemu_destroy(struct fake_qemu *qemu)
{
	qemu_drop_chardev(qemu);
	free(qemu);
}

/* A Monarch that is killed inside a hold. */
static void die_in_hold(struct fake_qemu *qemu)
{
	struct held_flag flag;
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (held_flag_open(&flag, getppid()))
			_exit(1);
		held_flag_set(&flag, true);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	qemu->runs = false;
}

static void hold_and_release(struct fake_qemu *qemu)
{
	assert_int_equal(qemu_link_hold(&qemu->link), 0);
	assert_false(qemu_runs(qemu));
	assert_true(held_flag_get(&qemu->link.flag));
	assert_int_equal(qemu_link_release(&qemu->link), 0);
	assert_true(qemu_runs(qemu));
	assert_false(held_flag_get(&qemu->link.flag));
}

static void test_holds(void **state)
{
	struct fake_qemu *qemu = qemu_create();

	assert_int_equal(qemu_init(qemu), 0);
	assert_int_equal(qemu_link_hold(&qemu->link), -EAGAIN);
	assert_int_equal(qemu_link_settle(&qemu->link), -EAGAIN);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	for (int i = 0; i < 100; i++)
		hold_and_release(qemu);
	qemu_deinit(qemu);
	assert_true(qemu_runs(qemu));
	assert_false(qemu->ours);
	qemu_destroy(qemu);
}

/* Killed in a hold, and the next one cannot resume the VM: nor forget it. */
static void recover_later(const char *what, int error)
{
	struct fake_qemu *qemu = qemu_create();

	die_in_hold(qemu);
	for (int i = 0; i < 3; i++) {
		qemu_fail(qemu, what, error);
		assert_int_equal(qemu_init(qemu), error);
		assert_int_equal(qemu->failures, 1);
		qemu_deinit(qemu);
		assert_false(qemu_runs(qemu));
	}
	qemu_fail(qemu, NULL, 0);
	assert_int_equal(qemu_init(qemu), 0);
	assert_true(qemu_runs(qemu));
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	hold_and_release(qemu);
	qemu_deinit(qemu);
	qemu_destroy(qemu);
}

static void test_recover_later(void **state)
{
	recover_later("query-status", -EBUSY);
	recover_later("query-status", -ETIMEDOUT);
	recover_later("\"cont\"", -EIO);
	recover_later("\"cont\"", -ETIMEDOUT);
}

/*
 * The link breaks in a hold, and the monitor does not answer for a while: the VM
 * stands still until it does, but whoever wants a hold does not wait.
 */
static void break_in_hold(const char *what, int error)
{
	struct fake_qemu *qemu = qemu_create();

	assert_int_equal(qemu_init(qemu), 0);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	hold_and_release(qemu);
	assert_int_equal(qemu_link_hold(&qemu->link), 0);
	qemu_unserve(qemu);
	qemu_fail(qemu, what, error);
	assert_int_equal(qemu_link_release(&qemu->link), -EAGAIN);
	assert_int_equal(qemu_link_settle(&qemu->link), -EAGAIN);
	for (int i = 0; i < 3; i++) {
		qemu_fail(qemu, what, error);
		assert_int_equal(qemu_link_hold(&qemu->link), -EAGAIN);
		assert_int_equal(qemu->commands, 0);
		assert_int_equal(qemu_link_open(&qemu->link), error);
		assert_int_equal(qemu->asked_on, 0);
		/* not due again for some seconds */
		assert_int_equal(qemu_link_settle(&qemu->link), 0);
		assert_false(qemu_runs(qemu));
		assert_true(held_flag_get(&qemu->link.flag));
	}
	qemu_fail(qemu, NULL, 0);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	assert_true(qemu_runs(qemu));
	hold_and_release(qemu);
	qemu_deinit(qemu);
	qemu_destroy(qemu);
}

static void test_break_in_hold(void **state)
{
	break_in_hold("query-status", -ETIMEDOUT);
	break_in_hold("\"cont\"", -EBUSY);
}

/* Somebody else's gdb server, before us or after, is not ended by us. */
static void test_foreign_server(void **state)
{
	struct fake_qemu *qemu = qemu_create();
	struct qemu_link *link = &qemu->link;

	qemu_foreign_server(qemu);
	/* a predecessor died between chardev-add and gdbserver */
	qemu->ours = true;
	assert_int_equal(qemu_init(qemu), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(qemu_link_open(link), -EOPNOTSUPP);
		assert_true(link->foreign);
		assert_int_equal(qemu_link_hold(link), -EOPNOTSUPP);
		assert_true(qemu->foreign);
		assert_false(qemu->ours);
	}
	qemu_end_server(qemu);
	assert_int_equal(qemu_link_open(link), 0);
	assert_false(link->foreign);
	hold_and_release(qemu);
	qemu_foreign_server(qemu);
	assert_int_equal(qemu_link_hold(link), -EAGAIN);
	assert_int_equal(qemu_link_open(link), -EOPNOTSUPP);
	assert_int_equal(qemu_link_hold(link), -EOPNOTSUPP);
	assert_true(qemu->foreign);
	qemu_deinit(qemu);
	assert_true(qemu->foreign);
	assert_true(qemu_runs(qemu));
	qemu_destroy(qemu);
}

/* Taken from us in the moment before we end. */
static void test_foreign_server_at_the_end(void **state)
{
	struct fake_qemu *qemu = qemu_create();

	assert_int_equal(qemu_init(qemu), 0);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	qemu_foreign_server(qemu);
	qemu_deinit(qemu);
	assert_true(qemu->foreign);
	qemu_destroy(qemu);
}

/* What a predecessor left is taken away, and only then. */
static void test_leftovers(void **state)
{
	struct fake_qemu *qemu = qemu_create();

	assert_int_equal(qemu_init(qemu), 0);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	gdbstub_deinit(&qemu->link.stub);
	held_flag_deinit(&qemu->link.flag);
	close(qemu->link.pidfd);
	assert_true(qemu->ours);
	assert_int_equal(qemu_init(qemu), 0);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	hold_and_release(qemu);
	qemu_deinit(qemu);
	assert_false(qemu->ours);
	qemu_destroy(qemu);
}

/* A monitor that does not answer once is not asked again in the same try. */
static void silent_monitor(const char *what, int error, int expected)
{
	struct fake_qemu *qemu = qemu_create();

	assert_int_equal(qemu_init(qemu), 0);
	qemu_fail(qemu, what, error);
	assert_int_equal(qemu_link_open(&qemu->link), error);
	assert_int_equal(qemu->failures, 1);
	assert_int_equal(qemu->asked_on, 0);
	qemu->commands = 0;
	assert_int_equal(qemu_link_settle(&qemu->link), 0);
	assert_int_equal(qemu_link_hold(&qemu->link), expected);
	assert_int_equal(qemu->commands, 0);
	qemu_fail(qemu, NULL, 0);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	assert_true(qemu_runs(qemu));
	hold_and_release(qemu);
	qemu_deinit(qemu);
	qemu_destroy(qemu);
}

static void test_silent_monitor(void **state)
{
	static const char *const commands[] = {
		"query-chardev", "chardev-add", "query-status",
		"gdbserver chardev",
	};

	for (u32 i = 0; i < ARRAY_SIZE(commands); i++) {
		silent_monitor(commands[i], -ETIMEDOUT, -EAGAIN);
		silent_monitor(commands[i], -EBUSY, -EAGAIN);
		silent_monitor(commands[i], -ENOTCONN, -ENOTCONN);
	}
}

/* QEMU reads nothing for longer than a release waits: kicks are not lost. */
static void test_release_not_sent(void **state)
{
	struct fake_qemu *qemu = qemu_create();
	struct qemu_link *link = &qemu->link;
	int err;

	assert_int_equal(qemu_init(qemu), 0);
	assert_int_equal(qemu_link_open(link), 0);
	assert_int_equal(qemu_link_hold(link), 0);
	assert_int_equal(qemu_link_kick(link, 0xfee01000, 0xfb), 0);
	fake_block(&qemu->gdb, link->stub.fd);
	assert_int_equal(qemu_link_release(link), -ETIMEDOUT);
	assert_true(held_flag_get(&link->flag));
	assert_int_equal(qemu_link_hold(link), -ETIMEDOUT);
	fake_unblock(&qemu->gdb);
	while ((err = qemu_link_settle(link)) == -ETIMEDOUT)
		;
	assert_int_equal(err, 0);
	assert_true(qemu_runs(qemu));
	assert_false(held_flag_get(&link->flag));
	assert_int_equal(qemu->gdb.writes, 1);
	hold_and_release(qemu);
	assert_int_equal(qemu->gdb.writes, 1);
	qemu_deinit(qemu);
	qemu_destroy(qemu);
}

/* Somebody else's pause leaves no note and is not ended. */
static void test_paused_by_others(void **state)
{
	struct fake_qemu *qemu = qemu_create();

	qemu->runs = false;
	assert_int_equal(qemu_init(qemu), 0);
	assert_int_equal(qemu_link_open(&qemu->link), 0);
	assert_int_equal(qemu_link_hold(&qemu->link), -EBUSY);
	assert_false(held_flag_get(&qemu->link.flag));
	qemu_deinit(qemu);
	assert_false(qemu_runs(qemu));
	qemu_destroy(qemu);
}

static char dir[] = "/tmp/monarch-link.XXXXXX";

static int make_dir(void **state)
{
	return !mkdtemp(dir) || setenv("MONARCH_RUNTIME_DIR", dir, 1);
}

/* No note is left over: else the directory is not empty. */
static int remove_dir(void **state)
{
	char held[64];

	snprintf(held, sizeof(held), "%s/held", dir);
	return rmdir(held) || rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_recover_later),
		cmocka_unit_test(test_break_in_hold),
		cmocka_unit_test(test_foreign_server),
		cmocka_unit_test(test_foreign_server_at_the_end),
		cmocka_unit_test(test_leftovers),
		cmocka_unit_test(test_silent_monitor),
		cmocka_unit_test(test_release_not_sent),
		cmocka_unit_test(test_paused_by_others),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
