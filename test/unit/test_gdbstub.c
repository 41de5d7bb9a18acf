// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gdb stub client against fake_gdbstub: a thread that behaves as QEMU's stub
 * does (any byte stops a running VM and is lost), and that misbehaves when told
 * to: answers in pieces, is late, sends garbage, dies.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/gdbstub.h"

enum fault {
	NO_FAULT,
	IN_PIECES,	/* one byte at a time */
	LATE,		/* answers only after 150 ms */
	BAD_SUM,	/* a wrong checksum in the first answer */
	GARBAGE,	/* no frame at all */
	ENDLESS,	/* a packet that never ends */
	DIES,		/* closes at the first byte */
	DIES_HALFWAY,	/* closes in the middle of an answer */
	REFUSES,	/* "E22" to each write */
};

struct fake_gdbstub {
	int fd;
	enum fault fault;
	pthread_t thread;
	pthread_mutex_t lock;
	bool running;		/* the VM */
	bool closed;
	u32 stops, continues, writes;
	u64 last_gpa;
	u32 last_value;
	bool physical;
	bool wrote_virtual;	/* a write that went to a virtual address */
	bool bad_packet;
	u32 len;
	bool in_packet;
	char line[1024];
};

static void sleep_ms(u32 ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&ts, NULL);
}

static void fake_send(struct fake_gdbstub *fake, const char *bytes, size_t len)
{
	size_t piece = fake->fault == IN_PIECES ? 1 : len;

	if (fake->fault == DIES_HALFWAY) {
		send(fake->fd, bytes, len / 2, MSG_NOSIGNAL);
		fake->closed = true;
		return;
	}
	for (size_t i = 0; i < len; i += piece) {
		if (send(fake->fd, bytes + i, piece, MSG_NOSIGNAL) < 0)
			return;
		if (piece == 1)
			sleep_ms(1);
	}
}

static void fake_reply(struct fake_gdbstub *fake, const char *payload)
{
	char packet[4096];
	u8 sum = fake->fault == BAD_SUM;
	int n;

	for (const char *p = payload; *p; p++)
		sum += *p;
	n = snprintf(packet, sizeof(packet), "$%s#%02x", payload, sum);
	if (fake->fault == GARBAGE)
		fake_send(fake, "nonsense", 8);
	else if (fake->fault == ENDLESS)
		for (int i = 0; i < 100; i++)
			fake_send(fake, "$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
				  64);
	else
		fake_send(fake, packet, n);
}

static void fake_write(struct fake_gdbstub *fake, const char *packet)
{
	unsigned int b[4];

	if (sscanf(packet, "M%llx,4:%2x%2x%2x%2x", &fake->last_gpa, &b[0],
		   &b[1], &b[2], &b[3]) != 5) {
		fake->bad_packet = true;
		return;
	}
	fake->last_value = b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24;
	fake->wrote_virtual |= !fake->physical;
	fake->writes++;
	fake_reply(fake, fake->fault == REFUSES ? "E22" : "OK");
}

static void fake_packet(struct fake_gdbstub *fake, const char *packet)
{
	if (fake->fault == LATE)
		sleep_ms(150);
	fake_send(fake, "+", 1);
	if (!strcmp(packet, "qqemu.PhyMemMode")) {
		fake_reply(fake, fake->physical ? "1" : "0");
	} else if (!strncmp(packet, "qRcmd,", 6)) {
		fake_reply(fake, "O68656c6c6f");
		fake_reply(fake, "O0a");
		fake_reply(fake, "OK");
	} else if (!strncmp(packet, "Qqemu.PhyMemMode:", 17)) {
		fake->physical = packet[17] == '1';
		fake_reply(fake, "OK");
	} else if (packet[0] == 'M') {
		fake_write(fake, packet);
	} else if (!strcmp(packet, "c")) {
		fake->running = true;
		fake->continues++;
	} else {
		fake->bad_packet = true;
	}
}

static void fake_line_end(struct fake_gdbstub *fake)
{
	unsigned int sum;
	u8 own = 0;

	/* "payload#xx" */
	fake->line[fake->len] = '\0';
	for (u32 i = 0; i < fake->len - 3; i++)
		own += fake->line[i];
	if (sscanf(fake->line + fake->len - 2, "%2x", &sum) != 1 || sum != own)
		fake->bad_packet = true;
	fake->line[fake->len - 3] = '\0';
	fake->in_packet = false;
	fake_packet(fake, fake->line);
}

static void fake_byte(struct fake_gdbstub *fake, char c)
{
	if (fake->running) {
		fake->running = false;
		fake->stops++;
		fake_reply(fake, "T02thread:01;");
	} else if (!fake->in_packet) {
		fake->in_packet = c == '$';
		fake->len = 0;
	} else if (fake->len < sizeof(fake->line) - 1) {
		fake->line[fake->len++] = c;
		if (fake->len > 3 && fake->line[fake->len - 3] == '#')
			fake_line_end(fake);
	}
}

static void *fake_run(void *opaque)
{
	struct fake_gdbstub *fake = opaque;
	char buf[512];
	ssize_t n;

	while (!fake->closed && (n = read(fake->fd, buf, sizeof(buf))) > 0) {
		pthread_mutex_lock(&fake->lock);
		if (fake->fault == DIES)
			fake->closed = true;
		for (ssize_t i = 0; i < n && !fake->closed; i++)
			fake_byte(fake, buf[i]);
		pthread_mutex_unlock(&fake->lock);
	}
	close(fake->fd);
	return NULL;
}

struct fixture {
	struct fake_gdbstub fake;
	struct gdbstub stub;
};

static struct fixture *start(enum fault fault)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int pair[2];

	assert_non_null(fixture);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fixture->fake.fd = pair[1];
	fixture->fake.fault = fault;
	fixture->fake.running = true;
	pthread_mutex_init(&fixture->fake.lock, NULL);
	gdbstub_init(&fixture->stub, pair[0]);
	assert_int_equal(pthread_create(&fixture->fake.thread, NULL, fake_run,
					&fixture->fake), 0);
	return fixture;
}

static void end(struct fixture *fixture)
{
	gdbstub_deinit(&fixture->stub);
	pthread_join(fixture->fake.thread, NULL);
	pthread_mutex_destroy(&fixture->fake.lock);
	assert_false(fixture->fake.bad_packet);
	assert_false(fixture->fake.wrote_virtual);
	free(fixture);
}

/* What somebody else does to the VM, by another monitor. */
static void fake_set_running(struct fake_gdbstub *fake, bool running)
{
	pthread_mutex_lock(&fake->lock);
	if (fake->running && !running)
		fake_reply(fake, "T02thread:01;");
	fake->running = running;
	pthread_mutex_unlock(&fake->lock);
}

static bool fake_is_running(struct fake_gdbstub *fake)
{
	bool running;

	pthread_mutex_lock(&fake->lock);
	running = fake->running;
	pthread_mutex_unlock(&fake->lock);
	return running;
}

static const struct gdbstub_write kick = { 0xfee01000, 0xfb };

static void stop_and_continue(struct fixture *fixture)
{
	assert_int_equal(gdbstub_stop(&fixture->stub, "info x", 2000), 0);
	assert_string_equal(fixture->stub.text, "hello\n");
	assert_false(fake_is_running(&fixture->fake));
	assert_int_equal(gdbstub_continue(&fixture->stub, &kick, 1, 2000), 0);
}

static void check_rounds(enum fault fault, u32 rounds)
{
	struct fixture *fixture = start(fault);

	for (u32 i = 0; i < rounds; i++)
		stop_and_continue(fixture);
	/* The lock: what it got, it has done. */
	assert_true(fake_is_running(&fixture->fake));
	assert_int_equal(fixture->fake.continues, rounds);
	assert_int_equal(fixture->fake.stops, rounds);
	assert_int_equal(fixture->fake.writes, rounds);
	assert_int_equal(fixture->fake.last_gpa, 0xfee01000);
	assert_int_equal(fixture->fake.last_value, 0xfb);
	end(fixture);
}

static void test_rounds(void **state)
{
	check_rounds(NO_FAULT, 500);
}

static void test_in_pieces(void **state)
{
	check_rounds(IN_PIECES, 3);
}

static void test_many_writes(void **state)
{
	static struct gdbstub_write writes[GDBSTUB_WRITES];
	struct fixture *fixture = start(NO_FAULT);

	for (u32 i = 0; i < GDBSTUB_WRITES; i++)
		writes[i] = (struct gdbstub_write){ U64_MAX - i, U32_MAX - i };
	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 2000), 0);
	assert_int_equal(gdbstub_continue(&fixture->stub, writes,
					  GDBSTUB_WRITES, 2000), 0);
	assert_true(fake_is_running(&fixture->fake));
	assert_int_equal(fixture->fake.writes, GDBSTUB_WRITES);
	assert_true(fixture->fake.last_gpa == U64_MAX - (GDBSTUB_WRITES - 1));
	end(fixture);
}

static void test_paused_by_others(void **state)
{
	struct fixture *fixture = start(NO_FAULT);

	for (int i = 0; i < 100; i++) {
		fake_set_running(&fixture->fake, false);
		assert_int_equal(gdbstub_stop(&fixture->stub, "x", 2000),
				 -EBUSY);
		assert_int_equal(gdbstub_stop(&fixture->stub, "x", 2000),
				 -EBUSY);
		assert_int_equal(gdbstub_settle(&fixture->stub, 100), 0);
		assert_false(fake_is_running(&fixture->fake));
		fake_set_running(&fixture->fake, true);
		stop_and_continue(fixture);
	}
	assert_true(fake_is_running(&fixture->fake));
	assert_int_equal(fixture->fake.continues, 100);
	end(fixture);
}

/* Resumed by others while we hold: it must run in the end. */
static void test_resumed_by_others(void **state)
{
	struct fixture *fixture = start(NO_FAULT);

	for (u32 i = 0; i < 100; i++) {
		assert_int_equal(gdbstub_stop(&fixture->stub, "x", 2000), 0);
		fake_set_running(&fixture->fake, true);
		assert_int_equal(gdbstub_continue(&fixture->stub, &kick, i % 2,
						  2000), 0);
		assert_true(fake_is_running(&fixture->fake));
		assert_int_equal(fixture->stub.intrusions, i + 1);
	}
	end(fixture);
}

/* Unasked stop replies must not pile up, nor confuse. */
static void test_chatter(void **state)
{
	struct fixture *fixture = start(NO_FAULT);

	for (int i = 0; i < 1000; i++) {
		fake_set_running(&fixture->fake, false);
		fake_set_running(&fixture->fake, true);
		if (i % 50 == 0)
			assert_int_equal(gdbstub_settle(&fixture->stub, 0), 0);
	}
	stop_and_continue(fixture);
	end(fixture);
}

/* A stop that comes too late is undone, and the VM runs. */
static void test_late(void **state)
{
	struct fixture *fixture = start(LATE);

	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 20), -ETIMEDOUT);
	assert_int_equal(fixture->stub.state, GDBSTUB_STOPPING);
	assert_int_equal(gdbstub_settle(&fixture->stub, 10), -ETIMEDOUT);
	assert_int_equal(gdbstub_settle(&fixture->stub, 3000), 0);
	assert_int_equal(fixture->stub.state, GDBSTUB_IDLE);
	assert_true(fake_is_running(&fixture->fake));
	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 3000), 0);
	assert_int_equal(gdbstub_continue(&fixture->stub, NULL, 0, 20),
			 -ETIMEDOUT);
	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 20), -EINVAL);
	assert_int_equal(gdbstub_settle(&fixture->stub, 3000), 0);
	assert_true(fake_is_running(&fixture->fake));
	end(fixture);
}

static void test_late_and_paused(void **state)
{
	struct fixture *fixture = start(LATE);

	fake_set_running(&fixture->fake, false);
	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 20), -ETIMEDOUT);
	assert_int_equal(gdbstub_settle(&fixture->stub, 3000), 0);
	assert_false(fake_is_running(&fixture->fake));
	assert_int_equal(fixture->fake.continues, 0);
	end(fixture);
}

static void test_refused_write(void **state)
{
	struct fixture *fixture = start(REFUSES);

	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 2000), 0);
	assert_int_equal(gdbstub_continue(&fixture->stub, &kick, 1, 2000),
			 -EIO);
	assert_true(fake_is_running(&fixture->fake));
	end(fixture);
}

static void check_fault(enum fault fault, int expected)
{
	struct fixture *fixture = start(fault);

	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 500), expected);
	assert_int_equal(fixture->stub.state, GDBSTUB_BROKEN);
	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 500), -ENOTCONN);
	assert_int_equal(gdbstub_settle(&fixture->stub, 0), -ENOTCONN);
	end(fixture);
}

static void test_faults(void **state)
{
	check_fault(BAD_SUM, -EPROTO);
	check_fault(GARBAGE, -EPROTO);
	check_fault(ENDLESS, -EPROTO);
	check_fault(DIES, -ENOTCONN);
	check_fault(DIES_HALFWAY, -ENOTCONN);
}

static void test_long_command(void **state)
{
	struct fixture *fixture = start(NO_FAULT);
	char command[300];

	memset(command, 'x', sizeof(command) - 1);
	command[sizeof(command) - 1] = '\0';
	assert_int_equal(gdbstub_stop(&fixture->stub, command, 500), -EINVAL);
	assert_true(fake_is_running(&fixture->fake));
	stop_and_continue(fixture);
	end(fixture);
}

/* Connecting stops the VM; a preset continue lets it go. */
static void test_preset_continue(void **state)
{
	struct fixture *fixture = start(NO_FAULT);

	fake_set_running(&fixture->fake, false);
	assert_int_equal(gdbstub_preset_continue(&fixture->stub), 0);
	assert_int_equal(gdbstub_settle(&fixture->stub, 2000), 0);
	assert_true(fake_is_running(&fixture->fake));
	stop_and_continue(fixture);
	end(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_many_writes),
		cmocka_unit_test(test_paused_by_others),
		cmocka_unit_test(test_resumed_by_others),
		cmocka_unit_test(test_chatter),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_late_and_paused),
		cmocka_unit_test(test_refused_write),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_long_command),
		cmocka_unit_test(test_preset_continue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
