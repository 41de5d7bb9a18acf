// SPDX-License-Identifier: GPL-2.0-only
/*
 * TIF_SIGPENDING is a #define that was renumbered (2 up to 6.12, 1 in 7.2), so
 * it is read from the instruction that sets it: the first thing that
 * signal_wake_up_state() does is set_tsk_thread_flag(), compiled to
 *	f0 80 /1 ib	lock orb $imm8, disp(reg)
 * with a REX prefix after the LOCK if the register is r8..r15. A kernel that
 * booted with one CPU has patched the LOCK to 3e (ds) or 90 (nop).
 */
#include "types.h"

/* Bytes of the ModRM operand, or -ENOENT if it is no memory operand. */
static int modrm_len(const u8 *code, size_t len)
{
	u8 mod, rm;
	int bytes;

	if (len < 2)
		return -ENOENT;
	mod = code[0] >> 6;
	rm = code[0] & 7;
	if (mod == 3 || (mod == 0 && rm == 5))	/* register, RIP-relative */
		return -ENOENT;
	bytes = 1 + (rm == 4);
	if (mod == 0 && rm == 4 && (code[1] & 7) == 5)	/* no base register */
		return -ENOENT;
	return bytes + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/* The bit set by an "orb $imm8, mem" with one bit in imm8 at @code. */
static int or_decode(const u8 *code, size_t len)
{
	int operand;

	if (len && (code[0] & 0xf0) == 0x40) {	/* REX */
		code++;
		len--;
	}
	if (len < 2 || code[0] != 0x80 || (code[1] >> 3 & 7) != 1)
		return -ENOENT;
	operand = modrm_len(code + 1, len - 1);
	if (operand < 0 || (size_t)operand + 1 >= len)
		return -ENOENT;
	code += 1 + operand;
	if (!*code || (*code & (*code - 1)))
		return -ENOENT;
	return __builtin_ctz(*code);
}

static int locked_or_find(const u8 *code, size_t len, const u8 *locks,
			  size_t nr_locks)
{
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		if (!memchr(locks, code[i], nr_locks))
			continue;
		bit = or_decode(code + i + 1, len - i - 1);
		if (bit >= 0)
			return bit;
	}
	return -ENOENT;
}

int tif_sigpending_decode(const u8 *code, size_t len)
{
	static const u8 lock[] = { 0xf0 };
	static const u8 patched[] = { 0x3e, 0x90 };
	int bit;

	if (!len)
		return -ENOENT;
	bit = locked_or_find(code, len, lock, sizeof(lock));
	if (bit < 0)
		bit = locked_or_find(code, len, patched, sizeof(patched));
	return bit;
}
