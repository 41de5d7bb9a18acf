// SPDX-License-Identifier: GPL-2.0-only
/*
 * scripts/vm-shell for machines without Python: vm-shell SOCKET COMMAND.
 *
 * Speaks the protocol of test/guest/inside/init. Prints the command's output and
 * exits with its code; 255 if the guest does not answer in time.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S	120
#define FAILED		255

/* One command at a time: the answers have no addressee. */
static void lock_shell(const char *path)
{
	char name[200];
	int fd;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX))
		err(FAILED, "%s", name);
}

static FILE *open_shell(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		errx(FAILED, "%s: longer than a socket's path can be", path);
	strcpy(address.sun_path, path);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		err(FAILED, "%s", path);
	return fdopen(fd, "r+");
}

/* Skips what an earlier, abandoned command left. */
static void read_header(FILE *shell, int ident, int *ret_code, size_t *ret_size)
{
	char line[4096];
	int whose;

	while (fgets(line, sizeof(line), shell))
		if (sscanf(line, "MONARCH %d %d %zu", &whose, ret_code,
			   ret_size) == 3 && whose == ident)
			return;
	errx(FAILED, "no answer from the guest in %d s", TIMEOUT_S);
}

static void copy_out(FILE *shell, size_t size)
{
	char part[4096];
	size_t want, got;

	for (; size; size -= got) {
		want = size < sizeof(part) ? size : sizeof(part);
		got = fread(part, 1, want, shell);
		if (!got)
			errx(FAILED, "the guest's answer ends %zu bytes early",
			     size);
		fwrite(part, 1, got, stdout);
	}
}

int main(int argc, char **argv)
{
	int code, ident = getpid();
	size_t size;
	FILE *shell;

	if (argc != 3 || strchr(argv[2], '\n'))
		errx(FAILED, "usage: vm-shell SOCKET COMMAND (one line)");
	lock_shell(argv[1]);
	shell = open_shell(argv[1]);
	fprintf(shell, "%d %s\n", ident, argv[2]);
	fflush(shell);
	read_header(shell, ident, &code, &size);
	copy_out(shell, size);
	return code;
}
