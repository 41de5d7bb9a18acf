// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules that hold for all commands of /dev/monarch, tried on each of them
 * with every length, and the errors that the uapi promises.
 *
 * usage: kmod_uapi PID      of a tinyvm --passes, or any VM
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/module.h"

#define RACERS	8
#define ROUNDS	50

/* Where in a structure something reserved is, if it is. */
#define RESERVED(type)	offsetof(struct type, reserved)

struct command {
	const char *name;
	unsigned long nr;
	u32 size;
	u32 reserved;
	bool of_vm;
};

#define COMMAND(nr, type, reserved, of_vm) \
	{ #nr, nr, sizeof(struct type), reserved, of_vm }

static const struct command commands[] = {
	COMMAND(MONARCH_INFO, monarch_info, RESERVED(monarch_info), false),
	COMMAND(MONARCH_LIST, monarch_list, RESERVED(monarch_list), false),
	COMMAND(MONARCH_ATTACH, monarch_attach, RESERVED(monarch_attach), false),
	COMMAND(MONARCH_TICK, monarch_tick, 0, false),
	COMMAND(MONARCH_VM_INFO, monarch_vm_info, 0, true),
	COMMAND(MONARCH_REGS, monarch_regs, RESERVED(monarch_regs), true),
	COMMAND(MONARCH_READ, monarch_read, RESERVED(monarch_read), true),
	COMMAND(MONARCH_SET_GUEST, monarch_set_guest,
		RESERVED(monarch_set_guest), true),
	COMMAND(MONARCH_STOP, monarch_edit, RESERVED(monarch_edit), true),
	COMMAND(MONARCH_RESUME, monarch_edit, RESERVED(monarch_edit), true),
	COMMAND(MONARCH_SETTLE, monarch_edit, RESERVED(monarch_edit), true),
	COMMAND(MONARCH_APPLY, monarch_apply, RESERVED(monarch_apply), true),
	COMMAND(MONARCH_ACCOUNT, monarch_account, RESERVED(monarch_account),
		true),
	COMMAND(MONARCH_LEASE, monarch_lease, 0, true),
	COMMAND(MONARCH_HYBRID, monarch_hybrid, 0, true),
	COMMAND(MONARCH_STATS, monarch_stats, 0, true),
	COMMAND(MONARCH_SAMPLE, monarch_sample, RESERVED(monarch_sample), true),
};

static u64 tried;

static int errno_of(int fd, unsigned long nr, void *arg)
{
	tried++;
	return ioctl(fd, nr, arg) < 0 ? errno : 0;
}

static void check(const char *command, const char *what, int expected, int found)
{
	if (expected != found)
		die("%s, %s: expected '%s', found '%s'", command, what,
		    strerror(expected), strerror(found));
}

/*
 * A structure that ends where readable memory ends, so that a byte too much is
 * EFAULT; the page before it is as good as any.
 */
static void *at_the_end(u32 len)
{
	static char *pages;
	long size = sysconf(_SC_PAGESIZE);

	if (!pages) {
		pages = mmap(NULL, 3 * size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pages == MAP_FAILED || mprotect(pages + 2 * size, size,
						    PROT_NONE))
			die("mmap: %s", strerror(errno));
	}
	memset(pages, 0, 2 * size);
	return pages + 2 * size - len;
}

static void set_size(void *arg, u32 len)
{
	if (len >= sizeof(len))
		memcpy(arg, &len, sizeof(len));
}

/* What the command says to zeros: the same for all lengths that are enough. */
static int zeros(int fd, const struct command *command, u32 len)
{
	void *arg = at_the_end(len);

	set_size(arg, len);
	return errno_of(fd, command->nr, arg);
}

static void lengths(int fd, const struct command *command)
{
	int usual = zeros(fd, command, command->size);
	char *arg;

	if (usual == E2BIG || usual == ENOTTY || usual == EFAULT)
		die("%s: zeros: %s", command->name, strerror(usual));
	for (u32 len = 0; len < command->size; len++)
		check(command->name, "too short",
		      len < sizeof(u32) ? EFAULT : EINVAL,
		      zeros(fd, command, len));
	for (u32 len = command->size; len <= command->size + 8; len++) {
		check(command->name, "zeros behind", usual,
		      zeros(fd, command, len));
		if (len == command->size)
			continue;
		arg = at_the_end(len);
		set_size(arg, len);
		arg[len - 1] = 1;
		check(command->name, "something behind", E2BIG,
		      errno_of(fd, command->nr, arg));
	}
	arg = at_the_end(command->size);
	set_size(arg, 1u << 31);
	check(command->name, "huge", E2BIG, errno_of(fd, command->nr, arg));
	/* Says that there is more than can be read. */
	arg = at_the_end(command->size);
	set_size(arg, command->size + 8);
	check(command->name, "cut off", EFAULT,
	      errno_of(fd, command->nr, arg));
}

static void bits(int fd, const struct command *command)
{
	char *arg;

	for (u32 bit = 0; bit < 32; bit++) {
		u32 flags = 1u << bit;

		arg = at_the_end(command->size);
		set_size(arg, command->size);
		memcpy(arg + 4, &flags, sizeof(flags));
		check(command->name, "flags", EOPNOTSUPP,
		      errno_of(fd, command->nr, arg));
		if (!command->reserved)
			continue;
		arg = at_the_end(command->size);
		set_size(arg, command->size);
		memcpy(arg + command->reserved, &flags, sizeof(flags));
		check(command->name, "reserved", EINVAL,
		      errno_of(fd, command->nr, arg));
	}
}

static void wrong_fd(int device, int vm, const struct command *command)
{
	int other = open("/dev/null", O_RDWR);

	check(command->name, "wrong kind of descriptor", ENOTTY,
	      zeros(command->of_vm ? device : vm, command, command->size));
	check(command->name, "/dev/null", ENOTTY,
	      zeros(other, command, command->size));
	check(command->name, "no structure", EFAULT,
	      errno_of(command->of_vm ? vm : device, command->nr, NULL));
	close(other);
}

static void all_commands(int device, int vm)
{
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *command = &commands[i];
		int fd = command->of_vm ? vm : device;

		lengths(fd, command);
		bits(fd, command);
		wrong_fd(device, vm, command);
	}
	for (u32 nr = 0; nr < 256; nr++) {
		bool there = false;

		for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
			there |= commands[i].nr == MONARCH_IO(nr);
		if (there)
			continue;
		check("unknown", "on the device", ENOTTY,
		      errno_of(device, MONARCH_IO(nr), NULL));
		check("unknown", "on a VM", ENOTTY,
		      errno_of(vm, MONARCH_IO(nr), NULL));
	}
}

#define TRY(error, fd, nr, type, ...) do {				\
	struct type args_ = { .size = sizeof(args_), __VA_ARGS__ };	\
	check(#nr, #__VA_ARGS__, error, errno_of(fd, nr, &args_));	\
} while (0)

static void ranges(int device, const struct vm *vm)
{
	struct monarch_target target = {};
	struct monarch_step step = { .width = 3 };
	struct monarch_kick kick = { .vector = 0x80 };
	char buf[16];

	TRY(EINVAL, device, MONARCH_INFO, monarch_info,
	    .feature = MONARCH_FEATURE_NR);
	TRY(EFAULT, device, MONARCH_LIST, monarch_list, .nr = 1, .entries = 1);
	TRY(ENOENT, device, MONARCH_ATTACH, monarch_attach, .id = 1u << 31);
	TRY(ENOENT, device, MONARCH_ATTACH, monarch_attach, .pid = 1);
	TRY(EINVAL, device, MONARCH_ATTACH, monarch_attach,
	    .max_processes = MONARCH_PROCESSES_MAX + 1);
	TRY(EINVAL, device, MONARCH_ATTACH, monarch_attach,
	    .max_threads = MONARCH_THREADS_MAX + 1);
	TRY(EINVAL, device, MONARCH_TICK, monarch_tick,
	    .quantum_ns = MONARCH_TICK_MIN_NS - 1);
	TRY(EINVAL, device, MONARCH_TICK, monarch_tick,
	    .quantum_ns = MONARCH_TICK_MAX_NS + 1);
	TRY(EFAULT, vm->fd, MONARCH_VM_INFO, monarch_vm_info, .nr_ranges = 1,
	    .ranges = 1);
	TRY(EFAULT, vm->fd, MONARCH_REGS, monarch_regs, .nr = 1, .regs = 1);
	TRY(EINVAL, vm->fd, MONARCH_READ, monarch_read,
	    .len = MONARCH_READ_MAX + 1);
	TRY(EFAULT, vm->fd, MONARCH_READ, monarch_read, .gpa = 1ull << 51,
	    .buf = (uintptr_t)buf, .len = 16);
	TRY(EFAULT, vm->fd, MONARCH_READ, monarch_read, .gpa = ~0ull,
	    .buf = (uintptr_t)buf, .len = 16);
	TRY(EFAULT, vm->fd, MONARCH_READ, monarch_read, .gpa = 0x1000,
	    .buf = 1, .len = 16);
	TRY(EINVAL, vm->fd, MONARCH_SET_GUEST, monarch_set_guest,
	    .levels = 3);
	TRY(EINVAL, vm->fd, MONARCH_SET_GUEST, monarch_set_guest, .levels = 4,
	    .blob = (uintptr_t)buf, .blob_len = sizeof(buf));
	TRY(EINVAL, vm->fd, MONARCH_SET_GUEST, monarch_set_guest, .levels = 4,
	    .blob = (uintptr_t)buf, .blob_len = MONARCH_BLOB_MAX + 1);
	TRY(EFAULT, vm->fd, MONARCH_SET_GUEST, monarch_set_guest, .levels = 4,
	    .blob = 1, .blob_len = 16);
	TRY(EFAULT, vm->fd, MONARCH_SET_GUEST, monarch_set_guest, .levels = 4,
	    .blob = (uintptr_t)buf, .blob_len = 16, .cpus = 1, .nr_cpus = 1);
	TRY(ENOENT, vm->fd, MONARCH_STOP, monarch_edit, .nr = 1,
	    .targets = (uintptr_t)&target);
	TRY(EINVAL, vm->fd, MONARCH_STOP, monarch_edit,
	    .nr = MONARCH_TARGETS_MAX + 1, .targets = (uintptr_t)&target);
	TRY(EFAULT, vm->fd, MONARCH_STOP, monarch_edit, .nr = 1, .targets = 1);
	TRY(EINVAL, vm->fd, MONARCH_SETTLE, monarch_edit, .nr = 1,
	    .targets = (uintptr_t)&target);
	TRY(EINVAL, vm->fd, MONARCH_APPLY, monarch_apply, .nr_steps = 1,
	    .steps = (uintptr_t)&step);
	TRY(EINVAL, vm->fd, MONARCH_APPLY, monarch_apply, .nr_kicks = 1,
	    .kicks = (uintptr_t)&kick);
	TRY(EINVAL, vm->fd, MONARCH_APPLY, monarch_apply,
	    .nr_steps = MONARCH_STEPS_MAX + 1, .steps = (uintptr_t)&step);
	TRY(EOPNOTSUPP, vm->fd, MONARCH_ACCOUNT, monarch_account,
	    .methods = 4);
	TRY(EINVAL, vm->fd, MONARCH_LEASE, monarch_lease, .ns = 1);
	TRY(EINVAL, vm->fd, MONARCH_LEASE, monarch_lease, .ns = ~0ull);
	TRY(EINVAL, vm->fd, MONARCH_HYBRID, monarch_hybrid,
	    .autonomous_ns = 1000000);
	TRY(EINVAL, vm->fd, MONARCH_HYBRID, monarch_hybrid,
	    .cycle_ns = 100000000, .autonomous_ns = 100000000);
	TRY(EINVAL, vm->fd, MONARCH_HYBRID, monarch_hybrid,
	    .cycle_ns = ~0ull, .autonomous_ns = 100000000);
	TRY(ENOENT, vm->fd, MONARCH_SAMPLE, monarch_sample, .full = 1);
	TRY(EINVAL, vm->fd, MONARCH_SAMPLE, monarch_sample, .full = 2);
}

static void mappings(const struct vm *vm)
{
	long page = sysconf(_SC_PAGESIZE);

	if (mmap(NULL, vm->table_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		 vm->fd, 0) != MAP_FAILED || errno != EINVAL)
		die("a writable mapping was not refused");
	if (mmap(NULL, vm->table_size + page, PROT_READ, MAP_SHARED, vm->fd,
		 0) != MAP_FAILED || errno != EINVAL)
		die("a mapping beyond the table was not refused");
	if (mmap(NULL, page, PROT_READ, MAP_SHARED, vm->fd, page) !=
	    MAP_FAILED || errno != EINVAL)
		die("a mapping that does not start at 0 was not refused");
	if (!mprotect((void *)vm->table, page, PROT_READ | PROT_WRITE) ||
	    errno != EACCES)
		die("a mapping could be made writable");
}

static void reading(int device)
{
	char buf[sizeof(struct monarch_tick_event)];

	fcntl(device, F_SETFL, fcntl(device, F_GETFL) | O_NONBLOCK);
	if (read(device, buf, sizeof(buf)) >= 0 || errno != EAGAIN)
		die("read without a tick: EAGAIN expected, found %s",
		    strerror(errno));
	if (read(device, buf, sizeof(buf) - 1) >= 0 || errno != EINVAL)
		die("read into too little: EINVAL expected, found %s",
		    strerror(errno));
	if (write(device, buf, sizeof(buf)) >= 0 || errno != EINVAL)
		die("write: EINVAL expected, found %s", strerror(errno));
}

/* Exit code: 0 attached, 1 busy, 2 else. */
static void racer(int pid, int start)
{
	struct monarch_attach args = { .size = sizeof(args), .pid = pid };
	int device = open("/dev/monarch", O_RDWR);
	char byte;

	if (device < 0 || read(start, &byte, 1) != 0)
		_exit(2);
	if (!ioctl(device, MONARCH_ATTACH, &args)) {
		sleep_ms(200);
		_exit(0);
	}
	_exit(errno == EBUSY ? 1 : 2);
}

static void race_attach(int pid)
{
	int start[2], status;
	u32 attached = 0, busy = 0;

	if (pipe(start))
		die("pipe: %s", strerror(errno));
	for (u32 i = 0; i < RACERS; i++)
		if (!fork()) {
			close(start[1]);
			racer(pid, start[0]);
		}
	close(start[0]);
	close(start[1]);
	for (u32 i = 0; i < RACERS; i++) {
		if (wait(&status) < 0 || !WIFEXITED(status))
			die("a racer did not end by itself");
		attached += WEXITSTATUS(status) == 0;
		busy += WEXITSTATUS(status) == 1;
	}
	expect("attached", 1, attached);
	expect("busy", RACERS - 1, busy);
}

/* Two that share a descriptor, doing all that there is at the same time. */
static void race_commands(int device, int vm)
{
	int status;

	for (u32 i = 0; i < 2; i++)
		if (!fork()) {
			for (u32 k = 0; k < ROUNDS; k++)
				for (u32 c = 0; c < ARRAY_SIZE(commands); c++)
					if (commands[c].nr != MONARCH_ATTACH)
						zeros(commands[c].of_vm ? vm :
						      device, &commands[c],
						      commands[c].size);
			_exit(0);
		}
	for (u32 i = 0; i < 2; i++)
		if (wait(&status) < 0 || status)
			die("a racer ended with %d", status);
}

int main(int argc, char **argv)
{
	struct vm vm;
	int device, pid;

	if (argc != 2)
		die("usage: kmod_uapi PID");
	pid = atoi(argv[1]);
	race_attach(pid);
	device = device_open();
	vm_attach(&vm, device, pid);
	TRY(EBUSY, device, MONARCH_ATTACH, monarch_attach, .pid = pid);
	all_commands(device, vm.fd);
	ranges(device, &vm);
	mappings(&vm);
	reading(device);
	race_commands(device, vm.fd);
	vm_detach(&vm);
	close(device);
	printf("%llu calls, each with the error that was promised\n", tried);
	return 0;
}
