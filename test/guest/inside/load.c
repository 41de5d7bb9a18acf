// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes in every state that a guest's process can be in, for tests that
 * look at them and stop them from outside. One program, one mode each:
 *
 *	load MODE [-n NAME] [-u UID:GID] [ARG...]
 *
 * A mode loops for ever, counts its rounds in the page of load.h, counts there
 * what must not happen (errors) and what may (EINTR), and prints nothing. Static
 * and without any library but libc, so that it runs in an initramfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

#define PAGE ((struct load_page *)LOAD_PAGE_VA)

struct mode {
	const char *name;
	void (*run)(long arg);
	long arg;		/* if none is given */
	const char *what;
};

static const char *self;	/* path of this program, for exec */

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	_exit(1);
}

/* The page */

static void page_start(const char *mode)
{
	PAGE->magic = 0;
	memset(PAGE, 0, sizeof(*PAGE));
	PAGE->pid = getpid();
	snprintf(PAGE->mode, sizeof(PAGE->mode), "%.15s", mode);
	__atomic_store_n(&PAGE->magic, LOAD_MAGIC, __ATOMIC_RELEASE);
}

static void page_create(const char *mode)
{
	void *at = mmap((void *)LOAD_PAGE_VA, sizeof(*PAGE),
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (at != (void *)LOAD_PAGE_VA)
		die("counter page");
	page_start(mode);
}

static void round_done(void)
{
	PAGE->counter[0]++;
}

/* A result of a system call that may be interrupted but not fail. */
static bool checked(bool good)
{
	if (good)
		return true;
	if (errno == EINTR)
		PAGE->eintr++;
	else
		PAGE->errors++;
	return false;
}

/* A result that can only be right. */
static void expect(bool good)
{
	if (!good)
		PAGE->errors++;
}

static void name_set(const char *name)
{
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

static void sleep_us(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	checked(nanosleep(&t, NULL) == 0);
}

/* Children that end by themselves when the parent is gone. */
static pid_t child_create(const char *name)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	name_set(name);
	page_start(name);
	return 0;
}

/* Modes: on the CPU */

static void run_spin(long arg)
{
	for (;;)
		round_done();
}

static void run_sysspin(long arg)
{
	for (;;) {
		syscall(SYS_getppid);
		round_done();
	}
}

static void run_yield(long arg)
{
	for (;;) {
		sched_yield();
		round_done();
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void burn_ms(long ms)
{
	uint64_t until = cpu_ns() + ms * 1000000ULL;

	while (cpu_ns() < until)
		PAGE->counter[1]++;
}

static void run_duty(long ms)
{
	for (;;) {
		burn_ms(ms);
		sleep_us(ms * 1000);
		round_done();
	}
}

/* One system call that takes long inside the kernel. */
static void run_longcall(long mib)
{
	size_t size = mib << 20;
	char *buffer = malloc(size);
	int fd = open("/dev/zero", O_RDONLY);

	if (!buffer || fd < 0)
		die("longcall");
	for (;;) {
		expect(read(fd, buffer, size) > 0);
		round_done();
	}
}

static void *thread_spin(void *arg)
{
	long i = (long)arg;
	char name[32];

	snprintf(name, sizeof(name), "mt%ld", i);
	name_set(name);
	for (;;)
		PAGE->counter[i % LOAD_COUNTERS]++;
	return NULL;
}

static void run_mt(long nr)
{
	pthread_t thread;
	long i;

	for (i = 1; i <= nr; i++)
		expect(!pthread_create(&thread, NULL, thread_spin, (void *)i));
	for (;;) {
		sleep_us(50000);
		round_done();
	}
}

/* Modes: asleep */

static void run_sleep(long ms)
{
	for (;;) {
		sleep_us(ms * 1000);
		round_done();
	}
}

static void run_epoll(long ms)
{
	int fd = epoll_create1(0);
	struct epoll_event event;

	if (fd < 0)
		die("epoll");
	for (;;) {
		checked(epoll_wait(fd, &event, 1, ms) >= 0);
		round_done();
	}
}

static void token_put(int fd)
{
	char token = 1;

	while (!checked(write(fd, &token, 1) == 1))
		;
}

static void token_get(int fd)
{
	char token = 0;

	while (!checked(read(fd, &token, 1) == 1))
		;
	expect(token == 1);
}

static void run_pipe(long arg)
{
	int there[2], back[2];

	if (pipe(there) || pipe(back))
		die("pipe");
	if (child_create("pipew") == 0)
		for (;;) {
			token_put(there[1]);
			token_get(back[0]);
			round_done();
		}
	name_set("piper");
	for (;;) {
		token_get(there[0]);
		token_put(back[1]);
		round_done();
	}
}

static void io_round(int fd, char *buffer, size_t size)
{
	int i;

	lseek(fd, 0, SEEK_SET);
	for (i = 0; i < 16; i++)
		expect(write(fd, buffer, size) == (ssize_t)size);
	lseek(fd, 0, SEEK_SET);
	for (i = 0; i < 16; i++)
		expect(read(fd, buffer, size) == (ssize_t)size);
	expect(fsync(fd) == 0);
}

static void run_io(long us)
{
	static char buffer[65536];
	char path[] = "/tmp/load-io.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		die(path);
	unlink(path);
	for (;;) {
		io_round(fd, buffer, sizeof(buffer));
		round_done();
		if (us)
			sleep_us(us);
	}
}

/* Two threads that wake each other. */

static uint32_t turn;

static void turn_take(uint32_t mine)
{
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine)
		if (syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !mine,
			    NULL, NULL, 0) && errno != EAGAIN)
			checked(false);
}

static void turn_give(uint32_t other)
{
	__atomic_store_n(&turn, other, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *futex_partner(void *arg)
{
	name_set("futex1");
	for (;;) {
		turn_take(1);
		PAGE->counter[1]++;
		turn_give(0);
	}
	return NULL;
}

static void run_futex(long arg)
{
	pthread_t thread;

	expect(!pthread_create(&thread, NULL, futex_partner, NULL));
	for (;;) {
		turn_take(0);
		round_done();
		turn_give(1);
	}
}

/* Modes: coming and going */

static void wait_for(pid_t pid, int expected)
{
	int status = -1;

	while (!checked(waitpid(pid, &status, 0) == pid))
		if (errno != EINTR)
			return;
	expect(status == expected);
}

static void run_churn(long us)
{
	pid_t pid;

	for (;;) {
		pid = fork();
		if (pid == 0) {
			execl(self, "load", "exit", NULL);
			_exit(1);
		}
		expect(pid > 0);
		if (pid > 0)
			wait_for(pid, 0);
		round_done();
		if (us)
			sleep_us(us);
	}
}

static void *thread_short(void *arg)
{
	__atomic_fetch_add(&PAGE->counter[1], 1, __ATOMIC_RELAXED);
	return NULL;
}

static void run_threads(long us)
{
	pthread_t threads[4];
	int i;

	for (;;) {
		for (i = 0; i < 4; i++)
			expect(!pthread_create(&threads[i], NULL, thread_short,
					       NULL));
		for (i = 0; i < 4; i++)
			expect(!pthread_join(threads[i], NULL));
		round_done();
		if (us)
			sleep_us(us);
	}
}

/* Children count in the parent's page, so that it tells of them, too. */
static void page_share(const char *mode)
{
	if (mmap((void *)LOAD_PAGE_VA, sizeof(*PAGE), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != PAGE)
		die("shared counter page");
	page_start(mode);
}

static void run_forker(long arg)
{
	pid_t pid;

	page_share("forker");
	for (;;) {
		pid = fork();
		if (pid == 0) {
			PAGE->counter[1]++;
			_exit(0);
		}
		expect(pid > 0);
		if (pid > 0)
			wait_for(pid, 0);
		round_done();
	}
}

/* As fast as it goes; the child has the parent's memory until it is gone. */
static void run_vforker(long arg)
{
	pid_t pid;

	for (;;) {
		pid = vfork();
		if (pid == 0) {
			PAGE->counter[1]++;
			_exit(0);
		}
		expect(pid > 0);
		if (pid > 0)
			wait_for(pid, 0);
		round_done();
	}
}

/* Small pages, so that freeing them takes a while. */
static void take_memory(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (memory == MAP_FAILED)
		die("memory");
	madvise(memory, size, MADV_NOHUGEPAGE);
	for (i = 0; i < size; i += 4096)
		memory[i] = 1;
}

/* Every second child ends threads that run with itself. */
static void run_exiter(long mib)
{
	pthread_t thread;
	pid_t pid;
	long i;

	for (;;) {
		pid = child_create("exiting");
		if (pid == 0) {
			for (i = 1; i <= getpid() % 2 * 2; i++)
				expect(!pthread_create(&thread, NULL,
						       thread_spin, (void *)i));
			take_memory(mib << 20);
			_exit(7);
		}
		expect(pid > 0);
		if (pid > 0)
			wait_for(pid, 7 << 8);
		round_done();
	}
}

/* The parent is in its vfork window for some milliseconds of every round. */
static void run_vfork(long ms)
{
	char arg[24];
	pid_t pid;

	snprintf(arg, sizeof(arg), "%ld", ms);
	for (;;) {
		pid = vfork();
		if (pid == 0) {
			execl(self, "load", "exit", arg, NULL);
			_exit(1);
		}
		expect(pid > 0);
		if (pid > 0)
			wait_for(pid, 0);
		round_done();
		sleep_us(ms * 1000);
	}
}

/* The parent stays in its vfork window: the child never execs. */
static void run_vforkhold(long arg)
{
	if (vfork() == 0) {
		name_set("vforkchild");
		for (;;)
			pause();
	}
	die("vforkhold");
}

static void run_exit(long ms)
{
	if (ms)
		sleep_us(ms * 1000);
	_exit(0);
}

static void run_killstorm(long us)
{
	pid_t pid;

	srand(getpid());
	for (;;) {
		pid = child_create("kvictim");
		if (pid == 0)
			run_spin(0);
		expect(pid > 0);
		sleep_us(rand() % us);
		if (pid > 0 && kill(pid, SIGKILL) == 0)
			wait_for(pid, SIGKILL);
		round_done();
	}
}

static void run_many(long nr)
{
	char name[32];
	long i;

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "many%ld", i);
		if (child_create(name) == 0)
			for (;;)
				pause();
		round_done();
	}
	for (;;)
		pause();
}

/* Modes: signals */

static void on_signal(int signal)
{
	PAGE->signals++;
}

static void handle(int signal, int flags)
{
	struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = flags,
	};

	sigaction(signal, &action, NULL);
}

static void run_sigtimer(long ms)
{
	struct itimerval timer = {
		.it_interval = { .tv_usec = ms * 1000 },
		.it_value = { .tv_usec = ms * 1000 },
	};

	handle(SIGALRM, SA_RESTART);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (;;)
		round_done();
}

/* Counts what a parent is told of a child that spins: nothing, if all is well. */
static void run_stopwatch(long arg)
{
	pid_t pid = child_create("swchild");
	int status;

	if (pid == 0)
		run_spin(0);
	handle(SIGCHLD, SA_RESTART);
	for (;;)
		if (waitpid(pid, &status, WUNTRACED | WCONTINUED) == pid)
			PAGE->counter[1]++;
		else
			checked(false);
}

static void run_traced(long arg)
{
	pid_t pid = child_create("tracee");

	if (pid == 0)
		run_spin(0);
	if (ptrace(PTRACE_SEIZE, pid, 0, 0))
		die("ptrace");
	for (;;)
		pause();
}

static const struct mode modes[] = {
	{ "spin", run_spin, 0, "counts in user mode" },
	{ "sysspin", run_sysspin, 0, "short system calls without end" },
	{ "yield", run_yield, 0, "sched_yield without end" },
	{ "duty", run_duty, 10, "ARG ms on the CPU, ARG ms asleep" },
	{ "longcall", run_longcall, 32, "system calls of ARG MiB" },
	{ "mt", run_mt, 3, "ARG threads that spin" },
	{ "sleep", run_sleep, 20, "sleeps of ARG ms" },
	{ "longsleep", run_sleep, 100000000, "one sleep" },
	{ "epoll", run_epoll, 30, "epoll_wait of ARG ms" },
	{ "pipe", run_pipe, 0, "two processes, piper and pipew" },
	{ "io", run_io, 0, "writes, reads, fsync; pauses of ARG us" },
	{ "futex", run_futex, 0, "two threads that wake each other" },
	{ "churn", run_churn, 0, "fork, exec, exit; pauses of ARG us" },
	{ "threads", run_threads, 0, "threads come and go; pauses of ARG us" },
	{ "vfork", run_vfork, 5, "vfork, exec, child lives ARG ms" },
	{ "forker", run_forker, 0, "fork without end, children count" },
	{ "vforker", run_vforker, 0, "vfork without end, children count" },
	{ "exiter", run_exiter, 8, "children exit, with ARG MiB to free" },
	{ "vforkhold", run_vforkhold, 0, "in vfork for ever" },
	{ "killstorm", run_killstorm, 40000, "children killed within ARG us" },
	{ "many", run_many, 100, "ARG processes that sleep" },
	{ "sigtimer", run_sigtimer, 3, "a signal every ARG ms" },
	{ "stopwatch", run_stopwatch, 0, "counts SIGCHLD of swchild" },
	{ "traced", run_traced, 0, "tracee is under ptrace" },
	{ "exit", run_exit, 0, "exits after ARG ms" },
};

static const struct mode *mode_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

static void usage(void)
{
	size_t i;

	fprintf(stderr, "usage: load MODE [-n NAME] [-u UID:GID] [ARG]\n");
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, "  %-10s %s\n", modes[i].name, modes[i].what);
	exit(2);
}

static void user_set(const char *text)
{
	unsigned int uid, gid;

	if (sscanf(text, "%u:%u", &uid, &gid) != 2)
		usage();
	if (setgroups(0, NULL) || setgid(gid) || setuid(uid))
		die(text);
}

int main(int argc, char **argv)
{
	const struct mode *mode = argc > 1 ? mode_find(argv[1]) : NULL;
	const char *name = argc > 1 ? argv[1] : NULL;
	int option;

	if (!mode)
		usage();
	self = "/proc/self/exe";
	while ((option = getopt(argc - 1, argv + 1, "n:u:")) != -1)
		if (option == 'n')
			name = optarg;
		else if (option == 'u')
			user_set(optarg);
		else
			usage();
	argc -= optind + 1;
	argv += optind + 1;
	name_set(name);
	page_create(mode->name);
	mode->run(argc > 0 ? atol(argv[0]) : mode->arg);
	return 0;
}
