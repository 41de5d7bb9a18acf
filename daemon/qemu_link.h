/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Our link to the gdb stub of a QEMU: a socket pair of which QEMU is handed one
 * end through the monitor. There is no name in any file system, nobody else can
 * connect, and our death closes it.
 *
 * Rules: a VM that somebody else paused, saves or migrates is not touched, and
 * never resumed (writes by a mapping escape QEMU's log of dirty pages, so a
 * migration would lose them: it is asked about under each hold). Before a hold
 * a flag is put down that outlives us (held_flag.h). A monitor that is busy or
 * hangs holds up those who asked it, never a hold: qemu_link_{init,open,deinit}
 * may block for seconds, the rest never asks it. A gdb server of somebody else
 * is left alone, whenever it was started.
 */
#ifndef DAEMON_QEMU_LINK_H
#define DAEMON_QEMU_LINK_H

#include "backend.h"
#include "gdbstub.h"
#include "held_flag.h"

/**
 * struct qemu_link - the link to one QEMU
 * @monitor, @pidfd: borrowed
 * @linked: the stub is connected
 * @foreign: somebody else's gdb server was there at the last qemu_link_open()
 * @error, @retry_ns: of the last qemu_link_open(); no other one before this time
 * @kicks: written before the vCPUs run again
 */
struct qemu_link {
	struct monitor *monitor;
	int pidfd;
	struct held_flag flag;
	struct gdbstub stub;
	bool linked;
	bool held;
	bool foreign;
	int error;
	u64 retry_ns;
	struct gdbstub_write kicks[GDBSTUB_WRITES];
	u32 nr_kicks;
};

/**
 * qemu_link_init() - make the VM of @pid ours
 * What a predecessor stopped runs again.
 * Return: 0; -EBUSY and the path in @link->flag: another process has it;
 * as monitor->qmp().
 */
int qemu_link_init(struct qemu_link *link, pid_t pid, struct monitor *monitor,
		   int pidfd);

/*
 * Connect, if it is not: what was left stopped runs again first.
 * Return: 0; -EOPNOTSUPP there is a gdb server of somebody else, and QEMU has
 * only one; -EIO QEMU refuses; -EPROTO; as monitor->qmp(). Some seconds later
 * it is due again.
 */
int qemu_link_open(struct qemu_link *link);

/* Release the VM, take our chardev out of QEMU; also after a failed init. */
void qemu_link_deinit(struct qemu_link *link);

/* Return: as hold() in backend.h. */
int qemu_link_hold(struct qemu_link *link);

/* Under the hold. Return: 0, -ENOSPC. */
int qemu_link_kick(struct qemu_link *link, u64 gpa, u32 value);

/* Under the hold: the kicks, then the vCPUs run. Return: as release() there. */
int qemu_link_release(struct qemu_link *link);

/*
 * Finish what timed out.
 * Return: 0; -ETIMEDOUT not yet; -EAGAIN qemu_link_open() is due; -ENOTCONN.
 */
int qemu_link_settle(struct qemu_link *link);

#endif /* DAEMON_QEMU_LINK_H */
