// SPDX-License-Identifier: GPL-2.0-only
/* monarchctl: which command, with which options. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/monarch/bus.h"
#include "monarchctl.h"

static int command_help(struct cli *cli);

static const struct cli_command commands[] = {
	{ "vms", "", "virtual machines, and how far each is seen into", 0, 0, command_vms },
	{ "ps", "[VM]", "processes of one VM or of all", 0, 1, command_ps },
	{ "top", "[VM]", "the busiest processes, again and again", 0, 1, command_top },
	{ "suspend", "VM PID|NAME", "stop a process until it is resumed", 2, 2, command_suspend },
	{ "resume", "VM PID|NAME", "let a suspended process run", 2, 2, command_resume },
	{ "policy", "", "policies in force, with their figures", 0, 0, command_policy },
	{ "reload", "", "read the policy files again", 0, 0, command_reload },
	{ "recover", "[VM]", "find and resume what a dead daemon left stopped", 0, 1, command_recover },
	{ "stats", "", "counters of the daemon", 0, 0, command_stats },
	{ "version", "", "versions of monarchctl and of the daemon", 0, 0, command_version },
	{ "help", "", "this text", 0, 0, command_help },
	{}
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "all", no_argument, NULL, 'a' },
	{ "kernel", no_argument, NULL, 'k' },
	{ "interval", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'n' },
	{ "bus-socket", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{}
};

static int command_help(struct cli *cli)
{
	puts("Usage: monarchctl [OPTION]... COMMAND [ARGUMENT]...\n"
	     "See and control the processes inside this host's virtual machines.\n");
	for (const struct cli_command *command = commands; command->name; command++)
		printf("  %-8s %-12s %s\n", command->name, command->arguments,
		       command->help);
	puts("\n"
	     "  -j, --json           print JSON\n"
	     "  -q, --quiet          no headings and no confirmations\n"
	     "  -k, --kernel         show kernel threads too\n"
	     "      --all            act on all processes of that name\n"
	     "      --interval SEC   of top (default 1)\n"
	     "      --count N        end top after N times\n"
	     "      --bus-socket P   the daemon's socket (default $MONARCH_BUS, else\n"
	     "                       " MONARCH_BUS_SOCKET ", else the system bus)\n"
	     "\n"
	     "A VM is named by its name, uuid or QEMU's pid. Bytes of a process's name that\n"
	     "are not printable ASCII are shown, and can be typed, as \\xNN.\n"
	     "\n"
	     "Exit: 0 done; 1 refused or failed; 2 usage; 3 no daemon; 4 no such VM or\n"
	     "process, or more than one.");
	return CLI_OK;
}

static int usage_error(const char *what, const char *which)
{
	fprintf(stderr, "monarchctl: %s%s%s%s; `monarchctl help` tells more\n",
		what, which ? " \"" : "", which ? which : "", which ? "\"" : "");
	return CLI_USAGE;
}

static bool parse_interval(const char *text, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0.05 && value <= 3600))
		return false;
	*ret = value;
	return true;
}

static bool parse_count(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || !value ||
	    value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* Return: CLI_OK, CLI_USAGE after a message. */
static int set_option(struct cli *cli, int option)
{
	switch (option) {
	case 'j': cli->json = true; return CLI_OK;
	case 'q': cli->quiet = true; return CLI_OK;
	case 'a': cli->all = true; return CLI_OK;
	case 'k': cli->kernel = true; return CLI_OK;
	case 's': cli->socket = optarg; return CLI_OK;
	case 'h': exit(command_help(cli));
	case 'V': puts("monarchctl " MONARCH_VERSION); exit(CLI_OK);
	case 'i':
		return parse_interval(optarg, &cli->interval_s) ? CLI_OK :
		       usage_error("--interval wants seconds from 0.05 to 3600, found", optarg);
	case 'n':
		return parse_count(optarg, &cli->count) ? CLI_OK :
		       usage_error("--count wants a number above 0, found", optarg);
	}
	return usage_error("wrong option", NULL);
}

static const struct cli_command *find_command(const char *name)
{
	const struct cli_command *command = commands;

	while (command->name && strcmp(command->name, name))
		command++;
	return command->name ? command : NULL;
}

static int run_command(struct cli *cli, const struct cli_command *command)
{
	int result;

	if (cli->nr_arguments < command->min || cli->nr_arguments > command->max) {
		fprintf(stderr, "monarchctl: expected `monarchctl %s%s%s`\n",
			command->name, *command->arguments ? " " : "",
			command->arguments);
		return CLI_USAGE;
	}
	if (command->run == command_help)
		return command_help(cli);
	result = cli_connect(cli);
	if (result == CLI_OK || command->run == command_version)
		result = command->run(cli);
	sd_bus_flush_close_unref(cli->bus);
	return result;
}

int main(int argc, char **argv)
{
	const struct cli_command *command;
	struct cli cli = {};
	int option, result = CLI_OK;

	while (!result && (option = getopt_long(argc, argv, "jqakhVi:n:",
						long_options, NULL)) != -1)
		result = set_option(&cli, option);
	if (result)
		return result;
	if (optind == argc)
		return usage_error("expected a command", NULL);
	command = find_command(argv[optind]);
	if (!command)
		return usage_error("no command", argv[optind]);
	cli.arguments = argv + optind + 1;
	cli.nr_arguments = argc - optind - 1;
	result = run_command(&cli, command);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "monarchctl: cannot write the output: %s\n",
			strerror(errno));
		return CLI_FAILED;
	}
	return result;
}
