// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long the guest's own means take to stop and resume a spinning process:
 * SIGSTOP/SIGCONT and cgroup.freeze, measured inside the guest.
 *
 * usage: latency sig|freezer ROUNDS
 *
 * Prints "stop NS" and "resume NS" for each round. Stopped is when waitpid()
 * or cgroup.events says so; resumed, when the process counts again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CGROUP "/sys/fs/cgroup/latency"

static volatile uint64_t *counter;
static pid_t child;
static int events_fd, freeze_fd;

static void die(const char *what)
{
	fprintf(stderr, "latency: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void start_child(void)
{
	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counter == MAP_FAILED)
		die("mmap");
	child = fork();
	if (child < 0)
		die("fork");
	while (child == 0)
		++*counter;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void make_cgroup(void)
{
	char pid[32];

	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		die(CGROUP);
	snprintf(pid, sizeof(pid), "%d", (int)child);
	write_file(CGROUP "/cgroup.procs", pid);
	events_fd = open(CGROUP "/cgroup.events", O_RDONLY);
	freeze_fd = open(CGROUP "/cgroup.freeze", O_WRONLY);
	if (events_fd < 0 || freeze_fd < 0)
		die("cgroup.events, cgroup.freeze");
}

static int is_frozen(void)
{
	char text[256];
	ssize_t len = pread(events_fd, text, sizeof(text) - 1, 0);

	if (len < 0)
		die("cgroup.events");
	text[len] = '\0';
	return strstr(text, "frozen 1") != NULL;
}

static void freezer_stop(void)
{
	struct pollfd wait = { .fd = events_fd, .events = POLLPRI };

	if (pwrite(freeze_fd, "1", 1, 0) != 1)
		die("cgroup.freeze");
	while (!is_frozen())
		poll(&wait, 1, 100);
}

static void freezer_resume(void)
{
	if (pwrite(freeze_fd, "0", 1, 0) != 1)
		die("cgroup.freeze");
}

static void signal_stop(void)
{
	int status;

	if (kill(child, SIGSTOP) ||
	    waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
		die("SIGSTOP");
}

static void signal_resume(void)
{
	if (kill(child, SIGCONT))
		die("SIGCONT");
}

static void pause_us(long us)
{
	struct timespec ts = { 0, us * 1000 };

	nanosleep(&ts, NULL);
}

static void measure(void (*stop)(void), void (*resume)(void))
{
	uint64_t start, count;

	start = now_ns();
	stop();
	printf("stop %llu\n", (unsigned long long)(now_ns() - start));
	pause_us(2000 + rand() % 3000);
	count = *counter;
	start = now_ns();
	resume();
	/* Asleep, not spinning: the child needs the CPU to count. */
	while (*counter == count && now_ns() - start < 2000000000ull)
		pause_us(20);
	printf("resume %llu\n", (unsigned long long)(now_ns() - start));
	pause_us(5000 + rand() % 5000);
}

int main(int argc, char **argv)
{
	int rounds, freezer;

	if (argc != 3 || (strcmp(argv[1], "sig") && strcmp(argv[1], "freezer"))) {
		fprintf(stderr, "usage: latency sig|freezer ROUNDS\n");
		return 2;
	}
	freezer = !strcmp(argv[1], "freezer");
	rounds = atoi(argv[2]);
	start_child();
	if (freezer)
		make_cgroup();
	while (rounds-- > 0)
		measure(freezer ? freezer_stop : signal_stop,
			freezer ? freezer_resume : signal_resume);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (freezer)
		rmdir(CGROUP);
	return 0;
}
