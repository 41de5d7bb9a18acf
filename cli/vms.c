// SPDX-License-Identifier: GPL-2.0-only
/* monarchctl vms */
#include "monarchctl.h"

static const char *const titles[] = {
	"NAME", "STATE", "BY", "KERNEL", ">CPUS", ">RAM", ">PROCS", ">STOPPED", ">CPU",
	">SAMPLED", "NOTE", NULL
};

/* What a person should know: why not running, or what is not as it should be. */
static const char *vm_note(json_object *vm)
{
	if (json_text(vm, "why")[0])
		return json_text(vm, "why");
	if (json_text(vm, "no_edit_why")[0])
		return json_text(vm, "no_edit_why");
	if (json_text(vm, "hold_error")[0])
		return json_text(vm, "hold_error");
	if (json_text(vm, "sample_error")[0])
		return json_text(vm, "sample_error");
	if (json_object_object_get(vm, "complete") && !json_flag(vm, "complete"))
		return "too many processes: not all are shown";
	if (json_text(vm, "hint")[0])
		return json_text(vm, "hint");
	return json_text(vm, "no_kernel_why");
}

static void vm_row(struct columns *columns, json_object *vm)
{
	char ram[FORMAT_LEN], cpu[FORMAT_LEN], every[FORMAT_LEN];
	bool runs = json_text(vm, "release")[0];

	columns_add(columns, "%s", json_text(vm, "name"));
	columns_add(columns, "%s", json_text(vm, "state"));
	columns_add(columns, "%s", json_text(vm, "backend")[0] ?
		    json_text(vm, "backend") : "-");
	columns_add(columns, "%s", json_text(vm, "release"));
	/* not known while it is being attached to */
	columns_add(columns, "%s", json_object_object_get(vm, "vcpus") ?
		    json_text(vm, "vcpus") : "-");
	columns_add(columns, "%s", json_object_object_get(vm, "ram_bytes") ?
		    format_bytes(ram, json_number(vm, "ram_bytes")) : "-");
	if (runs) {
		columns_add(columns, "%llu", (unsigned long long)json_number(vm, "processes"));
		columns_add(columns, "%llu", (unsigned long long)json_number(vm, "stopped"));
		columns_add(columns, "%s", format_time(cpu, json_number(vm, "cpu_ns")));
		columns_add(columns, "%s", format_short(every, json_number(vm, "sampled_every_ns")));
	} else {
		for (int i = 0; i < 4; i++)
			columns_add(columns, "-");
	}
	columns_add(columns, "%s", vm_note(vm));
}

int command_vms(struct cli *cli)
{
	struct columns columns;
	json_object *vms;
	int result = cli_call(cli, "ListVMs", &vms, "");

	if (result)
		return result;
	if (cli->json) {
		json_print(vms);
	} else {
		columns_init(&columns, titles);
		for (size_t i = 0; i < json_object_array_length(vms); i++)
			vm_row(&columns, json_object_array_get_idx(vms, i));
		columns_print(&columns, 0, 0);
		columns_deinit(&columns);
	}
	json_object_put(vms);
	return CLI_OK;
}
