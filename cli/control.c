// SPDX-License-Identifier: GPL-2.0-only
/* monarchctl suspend, resume, recover, reload: what changes something. */
#include <stdio.h>
#include <string.h>

#include "../include/monarch/escape.h"
#include "monarchctl.h"

static bool outcome_good(json_object *process, bool stop)
{
	const char *outcome = json_text(process, "outcome");

	if (!stop)
		return !strcmp(outcome, "runs") || !strcmp(outcome, "gone");
	return !strcmp(outcome, "parked") || !strcmp(outcome, "asleep") ||
	       !strcmp(outcome, "stopping");
}

/* "asleep" is as good as stopped: it runs no further instruction of its own. */
static const char *outcome_text(json_object *process, bool stop)
{
	const char *outcome = json_text(process, "outcome");

	if (!stop)
		return outcome;
	if (!strcmp(outcome, "parked"))
		return "stopped";
	if (!strcmp(outcome, "asleep"))
		return "stopped (asleep; it will not come back from its system call)";
	if (!strcmp(outcome, "stopping"))
		return "stopping (not yet out of the kernel)";
	return outcome;
}

static void control_report(struct cli *cli, json_object *process, bool stop)
{
	bool good = outcome_good(process, stop);
	char line[512];

	if (good && cli->quiet)
		return;
	snprintf(line, sizeof(line), "%s (%s) in %s: %s%s%s%s%s",
		 json_text(process, "pid"), json_text(process, "name"),
		 cli->arguments[0], outcome_text(process, stop),
		 json_text(process, "why")[0] ? "; it " : "",
		 json_text(process, "why"),
		 !strcmp(json_text(process, "outcome"), "held") ? ": " : "",
		 !strcmp(json_text(process, "outcome"), "held") ?
			 json_text(process, "held_by") : "");
	fprintf(good ? stdout : stderr, "%s%s\n", good ? "" : "monarchctl: ",
		monarch_printable(line));
}

static int control(struct cli *cli, const char *method, bool stop)
{
	json_object *processes;
	int result = cli_call(cli, method, &processes, "ssb", cli->arguments[0],
			      cli->arguments[1], (int)cli->all);

	if (result)
		return result;
	for (size_t i = 0; i < json_object_array_length(processes); i++) {
		json_object *process = json_object_array_get_idx(processes, i);

		if (!outcome_good(process, stop))
			result = CLI_FAILED;
		if (!cli->json)
			control_report(cli, process, stop);
	}
	if (cli->json)
		json_print(processes);
	json_object_put(processes);
	return result;
}

int command_suspend(struct cli *cli)
{
	return control(cli, "Suspend", true);
}

int command_resume(struct cli *cli)
{
	return control(cli, "Resume", false);
}

/* VMs in which nothing could be looked for or freed. */
static void recover_report(json_object *answer)
{
	char line[4096];

	json_object_object_foreach(json_object_object_get(answer, "skipped"),
				   name, why) {
		snprintf(line, sizeof(line), "VM %s: orphans in it stay stopped: %s",
			 name, json_object_get_string(why));
		fprintf(stderr, "monarchctl: %s\n", monarch_printable(line));
	}
}

int command_recover(struct cli *cli)
{
	json_object *answer;
	int result = cli_call(cli, "Recover", &answer, "s",
			      cli->nr_arguments ? cli->arguments[0] : "");

	if (result)
		return result;
	if (json_object_object_length(json_object_object_get(answer, "skipped")))
		result = CLI_FAILED;
	if (cli->json) {
		json_print(answer);
	} else {
		if (!cli->quiet)
			printf("orphans found, and being resumed: %s\n",
			       json_text(answer, "orphans"));
		recover_report(answer);
	}
	json_object_put(answer);
	return result;
}

int command_reload(struct cli *cli)
{
	json_object *number, *object;
	int result = cli_call(cli, "Reload", &number, "");

	if (result)
		return result;
	object = json_object_new_object();
	json_object_object_add(object, "policies", number);
	if (cli->json)
		json_print(object);
	else if (!cli->quiet)
		printf("policies in force: %s\n", json_text(object, "policies"));
	json_object_put(object);
	return CLI_OK;
}
