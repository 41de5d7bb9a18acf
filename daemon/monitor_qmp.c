// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor of a QEMU that has a QMP socket of its own.
 *
 * Such a socket serves one client at a time, and it is not ours: so we connect
 * for one command and leave. Who finds it taken waits for its turn.
 */
#include <poll.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "monitor.h"

#define QMP_TIMEOUT_MS	5000
#define QMP_REPLY_MAX	(16u << 20)

struct monitor_qmp {
	struct monitor monitor;
	char path[];
};

/* One visit at the socket. */
struct session {
	int fd;
	u64 deadline_ms;
	char *buf;
	size_t len, size;
};

/*
 * The path may be longer than a socket address allows, and lie in QEMU's own
 * file system: go through an O_PATH descriptor.
 */
static int session_connect(struct session *session, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int path_fd, err = 0;

	path_fd = open(path, O_PATH | O_CLOEXEC);
	if (path_fd < 0)
		return errno == EACCES ? -EACCES : -ENOTCONN;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d",
		 path_fd);
	session->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			     0);
	if (session->fd < 0)
		err = -errno;
	else if (connect(session->fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = errno == EAGAIN ? -EBUSY : -ENOTCONN;
	close(path_fd);
	if (err && session->fd >= 0)
		close(session->fd);
	return err;
}

static int session_wait(struct session *session, short events)
{
	struct pollfd pfd = { .fd = session->fd, .events = events };
	u64 now = clock_ms();
	int n;

	if (now >= session->deadline_ms)
		return -ETIMEDOUT;
	n = poll(&pfd, 1, session->deadline_ms - now);
	if (n < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int session_fill(struct session *session)
{
	ssize_t n;
	int err;

	if (session->size - session->len < 4096) {
		size_t size = session->size ? session->size * 2 : 16384;
		char *buf;

		if (size > QMP_REPLY_MAX)
			return -EBADMSG;
		buf = realloc(session->buf, size);
		if (!buf)
			return -ENOMEM;
		session->buf = buf;
		session->size = size;
	}
	err = session_wait(session, POLLIN);
	if (err)
		return err;
	n = recv(session->fd, session->buf + session->len,
		 session->size - session->len, 0);
	if (n == 0)
		return -ENOTCONN;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -ENOTCONN;
	session->len += n;
	return 0;
}

/* One line, malloc'ed: QMP sends one object per line. */
static int session_line(struct session *session, char **ret)
{
	size_t seen = 0, len;
	char *end, *line;
	int err;

	for (;;) {
		end = seen < session->len ?
			memchr(session->buf + seen, '\n', session->len - seen) :
			NULL;
		if (end)
			break;
		seen = session->len;
		err = session_fill(session);
		if (err)
			return err;
	}
	len = end - session->buf;
	line = strndup(session->buf, len);
	if (!line)
		return -ENOMEM;
	session->len -= len + 1;
	memmove(session->buf, end + 1, session->len);
	*ret = line;
	return 0;
}

static int session_send(struct session *session, const char *text, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t n = sendmsg(session->fd, &msg, MSG_NOSIGNAL);
		int err;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -ENOTCONN;
		if (n > 0) {
			iov.iov_base = (char *)iov.iov_base + n;
			iov.iov_len -= n;
			msg.msg_control = NULL;
			msg.msg_controllen = 0;
		}
		err = iov.iov_len ? session_wait(session, POLLOUT) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* Is @line an answer (1), something else such as an event (0), or an error? */
static int classify(const char *line)
{
	struct json_object *root = json_tokener_parse(line);
	int kind = 0;

	if (!json_object_is_type(root, json_type_object))
		kind = -EBADMSG;
	else if (json_object_object_get_ex(root, "return", NULL))
		kind = 1;
	else if (json_object_object_get_ex(root, "error", NULL))
		kind = -EIO;
	json_object_put(root);
	return kind;
}

static int session_command(struct session *session, const char *command,
			   int fd, char **ret_reply)
{
	char *line;
	int kind;
	int err;

	err = session_send(session, command, fd);
	if (!err)
		err = session_send(session, "\n", -1);
	if (err)
		return err;
	for (;;) {
		err = session_line(session, &line);
		if (err)
			return err;
		kind = classify(line);
		if (kind == 1 && ret_reply)
			*ret_reply = line;
		else
			free(line);
		if (kind)
			return kind == 1 ? 0 : kind;
	}
}

static int session_open(struct session *session, const char *path)
{
	char *greeting;
	int err;

	err = session_connect(session, path);
	if (err)
		return err;
	err = session_line(session, &greeting);
	if (!err) {
		free(greeting);
		err = session_command(session,
				      "{\"execute\":\"qmp_capabilities\"}", -1,
				      NULL);
	} else if (err == -ETIMEDOUT) {
		err = -EBUSY;	/* connected, not served: another client is on */
	}
	if (err) {
		close(session->fd);
		free(session->buf);
	}
	return err;
}

static int qmp_fd(struct monitor *monitor, const char *fd_name, int fd,
		  const char *command, char **ret_reply)
{
	struct monitor_qmp *qmp = container_of(monitor, struct monitor_qmp,
					       monitor);
	struct session session = {
		.deadline_ms = clock_ms() + QMP_TIMEOUT_MS,
	};
	char getfd[128];
	int err;

	err = session_open(&session, qmp->path);
	if (err)
		return err;
	if (fd >= 0) {
		snprintf(getfd, sizeof(getfd), "{\"execute\":\"getfd\","
			 "\"arguments\":{\"fdname\":\"%s\"}}", fd_name);
		err = session_command(&session, getfd, fd, NULL);
	}
	if (!err)
		err = session_command(&session, command, -1, ret_reply);
	close(session.fd);
	free(session.buf);
	return err;
}

static int qmp(struct monitor *monitor, const char *command, char **ret_reply)
{
	return qmp_fd(monitor, NULL, -1, command, ret_reply);
}

static void destroy(struct monitor *monitor)
{
	free(container_of(monitor, struct monitor_qmp, monitor));
}

/**
 * monitor_qmp_open() - the monitor behind a QMP socket
 * @socket_path: may go through /proc/PID/root
 * Return: 0; -ENOTCONN nobody listens; -EBUSY; -EBADMSG it does not speak QMP.
 */
int monitor_qmp_open(const char *socket_path, struct monitor **ret)
{
	struct monitor_qmp *monitor;
	int err;

	monitor = malloc(sizeof(*monitor) + strlen(socket_path) + 1);
	if (!monitor)
		return -ENOMEM;
	monitor->monitor = (struct monitor){
		.qmp = qmp, .qmp_fd = qmp_fd, .destroy = destroy,
	};
	strcpy(monitor->path, socket_path);
	err = monitor_query(&monitor->monitor, "query-version", NULL);
	if (err) {
		free(monitor);
		return err;
	}
	*ret = &monitor->monitor;
	return 0;
}
