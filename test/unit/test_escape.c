// SPDX-License-Identifier: GPL-2.0-only
/* What a guest calls itself must reach no terminal as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../include/monarch/escape.h"

static void test_table(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{ "lighttpd", 8, "lighttpd" },
		{ "", 0, "" },
		{ "\033[2J", 4, "\\x1b[2J" },
		{ "a\nb", 3, "a\\x0ab" },
		{ "a\0b", 3, "a\\x00b" },
		{ "\\x1b", 4, "\\x5cx1b" },
		{ "\xc3\xb6", 2, "\\xc3\\xb6" },
		{ "\x7f\x80\xff", 3, "\\x7f\\x80\\xff" },
		{ "kworker/0:1 ~", 13, "kworker/0:1 ~" },
	};
	char out[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(monarch_escape_bytes(out, sizeof(out),
							 cases[i].in,
							 cases[i].len),
				    cases[i].out);
}

/* Whatever the room: terminated, printable, no half escape. */
static void test_every_size(void **state)
{
	static const char in[] = "ab\033\xff\\cd\n";

	for (size_t size = 1; size < 40; size++) {
		char *out = malloc(size);

		monarch_escape(out, size, in);
		assert_true(strlen(out) < size);
		for (const char *p = out; *p; p++) {
			assert_true(*p >= 0x20 && *p <= 0x7e);
			if (*p == '\\')
				assert_true(strlen(p) >= 4);
		}
		free(out);
	}
}

/* Two names that differ are shown differently. */
static void test_one_to_one(void **state)
{
	char a[16], b[16];

	for (int x = 0; x < 256; x++)
		for (int y = 0; y < 256; y++) {
			char p = (char)x, q = (char)y;

			monarch_escape_bytes(a, sizeof(a), &p, 1);
			monarch_escape_bytes(b, sizeof(b), &q, 1);
			assert_int_equal(!strcmp(a, b), x == y);
		}
}

static void test_printable(void **state)
{
	char text[] = "a\033[31m\x9b" "b\\x1b\r";

	assert_string_equal(monarch_printable(text), "a?[31m?b\\x1b?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_one_to_one),
		cmocka_unit_test(test_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
