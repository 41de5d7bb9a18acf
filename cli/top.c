// SPDX-License-Identifier: GPL-2.0-only
/*
 * monarchctl top: the busiest processes of all VMs. On a terminal it redraws in
 * place, cut to its size; elsewhere it prints one block after the other.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "monarchctl.h"

#define TOP_LINES_ELSEWHERE 20

static volatile sig_atomic_t top_ended;

static void on_signal(int number)
{
	top_ended = number;
}

struct screen {
	bool terminal;
	int rows, width;
};

static void screen_measure(struct screen *screen)
{
	struct winsize size;

	screen->terminal = isatty(STDOUT_FILENO);
	screen->rows = TOP_LINES_ELSEWHERE;
	screen->width = 0;
	if (!screen->terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ||
	    size.ws_row < 6)
		return;
	screen->rows = size.ws_row - 1;
	screen->width = size.ws_col;
}

/* All processes of the VM, each with its VM's name in it, into @all. */
static int top_collect(struct cli *cli, json_object *all, const char *vm)
{
	json_object *processes;
	int result = ps_fetch(cli, vm, &processes);

	if (result)
		return result;
	for (size_t i = 0; i < json_object_array_length(processes); i++) {
		json_object *process = json_object_array_get_idx(processes, i);

		json_object_object_add(process, "vm", json_object_new_string(vm));
		json_object_array_add(all, json_object_get(process));
	}
	json_object_put(processes);
	return CLI_OK;
}

static bool top_shows(struct cli *cli, json_object *vm)
{
	if (strcmp(json_text(vm, "state"), "running"))
		return false;
	return !cli->nr_arguments ||
	       !strcmp(json_text(vm, "name"), cli->arguments[0]) ||
	       !strcmp(json_text(vm, "uuid"), cli->arguments[0]) ||
	       !strcmp(json_text(vm, "pid"), cli->arguments[0]);
}

static int top_collect_all(struct cli *cli, json_object *vms, json_object *all)
{
	int result = CLI_OK;

	for (size_t i = 0; !result && i < json_object_array_length(vms); i++) {
		json_object *vm = json_object_array_get_idx(vms, i);

		if (top_shows(cli, vm))
			result = top_collect(cli, all, json_text(vm, "name"));
		if (result == CLI_NOT_FOUND)
			result = CLI_OK;
	}
	return result;
}

/* One line for all VMs; few enough to read at a glance. */
static void top_head(json_object *vms, const struct screen *screen)
{
	uint64_t processes = 0, stopped = 0;
	size_t nr = json_object_array_length(vms);
	char line[128], now[16];
	time_t seconds = time(NULL);
	struct tm local;

	for (size_t i = 0; i < nr; i++) {
		json_object *vm = json_object_array_get_idx(vms, i);

		processes += json_number(vm, "processes");
		stopped += json_number(vm, "stopped");
	}
	strftime(now, sizeof(now), "%H:%M:%S", localtime_r(&seconds, &local));
	snprintf(line, sizeof(line), "monarch %s  %zu VMs  %llu processes  %llu stopped",
		 now, nr, (unsigned long long)processes,
		 (unsigned long long)stopped);
	printf("%.*s\n", screen->width ? screen->width : 127, line);
}

static void top_draw(struct cli *cli, json_object *vms, json_object *all)
{
	struct screen screen;
	struct columns columns;

	screen_measure(&screen);
	columns_init(&columns, ps_titles);
	ps_sort(all);
	ps_rows(&columns, all, NULL, cli->kernel);
	if (screen.terminal)
		fputs("\033[H\033[J", stdout);
	top_head(vms, &screen);
	columns_print(&columns, screen.rows - 2, screen.width);
	if (!screen.terminal)
		putchar('\n');
	fflush(stdout);
	columns_deinit(&columns);
}

static void top_draw_json(json_object *vms, json_object *all)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "vms", json_object_get(vms));
	json_object_object_add(object, "processes", json_object_get(all));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(object);
}

static int top_once(struct cli *cli)
{
	json_object *vms, *all;
	int result = cli_call(cli, "ListVMs", &vms, "");

	if (result)
		return result;
	all = json_object_new_array();
	result = top_collect_all(cli, vms, all);
	if (!result && cli->json)
		top_draw_json(vms, all);
	else if (!result)
		top_draw(cli, vms, all);
	json_object_put(all);
	json_object_put(vms);
	return result;
}

static void top_sleep(double seconds)
{
	struct timespec time = {
		.tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9),
	};

	/* a signal ends the sleep, and then top */
	nanosleep(&time, NULL);
}

/* A name that is wrong from the start is an error; later the VM has ended. */
static int top_check_vm(struct cli *cli)
{
	json_object *processes;
	int result;

	if (!cli->nr_arguments)
		return CLI_OK;
	result = ps_fetch(cli, cli->arguments[0], &processes);
	if (!result)
		json_object_put(processes);
	return result;
}

int command_top(struct cli *cli)
{
	struct sigaction action = { .sa_handler = on_signal };
	double interval = cli->interval_s > 0 ? cli->interval_s : 1;
	int result = top_check_vm(cli);

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	for (uint32_t i = 1; !result && !top_ended; i++) {
		result = top_once(cli);
		if (i == cli->count)
			break;
		if (!result)
			top_sleep(interval);
	}
	return top_ended ? CLI_OK : result;
}
