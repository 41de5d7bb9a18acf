// SPDX-License-Identifier: GPL-2.0-only
/* When all VMs that there are have been told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>

#include "../../daemon/vms.h"

/* It is so after the first look at /proc, and not before what it found is taken. */
static void test_told_all(void **state)
{
	struct vms_event event;
	struct vms *vms;
	u32 tries = 0;
	bool told;

	assert_int_equal(vms_create(NULL, &vms), 0);
	while (!(told = vms_told_all(vms)) && tries++ < 6000) {
		struct pollfd pollfd = { .fd = vms_fd(vms), .events = POLLIN };

		if (poll(&pollfd, 1, 10) > 0)
			assert_false(vms_told_all(vms));
		while (vms_next(vms, &event) == 1)
			;
	}
	assert_true(told);
	vms_destroy(vms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
