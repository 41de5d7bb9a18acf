// SPDX-License-Identifier: GPL-2.0-only
/* Attach jobs: all of them are done, a few at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../../daemon/attach.h"

#define JOBS		40
#define AT_A_TIME	4

static atomic_int inside, most, destroyed;

/* Stays inside long enough for others to come, if they may. */
static int slow_registers(struct backend *backend, struct gi_vcpu_regs *ret,
			  u32 max, u32 *ret_nr)
{
	int now = ++inside, before = most;

	while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
		;
	poll(NULL, 0, 5);
	inside--;
	return -EIO;
}

static int nothing_to_prepare(struct backend *backend, bool *ret_changed)
{
	*ret_changed = false;
	return 0;
}

static void count_destroyed(struct backend *backend)
{
	destroyed++;
	free(backend);
}

static const struct backend_ops slow_ops = {
	.name = "slow",
	.registers = slow_registers,
	.prepare = nothing_to_prepare,
	.destroy = count_destroyed,
};

static const struct gi_find_options options;

static struct attach_pool *start_jobs(void)
{
	struct attach_pool *pool;

	destroyed = 0;
	assert_int_equal(attach_pool_create(&pool), 0);
	for (u64 i = 0; i < JOBS; i++) {
		struct attach_job *job = calloc(1, sizeof(*job));

		job->id = i;
		job->options = &options;
		job->backend = calloc(1, sizeof(*job->backend));
		job->backend->ops = &slow_ops;
		assert_int_equal(attach_start(pool, job), 0);
	}
	return pool;
}

static void test_few_at_a_time(void **state)
{
	struct attach_pool *pool = start_jobs();
	struct pollfd pfd = { .fd = attach_fd(pool), .events = POLLIN };
	bool seen[JOBS] = { false };
	struct attach_job *job;

	for (u32 nr = 0; nr < JOBS;) {
		assert_int_equal(poll(&pfd, 1, 30000), 1);
		for (; (job = attach_next(pool)); nr++) {
			assert_false(seen[job->id]);
			seen[job->id] = true;
			attach_job_destroy(job);
		}
	}
	assert_int_equal(most, AT_A_TIME);
	assert_null(attach_pool_destroy(pool, 30000));
	assert_int_equal(destroyed, JOBS);
}

/* What has not begun is not waited for, and not lost. */
static void test_end_with_jobs(void **state)
{
	assert_null(attach_pool_destroy(start_jobs(), 30000));
	assert_int_equal(destroyed, JOBS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_at_a_time),
		cmocka_unit_test(test_end_with_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
