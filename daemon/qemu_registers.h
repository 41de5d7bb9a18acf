/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers out of QEMU's "info registers -a".
 */
#ifndef DAEMON_QEMU_REGISTERS_H
#define DAEMON_QEMU_REGISTERS_H

#include "../guestinfo/find/find.h"

/**
 * qemu_registers_parse() - one entry per "CPU#n", of the first @max
 * A register that is not printed is 0. Real and protected mode ("EIP=") count
 * too: cr0 and efer say what mode it is.
 * Return: 0, -EBADMSG no vCPU in it.
 */
int qemu_registers_parse(const char *text, struct gi_vcpu_regs *ret, u32 max,
			 u32 *ret_nr);

#endif /* DAEMON_QEMU_REGISTERS_H */
