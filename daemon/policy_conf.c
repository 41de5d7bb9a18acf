// SPDX-License-Identifier: GPL-2.0-only
/*
 * See policy_conf.h. inih splits lines into section, key and value; it is fed
 * one line at a time, so that every error knows its line, and it never sees a
 * line that it would cut, join or half ignore without a word: longer than its
 * buffer, indented, with a comment behind the value.
 */
#include "policy_conf.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../include/monarch/escape.h"
#include "policy_value.h"

#define CONF_LINE_MAX		190	/* inih's buffer is 200 */
#define CONF_SECTION_MAX	48	/* inih keeps 50 of it, with the NUL */
#define CONF_SET_PREFIX		"Set "
#define CONF_KEYS_MAX		16
#define CONF_NAMES_GAP		" \t,"	/* between names of sets */

/* A key of a section was seen on this line. */
struct conf_seen {
	const char *key;
	u32 line;
};

/* Stop= and While= name sets that may come later in the file. */
struct conf_names {
	char text[POLICY_TEXT_LEN];
	u32 line;
};

/**
 * struct conf - one file being read
 * @line: the current line's number
 * @first_set: sets before this one are of other files
 * @section: what the current section is
 * @set: the current section's set
 * @period_quanta: Period= as a number of quanta, 0 if it was a time
 */
struct conf {
	struct policies *policies;
	struct policy *policy;
	const char *file;
	const char *at;
	const char *end;
	FILE *errors;
	u32 nr_errors;
	u32 line;
	u32 first_set;
	enum { CONF_NOWHERE, CONF_POLICY, CONF_SET, CONF_UNKNOWN } section;
	struct policy_set *set;
	struct conf_seen seen[CONF_KEYS_MAX];
	u32 nr_seen;
	u32 policy_line;
	bool has_type, has_period, has_quantum;
	u32 period_quanta;
	struct conf_names stop, during;
	u32 set_lines[POLICY_SETS_MAX];
};

static void __attribute__((format(printf, 3, 4)))
conf_error(struct conf *conf, u32 line, const char *format, ...)
{
	va_list args;

	if (++conf->nr_errors > POLICY_CONF_MAX_ERRORS)
		return;
	fprintf(conf->errors, "%s:%u: ", conf->file, line);
	va_start(args, format);
	vfprintf(conf->errors, format, args);
	va_end(args);
	fputc('\n', conf->errors);
}

/* Text from the file, fit to be shown; one at a time. */
static const char *conf_show(const char *text)
{
	static _Thread_local char shown[MONARCH_ESCAPED_SIZE(64)];

	return monarch_escape_bytes(shown, sizeof(shown), text,
				    strnlen(text, 64));
}

/* Names of sets. */

static bool conf_name_ok(const char *name)
{
	if (!*name || strlen(name) >= POLICY_NAME_LEN)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("-_.", *name))
			return false;
	return true;
}

static u32 conf_find_set(const struct conf *conf, const char *name)
{
	for (u32 i = conf->first_set; i < conf->policies->nr_sets; i++)
		if (!strcmp(conf->policies->sets[i].name, name))
			return i;
	return POLICY_SETS_MAX;
}

/* Sections. */

static void conf_open_set(struct conf *conf, const char *name)
{
	struct policies *policies = conf->policies;
	u32 old = conf_find_set(conf, name);

	conf->section = CONF_UNKNOWN;
	if (!conf_name_ok(name)) {
		conf_error(conf, conf->line, "expected [Set NAME] with a name of letters, digits, '-', '_', '.'; found \"%s\"",
			   conf_show(name));
	} else if (old != POLICY_SETS_MAX) {
		conf_error(conf, conf->line, "set \"%s\" is there already, on line %u; give this one another name",
			   name, conf->set_lines[old]);
	} else if (policies->nr_sets == POLICY_SETS_MAX) {
		conf_error(conf, conf->line, "more than %u sets in all policy files; remove some", POLICY_SETS_MAX);
	} else {
		conf->set_lines[policies->nr_sets] = conf->line;
		conf->set = &policies->sets[policies->nr_sets++];
		strcpy(conf->set->name, name);
		conf->section = CONF_SET;
	}
}

static void conf_open(struct conf *conf, const char *name)
{
	conf->nr_seen = 0;
	if (!strncmp(name, CONF_SET_PREFIX, strlen(CONF_SET_PREFIX))) {
		conf_open_set(conf, name + strlen(CONF_SET_PREFIX));
	} else if (strcmp(name, "Policy")) {
		conf_error(conf, conf->line, "expected [Policy] or [Set NAME], found [%s]", conf_show(name));
		conf->section = CONF_UNKNOWN;
	} else if (conf->policy_line) {
		conf_error(conf, conf->line, "[Policy] is there already, on line %u; one file is one policy: merge them or use two files",
			   conf->policy_line);
		conf->section = CONF_UNKNOWN;
	} else {
		conf->policy_line = conf->line;
		conf->section = CONF_POLICY;
	}
}

/* Keys of [Policy]. */

static void conf_type(struct conf *conf, const char *value)
{
	conf->has_type = true;
	if (strcmp(value, "idle"))
		conf_error(conf, conf->line, "Type= wants \"idle\", found \"%s\"", conf_show(value));
}

static void conf_quantum(struct conf *conf, const char *value)
{
	u64 ns;

	if (policy_value_time(value, &ns) || ns < POLICY_QUANTUM_MIN_NS ||
	    ns > POLICY_QUANTUM_MAX_NS)
		conf_error(conf, conf->line, "Quantum= wants a time from 1ms to 1s such as \"10ms\", found \"%s\"",
			   conf_show(value));
	else
		conf->policy->quantum_ns = ns;
}

static void conf_period(struct conf *conf, const char *value)
{
	u64 ns = 0;
	u32 quanta = 0;

	conf->has_period = true;
	if (!policy_value_number(value, &quanta) && quanta) {
		conf->period_quanta = quanta;
	} else if (!policy_value_time(value, &ns) && ns) {
		conf->policy->period_ns = ns;
		conf->period_quanta = 0;
	} else {
		conf_error(conf, conf->line, "Period= wants a number of quanta such as \"10\" or a time such as \"100ms\", found \"%s\"",
			   conf_show(value));
	}
}

static void conf_threshold(struct conf *conf, const char *value)
{
	u64 ppm;

	if (policy_value_percent(value, &ppm) || ppm > 256 * 1000000ull)
		conf_error(conf, conf->line, "Threshold= wants a percentage of one CPU such as \"5%%\", found \"%s\"",
			   conf_show(value));
	else
		conf->policy->threshold_ppm = ppm;
}

static void conf_quiet(struct conf *conf, const char *value)
{
	u64 ns;

	if (policy_value_time(value, &ns) || ns > POLICY_PERIOD_MAX_NS)
		conf_error(conf, conf->line, "QuietTime= wants a time up to 10min such as \"100ms\", found \"%s\"",
			   conf_show(value));
	else
		conf->policy->quiet_ns = ns;
}

static void conf_names(struct conf *conf, struct conf_names *names,
		       const char *value)
{
	names->line = conf->line;
	strncpy(names->text, value, sizeof(names->text) - 1);
}

static void conf_stop(struct conf *conf, const char *value)
{
	conf_names(conf, &conf->stop, value);
}

static void conf_while(struct conf *conf, const char *value)
{
	conf_names(conf, &conf->during, value);
}

/* Keys of [Set]. */

static struct policy_regex *conf_regex(struct conf *conf, const char *key,
				       const char *value, char *ret_text)
{
	char why[128];
	size_t at;
	struct policy_regex *regex = policy_regex_compile(value, why,
							  sizeof(why), &at);

	if (!regex)
		conf_error(conf, conf->line, "%s= is no regular expression: %s at character %zu of \"%s\"",
			   key, why, at + 1, conf_show(value));
	else
		strncpy(ret_text, value, POLICY_TEXT_LEN - 1);
	return regex;
}

static void conf_vm(struct conf *conf, const char *value)
{
	conf->set->vm = conf_regex(conf, "VM", value, conf->set->vm_text);
}

static void conf_process(struct conf *conf, const char *value)
{
	conf->set->process = conf_regex(conf, "Process", value,
					conf->set->process_text);
}

static void conf_user(struct conf *conf, const char *value)
{
	conf->set->has_uid = !policy_value_number(value, &conf->set->uid);
	if (!conf->set->has_uid)
		conf_error(conf, conf->line, "User= wants a numeric user id of the guest such as \"33\" (the host does not know the guest's names), found \"%s\"",
			   conf_show(value));
}

static void conf_group(struct conf *conf, const char *value)
{
	conf->set->has_gid = !policy_value_number(value, &conf->set->gid);
	if (!conf->set->has_gid)
		conf_error(conf, conf->line, "Group= wants a numeric group id of the guest such as \"33\", found \"%s\"",
			   conf_show(value));
}

struct conf_key {
	const char *name;
	void (*set)(struct conf *conf, const char *value);
};

static const struct conf_key policy_keys[] = {
	{ "Type", conf_type },		 { "Quantum", conf_quantum },
	{ "Period", conf_period },	 { "Threshold", conf_threshold },
	{ "QuietTime", conf_quiet },	 { "Stop", conf_stop },
	{ "While", conf_while },	 {}
};

static const struct conf_key set_keys[] = {
	{ "VM", conf_vm },	{ "Process", conf_process },
	{ "User", conf_user },	{ "Group", conf_group },	{}
};

static void conf_unknown_key(struct conf *conf, const struct conf_key *keys,
			     const char *name)
{
	char known[128] = "";

	for (; keys->name; keys++) {
		strcat(known, keys->name);
		strcat(known, keys[1].name ? "=, " : "=");
	}
	conf_error(conf, conf->line, "expected one of %s; found \"%s=\"", known,
		   conf_show(name));
}

static const struct conf_key *conf_key(struct conf *conf, const char *name)
{
	const struct conf_key *keys =
		conf->section == CONF_POLICY ? policy_keys : set_keys;
	const struct conf_key *key = keys;

	while (key->name && strcmp(key->name, name))
		key++;
	if (key->name)
		return key;
	conf_unknown_key(conf, keys, name);
	return NULL;
}

/* Note @key as seen. Return: whether it is its first time in this section. */
static bool conf_first(struct conf *conf, const char *key)
{
	for (u32 i = 0; i < conf->nr_seen; i++) {
		if (strcmp(conf->seen[i].key, key))
			continue;
		conf_error(conf, conf->line, "%s= is there already, on line %u; keep one of them",
			   key, conf->seen[i].line);
		return false;
	}
	if (conf->nr_seen < CONF_KEYS_MAX)
		conf->seen[conf->nr_seen++] = (struct conf_seen){
			.key = key,
			.line = conf->line,
		};
	return true;
}

/* inih's handler; sections were taken by conf_line(). */
static int conf_handle(void *user, const char *section, const char *name,
		       const char *value)
{
	struct conf *conf = user;
	const struct conf_key *key;

	if (conf->section == CONF_UNKNOWN)
		return 1;
	if (conf->section == CONF_NOWHERE) {
		conf_error(conf, conf->line, "expected [Policy] or [Set NAME] before \"%s=\"", conf_show(name));
		return 1;
	}
	key = conf_key(conf, name);
	if (!key || !conf_first(conf, key->name))
		return 1;
	if (!*value)
		conf_error(conf, conf->line, "%s= has no value; give it one or remove the line", name);
	else
		key->set(conf, value);
	return 1;
}

/* Lines. */

static bool conf_section_line(struct conf *conf, char *line)
{
	char *close = strchr(line, ']');

	if (!close || close[1]) {
		conf_error(conf, conf->line, "expected [Policy] or [Set NAME] and nothing else on the line, found \"%s\"",
			   conf_show(line));
		conf->section = CONF_UNKNOWN;
		return false;
	}
	if (close - line > CONF_SECTION_MAX) {
		conf_error(conf, conf->line, "a section's name has at most %u characters; shorten it", CONF_SECTION_MAX);
		conf->section = CONF_UNKNOWN;
		return false;
	}
	*close = '\0';
	conf_open(conf, line + 1);
	return false;
}

/* Whether inih gets this line; errors are reported here. */
static bool conf_line_ok(struct conf *conf, char *line)
{
	const char *equals = strchr(line, '='), *colon = strchr(line, ':');

	if (!*line || *line == '#' || *line == ';')
		return false;
	if (*line == '[')
		return conf_section_line(conf, line);
	if (!equals || (colon && colon < equals)) {
		conf_error(conf, conf->line, "expected Key=value, a [section] or a comment, found \"%s\"",
			   conf_show(line));
		return false;
	}
	if (strstr(line, " ;") || strstr(line, "\t;")) {
		conf_error(conf, conf->line, "a comment must stand on a line of its own (and a value cannot hold a blank before ';')");
		return false;
	}
	return true;
}

static void conf_trim(char *line)
{
	size_t len = strlen(line), skip = strspn(line, " \t");

	while (len > skip && isspace((unsigned char)line[len - 1]))
		len--;
	line[len] = '\0';
	memmove(line, line + skip, len - skip + 1);
}

/* Copy the next line, trimmed. Return: false: there is no more. */
static bool conf_next(struct conf *conf, char *line)
{
	const char *newline;
	size_t len;

	line[0] = '\0';
	if (conf->at == conf->end)
		return false;
	conf->line++;
	newline = memchr(conf->at, '\n', conf->end - conf->at);
	len = (newline ? newline : conf->end) - conf->at;
	if (!newline)
		conf_error(conf, conf->line, "the file ends within this line (no newline); half written? finish it");
	else if (memchr(conf->at, '\0', len))
		conf_error(conf, conf->line, "the line holds a NUL byte; this is no text");
	else if (len > CONF_LINE_MAX)
		conf_error(conf, conf->line, "the line has %zu characters, at most %u are possible; use several sets", len, CONF_LINE_MAX);
	else
		memcpy(line, conf->at, len), line[len] = '\0';
	conf->at = newline ? newline + 1 : conf->end;
	conf_trim(line);
	return true;
}

/* inih's reader: like fgets(), but only lines that are Key=value. */
static char *conf_read(char *line, int size, void *stream)
{
	struct conf *conf = stream;
	char text[CONF_LINE_MAX + 1];

	while (conf_next(conf, text)) {
		if (!conf_line_ok(conf, text))
			continue;
		snprintf(line, (size_t)size, "%s\n", text);
		return line;
	}
	return NULL;
}

/* What can be said when all lines are known. */

static u64 conf_mask(struct conf *conf, struct conf_names *names,
		     const char *key)
{
	char *rest = NULL, *name;
	u64 mask = 0;

	if (names->line && !names->text[strspn(names->text, CONF_NAMES_GAP)])
		conf_error(conf, names->line, "%s= wants names of this file's [Set NAME] sections, separated by blanks, found \"%s\"",
			   key, conf_show(names->text));
	for (name = strtok_r(names->text, CONF_NAMES_GAP, &rest); name;
	     name = strtok_r(NULL, CONF_NAMES_GAP, &rest)) {
		u32 set = conf_find_set(conf, name);

		if (set == POLICY_SETS_MAX)
			conf_error(conf, names->line, "%s= names \"%s\", but this file has no section [Set %s]",
				   key, conf_show(name), conf_show(name));
		else
			mask |= BIT_ULL(set);
	}
	return mask;
}

static void conf_check_sets(struct conf *conf)
{
	struct policies *policies = conf->policies;
	u64 used = conf->policy->stop | conf->policy->during;

	for (u32 i = conf->first_set; i < policies->nr_sets; i++) {
		struct policy_set *set = &policies->sets[i];

		if (!set->vm && !set->process && !set->has_uid && !set->has_gid)
			conf_error(conf, conf->set_lines[i], "[Set %s] says nothing about its processes; add VM=, Process=, User= or Group=",
				   set->name);
		if (!(used & BIT_ULL(i)) && !conf->nr_errors)
			conf_error(conf, conf->set_lines[i], "[Set %s] is in neither Stop= nor While=; use it or remove it",
				   set->name);
	}
}

static void conf_check_times(struct conf *conf)
{
	struct policy *policy = conf->policy;

	if (conf->period_quanta)
		policy->period_ns = policy->quantum_ns * conf->period_quanta;
	if (policy->period_ns > POLICY_PERIOD_MAX_NS)
		conf_error(conf, conf->policy_line, "Period= comes to more than 10min; lower it or Quantum=");
	else if (policy->period_ns < policy->quantum_ns)
		conf_error(conf, conf->policy_line, "Period= is shorter than one Quantum=; raise it");
}

static void conf_check(struct conf *conf)
{
	struct policy *policy = conf->policy;

	if (!conf->policy_line) {
		conf_error(conf, conf->line, "expected a section [Policy], found none");
		return;
	}
	if (!conf->has_type)
		conf_error(conf, conf->policy_line, "[Policy] has no Type=; add \"Type=idle\"");
	if (!conf->stop.line)
		conf_error(conf, conf->policy_line, "[Policy] has no Stop=; name the sets to stop");
	policy->stop = conf_mask(conf, &conf->stop, "Stop");
	policy->during = conf_mask(conf, &conf->during, "While");
	if (policy->stop & policy->during)
		conf_error(conf, conf->during.line, "a set is in both Stop= and While=; it would stop itself");
	conf_check_times(conf);
	conf_check_sets(conf);
}

static void conf_policy_name(struct policy *policy, const char *file)
{
	const char *base = strrchr(file, '/');
	char name[POLICY_NAME_LEN];
	char *suffix;

	base = base ? base + 1 : file;
	snprintf(name, sizeof(name), "%s", base);
	suffix = strstr(name, ".conf");
	if (suffix)
		*suffix = '\0';
	monarch_escape(policy->name, sizeof(policy->name), name);
	monarch_escape(policy->file, sizeof(policy->file), file);
}

static struct policy *conf_new_policy(struct policies *policies,
				      const char *file)
{
	struct policy *policy = &policies->policies[policies->nr_policies++];

	*policy = (struct policy){
		.type = POLICY_IDLE,
		.quantum_ns = 10000000,
		.threshold_ppm = 50000,
		.quiet_ns = 100000000,
	};
	conf_policy_name(policy, file);
	return policy;
}

int policy_conf_add(struct policies *policies, const char *file,
		    const char *text, size_t len, FILE *errors)
{
	struct conf conf = {
		.policies = policies,
		.file = file,
		.at = text,
		.end = text + len,
		.errors = errors,
		.first_set = policies->nr_sets,
		.period_quanta = 10,
	};

	if (policies->nr_policies == POLICY_MAX) {
		conf_error(&conf, 1, "more than %u policy files; remove some", POLICY_MAX);
		return -EINVAL;
	}
	conf.policy = conf_new_policy(policies, file);
	ini_parse_stream(conf_read, &conf, conf_handle, &conf);
	conf_check(&conf);
	if (conf.nr_errors > POLICY_CONF_MAX_ERRORS)
		fprintf(errors, "%s: and %u errors more\n", file,
			conf.nr_errors - POLICY_CONF_MAX_ERRORS);
	return conf.nr_errors ? -EINVAL : 0;
}

/* Directories. */

static int conf_read_file(const char *path, char **ret, size_t *ret_len)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t got = -1;
	char *text;

	if (fd < 0)
		return -errno;
	text = malloc(POLICY_CONF_MAX_FILE + 1);
	if (!text)
		errno = ENOMEM;
	else if (fstat(fd, &status) || S_ISDIR(status.st_mode))
		errno = EISDIR;
	else
		got = read(fd, text, POLICY_CONF_MAX_FILE + 1);
	if (got > (ssize_t)POLICY_CONF_MAX_FILE) {
		got = -1;
		errno = EFBIG;
	}
	if (got < 0) {
		int error = -errno;

		free(text);
		close(fd);
		return error;
	}
	close(fd);
	*ret = text;
	*ret_len = (size_t)got;
	return 0;
}

static int conf_load_file(struct policies *policies, const char *directory,
			  const char *name, FILE *errors)
{
	char path[4096];
	char *text = NULL;
	size_t len = 0;
	int error;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	error = conf_read_file(path, &text, &len);
	if (error) {
		fprintf(errors, "%s: cannot be read: %s; mend or remove it\n",
			path, strerror(-error));
		return -EINVAL;
	}
	error = policy_conf_add(policies, path, text, len, errors);
	free(text);
	return error;
}

static int conf_filter(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 &&
	       !strcmp(entry->d_name + len - 5, ".conf");
}

static int conf_load_all(struct policies *policies, const char *directory,
			 FILE *errors)
{
	struct dirent **entries;
	int nr = scandir(directory, &entries, conf_filter, alphasort);
	int result = 0;

	if (nr < 0) {
		result = -errno;
		fprintf(errors, "%s: expected a directory of policies: %s; make it, empty if no policy is wanted\n",
			directory, strerror(-result));
		return result;
	}
	for (int i = 0; i < nr; i++) {
		int error = conf_load_file(policies, directory,
					   entries[i]->d_name, errors);

		result = result ? result : error;
		free(entries[i]);
	}
	free(entries);
	return result;
}

int policy_conf_load(const char *directory, struct policies **ret, char **why)
{
	struct policies *policies = policies_create();
	size_t len;
	FILE *errors;
	int error;

	*why = NULL;
	errors = open_memstream(why, &len);
	if (!policies || !errors) {
		policies_destroy(policies);
		return -ENOMEM;
	}
	error = conf_load_all(policies, directory, errors);
	fclose(errors);
	if (error) {
		policies_destroy(policies);
		return error;
	}
	free(*why);
	*why = NULL;
	*ret = policies;
	return 0;
}
