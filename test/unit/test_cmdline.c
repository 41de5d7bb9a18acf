// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU command lines: as libvirt writes them, as people do, and nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../daemon/qemu_cmdline.h"

#define PARSE(text, ret) qemu_cmdline_parse(text, sizeof(text), ret)

static void test_libvirt(void **state)
{
	static const char text[] =
		"/usr/bin/qemu-system-x86_64\0-name\0guest=web,debug-threads=on\0-S\0"
		"-object\0{\"qom-type\":\"secret\",\"id\":\"masterKey0\",\"format\":\"raw\",\"file\":\"/x\"}\0"
		"-machine\0pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram\0"
		"-m\0size=524288k\0"
		"-object\0{\"qom-type\":\"memory-backend-memfd\",\"id\":\"pc.ram\",\"share\":true,\"size\":536870912}\0"
		"-uuid\0C7A5FDBD-CDAF-9455-926A-D65C16DB1809\0-display\0none\0"
		"-chardev\0socket,id=charmonitor,fd=22,server=on,wait=off\0"
		"-mon\0chardev=charmonitor,id=monitor,mode=control";
	struct qemu_cmdline cmdline;

	PARSE(text, &cmdline);
	assert_string_equal(cmdline.name, "web");
	assert_string_equal(cmdline.uuid,
			    "c7a5fdbd-cdaf-9455-926a-d65c16db1809");
	assert_string_equal(cmdline.machine, "pc-q35-7.2");
	assert_string_equal(cmdline.qmp_path, "");
	assert_string_equal(cmdline.encrypted, "");
	assert_true(cmdline.memory_bytes == 512ull << 20);
	assert_true(cmdline.libvirt);
	assert_false(cmdline.gdb);
}

static void test_by_hand(void **state)
{
	static const char text[] =
		"qemu-system-x86_64\0--name\0my,,vm\0-M\0q35\0-m\0" "5G\0"
		"-qmp\0unix:/tmp/a,,b/q.sock,server=on,wait=off\0-s";
	struct qemu_cmdline cmdline;

	PARSE(text, &cmdline);
	assert_string_equal(cmdline.name, "my,vm");
	assert_string_equal(cmdline.machine, "q35");
	assert_string_equal(cmdline.qmp_path, "/tmp/a,b/q.sock");
	assert_true(cmdline.memory_bytes == 5ull << 30);
	assert_true(cmdline.gdb);
	assert_false(cmdline.libvirt);
}

static void test_monitor_chardev(void **state)
{
	static const char text[] =
		"qemu\0-chardev\0socket,id=other,path=/no\0"
		"-mon\0chardev=qmp,mode=control\0-mon\0other\0"
		"-chardev\0socket,id=qmp,path=/run/q.sock,server=on,wait=off\0"
		"-m\0" "768";
	struct qemu_cmdline cmdline;

	PARSE(text, &cmdline);
	assert_string_equal(cmdline.qmp_path, "/run/q.sock");
	assert_true(cmdline.memory_bytes == 768ull << 20);
}

static void test_encrypted(void **state)
{
	static const char machine[] =
		"q\0-machine\0q35,confidential-guest-support=lsec0";
	static const char old[] = "q\0-machine\0q35,memory-encryption=sev0";
	static const char sev[] =
		"q\0-object\0sev-guest,id=sev0,cbitpos=47,reduced-phys-bits=1";
	static const char json[] =
		"q\0-object\0{\"qom-type\":\"tdx-guest\",\"id\":\"t\"}";
	static const char not[] = "q\0-name\0sev-guest\0-object\0rng-random,id=sev-guest";
	struct qemu_cmdline cmdline;

	PARSE(machine, &cmdline);
	assert_string_equal(cmdline.encrypted, "confidential-guest-support");
	PARSE(old, &cmdline);
	assert_string_equal(cmdline.encrypted, "memory-encryption");
	PARSE(sev, &cmdline);
	assert_string_equal(cmdline.encrypted, "sev-guest");
	PARSE(json, &cmdline);
	assert_string_equal(cmdline.encrypted, "tdx-guest");
	PARSE(not, &cmdline);
	assert_string_equal(cmdline.encrypted, "");
}

/* Each prefix of a line, and values longer than any buffer. */
static void test_bad(void **state)
{
	static const char text[] =
		"q\0-name\0guest=x,,\0-m\0,size=\0-machine\0{\"type\":\0-uuid\0-mon\0-chardev\0{}\0-qmp\0unix:";
	struct qemu_cmdline cmdline;
	char *huge = malloc(100000);

	assert_non_null(huge);
	for (size_t len = 0; len <= sizeof(text); len++)
		qemu_cmdline_parse(text, len < sizeof(text) ? len : len - 1,
				   &cmdline);
	memset(huge, 'a', 100000);
	memcpy(huge, "-name", 6);
	huge[5] = '\0';
	qemu_cmdline_parse(huge, 100000, &cmdline);
	assert_int_equal(strlen(cmdline.name), sizeof(cmdline.name) - 1);
	free(huge);
	qemu_cmdline_parse("", 0, &cmdline);
	assert_string_equal(cmdline.name, "");
}

static void test_names(void **state)
{
	assert_true(qemu_is_x86("qemu-system-x86_64"));
	assert_true(qemu_is_x86("qemu-kvm"));
	assert_false(qemu_is_x86("qemu-system-aarch64"));
	assert_true(qemu_is_system("qemu-system-aarch64"));
	assert_false(qemu_is_system("qemu-img"));
}

static void test_own_process(void **state)
{
	struct qemu_cmdline cmdline;
	char exe[256];

	assert_int_equal(qemu_cmdline_read(getpid(), &cmdline), 0);
	assert_string_equal(cmdline.name, "");
	assert_int_equal(qemu_exe(getpid(), exe, sizeof(exe)), 0);
	assert_false(qemu_is_system(exe));
	assert_int_equal(qemu_cmdline_read(0x7fffffff, &cmdline), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libvirt),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_monitor_chardev),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_own_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
