// SPDX-License-Identifier: GPL-2.0-only
/* monarchctl stats, version */
#include <stdio.h>

#include "../include/monarch/bus.h"
#include "monarchctl.h"

static const char *const titles[] = { "COUNTER", ">VALUE", NULL };

int command_stats(struct cli *cli)
{
	struct columns columns;
	json_object *stats;
	int result = cli_call(cli, "GetStatistics", &stats, "");

	if (result)
		return result;
	if (cli->json) {
		json_print(stats);
	} else {
		columns_init(&columns, titles);
		json_object_object_foreach(stats, key, value) {
			columns_add(&columns, "%s", key);
			columns_add(&columns, "%s", json_object_get_string(value));
		}
		columns_print(&columns, 0, 0);
		columns_deinit(&columns);
	}
	json_object_put(stats);
	return CLI_OK;
}

int command_version(struct cli *cli)
{
	json_object *object = json_object_new_object(), *version = NULL;
	int result = cli->bus ? cli_property(cli, "Version", &version) :
				CLI_NO_DAEMON;

	json_object_object_add(object, "monarchctl",
			       json_object_new_string(MONARCH_VERSION));
	if (version)
		json_object_object_add(object, "monarchd", version);
	if (cli->json)
		json_print(object);
	else
		printf("monarchctl %s\nmonarchd   %s\n", MONARCH_VERSION,
		       version ? json_object_get_string(version) : "not reached");
	json_object_put(object);
	return result;
}
