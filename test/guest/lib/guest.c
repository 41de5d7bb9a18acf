// SPDX-License-Identifier: GPL-2.0-only
/* A running test guest; see guest.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../../daemon/attach.h"
#include "guest.h"

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void sleep_us(u64 us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static pid_t read_pid(const char *dir)
{
	char path[300];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "%s/pid", dir);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%d", &pid) != 1)
		die("%s: no pid of a VM there", path);
	fclose(file);
	return pid;
}

static void open_backend(struct guest *guest)
{
	struct vm_identity identity = { .pid = read_pid(guest->dir) };
	char path[300], why[BACKEND_WHY_LEN] = "";
	struct monitor *monitor;
	int err;

	snprintf(identity.name, sizeof(identity.name), "qemu-%d",
		 (int)identity.pid);
	snprintf(path, sizeof(path), "%s/qmp.sock", guest->dir);
	err = monitor_qmp_open(path, &monitor);
	if (err)
		die("%s: %s", path, strerror(-err));
	err = backend_qemu_open(&identity, monitor, &guest->backend, why);
	if (err)
		die("%s: %s (%s)", guest->dir, why, strerror(-err));
	if (guest->backend->no_edit_why[0])
		die("%s: %s", guest->dir, guest->backend->no_edit_why);
}

void guest_locate(struct guest *guest, struct gi_found *ret)
{
	static const struct gi_find_options options;
	int err = attach_find(guest->backend, &options, ret);

	if (err)
		die("%s: %s", guest->dir,
		    err < 0 ? strerror(-err) : gi_find_outcome_text(err));
	if (ret->way != GI_FIND_REGS)
		die("%s: the kernel was not found by registers", guest->dir);
}

static void init_snapshot(struct gi_snapshot *snap)
{
	memset(snap, 0, sizeof(*snap));
	snap->processes = calloc(GUEST_PROCESSES, sizeof(*snap->processes));
	snap->threads = calloc(GUEST_THREADS, sizeof(*snap->threads));
	snap->scratch = malloc(GI_TASK_SPAN_MAX);
	snap->max_processes = GUEST_PROCESSES;
	snap->max_threads = GUEST_THREADS;
	if (!snap->processes || !snap->threads || !snap->scratch)
		die("out of memory");
}

void guest_open(struct guest *guest, const char *dir, bool silent)
{
	u64 start = now_ns();
	int err;

	memset(guest, 0, sizeof(*guest));
	if (strlen(dir) >= sizeof(guest->dir))
		die("%s: name too long", dir);
	snprintf(guest->dir, sizeof(guest->dir), "%s", dir);
	open_backend(guest);
	guest_locate(guest, &guest->found);
	if (silent)
		guest->found.layout->facts[MONARCH_F_TASK_FROZEN].kind = 0;
	err = gi_kernel_init(&guest->kernel, &guest->backend->memory,
			     guest->found.layout, &guest->found.boot);
	if (err)
		die("gi_kernel_init: %s", strerror(-err));
	guest->attach_ns = now_ns() - start;
	init_snapshot(&guest->snaps[0]);
	init_snapshot(&guest->snaps[1]);
}

void guest_close(struct guest *guest)
{
	u32 i;

	guest->backend = backend_destroy(guest->backend);
	gi_found_deinit(&guest->found);
	for (i = 0; i < 2; i++) {
		free(guest->snaps[i].processes);
		free(guest->snaps[i].threads);
		free(guest->snaps[i].scratch);
	}
}

const struct gi_snapshot *guest_walk(struct guest *guest)
{
	struct gi_snapshot *old = &guest->snaps[guest->current];
	struct gi_snapshot *new = &guest->snaps[1 - guest->current];
	int err = gi_linux_walk(&guest->kernel,
				old->nr_processes ? old : NULL, new,
				GUEST_PROCESSES + GUEST_THREADS);

	if (err)
		die("walk: %s after %u restarts", strerror(-err),
		    new->restarts);
	if (!new->complete)
		die("walk: not complete (%u processes)", new->nr_processes);
	guest->current = 1 - guest->current;
	return new;
}

const struct gi_process *guest_find(struct guest *guest, const char *comm)
{
	const struct gi_snapshot *snap = &guest->snaps[guest->current];
	u32 i;

	for (i = 0; i < snap->nr_processes; i++)
		if (!strcmp(snap->processes[i].comm, comm) &&
		    !snap->processes[i].exit_state)
			return &snap->processes[i];
	return NULL;
}

const struct gi_process *guest_again(struct guest *guest,
				     const struct gi_target *target)
{
	const struct gi_snapshot *snap = &guest->snaps[guest->current];
	u32 i;

	for (i = 0; i < snap->nr_processes; i++)
		if (snap->processes[i].task == target->task &&
		    snap->processes[i].start_time == target->start_time &&
		    !snap->processes[i].exit_state)
			return &snap->processes[i];
	return NULL;
}

bool guest_page(struct guest *guest, const struct gi_process *proc,
		struct load_page *ret)
{
	struct gi_pgtable pt = {
		.mem = &guest->backend->memory,
		.root = proc->pgd,
		.levels = guest->kernel.boot.levels,
	};
	struct gi_mapping mapping;

	return proc->pgd && !gi_translate(&pt, LOAD_PAGE_VA, &mapping) &&
	       !gi_read(&guest->backend->memory, mapping.gpa, ret,
			sizeof(*ret)) &&
	       ret->magic == LOAD_MAGIC;
}

/* A QEMU that gets no CPU time answers late; the next try takes it up. */
static void hold(struct guest *guest)
{
	u32 tries = 0;
	int err;

	do {
		guest->held_ns = now_ns();
		err = guest->backend->ops->hold(guest->backend);
		guest->late += err == -ETIMEDOUT;
	} while (err == -ETIMEDOUT && ++tries < 10);
	if (err)
		die("hold: %s", strerror(-err));
}

static void release(struct guest *guest)
{
	int err = guest->backend->ops->release(guest->backend);

	if (err)
		die("release: %s", strerror(-err));
	guest->released_ns = now_ns();
}

/* Under the hold a plan cannot be stale: nothing ran since it was made. */
static void apply(struct guest *guest)
{
	u32 step = 0;
	int err;

	if (gi_plan_empty(&guest->plan))
		return;
	err = guest->backend->ops->apply(guest->backend, &guest->plan, &step);
	if (err)
		die("apply: %s at step %u (%s)", strerror(-err), step,
		    gi_purpose_name(guest->plan.steps[step].purpose));
}

enum gi_refusal guest_stop(struct guest *guest, const struct gi_process *proc,
			   struct load_page *page)
{
	struct gi_target target = guest_target(proc);
	enum gi_refusal refusal;

	hold(guest);
	refusal = gi_plan_stop(&guest->kernel, &target, &guest->plan,
			       &guest->result);
	if (!refusal)
		apply(guest);
	if (page && !guest_page(guest, proc, page))
		page->magic = 0;
	release(guest);
	guest->refusals[refusal]++;
	return refusal;
}

enum gi_refusal guest_resume(struct guest *guest,
			     const struct gi_target *target)
{
	enum gi_refusal refusal;

	hold(guest);
	refusal = gi_plan_resume(&guest->kernel, target, &guest->plan,
				 &guest->result);
	if (!refusal)
		apply(guest);
	release(guest);
	guest->refusals[refusal]++;
	return refusal;
}

void guest_settle(struct guest *guest)
{
	if (gi_plan_settle(&guest->kernel, &guest->plan) ||
	    gi_plan_empty(&guest->plan))
		return;
	hold(guest);
	if (!gi_plan_settle(&guest->kernel, &guest->plan))
		apply(guest);
	release(guest);
}

int guest_stop_wait(struct guest *guest, const struct gi_target *target,
		    u32 timeout_ms)
{
	u64 end = now_ns() + timeout_ms * 1000000ull;
	const struct gi_process *proc;
	enum gi_refusal refusal;

	do {
		guest_walk(guest);
		proc = guest_again(guest, target);
		if (!proc)
			return -ESRCH;
		if (proc->stopped == GI_PARKED || proc->stopped == GI_ASLEEP)
			return 0;
		if (proc->stopped < GI_STOPPING) {
			refusal = guest_stop(guest, proc, NULL);
			if (refusal && !gi_refusal_retry(refusal))
				return refusal == GI_REFUSE_GONE ||
				       refusal == GI_REFUSE_EXITING ?
					       -ESRCH : -EPERM;
		}
		sleep_us(1000);
	} while (now_ns() < end);
	return -ETIMEDOUT;
}

static bool any_ours(struct guest *guest, const struct gi_process *proc)
{
	const struct gi_snapshot *snap = &guest->snaps[guest->current];
	u32 i;

	for (i = 0; i < proc->nr_threads; i++) {
		const struct gi_thread *thread =
			&snap->threads[proc->first_thread + i];

		if (!thread->exit_state && !(thread->flags & GI_PF_EXITING) &&
		    gi_stop_is_ours(thread->stopped))
			return true;
	}
	return false;
}

int guest_resume_wait(struct guest *guest, const struct gi_target *target,
		      u32 timeout_ms)
{
	u64 end = now_ns() + timeout_ms * 1000000ull;
	const struct gi_process *proc;

	do {
		guest_walk(guest);
		proc = guest_again(guest, target);
		if (!proc)
			return -ESRCH;
		if (!any_ours(guest, proc))
			return 0;
		guest_resume(guest, target);
		sleep_us(1000);
		guest_settle(guest);
	} while (now_ns() < end);
	return -ETIMEDOUT;
}

static u64 raw(struct guest *guest, u64 task, u32 id)
{
	u64 value = 0;

	return gi_kernel_field(&guest->kernel, task, id, &value) ? ~0ull :
								    value;
}

void guest_describe(struct guest *guest, const struct gi_target *target)
{
	const struct gi_snapshot *snap = guest_walk(guest);
	const struct gi_process *proc = guest_again(guest, target);
	u32 i;

	if (!proc) {
		fprintf(stderr, "  gone\n");
		return;
	}
	for (i = 0; i < proc->nr_threads; i++) {
		const struct gi_thread *thread =
			&snap->threads[proc->first_thread + i];

		fprintf(stderr,
			"  thread %u %s: state %x flags %x on_cpu %u on_rq %u cpu %u jobctl %llx ti_flags %llx frozen %llu runtime %.3f s stopped %s\n",
			thread->pid, proc->comm, thread->state, thread->flags,
			thread->on_cpu, thread->on_rq, thread->cpu,
			raw(guest, thread->task, MONARCH_F_TASK_JOBCTL),
			raw(guest, thread->task, MONARCH_F_TASK_TI_FLAGS),
			raw(guest, thread->task, MONARCH_F_TASK_FROZEN),
			thread->runtime_ns / 1e9,
			gi_stop_state_name(thread->stopped));
	}
}

static int shell_connect(const char *dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = 60 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/shell.sock",
		 dir);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("%s: %m", address.sun_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return fd;
}

/* The header of our answer; earlier, abandoned answers are skipped. */
static void shell_header(FILE *stream, const char *id, int *ret_code,
			 size_t *ret_size)
{
	char line[4096], word[64];

	while (fgets(line, sizeof(line), stream))
		if (sscanf(line, "MONARCH %63s %d %zu", word, ret_code,
			   ret_size) == 3 && !strcmp(word, id))
			return;
	die("the guest's shell does not answer");
}

int guest_sh(struct guest *guest, const char *command, char **ret_output)
{
	static u32 serial;
	int fd = shell_connect(guest->dir), code;
	FILE *stream = fdopen(fd, "r+");
	size_t size;
	char id[32];

	snprintf(id, sizeof(id), "c%d.%u", (int)getpid(), serial++);
	if (dprintf(fd, "%s %s\n", id, command) < 0)
		die("the guest's shell: %m");
	shell_header(stream, id, &code, &size);
	*ret_output = calloc(1, size + 1);
	if (!*ret_output || fread(*ret_output, 1, size, stream) != size)
		die("the guest's shell: answer cut short");
	fclose(stream);
	return code;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

u64 percentile(u64 *samples, u32 nr, double percent)
{
	u32 at = (u32)(nr * percent / 100.0);

	if (!nr)
		return 0;
	qsort(samples, nr, sizeof(*samples), compare);
	return samples[at < nr ? at : nr - 1];
}
