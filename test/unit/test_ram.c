// SPDX-License-Identifier: GPL-2.0-only
/* What QEMU says of a VM's RAM: all of it is understood, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "../../daemon/qemu_ram.h"

static struct json_object *make_backends(u32 nr, u32 name_length)
{
	struct json_object *list = json_object_new_array();

	for (u32 i = 0; i < nr; i++) {
		struct json_object *backend = json_object_new_object();
		char id[128];

		snprintf(id, sizeof(id), "%0*u", (int)name_length, i);
		json_object_object_add(backend, "id",
				       json_object_new_string(id));
		json_object_array_add(list, backend);
	}
	return list;
}

static int parse(u32 nr, u32 name_length, u32 *ret_nr,
		 char why[BACKEND_WHY_LEN])
{
	static char ids[QEMU_RAM_IDS][64];
	struct json_object *list = make_backends(nr, name_length);
	int err = qemu_ram_parse_backends(list, ids, ret_nr, why);

	json_object_put(list);
	return err;
}

static void test_backends(void **state)
{
	char why[BACKEND_WHY_LEN] = "";
	u32 nr;

	assert_int_equal(parse(0, 1, &nr, why), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(parse(QEMU_RAM_IDS - 1, 63, &nr, why), 0);
	assert_int_equal(nr, QEMU_RAM_IDS);
	assert_string_equal(why, "");
}

static void test_too_many_backends(void **state)
{
	char why[BACKEND_WHY_LEN] = "";
	u32 nr;

	assert_int_equal(parse(64, 2, &nr, why), -E2BIG);
	assert_non_null(strstr(why, "64 memory backends"));
	assert_non_null(strstr(why, "63 can be read"));
	assert_int_equal(parse(4000, 4, &nr, why), -E2BIG);
	assert_non_null(strstr(why, "4000 memory backends"));
}

static void test_long_name(void **state)
{
	char why[BACKEND_WHY_LEN] = "";
	u32 nr;

	assert_int_equal(parse(1, 64, &nr, why), -ENAMETOOLONG);
	assert_non_null(strstr(why, "64 characters"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backends),
		cmocka_unit_test(test_too_many_backends),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
