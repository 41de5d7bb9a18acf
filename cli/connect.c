// SPDX-License-Identifier: GPL-2.0-only
/* Reaching the daemon, and calling it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../include/monarch/bus.h"
#include "../include/monarch/escape.h"
#include "monarchctl.h"

#define CALL_TIMEOUT_US 10000000ull

/* A path as part of a D-Bus address: all but a few characters are %XX. */
static int address_of(const char *path, char *address, size_t size)
{
	size_t at = (size_t)snprintf(address, size, "unix:path=");

	for (; *path; path++) {
		bool plain = (*path >= '0' && *path <= '9') ||
			     (*path >= 'a' && *path <= 'z') ||
			     (*path >= 'A' && *path <= 'Z') ||
			     strchr("-_/.*", *path);

		if (at + 4 > size)
			return -ENAMETOOLONG;
		at += (size_t)snprintf(address + at, size - at,
				       plain ? "%c" : "%%%02x",
				       (unsigned char)*path);
	}
	return 0;
}

static int connect_socket(struct cli *cli, const char *path)
{
	char address[4096];
	int error = address_of(path, address, sizeof(address));

	if (error >= 0)
		error = sd_bus_new(&cli->bus);
	if (error >= 0)
		error = sd_bus_set_address(cli->bus, address);
	if (error >= 0)
		error = sd_bus_start(cli->bus);
	return error;
}

static int connect_any(struct cli *cli, const char **ret_where)
{
	const char *path = cli->socket ? cli->socket : getenv(MONARCH_BUS_ENV);

	if (!path && !access(MONARCH_BUS_SOCKET, F_OK))
		path = MONARCH_BUS_SOCKET;
	*ret_where = path ? path : "the system bus";
	if (path)
		return connect_socket(cli, path);
	cli->destination = MONARCH_BUS_NAME;
	return sd_bus_open_system(&cli->bus);
}

int cli_connect(struct cli *cli)
{
	const char *where;
	int error = connect_any(cli, &where);

	if (error >= 0) {
		sd_bus_set_method_call_timeout(cli->bus, CALL_TIMEOUT_US);
		return CLI_OK;
	}
	cli->bus = sd_bus_unref(cli->bus);
	fprintf(stderr, "monarchctl: cannot reach monarchd at %s: %s; is it running (systemctl status monarchd), and may you use it (root or group monarch)?\n",
		where, strerror(-error));
	return CLI_NO_DAEMON;
}

static int exit_code(const char *name)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = {
		{ MONARCH_ERROR_NO_VM, CLI_NOT_FOUND },
		{ MONARCH_ERROR_NO_PROCESS, CLI_NOT_FOUND },
		{ MONARCH_ERROR_AMBIGUOUS, CLI_NOT_FOUND },
		{ SD_BUS_ERROR_SERVICE_UNKNOWN, CLI_NO_DAEMON },
		{ SD_BUS_ERROR_NAME_HAS_NO_OWNER, CLI_NO_DAEMON },
		{ SD_BUS_ERROR_NO_REPLY, CLI_NO_DAEMON },
		{ SD_BUS_ERROR_DISCONNECTED, CLI_NO_DAEMON },
		{ SD_BUS_ERROR_TIMEOUT, CLI_NO_DAEMON },
	};

	for (size_t i = 0; name && i < sizeof(codes) / sizeof(*codes); i++)
		if (!strcmp(codes[i].name, name))
			return codes[i].code;
	return CLI_FAILED;
}

/* Lines of a message from the daemon, each made fit for a terminal. */
static int report(const sd_bus_error *error, int number)
{
	const char *text = error->message ? error->message : strerror(-number);
	char *copy = strdup(text), *rest = NULL, *line;
	int code = error->name ? exit_code(error->name) : CLI_FAILED;

	if (number == -ECONNRESET || number == -ENOTCONN || number == -EPIPE)
		code = CLI_NO_DAEMON;
	for (line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		fprintf(stderr, "monarchctl: %s\n", monarch_printable(line));
	free(copy);
	return code;
}

int cli_call(struct cli *cli, const char *method, json_object **ret,
	     const char *types, ...)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *call = NULL, *reply = NULL;
	va_list arguments;
	int result = sd_bus_message_new_method_call(cli->bus, &call,
						    cli->destination,
						    MONARCH_BUS_PATH,
						    MONARCH_BUS_MANAGER, method);

	va_start(arguments, types);
	if (result >= 0)
		result = sd_bus_message_appendv(call, types, arguments);
	va_end(arguments);
	if (result >= 0)
		result = sd_bus_call(cli->bus, call, 0, &error, &reply);
	if (result >= 0) {
		*ret = json_from_message(reply);
		result = *ret ? 0 : -ENOMEM;
	}
	result = result < 0 ? report(&error, result) : CLI_OK;
	sd_bus_error_free(&error);
	sd_bus_message_unref(call);
	sd_bus_message_unref(reply);
	return result;
}

int cli_property(struct cli *cli, const char *property, json_object **ret)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int result = sd_bus_call_method(cli->bus, cli->destination,
					MONARCH_BUS_PATH,
					"org.freedesktop.DBus.Properties",
					"Get", &error, &reply, "ss",
					MONARCH_BUS_MANAGER, property);

	if (result >= 0) {
		*ret = json_from_message(reply);
		result = *ret ? 0 : -ENOMEM;
	}
	result = result < 0 ? report(&error, result) : CLI_OK;
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	return result;
}
