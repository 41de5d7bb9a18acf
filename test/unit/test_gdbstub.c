// SPDX-License-Identifier: GPL-2.0-only
/* The gdb stub client against a stub that behaves as QEMU's, and worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../daemon/gdbstub.h"
#include "fake_gdbstub.h"

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
	gdbstub_init(&fixture->stub, pair[0]);
	fake_start(&fixture->fake, pair[1], fault, true);
	return fixture;
}

static void end(struct fixture *fixture)
{
	gdbstub_deinit(&fixture->stub);
	fake_end(&fixture->fake);
	free(fixture);
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

/* The socket is full: the VM still stands when the time is over. */
static void test_continue_not_sent(void **state)
{
	struct fixture *fixture = start(NO_FAULT);

	assert_int_equal(gdbstub_stop(&fixture->stub, "x", 2000), 0);
	fake_block(&fixture->fake, fixture->stub.fd);
	assert_int_equal(gdbstub_continue(&fixture->stub, &kick, 1, 20),
			 -ETIMEDOUT);
	assert_int_equal(fixture->stub.state, GDBSTUB_STOPPED);
	assert_int_equal(gdbstub_settle(&fixture->stub, 20), -ETIMEDOUT);
	fake_unblock(&fixture->fake);
	assert_int_equal(gdbstub_settle(&fixture->stub, 3000), 0);
	assert_true(fake_is_running(&fixture->fake));
	stop_and_continue(fixture);
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
		cmocka_unit_test(test_continue_not_sent),
		cmocka_unit_test(test_late_and_paused),
		cmocka_unit_test(test_refused_write),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_long_command),
		cmocka_unit_test(test_preset_continue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
