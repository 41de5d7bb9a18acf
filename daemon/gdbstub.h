/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A client of QEMU's gdb stub that does three things: stop all vCPUs, write
 * physical memory, let them run.
 *
 * While the VM runs, QEMU takes the first byte it gets as the wish to stop and
 * throws it away, whatever it is; while the VM is stopped, it reads packets.
 * So we never send an acknowledgement, and the stop is two packets: a probe,
 * whose first byte stops a running VM and whose rest is then skipped, and a
 * second one that is always answered. An answer to the probe means that
 * somebody else had paused the VM before. This needs no stop reply ("T05...",
 * which newer QEMUs do not send), and leaves no window between the question
 * "is it running?" and the stop.
 *
 * The same order protects the way out: if somebody resumed the VM meanwhile,
 * the probe stops it once more, and the packets after it count.
 */
#ifndef DAEMON_GDBSTUB_H
#define DAEMON_GDBSTUB_H

#include "../guestinfo/core/env.h"

#define GDBSTUB_WRITES	256
#define GDBSTUB_TEXT	4096

enum gdbstub_state {
	GDBSTUB_IDLE,		/* we ask for nothing: the VM runs or not */
	GDBSTUB_STOPPING,	/* asked to stop, answer is due */
	GDBSTUB_STOPPED,	/* stopped by us */
	GDBSTUB_CONTINUING,	/* asked to run, acknowledgement is due */
	GDBSTUB_BROKEN,		/* closed, or spoke nonsense */
};

/* A 32-bit write to a physical address. */
struct gdbstub_write {
	u64 gpa;
	u32 value;
};

/**
 * struct gdbstub - one connection
 * @was_paused: the probe was answered: the VM stood still before our stop
 * @intrusions: times that somebody resumed the VM while we had it stopped
 * @text: what the monitor command that came with the stop printed
 */
struct gdbstub {
	int fd;
	enum gdbstub_state state;
	bool was_paused;
	bool failed;		/* an answer was an error */
	bool probed;		/* the probe's answer came, or cannot come */
	u32 expected_acks;
	u32 acks;
	u32 intrusions;
	u32 in_len;
	u32 text_len;
	char in[4096];
	char text[GDBSTUB_TEXT];
};

/* Takes over @fd, a stream socket. */
void gdbstub_init(struct gdbstub *stub, int fd);
void gdbstub_deinit(struct gdbstub *stub);

/*
 * Put a "continue" into the socket before QEMU reads it: connecting stops the
 * VM, and this lets it run again at once. Finish with gdbstub_settle().
 */
int gdbstub_preset_continue(struct gdbstub *stub);

/**
 * gdbstub_stop() - stop the VM
 * @command: of the human monitor, run while it stands still; see @stub->text
 * Return: 0 it is stopped by us. -EBUSY it was paused before: nothing was
 * changed. -ETIMEDOUT: still GDBSTUB_STOPPING, call gdbstub_settle() soon.
 * -ENOTCONN, -EPROTO.
 */
int gdbstub_stop(struct gdbstub *stub, const char *command, u32 timeout_ms);

/**
 * gdbstub_continue() - write, then let the VM run
 * Return: 0; -EIO a write was refused, but the VM runs; -ETIMEDOUT: still
 * GDBSTUB_CONTINUING, or GDBSTUB_STOPPED when nothing could be sent;
 * -ENOTCONN, -EPROTO.
 */
int gdbstub_continue(struct gdbstub *stub, const struct gdbstub_write *writes,
		     u32 nr_writes, u32 timeout_ms);

/**
 * gdbstub_settle() - finish what timed out
 * A stop that arrived late is undone, and so is one that gdbstub_continue() did
 * not get to: not for a VM that is to stay stopped. Call it now and then on an
 * idle one too: it takes in what QEMU says unasked.
 * Return: 0 idle; -ETIMEDOUT not yet; -ENOTCONN, -EPROTO.
 */
int gdbstub_settle(struct gdbstub *stub, u32 timeout_ms);

#endif /* DAEMON_GDBSTUB_H */
