// SPDX-License-Identifier: GPL-2.0-only
/*
 * gdb remote protocol, as little of it as is needed: see gdbstub.h. The other
 * side is not trusted: lengths are bounded, a bad checksum ends the connection.
 */
#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "gdbstub.h"

#define PROBE	"qqemu.PhyMemMode"

/* What is left of the time given, for poll(). */
struct deadline {
	u64 end_ns;
};

struct out {
	u32 len, packets;
	bool overflow;
	char buf[48 * (GDBSTUB_WRITES + 8)];
};

enum token { TOKEN_ACK, TOKEN_PACKET };

static struct deadline deadline_in(u32 ms)
{
	return (struct deadline){ clock_ns() + ms * 1000000ull };
}

static int deadline_wait(struct deadline deadline, int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	u64 now = clock_ns();
	u64 left_ns = now < deadline.end_ns ? deadline.end_ns - now : 0;
	struct timespec ts = { left_ns / 1000000000, left_ns % 1000000000 };
	int n = ppoll(&pfd, 1, &ts, NULL);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? 0 : -ETIMEDOUT;
}

void gdbstub_init(struct gdbstub *stub, int fd)
{
	memset(stub, 0, sizeof(*stub));
	stub->fd = fd;
}

void gdbstub_deinit(struct gdbstub *stub)
{
	if (stub->fd >= 0)
		close(stub->fd);
	stub->fd = -1;
	stub->state = GDBSTUB_BROKEN;
}

static int broken(struct gdbstub *stub, int err)
{
	stub->state = GDBSTUB_BROKEN;
	return err;
}

static void out_packet(struct out *out, const char *payload)
{
	size_t room = sizeof(out->buf) - out->len;
	u8 sum = 0;
	int n;

	for (const char *p = payload; *p; p++)
		sum += *p;
	n = snprintf(out->buf + out->len, room, "$%s#%02x", payload, sum);
	if (n < 0 || (size_t)n >= room) {
		out->overflow = true;
		return;
	}
	out->len += n;
	out->packets++;
}

static void out_command(struct out *out, const char *command)
{
	char payload[256] = "qRcmd,";
	size_t len = strlen(payload);

	for (; *command && len + 3 < sizeof(payload); command++)
		len += snprintf(payload + len, 3, "%02x", (u8)*command);
	out->overflow |= *command != '\0';
	out_packet(out, payload);
}

/* Physical memory is little-endian, as the packet has its bytes. */
static void out_write(struct out *out, const struct gdbstub_write *write_)
{
	char payload[64];
	u32 v = write_->value;

	snprintf(payload, sizeof(payload), "M%llx,4:%02x%02x%02x%02x",
		 write_->gpa, v & 0xff, v >> 8 & 0xff, v >> 16 & 0xff, v >> 24);
	out_packet(out, payload);
}

static int out_send(struct gdbstub *stub, const struct out *out,
		    struct deadline deadline)
{
	u32 sent = 0;
	ssize_t n;
	int err;

	if (out->overflow)
		return -EINVAL;
	while (sent < out->len) {
		n = send(stub->fd, out->buf + sent, out->len - sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			sent += n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return broken(stub, -ENOTCONN);
		err = deadline_wait(deadline, stub->fd, POLLOUT);
		/* Half a packet is out: what QEMU makes of it is unknown. */
		if (err)
			return sent ? broken(stub, -EPROTO) : err;
	}
	return 0;
}

static int fill(struct gdbstub *stub, struct deadline deadline)
{
	ssize_t n;
	int err;

	if (stub->in_len == sizeof(stub->in))
		return broken(stub, -EPROTO);
	for (;;) {
		n = recv(stub->fd, stub->in + stub->in_len,
			 sizeof(stub->in) - stub->in_len, MSG_DONTWAIT);
		if (n > 0)
			break;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return broken(stub, -ENOTCONN);
		err = deadline_wait(deadline, stub->fd, POLLIN);
		if (err)
			return err;
	}
	stub->in_len += n;
	return 0;
}

static void consume(struct gdbstub *stub, u32 len)
{
	stub->in_len -= len;
	memmove(stub->in, stub->in + len, stub->in_len);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A whole packet at the start of the input? Return: its length or 0. */
static u32 packet_length(const struct gdbstub *stub)
{
	const char *end = memchr(stub->in, '#', stub->in_len);

	if (!end || end + 3 > stub->in + stub->in_len)
		return 0;
	return end + 3 - stub->in;
}

static bool packet_sum_ok(const char *packet, u32 len)
{
	int high = hex_digit(packet[len - 2]), low = hex_digit(packet[len - 1]);
	u8 sum = 0;

	for (u32 i = 1; i < len - 3; i++)
		sum += packet[i];
	return high >= 0 && low >= 0 && sum == (high << 4 | low);
}

/* The next thing from the stub; @payload of a packet without its frame. */
static int next(struct gdbstub *stub, struct deadline deadline,
		enum token *ret_token, char *payload, u32 size)
{
	u32 len;
	int err;

	for (;;) {
		if (stub->in_len && stub->in[0] == '+') {
			consume(stub, 1);
			*ret_token = TOKEN_ACK;
			return 0;
		}
		if (stub->in_len && stub->in[0] != '$')
			return broken(stub, -EPROTO);
		len = stub->in_len ? packet_length(stub) : 0;
		if (len)
			break;
		err = fill(stub, deadline);
		if (err)
			return err;
	}
	if (len - 4 >= size || !packet_sum_ok(stub->in, len))
		return broken(stub, -EPROTO);
	memcpy(payload, stub->in + 1, len - 4);
	payload[len - 4] = '\0';
	consume(stub, len);
	*ret_token = TOKEN_PACKET;
	return 0;
}

static void text_append(struct gdbstub *stub, const char *hex)
{
	while (stub->text_len < sizeof(stub->text) - 1) {
		int high = hex_digit(hex[0]);
		int low = high < 0 ? -1 : hex_digit(hex[1]);

		if (low < 0)
			break;
		stub->text[stub->text_len++] = high << 4 | low;
		hex += 2;
	}
	stub->text[stub->text_len] = '\0';
}

/* Read answers until the one to the monitor command. */
static int stop_wait(struct gdbstub *stub, struct deadline deadline)
{
	char payload[sizeof(stub->in)];
	enum token token;
	int err;

	for (;;) {
		err = next(stub, deadline, &token, payload, sizeof(payload));
		if (err)
			return err;
		if (token == TOKEN_ACK)
			continue;
		if (payload[0] == 'W' || payload[0] == 'X')
			return broken(stub, -ENOTCONN);
		if (payload[0] == 'O' && payload[1] != 'K') {
			text_append(stub, payload + 1);
		} else if (isdigit((u8)payload[0]) && !payload[1]) {
			stub->was_paused = true;
		} else if (!strcmp(payload, "OK")) {
			break;
		} else if (payload[0] == 'E' || !payload[0]) {
			stub->failed = true;
			break;
		}
		/* Stop replies and anything else: news to nobody. */
	}
	stub->state = stub->was_paused ? GDBSTUB_IDLE : GDBSTUB_STOPPED;
	return stub->was_paused ? -EBUSY : 0;
}

int gdbstub_stop(struct gdbstub *stub, const char *command, u32 timeout_ms)
{
	struct deadline deadline = deadline_in(timeout_ms);
	struct out out;
	int err;

	if (stub->state != GDBSTUB_IDLE)
		return stub->state == GDBSTUB_BROKEN ? -ENOTCONN : -EINVAL;
	out.len = out.packets = out.overflow = 0;
	out_packet(&out, PROBE);
	out_command(&out, command);
	stub->was_paused = stub->failed = false;
	stub->text_len = 0;
	stub->text[0] = '\0';
	err = out_send(stub, &out, deadline);
	if (err)
		return err;
	stub->state = GDBSTUB_STOPPING;
	return stop_wait(stub, deadline);
}

/*
 * The VM runs when the last packet, "c", is acknowledged. The first "OK" comes
 * from a packet behind the probe: if the probe has not answered by then,
 * somebody had resumed the VM and the probe was the byte that stopped it again.
 */
static int continue_wait(struct gdbstub *stub, struct deadline deadline)
{
	char payload[sizeof(stub->in)];
	enum token token;
	int err;

	while (stub->acks < stub->expected_acks) {
		err = next(stub, deadline, &token, payload, sizeof(payload));
		if (err)
			return err;
		if (token == TOKEN_ACK) {
			stub->acks++;
		} else if (payload[0] == 'W' || payload[0] == 'X') {
			return broken(stub, -ENOTCONN);
		} else if (isdigit((u8)payload[0])) {
			stub->probed = true;
		} else if (payload[0] == 'E' || !payload[0]) {
			stub->failed = true;
		} else if (!strcmp(payload, "OK") && !stub->probed) {
			stub->probed = true;
			stub->expected_acks--;
			stub->intrusions++;
		}
	}
	stub->state = GDBSTUB_IDLE;
	return stub->failed ? -EIO : 0;
}

int gdbstub_preset_continue(struct gdbstub *stub)
{
	struct out out;
	int err;

	out.len = out.packets = out.overflow = 0;
	out_packet(&out, "Qqemu.PhyMemMode:0");
	out_packet(&out, "c");
	stub->failed = false;
	stub->acks = 0;
	stub->probed = true;
	stub->expected_acks = out.packets;
	err = out_send(stub, &out, deadline_in(0));
	if (!err)
		stub->state = GDBSTUB_CONTINUING;
	return err;
}

int gdbstub_continue(struct gdbstub *stub, const struct gdbstub_write *writes,
		     u32 nr_writes, u32 timeout_ms)
{
	struct deadline deadline = deadline_in(timeout_ms);
	struct out out;
	int err;

	if (stub->state != GDBSTUB_STOPPED)
		return stub->state == GDBSTUB_BROKEN ? -ENOTCONN : -EINVAL;
	out.len = out.packets = out.overflow = 0;
	out_packet(&out, PROBE);
	if (nr_writes)
		out_packet(&out, "Qqemu.PhyMemMode:1");
	for (u32 i = 0; i < nr_writes; i++)
		out_write(&out, &writes[i]);
	out_packet(&out, "Qqemu.PhyMemMode:0");
	out_packet(&out, "c");
	stub->failed = stub->probed = false;
	stub->acks = 0;
	stub->expected_acks = out.packets;
	err = out_send(stub, &out, deadline);
	if (err)
		return err;
	stub->state = GDBSTUB_CONTINUING;
	return continue_wait(stub, deadline);
}

/* Unasked stop replies pile up, and QEMU blocks when the socket is full. */
static int drain(struct gdbstub *stub)
{
	char payload[sizeof(stub->in)];
	enum token token;
	int err;

	do
		err = next(stub, (struct deadline){ 0 }, &token, payload,
			   sizeof(payload));
	while (!err);
	return err == -ETIMEDOUT ? 0 : err;
}

int gdbstub_settle(struct gdbstub *stub, u32 timeout_ms)
{
	int err;

	if (stub->state == GDBSTUB_STOPPING) {
		err = stop_wait(stub, deadline_in(timeout_ms));
		if (err == -EBUSY)
			return 0;
		return err ? err : gdbstub_continue(stub, NULL, 0, timeout_ms);
	}
	if (stub->state == GDBSTUB_STOPPED) {
		err = gdbstub_continue(stub, NULL, 0, timeout_ms);
		return err == -EIO ? 0 : err;
	}
	if (stub->state == GDBSTUB_CONTINUING) {
		err = continue_wait(stub, deadline_in(timeout_ms));
		return err == -EIO ? 0 : err;
	}
	return stub->state == GDBSTUB_BROKEN ? -ENOTCONN : drain(stub);
}
