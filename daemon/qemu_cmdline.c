// SPDX-License-Identifier: GPL-2.0-only
/*
 * Facts about a VM from the command line of its QEMU.
 *
 * Options are read as QEMU does: "-x" and "--x" are one, values are lists
 * "a,key=b" in which ",," is a comma, and newer ones may be JSON. What is not
 * understood is skipped: a command line is a hint, the monitor knows better.
 */
#include <ctype.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "qemu_cmdline.h"

#define ARG_MAX_LEN	4096	/* of one value that we look into */
#define CMDLINE_MAX	(1u << 20)
#define NR_CHARDEVS	32

/* Sockets named by -chardev before or after the -mon that uses them. */
struct chardev {
	char id[64];
	char path[256];
};

struct parse {
	struct qemu_cmdline *cmdline;
	struct chardev chardevs[NR_CHARDEVS];
	u32 nr_chardevs;
	char mon_chardev[64];
};

static void copy(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	len = min(len, size - 1);
	memcpy(to, from, len);
	to[len] = '\0';
}

/*
 * Value of @key in the list @text; "" as key means the first item, without a
 * key. Return: found.
 */
static bool list_get(const char *text, const char *key, char *ret, size_t size)
{
	bool first = true;

	while (*text) {
		char item[ARG_MAX_LEN];
		size_t n = 0, key_len = strlen(key);
		char *equals;

		for (; *text && !(text[0] == ',' && text[1] != ','); text++) {
			text += text[0] == ',';
			if (n < sizeof(item) - 1)
				item[n++] = *text;
		}
		item[n] = '\0';
		text += *text == ',';
		equals = strchr(item, '=');
		if (key_len && equals && (size_t)(equals - item) == key_len &&
		    !strncmp(item, key, key_len)) {
			copy(ret, size, equals + 1);
			return true;
		}
		if (!key_len && first && !equals) {
			copy(ret, size, item);
			return true;
		}
		first = false;
	}
	return false;
}

/* The same for the JSON form. */
static bool json_get(const char *text, const char *key, char *ret, size_t size)
{
	struct json_object *root = json_tokener_parse(text), *value;
	bool found = json_object_is_type(root, json_type_object) &&
		json_object_object_get_ex(root, key, &value) &&
		json_object_is_type(value, json_type_string);

	if (found)
		copy(ret, size, json_object_get_string(value));
	json_object_put(root);
	return found;
}

static bool option_get(const char *text, const char *key, char *ret,
		       size_t size)
{
	return text[0] == '{' ? json_get(text, key, ret, size) :
				list_get(text, key, ret, size);
}

static void parse_name(struct parse *parse, const char *value)
{
	struct qemu_cmdline *cmdline = parse->cmdline;

	if (!list_get(value, "guest", cmdline->name, sizeof(cmdline->name)))
		list_get(value, "", cmdline->name, sizeof(cmdline->name));
}

static void parse_uuid(struct parse *parse, const char *value)
{
	char *uuid = parse->cmdline->uuid;

	copy(uuid, sizeof(parse->cmdline->uuid), value);
	for (; *uuid; uuid++)
		*uuid = tolower((u8)*uuid);
}

static void parse_memory(struct parse *parse, const char *value)
{
	char text[64];
	char *end;
	u64 size;

	if (!list_get(value, "size", text, sizeof(text)) &&
	    !list_get(value, "", text, sizeof(text)))
		return;
	size = strtoull(text, &end, 10);
	switch (toupper((u8)*end)) {
	case 'T':
		size *= 1024;
		/* fall through */
	case 'G':
		size *= 1024;
		/* fall through */
	case '\0':
	case 'M':
		size *= 1024;
		/* fall through */
	case 'K':
		size *= 1024;
	}
	parse->cmdline->memory_bytes = size;
}

static void parse_machine(struct parse *parse, const char *value)
{
	struct qemu_cmdline *cmdline = parse->cmdline;
	char text[64];

	if (!option_get(value, "type", cmdline->machine,
			sizeof(cmdline->machine)))
		option_get(value, "", cmdline->machine,
			   sizeof(cmdline->machine));
	if (option_get(value, "confidential-guest-support", text, sizeof(text)))
		copy(cmdline->encrypted, sizeof(cmdline->encrypted),
		     "confidential-guest-support");
	if (option_get(value, "memory-encryption", text, sizeof(text)))
		copy(cmdline->encrypted, sizeof(cmdline->encrypted),
		     "memory-encryption");
}

static void parse_object(struct parse *parse, const char *value)
{
	static const char *const encrypting[] = {
		"sev-guest", "sev-snp-guest", "tdx-guest",
	};
	struct qemu_cmdline *cmdline = parse->cmdline;
	char type[64] = "";

	if (!option_get(value, "qom-type", type, sizeof(type)))
		option_get(value, "", type, sizeof(type));
	for (u32 i = 0; i < ARRAY_SIZE(encrypting); i++)
		if (!strcmp(type, encrypting[i]))
			copy(cmdline->encrypted, sizeof(cmdline->encrypted),
			     type);
}

/* "unix:PATH,server=on" */
static void parse_qmp(struct parse *parse, const char *value)
{
	struct qemu_cmdline *cmdline = parse->cmdline;
	char device[256];

	if (!list_get(value, "", device, sizeof(device)))
		return;
	if (!strncmp(device, "unix:", 5))
		copy(cmdline->qmp_path, sizeof(cmdline->qmp_path), device + 5);
	else if (!strncmp(device, "chardev:", 8))
		copy(parse->mon_chardev, sizeof(parse->mon_chardev), device + 8);
}

static void parse_mon(struct parse *parse, const char *value)
{
	char mode[16] = "", id[64] = "";

	option_get(value, "mode", mode, sizeof(mode));
	if (strcmp(mode, "control"))
		return;
	if (!option_get(value, "chardev", id, sizeof(id)))
		option_get(value, "", id, sizeof(id));
	if (!strcmp(id, "charmonitor"))
		parse->cmdline->libvirt = true;
	copy(parse->mon_chardev, sizeof(parse->mon_chardev), id);
}

static void parse_chardev(struct parse *parse, const char *value)
{
	struct chardev *chardev;

	if (parse->nr_chardevs == NR_CHARDEVS)
		return;
	chardev = &parse->chardevs[parse->nr_chardevs];
	if (option_get(value, "id", chardev->id, sizeof(chardev->id)) &&
	    option_get(value, "path", chardev->path, sizeof(chardev->path)))
		parse->nr_chardevs++;
}

static void parse_gdb(struct parse *parse, const char *value)
{
	parse->cmdline->gdb = true;
}

static const struct {
	const char *name;
	void (*parse)(struct parse *parse, const char *value);
	bool no_value;
} options[] = {
	{ "name", parse_name, false },
	{ "uuid", parse_uuid, false },
	{ "m", parse_memory, false },
	{ "machine", parse_machine, false },
	{ "M", parse_machine, false },
	{ "object", parse_object, false },
	{ "qmp", parse_qmp, false },
	{ "qmp-pretty", parse_qmp, false },
	{ "mon", parse_mon, false },
	{ "chardev", parse_chardev, false },
	{ "gdb", parse_gdb, false },
	{ "s", parse_gdb, true },
};

/* Return: the value was used up, too. */
static bool parse_option(struct parse *parse, const char *arg,
			 const char *value)
{
	if (arg[0] != '-')
		return false;
	arg += arg[1] == '-' ? 2 : 1;
	for (u32 i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(arg, options[i].name))
			continue;
		options[i].parse(parse, value);
		return !options[i].no_value;
	}
	return false;
}

/* @text must end with a NUL. */
static void parse_args(struct parse *parse, const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		const char *value = text + strlen(text) + 1;

		if (value > end)
			break;
		if (parse_option(parse, text, value < end ? value : "") &&
		    value < end)
			value += strlen(value) + 1;
		text = value;
	}
}

void qemu_cmdline_parse(const char *text, size_t len, struct qemu_cmdline *ret)
{
	struct parse *parse = calloc(1, sizeof(*parse));
	char *args = malloc(len + 1);

	memset(ret, 0, sizeof(*ret));
	if (parse && args) {
		memcpy(args, text, len);
		args[len] = '\0';
		parse->cmdline = ret;
		parse_args(parse, args, len);
		for (u32 i = 0; i < parse->nr_chardevs && !ret->qmp_path[0]; i++)
			if (!strcmp(parse->chardevs[i].id, parse->mon_chardev))
				copy(ret->qmp_path, sizeof(ret->qmp_path),
				     parse->chardevs[i].path);
	}
	free(args);
	free(parse);
}

int qemu_cmdline_read(pid_t pid, struct qemu_cmdline *ret)
{
	char path[64];
	char *text;
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	text = malloc(CMDLINE_MAX);
	if (!text) {
		fclose(file);
		return -ENOMEM;
	}
	len = fread(text, 1, CMDLINE_MAX, file);
	fclose(file);
	if (!len) {
		/* In the middle of exec, or dead. */
		free(text);
		return -EAGAIN;
	}
	qemu_cmdline_parse(text, len, ret);
	free(text);
	return 0;
}

bool qemu_is_system(const char *basename)
{
	return !strncmp(basename, "qemu-system-", 12) ||
	       !strcmp(basename, "qemu-kvm") || !strcmp(basename, "kvm");
}

bool qemu_is_x86(const char *basename)
{
	return !strncmp(basename, "qemu-system-x86_64", 18) ||
	       !strcmp(basename, "qemu-kvm") || !strcmp(basename, "kvm");
}

int qemu_exe(pid_t pid, char *ret, size_t size)
{
	char path[64], exe[4096];
	char *name, *deleted;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	exe[n] = '\0';
	deleted = strstr(exe, " (deleted)");
	if (deleted)
		*deleted = '\0';
	name = strrchr(exe, '/');
	copy(ret, size, name ? name + 1 : exe);
	return 0;
}
