// SPDX-License-Identifier: GPL-2.0-only
/* monarchctl policy */
#include <stdio.h>

#include "monarchctl.h"

static const char *const titles[] = {
	"NAME", "TYPE", "STATE", ">HOLDS", ">USED", ">LIMIT", ">PERIOD",
	">QUANTUM", "STOP", "WHILE", "FILE", NULL
};

static void policy_row(struct columns *columns, json_object *policy)
{
	char text[FORMAT_LEN];
	const char *during = json_text(policy, "while");

	columns_add(columns, "%s", json_text(policy, "name"));
	columns_add(columns, "%s", json_text(policy, "type"));
	columns_add(columns, "%s", json_flag(policy, "holding") ? "stops" : "lets run");
	columns_add(columns, "%s", json_text(policy, "holds"));
	columns_add(columns, "%s", format_short(text, json_number(policy, "used_ns")));
	columns_add(columns, "%s", format_short(text, json_number(policy, "limit_ns")));
	columns_add(columns, "%s", format_short(text, json_number(policy, "period_ns")));
	columns_add(columns, "%s", format_short(text, json_number(policy, "quantum_ns")));
	columns_add(columns, "%s", json_text(policy, "stop"));
	columns_add(columns, "%s", during[0] ? during : "(all others)");
	columns_add(columns, "%s", json_text(policy, "file"));
}

int command_policy(struct cli *cli)
{
	struct columns columns;
	json_object *policies;
	int result = cli_call(cli, "ListPolicies", &policies, "");

	if (result)
		return result;
	if (cli->json) {
		json_print(policies);
	} else {
		columns_init(&columns, titles);
		for (size_t i = 0; i < json_object_array_length(policies); i++)
			policy_row(&columns, json_object_array_get_idx(policies, i));
		columns_print(&columns, 0, 0);
		columns_deinit(&columns);
	}
	json_object_put(policies);
	return CLI_OK;
}
