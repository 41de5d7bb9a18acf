/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts about a VM from the command line of its QEMU.
 */
#ifndef DAEMON_QEMU_CMDLINE_H
#define DAEMON_QEMU_CMDLINE_H

#include <sys/types.h>

#include "../guestinfo/core/env.h"

/**
 * struct qemu_cmdline
 * @name: -name guest=, or ""
 * @uuid: -uuid in lower case, or ""
 * @qmp_path: unix socket of a QMP server, as QEMU sees it, or ""
 * @machine: -machine's type, or ""
 * @encrypted: the option that encrypts the guest's memory, or ""
 * @memory_bytes: -m, 0 if not given
 * @libvirt: its monitor is libvirt's
 * @gdb: started with a gdb server of its own
 */
struct qemu_cmdline {
	char name[128];
	char uuid[40];
	char qmp_path[256];
	char machine[64];
	char encrypted[64];
	u64 memory_bytes;
	bool libvirt;
	bool gdb;
};

/* Parse the NUL-separated arguments in [@text, @text + @len). */
void qemu_cmdline_parse(const char *text, size_t len, struct qemu_cmdline *ret);

/* Read /proc/PID/cmdline. Return: 0, -ESRCH, -EAGAIN it is empty, -errno. */
int qemu_cmdline_read(pid_t pid, struct qemu_cmdline *ret);

/* Is this an executable name of a QEMU system emulator for x86-64? */
bool qemu_is_x86(const char *basename);
/* ... of a system emulator for anything? */
bool qemu_is_system(const char *basename);

/* Base name of /proc/PID/exe. Return: 0 or -errno. */
int qemu_exe(pid_t pid, char *ret, size_t size);

#endif /* DAEMON_QEMU_CMDLINE_H */
