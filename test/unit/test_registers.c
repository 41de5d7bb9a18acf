// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers out of "info registers -a", as QEMU prints them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../daemon/qemu_registers.h"

/* QEMU 7.2, a 6.1 guest: vCPU 0 in user mode, vCPU 1 idle. */
static const char long_mode[] =
	"\r\nCPU#0\r\n"
	"RAX=0000000000000000 RBX=00007ffd2d2b9a60 RCX=0000000000000001 RDX=0000000000000000\r\n"
	"RSI=0000000000000000 RDI=00000000006d8c40 RBP=0000000000000001 RSP=00007ffd2d2b9a10\r\n"
	"R8 =0000000000000000 R9 =0000000000000000 R10=0000000000000000 R11=0000000000000246\r\n"
	"R12=0000000000000000 R13=0000000000000000 R14=0000000000000000 R15=0000000000000000\r\n"
	"RIP=000000000046e1a5 RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n"
	"ES =0000 0000000000000000 00000000 00000000\r\n"
	"CS =0033 0000000000000000 ffffffff 00affb00 DPL=3 CS64 [-RA]\r\n"
	"SS =002b 0000000000000000 ffffffff 00cff300 DPL=3 DS   [-WA]\r\n"
	"DS =0000 0000000000000000 00000000 00000000\r\n"
	"FS =0000 00000000006d6380 00000000 00000000\r\n"
	"GS =0000 ffff88813bc00000 00000000 00000000\r\n"
	"LDT=0000 0000000000000000 00000000 00000000\r\n"
	"TR =0040 fffffe0000003000 00004087 00008900 DPL=0 TSS64-avl\r\n"
	"GDT=     fffffe0000001000 0000007f\r\n"
	"IDT=     fffffe0000000000 00000fff\r\n"
	"CR0=80050033 CR2=00000000006d9000 CR3=0000000102f3a000 CR4=007506f0\r\n"
	"DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 \r\n"
	"DR6=00000000ffff0ff0 DR7=0000000000000400\r\n"
	"EFER=0000000000000d01\r\n"
	"FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\r\n"
	"\r\nCPU#1\r\n"
	"RAX=0000000000000000 RBX=ffff888100930000 RCX=4000000000000000 RDX=0000000000000001\r\n"
	"RSI=0000000000000001 RDI=0000000000000001 RBP=0000000000000001 RSP=ffffc90000093ef8\r\n"
	"RIP=ffffffff81c5e2ab RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
	"GS =0000 ffff88813bd00000 00000000 00000000\r\n"
	"IDT=     fffffe0000000000 00000fff\r\n"
	"CR0=80050033 CR2=00000000006d9000 CR3=000000000260a000 CR4=007506e0\r\n"
	"EFER=0000000000000d01\r\n";

static void test_long_mode(void **state)
{
	struct gi_vcpu_regs regs[2];
	u32 nr;

	assert_int_equal(qemu_registers_parse(long_mode, regs, 2, &nr), 0);
	assert_int_equal(nr, 2);
	assert_true(regs[0].cr0 == 0x80050033);
	assert_true(regs[0].cr3 == 0x102f3a000);
	assert_true(regs[0].cr4 == 0x7506f0);
	assert_true(regs[0].efer == 0xd01);
	assert_true(regs[0].rip == 0x46e1a5);
	assert_true(regs[0].rsp == 0x7ffd2d2b9a10);
	assert_true(regs[0].gs_base == 0xffff88813bc00000);
	assert_true(regs[0].idt_base == 0xfffffe0000000000);
	assert_int_equal(regs[0].cpl, 3);
	assert_true(regs[1].cr3 == 0x260a000);
	assert_true(regs[1].rip == 0xffffffff81c5e2ab);
	assert_true(regs[1].gs_base == 0xffff88813bd00000);
	assert_int_equal(regs[1].cpl, 0);
	assert_int_equal(regs[1].lstar, 0);
}

static void test_real_mode(void **state)
{
	static const char text[] =
		"CPU#0\n"
		"ESI=00000000 EDI=00000000 EBP=00000000 ESP=00006ef0\n"
		"EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"
		"GS =f000 000f0000 0000ffff 00009300\n"
		"IDT=     00000000 000003ff\n"
		"CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\n"
		"EFER=0000000000000000\n";
	struct gi_vcpu_regs regs[4];
	u32 nr;

	assert_int_equal(qemu_registers_parse(text, regs, 4, &nr), 0);
	assert_int_equal(nr, 1);
	assert_true(regs[0].rip == 0xfff0);
	assert_true(regs[0].rsp == 0x6ef0);
	assert_true(regs[0].gs_base == 0xf0000);
	assert_true(regs[0].cr0 == 0x60000010);
	assert_int_equal(regs[0].efer, 0);
}

/* More vCPUs than there is room for: the first ones. */
static void test_many(void **state)
{
	struct gi_vcpu_regs regs[2] = { [1].cr3 = 42 };
	u32 nr;

	assert_int_equal(qemu_registers_parse(long_mode, regs, 1, &nr), 0);
	assert_int_equal(nr, 1);
	assert_true(regs[0].cr3 == 0x102f3a000);
	assert_true(regs[0].efer == 0xd01);
	assert_true(regs[1].cr3 == 42);
}

static void test_bad(void **state)
{
	struct gi_vcpu_regs regs[2];
	u32 nr = 77;

	assert_int_equal(qemu_registers_parse("", regs, 2, &nr), -EBADMSG);
	assert_int_equal(qemu_registers_parse("RIP=1 CR3=2", regs, 2, &nr),
			 -EBADMSG);
	assert_int_equal(nr, 77);
	/* Cut short at every byte: never more than what is there. */
	for (size_t len = 0; len < sizeof(long_mode); len++) {
		char *text = strndup(long_mode, len);

		assert_non_null(text);
		if (!qemu_registers_parse(text, regs, 2, &nr))
			assert_true(nr <= 2);
		free(text);
	}
	assert_int_equal(qemu_registers_parse("CPU#0\nCR3= RIP=xyz GS =0 ",
					      regs, 2, &nr), 0);
	assert_int_equal(regs[0].cr3, 0);
	assert_int_equal(regs[0].rip, 0);
	assert_int_equal(regs[0].gs_base, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_mode),
		cmocka_unit_test(test_real_mode),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
