// SPDX-License-Identifier: GPL-2.0-only
/* Policy files: what is accepted, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/policy_conf.h"
#include "../../daemon/policy_value.h"

#define GOOD \
	"# the indexer works while nobody else does\n" \
	"[Policy]\n" \
	"Type=idle\n" \
	"Quantum=5ms\n" \
	"Period=20\n" \
	"Threshold=2.5%\n" \
	"QuietTime=250ms\n" \
	"Stop=indexer\n" \
	"While=server\n" \
	"\n" \
	"[Set indexer]\n" \
	"  Process = estcmd|updatedb \n" \
	"[Set server]\n" \
	"VM=web-[0-9]+\n" \
	"Process=lighttpd\n" \
	"User=33\n"

/* Parse; *ret_errors is what was said. */
static int parse(const char *text, size_t len, struct policies **ret,
		 char **ret_errors)
{
	size_t size;
	FILE *errors = open_memstream(ret_errors, &size);
	int result;

	*ret = policies_create();
	result = policy_conf_add(*ret, "dir/idle.conf", text, len, errors);
	fclose(errors);
	return result;
}

/* What is not said: ten quanta, however long a quantum is. */
static void test_default_period(void **state)
{
	static const char text[] = "[Policy]\nType=idle\nQuantum=900ms\n"
				   "Stop=a\n[Set a]\nProcess=x\n";
	struct policies *policies;
	char *errors;

	assert_int_equal(parse(text, strlen(text), &policies, &errors), 0);
	assert_string_equal(errors, "");
	assert_int_equal(policies->policies[0].period_ns, 9000000000ull);
	free(errors);
	policies_destroy(policies);
}

static void test_good(void **state)
{
	struct policies *policies;
	struct policy *policy;
	char *errors;

	assert_int_equal(parse(GOOD, strlen(GOOD), &policies, &errors), 0);
	assert_string_equal(errors, "");
	assert_int_equal(policies->nr_policies, 1);
	assert_int_equal(policies->nr_sets, 2);
	policy = &policies->policies[0];
	assert_string_equal(policy->name, "idle");
	assert_int_equal(policy->quantum_ns, 5000000);
	assert_int_equal(policy->period_ns, 100000000);
	assert_int_equal(policy->threshold_ppm, 25000);
	assert_int_equal(policy->quiet_ns, 250000000);
	assert_int_equal(policy->stop, 1);
	assert_int_equal(policy->during, 2);
	assert_string_equal(policies->sets[0].process_text, "estcmd|updatedb");
	assert_true(policies->sets[1].has_uid);
	assert_int_equal(policies->sets[1].uid, 33);
	policies_destroy(policies);
	free(errors);
}

#define HEAD "[Policy]\nType=idle\nStop=a\n"
#define SET "[Set a]\nProcess=x\n"

static void test_errors(void **state)
{
	static const struct {
		const char *text;
		const char *where;	/* "idle.conf:LINE:" */
		const char *what;
	} cases[] = {
		{ "", ":0:", "expected a section [Policy]" },
		{ SET, ":2:", "expected a section [Policy]" },
		{ "Type=idle\n" HEAD SET, ":1:", "before \"Type=\"" },
		{ HEAD "Colour=red\n" SET, ":4:", "expected one of Type=, Quantum=" },
		{ HEAD SET "Prozess=y\n", ":6:", "expected one of VM=, Process=" },
		{ HEAD SET "[Sett b]\n", ":6:", "found [Sett b]" },
		{ HEAD SET "[Set ]\n", ":6:", "expected [Set NAME]" },
		{ HEAD SET "[Set a b]\nVM=x\n", ":6:", "expected [Set NAME]" },
		{ HEAD SET "[Set a]\nVM=x\n", ":6:", "already, on line 4" },
		{ HEAD SET "[Policy]\n", ":6:", "already, on line 1" },
		{ HEAD SET "[Set b\n", ":6:", "nothing else on the line" },
		{ HEAD SET "[Set b] x\n", ":6:", "nothing else on the line" },
		{ HEAD "Quantum=10\n" SET, ":4:", "from 1ms to 1s" },
		{ HEAD "Quantum=999us\n" SET, ":4:", "from 1ms to 1s" },
		{ HEAD "Quantum=1001ms\n" SET, ":4:", "from 1ms to 1s" },
		{ HEAD "Quantum=99999999999999999999s\n" SET, ":4:", "from 1ms to 1s" },
		{ HEAD "Period=0\n" SET, ":4:", "number of quanta" },
		{ HEAD "Period=-1\n" SET, ":4:", "number of quanta" },
		{ HEAD "Period=4294967295\n" SET, ":1:", "more than 10min" },
		{ HEAD "Period=5ms\n" SET, ":1:", "shorter than one Quantum=" },
		{ HEAD "Threshold=5\n" SET, ":4:", "such as \"5%\", found \"5\"" },
		{ HEAD "Threshold=1e3%\n" SET, ":4:", "percentage" },
		{ HEAD "QuietTime=soon\n" SET, ":4:", "found \"soon\"" },
		{ HEAD "Type=idle\n" SET, ":4:", "already, on line 2" },
		{ HEAD "While=\n" SET, ":4:", "has no value" },
		{ HEAD "While=b\n" SET, ":4:", "no section [Set b]" },
		{ HEAD "While=a\n" SET, ":4:", "both Stop= and While=" },
		{ HEAD "While=,\n" SET, ":4:", "While= wants names" },
		{ "[Policy]\nType=idle\nStop=, ,\n" SET, ":3:", "found \", ,\"" },
		{ HEAD, ":3:", "no section [Set a]" },
		{ "[Policy]\nStop=a\n" SET, ":1:", "has no Type=" },
		{ "[Policy]\nType=fast\nStop=a\n" SET, ":2:", "found \"fast\"" },
		{ "[Policy]\nType=idle\n" SET, ":1:", "has no Stop=" },
		{ HEAD "[Set a]\n", ":4:", "says nothing" },
		{ HEAD SET "[Set b]\nVM=x\n", ":6:", "neither Stop= nor While=" },
		{ HEAD "[Set a]\nProcess=(x\n", ":5:", "no regular expression" },
		{ HEAD "[Set a]\nProcess=x[\n", ":5:", "at character" },
		{ HEAD "[Set a]\nUser=www-data\n", ":5:", "numeric user id" },
		{ HEAD "[Set a]\nGroup=-1\n", ":5:", "numeric group id" },
		{ HEAD "[Set a]\nProcess=x ; the one\n", ":5:", "line of its own" },
		{ HEAD "[Set a]\nProcess: x\n", ":5:", "expected Key=value" },
		{ HEAD "[Set a]\nProcess\n", ":5:", "expected Key=value" },
		{ HEAD "[Set a]\nProcess=x", ":5:", "half written" },
		{ HEAD "[Set a]\nProcess=\033[2Jx)\n", ":5:", "\\x1b[2Jx)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct policies *policies;
		char *errors, *line;
		int result = parse(cases[i].text, strlen(cases[i].text),
				   &policies, &errors);

		if (result != -EINVAL || !strstr(errors, cases[i].what))
			print_error("case %zu said: %s\n", i, errors);
		assert_int_equal(result, -EINVAL);
		line = strstr(errors, cases[i].what);
		assert_non_null(line);
		while (line > errors && line[-1] != '\n')
			line--;
		if (strncmp(line, "dir/idle.conf", 13) ||
		    strncmp(line + 13, cases[i].where, strlen(cases[i].where)))
			print_error("case %zu wanted %s: %s\n", i,
				    cases[i].where, errors);
		assert_memory_equal(line, "dir/idle.conf", 13);
		assert_memory_equal(line + 13, cases[i].where,
				    strlen(cases[i].where));
		free(errors);
		policies_destroy(policies);
	}
}

/* Each of several errors is reported, with its line. */
static void test_all_errors(void **state)
{
	static const char text[] = "[Policy]\nType=fast\nQuantum=1\nFoo=1\n";
	struct policies *policies;
	char *errors;

	assert_int_equal(parse(text, strlen(text), &policies, &errors), -EINVAL);
	assert_non_null(strstr(errors, "idle.conf:2: Type="));
	assert_non_null(strstr(errors, "idle.conf:3: Quantum="));
	assert_non_null(strstr(errors, "idle.conf:4: expected one of"));
	assert_non_null(strstr(errors, "idle.conf:1: [Policy] has no Stop="));
	free(errors);
	policies_destroy(policies);
}

/* A thousand errors make neither a thousand lines nor a crash. */
static void test_error_flood(void **state)
{
	char text[8192] = "[Policy]\n";
	struct policies *policies;
	char *errors;
	u32 lines = 0;

	for (u32 i = 0; i < 1000; i++)
		strcat(text, "x=1\n");
	assert_int_equal(parse(text, strlen(text), &policies, &errors), -EINVAL);
	for (const char *p = errors; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, POLICY_CONF_MAX_ERRORS + 1);
	assert_non_null(strstr(errors, "errors more"));
	free(errors);
	policies_destroy(policies);
}

/* inih would cut a long line without a word: we must not let it. */
static void test_long_line(void **state)
{
	char text[1024], pattern[512];
	struct policies *policies;
	char *errors;

	for (u32 len = 170; len < 400; len++) {
		memset(pattern, 'x', len);
		pattern[len] = '\0';
		snprintf(text, sizeof(text), HEAD "[Set a]\nProcess=%s\n", pattern);
		if (!parse(text, strlen(text), &policies, &errors)) {
			assert_true(len + strlen("Process=") <= 190);
			assert_string_equal(policies->sets[0].process_text,
					    pattern);
		} else {
			assert_true(len + strlen("Process=") > 190);
			assert_non_null(strstr(errors, "idle.conf:5: the line has"));
		}
		free(errors);
		policies_destroy(policies);
	}
}

static void test_nul(void **state)
{
	static const char text[] = HEAD "[Set a]\nProcess=x\0y\n";
	struct policies *policies;
	char *errors;

	assert_int_equal(parse(text, sizeof(text) - 1, &policies, &errors),
			 -EINVAL);
	assert_non_null(strstr(errors, "idle.conf:5: the line holds a NUL"));
	free(errors);
	policies_destroy(policies);
}

static int match(const char *pattern, const char *name)
{
	char why[128];
	size_t at;
	struct policy_regex *regex = policy_regex_compile(pattern, why,
							  sizeof(why), &at);
	int result;

	assert_non_null(regex);
	result = policy_regex_match(regex, name, strlen(name));
	policy_regex_destroy(regex);
	return result;
}

static void test_whole_names(void **state)
{
	assert_int_equal(match("estcmd", "estcmd"), 1);
	assert_int_equal(match("estcmd", "estcmd2"), 0);
	assert_int_equal(match("estcmd", "xestcmd"), 0);
	assert_int_equal(match("a|ab", "ab"), 1);
	assert_int_equal(match("est.*", "estcmd"), 1);
	assert_int_equal(match(".*", ""), 1);
	assert_int_equal(match("x", "x\n"), 0);
	assert_int_equal(match("x.", "x\xff"), 1);
}

/* A name made to make a pattern backtrack for ever costs a bounded time. */
static void test_regex_limit(void **state)
{
	assert_int_equal(match("(a+)+(?:b|d)", "aaaaaaaaaaaaaaaaaaaaaaaaaaaac"),
			 -E2BIG);
}

static void test_sets(void **state)
{
	struct gi_process process = { .pid = 7, .uid = 33, .comm = "lighttpd" };
	struct gi_process kernel = {
		.pid = 2, .flags = GI_PF_KTHREAD, .comm = "lighttpd",
	};
	static const char text[] = "[Policy]\nType=idle\nStop=a b c\n"
		"[Set a]\nVM=web\n[Set b]\nProcess=light.*\n"
		"[Set c]\nVM=w.*\nUser=33\n";
	struct policies *policies;
	char *errors;

	assert_int_equal(parse(text, strlen(text), &policies, &errors), 0);
	assert_int_equal(policies_match_vm(policies, "web"), 7);
	assert_int_equal(policies_match_vm(policies, "web2"), 6);
	assert_int_equal(policies_match_vm(policies, "db"), 2);
	assert_int_equal(policies_match(policies, 7, &process), 7);
	assert_int_equal(policies_match(policies, 2, &process), 2);
	process.uid = 0;
	assert_int_equal(policies_match(policies, 7, &process), 3);
	/* a kernel thread is in no set that does not name it */
	assert_int_equal(policies_match(policies, 7, &kernel), 2);
	free(errors);
	policies_destroy(policies);
}

static void test_values(void **state)
{
	u64 value = 0;
	u32 number = 0;

	assert_int_equal(policy_value_time("1.5s", &value), 0);
	assert_int_equal(value, 1500000000);
	assert_int_equal(policy_value_time("2 min", &value), 0);
	assert_int_equal(value, 120000000000);
	assert_int_equal(policy_value_time("0.5us", &value), 0);
	assert_int_equal(value, 500);
	assert_int_equal(policy_value_time("0.0001us", &value), -EINVAL);
	assert_int_equal(policy_value_time("1", &value), -EINVAL);
	assert_int_equal(policy_value_time("", &value), -EINVAL);
	assert_int_equal(policy_value_time(".s", &value), -EINVAL);
	assert_int_equal(policy_value_time("1.s", &value), -EINVAL);
	assert_int_equal(policy_value_time("1.2.3s", &value), -EINVAL);
	assert_int_equal(policy_value_time("1s ", &value), -EINVAL);
	assert_int_equal(policy_value_time("999999999999999min", &value), -EINVAL);
	assert_int_equal(policy_value_percent("0.1%", &value), 0);
	assert_int_equal(value, 1000);
	assert_int_equal(policy_value_percent("0.00001%", &value), -EINVAL);
	assert_int_equal(policy_value_number("4294967295", &number), 0);
	assert_int_equal(number, U32_MAX);
	assert_int_equal(policy_value_number("4294967296", &number), -EINVAL);
	assert_int_equal(policy_value_number("1.0", &number), -EINVAL);
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void remove_file(const char *directory, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(unlink(path), 0);
}

/* All files or none; others than *.conf are not looked at. */
static void test_directory(void **state)
{
	char directory[] = "/tmp/monarch-test-policy-XXXXXX", *why = NULL;
	struct policies *policies = NULL;

	assert_non_null(mkdtemp(directory));
	write_file(directory, "10-a.conf", GOOD);
	write_file(directory, "README", "not a policy");
	write_file(directory, ".b.conf", "not a policy");
	assert_int_equal(policy_conf_load(directory, &policies, &why), 0);
	assert_null(why);
	assert_int_equal(policies->nr_policies, 1);
	assert_string_equal(policies->policies[0].name, "10-a");
	policies = policies_destroy(policies);
	write_file(directory, "20-b.conf", "[Policy]\nType=idl");
	assert_int_equal(policy_conf_load(directory, &policies, &why), -EINVAL);
	assert_null(policies);
	assert_non_null(strstr(why, "/20-b.conf:2: "));
	free(why);
	remove_file(directory, "10-a.conf");
	remove_file(directory, "20-b.conf");
	remove_file(directory, "README");
	remove_file(directory, ".b.conf");
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(policy_conf_load(directory, &policies, &why), -ENOENT);
	assert_null(policies);
	assert_non_null(strstr(why, "expected a directory of policies"));
	free(why);
}

/* A file that cannot be read is an error of that file. */
static void test_dangling(void **state)
{
	char directory[] = "/tmp/monarch-test-policy-XXXXXX", *why = NULL;
	struct policies *policies = NULL;
	char path[128];

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a.conf", directory);
	assert_int_equal(symlink("/nonexistent/a.conf", path), 0);
	assert_int_equal(policy_conf_load(directory, &policies, &why), -EINVAL);
	assert_non_null(strstr(why, "/a.conf: cannot be read"));
	free(why);
	remove_file(directory, "a.conf");
	assert_int_equal(rmdir(directory), 0);
}

/* What is delivered as an example must load. */
static void test_examples(void **state)
{
	struct policies *policies = NULL;
	char *why = NULL;

	if (access("policies", R_OK))
		fail_msg("run this from the top of the tree");
	if (policy_conf_load("policies", &policies, &why))
		fail_msg("%s", why);
	assert_true(policies->nr_policies >= 2);
	policies_destroy(policies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_default_period),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_all_errors),
		cmocka_unit_test(test_error_flood),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_whole_names),
		cmocka_unit_test(test_regex_limit),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_dangling),
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
