/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * monarchctl: a table of commands, one file each. Every command asks the daemon
 * over D-Bus, turns the answer into JSON, and prints that: as it is with --json,
 * as a table for people without.
 */
#ifndef CLI_MONARCHCTL_H
#define CLI_MONARCHCTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,		/* the daemon refused, or it did not work */
	CLI_USAGE = 2,
	CLI_NO_DAEMON = 3,
	CLI_NOT_FOUND = 4,	/* no such VM or process, or the name is ambiguous */
};

/**
 * struct cli - the invocation
 * @arguments: after the command's name
 * @interval_s, @count: of top; 0: not given
 */
struct cli {
	sd_bus *bus;
	const char *destination;
	const char *socket;
	bool json;
	bool quiet;
	bool all;
	bool kernel;
	double interval_s;
	uint32_t count;
	char **arguments;
	int nr_arguments;
};

struct cli_command {
	const char *name;
	const char *arguments;
	const char *help;
	int min, max;
	int (*run)(struct cli *cli);
};

/* connect.c */
int cli_connect(struct cli *cli);

/**
 * cli_call() - call a method of the manager
 * @types: of the arguments that follow
 * @ret: its reply as JSON (json.c), the caller's
 * Return: CLI_OK, or what to exit with; the error was printed.
 */
int cli_call(struct cli *cli, const char *method, json_object **ret,
	     const char *types, ...);
int cli_property(struct cli *cli, const char *property, json_object **ret);

/* json.c: a message's contents, whatever they are. NULL: out of memory. */
json_object *json_from_message(sd_bus_message *message);

/* Members of objects; "" or 0 where there is none. */
const char *json_text(json_object *object, const char *key);
uint64_t json_number(json_object *object, const char *key);
double json_real(json_object *object, const char *key);
bool json_flag(json_object *object, const char *key);

/* Print @object as the answer of a --json call. */
int json_print(json_object *object);

/* columns.c: tables with aligned columns. */
#define COLUMNS_MAX 16

struct columns {
	const char *titles[COLUMNS_MAX];
	bool right[COLUMNS_MAX];
	int nr;
	char **cells;
	int nr_cells, max_cells;
};

/* @titles: one per column, NULL ends; a '>' in front aligns right. */
void columns_init(struct columns *columns, const char *const *titles);

/* The next cell; made fit for a terminal. */
void columns_add(struct columns *columns, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Print at most @rows rows (0: all), lines cut at @width (0: not). */
void columns_print(const struct columns *columns, int rows, int width);
void columns_deinit(struct columns *columns);

/* format.c: figures for people; into @text, which is returned. */
#define FORMAT_LEN 32

const char *format_time(char text[FORMAT_LEN], uint64_t ns);
const char *format_short(char text[FORMAT_LEN], uint64_t ns);
const char *format_bytes(char text[FORMAT_LEN], uint64_t bytes);

/* ps.c: processes of one VM, as an array of objects with names. */
int ps_fetch(struct cli *cli, const char *vm, json_object **ret);
void ps_rows(struct columns *columns, json_object *processes, const char *vm,
	     bool kernel);
void ps_sort(json_object *processes);
extern const char *const ps_titles[];

/* Commands. */
int command_vms(struct cli *cli);
int command_ps(struct cli *cli);
int command_top(struct cli *cli);
int command_suspend(struct cli *cli);
int command_resume(struct cli *cli);
int command_policy(struct cli *cli);
int command_recover(struct cli *cli);
int command_reload(struct cli *cli);
int command_stats(struct cli *cli);
int command_version(struct cli *cli);

#endif /* CLI_MONARCHCTL_H */
