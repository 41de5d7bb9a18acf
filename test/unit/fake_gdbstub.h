/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread that behaves as QEMU's gdb stub does (any byte stops a running VM and
 * is lost), and that misbehaves when told to: answers in pieces, is late, sends
 * garbage, dies. Included by one test each.
 */
#ifndef TEST_UNIT_FAKE_GDBSTUB_H
#define TEST_UNIT_FAKE_GDBSTUB_H

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../../guestinfo/core/env.h"

enum fault {
	NO_FAULT,
	IN_PIECES,	/* one byte at a time */
	LATE,		/* answers only after 150 ms */
	BAD_SUM,	/* a wrong checksum in the first answer */
	GARBAGE,	/* no frame at all */
	ENDLESS,	/* a packet that never ends */
	DIES,		/* closes at the first byte */
	DIES_HALFWAY,	/* closes in the middle of an answer */
	REFUSES,	/* "E22" to each write */
};

struct fake_gdbstub {
	int fd;
	enum fault fault;
	pthread_t thread;
	pthread_mutex_t lock;
	bool running;		/* the VM */
	bool closed;
	u32 stops, continues, writes;
	u64 last_gpa;
	u32 last_value;
	bool physical;
	bool wrote_virtual;	/* a write that went to a virtual address */
	bool bad_packet;
	u32 len;
	bool in_packet;
	char line[1024];
};

static void sleep_ms(u32 ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&ts, NULL);
}

static void fake_send(struct fake_gdbstub *fake, const char *bytes, size_t len)
{
	size_t piece = fake->fault == IN_PIECES ? 1 : len;

	if (fake->fault == DIES_HALFWAY) {
		send(fake->fd, bytes, len / 2, MSG_NOSIGNAL);
		fake->closed = true;
		return;
	}
	for (size_t i = 0; i < len; i += piece) {
		if (send(fake->fd, bytes + i, piece, MSG_NOSIGNAL) < 0)
			return;
		if (piece == 1)
			sleep_ms(1);
	}
}

static void fake_reply(struct fake_gdbstub *fake, const char *payload)
{
	char packet[4096];
	u8 sum = fake->fault == BAD_SUM;
	int n;

	for (const char *p = payload; *p; p++)
		sum += *p;
	n = snprintf(packet, sizeof(packet), "$%s#%02x", payload, sum);
	if (fake->fault == GARBAGE)
		fake_send(fake, "nonsense", 8);
	else if (fake->fault == ENDLESS)
		for (int i = 0; i < 100; i++)
			fake_send(fake, "$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
				  64);
	else
		fake_send(fake, packet, n);
}

static void fake_write(struct fake_gdbstub *fake, const char *packet)
{
	unsigned int b[4];

	if (sscanf(packet, "M%llx,4:%2x%2x%2x%2x", &fake->last_gpa, &b[0],
		   &b[1], &b[2], &b[3]) != 5) {
		fake->bad_packet = true;
		return;
	}
	fake->last_value = b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24;
	fake->wrote_virtual |= !fake->physical;
	fake->writes++;
	fake_reply(fake, fake->fault == REFUSES ? "E22" : "OK");
}

static void fake_packet(struct fake_gdbstub *fake, const char *packet)
{
	if (fake->fault == LATE)
		sleep_ms(150);
	fake_send(fake, "+", 1);
	if (!strcmp(packet, "qqemu.PhyMemMode")) {
		fake_reply(fake, fake->physical ? "1" : "0");
	} else if (!strncmp(packet, "qRcmd,", 6)) {
		fake_reply(fake, "O68656c6c6f");
		fake_reply(fake, "O0a");
		fake_reply(fake, "OK");
	} else if (!strncmp(packet, "Qqemu.PhyMemMode:", 17)) {
		fake->physical = packet[17] == '1';
		fake_reply(fake, "OK");
	} else if (packet[0] == 'M') {
		fake_write(fake, packet);
	} else if (!strcmp(packet, "c")) {
		fake->running = true;
		fake->continues++;
	} else {
		fake->bad_packet = true;
	}
}

static void fake_line_end(struct fake_gdbstub *fake)
{
	unsigned int sum;
	u8 own = 0;

	/* "payload#xx" */
	fake->line[fake->len] = '\0';
	for (u32 i = 0; i < fake->len - 3; i++)
		own += fake->line[i];
	if (sscanf(fake->line + fake->len - 2, "%2x", &sum) != 1 || sum != own)
		fake->bad_packet = true;
	fake->line[fake->len - 3] = '\0';
	fake->in_packet = false;
	fake_packet(fake, fake->line);
}

static void fake_byte(struct fake_gdbstub *fake, char c)
{
	if (fake->running) {
		fake->running = false;
		fake->stops++;
		fake_reply(fake, "T02thread:01;");
	} else if (!fake->in_packet) {
		fake->in_packet = c == '$';
		fake->len = 0;
	} else if (fake->len < sizeof(fake->line) - 1) {
		fake->line[fake->len++] = c;
		if (fake->len > 3 && fake->line[fake->len - 3] == '#')
			fake_line_end(fake);
	}
}

static void *fake_run(void *opaque)
{
	struct fake_gdbstub *fake = opaque;
	struct pollfd pfd = { .fd = fake->fd, .events = POLLIN };
	char buf[512];
	ssize_t n;

	while (!fake->closed && poll(&pfd, 1, -1) == 1) {
		pthread_mutex_lock(&fake->lock);
		n = read(fake->fd, buf, sizeof(buf));
		if (n <= 0 || fake->fault == DIES)
			fake->closed = true;
		for (ssize_t i = 0; i < n && !fake->closed; i++)
			fake_byte(fake, buf[i]);
		pthread_mutex_unlock(&fake->lock);
	}
	close(fake->fd);
	return NULL;
}

/* Takes over @fd. @running: the VM. */
static void fake_start(struct fake_gdbstub *fake, int fd, enum fault fault,
		       bool running)
{
	memset(fake, 0, sizeof(*fake));
	fake->fd = fd;
	fake->fault = fault;
	fake->running = running;
	pthread_mutex_init(&fake->lock, NULL);
	assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake),
			 0);
}

/* When the other end is closed. */
static void fake_end(struct fake_gdbstub *fake)
{
	pthread_join(fake->thread, NULL);
	pthread_mutex_destroy(&fake->lock);
	assert_false(fake->bad_packet);
	assert_false(fake->wrote_virtual);
}

/* What somebody else does to the VM, by another monitor. */
static void fake_set_running(struct fake_gdbstub *fake, bool running)
{
	pthread_mutex_lock(&fake->lock);
	if (fake->running && !running)
		fake_reply(fake, "T02thread:01;");
	fake->running = running;
	pthread_mutex_unlock(&fake->lock);
}

static bool fake_is_running(struct fake_gdbstub *fake)
{
	bool running;

	pthread_mutex_lock(&fake->lock);
	running = fake->running;
	pthread_mutex_unlock(&fake->lock);
	return running;
}

/*
 * Until fake_unblock() it reads nothing and nothing more can be sent to it: the
 * socket @fd is full of what a stub skips while the VM stands still.
 */
static void fake_block(struct fake_gdbstub *fake, int fd)
{
	pthread_mutex_lock(&fake->lock);
	while (send(fd, "+", 1, MSG_DONTWAIT) == 1)
		;
}

static void fake_unblock(struct fake_gdbstub *fake)
{
	pthread_mutex_unlock(&fake->lock);
}

#endif /* TEST_UNIT_FAKE_GDBSTUB_H */
