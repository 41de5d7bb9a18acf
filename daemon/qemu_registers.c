// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers out of QEMU's "info registers -a". The text is made for people and
 * differs between versions, so it is read as words: "NAME=HEX", and for
 * segments "NAME =SEL BASE LIMIT FLAGS". Unknown words are skipped.
 */
#include <ctype.h>
#include <stdlib.h>

#include "qemu_registers.h"

/* Hex digits at @text, up to 16. Return: digits read. */
static u32 read_hex(const char *text, u64 *ret)
{
	u64 value = 0;
	u32 n;

	for (n = 0; n < 16 && isxdigit((u8)text[n]); n++) {
		char c = text[n] | 0x20;

		value = value << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (n)
		*ret = value;
	return n;
}

static bool take(const char *line, const char *name, u64 *ret)
{
	size_t len = strlen(name);

	return !strncmp(line, name, len) && read_hex(line + len, ret);
}

/* "GS =0000 ffff888007c00000 00000000 00000000": the second number. */
static bool take_base(const char *line, const char *name, u64 *ret)
{
	size_t len = strlen(name);
	u64 selector;
	u32 digits;

	if (strncmp(line, name, len))
		return false;
	digits = read_hex(line + len, &selector);
	if (!digits)
		return false;
	line += len + digits;
	while (*line == ' ')
		line++;
	return read_hex(line, ret);
}

static bool take_idt(const char *line, u64 *ret)
{
	if (strncmp(line, "IDT=", 4))
		return false;
	line += 4;
	while (*line == ' ')
		line++;
	return read_hex(line, ret);
}

static void take_word(const char *word, struct gi_vcpu_regs *regs)
{
	u64 cpl;

	if (take(word, "CPL=", &cpl))
		regs->cpl = cpl & 3;
	if (take(word, "CR0=", &regs->cr0) || take(word, "CR3=", &regs->cr3) ||
	    take(word, "CR4=", &regs->cr4) ||
	    take(word, "EFER=", &regs->efer) ||
	    take(word, "RIP=", &regs->rip) || take(word, "EIP=", &regs->rip) ||
	    take(word, "RSP=", &regs->rsp) || take(word, "ESP=", &regs->rsp) ||
	    take_idt(word, &regs->idt_base))
		return;
	take_base(word, "GS =", &regs->gs_base);
}

int qemu_registers_parse(const char *text, struct gi_vcpu_regs *ret, u32 max,
			 u32 *ret_nr)
{
	struct gi_vcpu_regs *regs = NULL;
	bool word_start = true;
	u32 nr = 0;

	for (; *text; text++) {
		if (word_start && !strncmp(text, "CPU#", 4)) {
			if (nr == max)
				break;
			regs = &ret[nr++];
			memset(regs, 0, sizeof(*regs));
		} else if (word_start && regs) {
			take_word(text, regs);
		}
		word_start = isspace((u8)*text);
	}
	if (!nr)
		return -EBADMSG;
	*ret_nr = nr;
	return 0;
}
