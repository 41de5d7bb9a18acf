// SPDX-License-Identifier: GPL-2.0-only
/* Policies in force: reading them again, and who is in their sets when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon_maker.h"

#define POLICY(threshold) \
	"[Policy]\nType=idle\nQuietTime=10min\nStop=a\nWhile=b\n" \
	"Threshold=" threshold "\n" \
	"[Set a]\nProcess=indexer\n[Set b]\nProcess=server\n"

/* A daemon whose policies are files of its own. */
struct reloading {
	struct daemon *daemon;
	char directory[40];
};

static void put_file(struct reloading *reloading, const char *name,
		     const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", reloading->directory, name);
	if (!text) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int reload(struct reloading *reloading)
{
	char *why = NULL;
	int error = manager_reload(&reloading->daemon->manager, &why);

	assert_int_equal(!error, !why);
	free(why);
	return error;
}

static struct reloading reloading_create(void)
{
	struct reloading reloading = { .daemon = daemon_create() };
	struct manager *manager = &reloading.daemon->manager;

	strcpy(reloading.directory, "/tmp/monarch-test-reload-XXXXXX");
	assert_non_null(mkdtemp(reloading.directory));
	manager->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	assert_true(manager->timer >= 0);
	return reloading;
}

static void reloading_use(struct reloading *reloading)
{
	struct manager *manager = &reloading->daemon->manager;

	manager->options.config_dir = reloading->directory;
	put_file(reloading, "m.conf", POLICY("5%"));
	assert_int_equal(reload(reloading), 0);
	daemon_ticks(reloading->daemon, 2);
}

static void reloading_destroy(struct reloading *reloading)
{
	struct manager *manager = &reloading->daemon->manager;

	put_file(reloading, "m.conf", NULL);
	assert_int_equal(rmdir(reloading->directory), 0);
	close(manager->timer);
	daemon_destroy(reloading->daemon);
}

/* The server worked: the indexer is stopped. */
static void make_busy(struct reloading *reloading)
{
	struct daemon *daemon = reloading->daemon;

	fake_set(&daemon->guest, daemon->tasks[1], MONARCH_F_TASK_SUM_EXEC,
		 NS_PER_S);
	daemon_ticks(daemon, 3);
	assert_int_equal(manager_stopped(&daemon->manager), 1);
	/* past Period=, within QuietTime= */
	daemon_ticks(daemon, 50);
	assert_int_equal(manager_stopped(&daemon->manager), 1);
}

/* A policy that is as it was keeps what it stopped, wherever it stands now. */
static void test_unchanged(void **state)
{
	struct reloading reloading = reloading_create();
	struct daemon *daemon = reloading.daemon;

	reloading_use(&reloading);
	make_busy(&reloading);
	assert_int_equal(reload(&reloading), 0);
	daemon_ticks(daemon, 5);
	put_file(&reloading, "a.conf", POLICY("7%"));
	assert_int_equal(reload(&reloading), 0);
	daemon_ticks(daemon, 5);
	assert_false(daemon->manager.decision.verdicts[0].hold);
	assert_true(daemon->manager.decision.verdicts[1].hold);
	assert_int_equal(manager_stopped(&daemon->manager), 1);
	assert_int_equal(daemon->resumed, 0);
	put_file(&reloading, "a.conf", NULL);
	reloading_destroy(&reloading);
}

/* A policy that changed begins anew. */
static void test_changed(void **state)
{
	struct reloading reloading = reloading_create();
	struct daemon *daemon = reloading.daemon;

	reloading_use(&reloading);
	make_busy(&reloading);
	put_file(&reloading, "m.conf", POLICY("6%"));
	assert_int_equal(reload(&reloading), 0);
	daemon_ticks(daemon, 5);
	assert_int_equal(manager_stopped(&daemon->manager), 0);
	assert_int_equal(daemon->resumed, 1);
	reloading_destroy(&reloading);
}

/* The directory is gone: an error like any other, the policies stay. */
static void test_no_directory(void **state)
{
	struct reloading reloading = reloading_create();
	struct daemon *daemon = reloading.daemon;

	reloading_use(&reloading);
	make_busy(&reloading);
	daemon->manager.options.config_dir = "/nonexistent";
	assert_int_equal(reload(&reloading), -ENOENT);
	assert_int_equal(daemon->manager.policies->nr_policies, 1);
	daemon_ticks(daemon, 5);
	assert_int_equal(manager_stopped(&daemon->manager), 1);
	reloading_destroy(&reloading);
}

static u64 timer_left(const struct manager *manager)
{
	struct itimerspec left;

	assert_int_equal(timerfd_gettime(manager->timer, &left), 0);
	return (u64)left.it_value.tv_sec * NS_PER_S + (u64)left.it_value.tv_nsec;
}

/* Reloads do not put the next quantum off; only another quantum does. */
static void test_timer(void **state)
{
	struct reloading reloading = reloading_create();
	struct manager *manager = &reloading.daemon->manager;
	const struct itimerspec once = { .it_value.tv_nsec = 1 };
	uint64_t ticks = 0;

	reloading_use(&reloading);
	assert_int_equal(timerfd_settime(manager->timer, 0, &once, NULL), 0);
	assert_int_equal(read(manager->timer, &ticks, sizeof(ticks)),
			 sizeof(ticks));
	/* run out, it stays so: nobody started it again */
	assert_int_equal(reload(&reloading), 0);
	assert_int_equal(timer_left(manager), 0);
	put_file(&reloading, "m.conf", "Quantum=5ms\n" POLICY("5%"));
	assert_int_equal(reload(&reloading), -EINVAL);
	assert_int_equal(timer_left(manager), 0);
	put_file(&reloading, "m.conf", POLICY("5%\nQuantum=90ms"));
	assert_int_equal(reload(&reloading), 0);
	assert_true(timer_left(manager) > 0);
	reloading_destroy(&reloading);
}

static u32 nr_classified(const struct daemon *daemon)
{
	const struct table_vm *table = daemon->vm->table;
	u32 nr = 0;

	for (u32 i = 0; i < table->nr; i++)
		nr += table->order[i]->classified;
	return nr;
}

/* Names take a VM's share of a quantum; what is left has its turn later. */
static void test_share(void **state)
{
	struct reloading reloading = reloading_create();
	struct daemon *daemon = reloading.daemon;

	reloading_use(&reloading);
	make_busy(&reloading);
	assert_int_equal(nr_classified(daemon), daemon->vm->table->nr);
	assert_int_equal(reload(&reloading), 0);
	assert_int_equal(nr_classified(daemon), 0);
	/* so short that one process is a share; and what is stopped, before */
	daemon->manager.host.quantum_ns = 1;
	for (u32 i = 2; i <= daemon->vm->table->nr; i++) {
		manager_tick(&daemon->manager, 1);
		assert_int_equal(nr_classified(daemon), i);
		assert_int_equal(daemon->resumed, 0);
	}
	reloading_destroy(&reloading);
}

/* And they are paid for: a VM whose names are expensive is sampled less often. */
static void test_price(void **state)
{
	struct reloading reloading = reloading_create();
	struct daemon *daemon = reloading.daemon;
	struct vm_pace *pace = &daemon->vm->pace;

	reloading_use(&reloading);
	daemon_tick(daemon);
	pace->match_ns = 0;
	fake_poke(&daemon->guest, daemon->tasks[3] + 848, 0x6e6f7473);
	fake_set(&daemon->guest, daemon->tasks[3], MONARCH_F_TASK_SUM_EXEC,
		 NS_PER_S);
	daemon_tick(daemon);
	assert_true(pace->match_ns > 0);
	pace->match_ns = 8 * NS_PER_S;
	daemon_tick(daemon);
	assert_int_equal(pace->match_ns, 0);
	assert_int_equal(pace->every_ns, NS_PER_S);
	reloading_destroy(&reloading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_price),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
