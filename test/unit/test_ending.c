// SPDX-License-Identifier: GPL-2.0-only
/* The daemon ends while a job hangs, and the job goes on afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <semaphore.h>

#include "daemon_maker.h"

static sem_t asked, answer;

/* A monitor that does not answer for long, and is gone then. */
static int registers_late(struct backend *backend, struct gi_vcpu_regs *ret,
			  u32 max, u32 *ret_nr)
{
	sem_post(&asked);
	sem_wait(&answer);
	sem_post(&answer);
	return -ENOTCONN;
}

static void test_hung_job(void **state)
{
	struct daemon *daemon = daemon_create();
	struct manager *manager = &daemon->manager;
	struct backend_ops ops = fake_ops;
	void *ram = daemon->guest.ram;
	struct attach_pool *pool;

	sem_init(&asked, 0, 0);
	sem_init(&answer, 0, 0);
	ops.registers = registers_late;
	daemon->backend.ops = &ops;
	manager->timer = -1;
	manager->lock = -1;
	pool = manager->host.pool;
	daemon_ticks(daemon, 2);
	vm_look_again(daemon->vm, manager->now_ns);
	assert_non_null(daemon->vm->job);
	sem_wait(&asked);
	manager_destroy(manager);
	/* what the job uses is there when it goes on */
	sem_post(&answer);
	assert_null(attach_pool_destroy(pool, 60000));
	free(daemon);
	free(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hung_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
