// SPDX-License-Identifier: GPL-2.0-only
/* monarchctl ps; top shares the rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monarchctl.h"

const char *const ps_titles[] = {
	"VM", ">PID", ">PPID", ">UID", "S", ">THR", ">%CPU", ">TIME", ">USED",
	"STOP", "BY", "NAME", NULL
};

/* In the order of MONARCH_PROCESS_FIELDS. */
static const char *const fields[] = {
	"pid", "parent", "uid", "gid", "threads", "state", "name",
	"cpu_guest_ns", "cpu_ns", "start_ns", "cpu_percent", "stop", "more",
};

static json_object *process_named(json_object *values)
{
	json_object *object = json_object_new_object();

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		json_object *value = json_object_array_get_idx(values, i);

		json_object_object_add(object, fields[i],
				       json_object_get(value));
	}
	return object;
}

int ps_fetch(struct cli *cli, const char *vm, json_object **ret)
{
	json_object *list, *processes = json_object_new_array();
	int result = cli_call(cli, "ListProcesses", &list, "s", vm);

	if (result) {
		json_object_put(processes);
		return result;
	}
	for (size_t i = 0; i < json_object_array_length(list); i++)
		json_object_array_add(processes,
			process_named(json_object_array_get_idx(list, i)));
	json_object_put(list);
	*ret = processes;
	return CLI_OK;
}

static int by_cpu(const void *a, const void *b)
{
	json_object *first = *(json_object *const *)a;
	json_object *second = *(json_object *const *)b;
	double x = json_real(first, "cpu_percent");
	double y = json_real(second, "cpu_percent");
	uint64_t s = json_number(first, "cpu_guest_ns");
	uint64_t t = json_number(second, "cpu_guest_ns");

	if (x != y)
		return x < y ? 1 : -1;
	return s == t ? 0 : s < t ? 1 : -1;
}

void ps_sort(json_object *processes)
{
	json_object_array_sort(processes, by_cpu);
}

static void ps_row(struct columns *columns, json_object *process, const char *vm)
{
	json_object *more = json_object_object_get(process, "more");
	char time[FORMAT_LEN], used[FORMAT_LEN];
	const char *stop = json_text(process, "stop");

	columns_add(columns, "%s", vm);
	columns_add(columns, "%s", json_text(process, "pid"));
	columns_add(columns, "%s", json_text(process, "parent"));
	columns_add(columns, "%s", json_text(process, "uid"));
	columns_add(columns, "%s", json_text(process, "state"));
	columns_add(columns, "%s", json_text(process, "threads"));
	columns_add(columns, "%.1f", json_real(process, "cpu_percent"));
	columns_add(columns, "%s", format_time(time, json_number(process, "cpu_guest_ns")));
	columns_add(columns, "%s", format_time(used, json_number(process, "cpu_ns")));
	columns_add(columns, "%s", strcmp(stop, "runs") ? stop : "-");
	columns_add(columns, "%s", json_text(more, "held_by")[0] ? json_text(more, "held_by") : "-");
	columns_add(columns, json_flag(more, "kernel") ? "[%s]" : "%s", json_text(process, "name"));
}

void ps_rows(struct columns *columns, json_object *processes, const char *vm,
	     bool kernel)
{
	for (size_t i = 0; i < json_object_array_length(processes); i++) {
		json_object *process = json_object_array_get_idx(processes, i);
		json_object *more = json_object_object_get(process, "more");

		if (kernel || !json_flag(more, "kernel"))
			ps_row(columns, process,
			       vm ? vm : json_text(process, "vm"));
	}
}

/* One VM's part of the answer. A VM not seen into is a note, not a failure. */
static int ps_vm(struct cli *cli, struct columns *columns, json_object *all,
		 const char *vm)
{
	json_object *processes, *object;
	int result = ps_fetch(cli, vm, &processes);

	if (result)
		return result;
	if (cli->json) {
		object = json_object_new_object();
		json_object_object_add(object, "vm", json_object_new_string(vm));
		json_object_object_add(object, "processes", processes);
		json_object_array_add(all, object);
		return CLI_OK;
	}
	ps_rows(columns, processes, vm, cli->kernel);
	json_object_put(processes);
	return CLI_OK;
}

static int ps_all(struct cli *cli, struct columns *columns, json_object *all)
{
	json_object *vms;
	int result = cli_call(cli, "ListVMs", &vms, "");

	if (result)
		return result;
	for (size_t i = 0; !result && i < json_object_array_length(vms); i++) {
		json_object *vm = json_object_array_get_idx(vms, i);
		const char *name = json_text(vm, "name");

		if (!strcmp(json_text(vm, "state"), "running"))
			result = ps_vm(cli, columns, all, name);
		else if (!cli->quiet)
			fprintf(stderr, "monarchctl: VM %s is %s: %s\n", name,
				json_text(vm, "state"), json_text(vm, "why"));
		/* gone between the two calls: nothing to show of it */
		if (result == CLI_NOT_FOUND)
			result = CLI_OK;
	}
	json_object_put(vms);
	return result;
}

int command_ps(struct cli *cli)
{
	json_object *all = json_object_new_array();
	struct columns columns;
	int result;

	columns_init(&columns, ps_titles);
	if (cli->nr_arguments)
		result = ps_vm(cli, &columns, all, cli->arguments[0]);
	else
		result = ps_all(cli, &columns, all);
	if (!result && cli->json)
		json_print(all);
	else if (!result)
		columns_print(&columns, 0, 0);
	columns_deinit(&columns);
	json_object_put(all);
	return result;
}
