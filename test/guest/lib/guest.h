/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A running test guest (scripts/vm) as the tests and benchmarks see it: from
 * outside through the product's own backend and core, and from inside through
 * its command shell.
 */
#ifndef TEST_GUEST_LIB_GUEST_H
#define TEST_GUEST_LIB_GUEST_H

#include "../../../daemon/backend.h"
#include "../../../guestinfo/core/linux_stop.h"
#include "../inside/load.h"

#define GUEST_PROCESSES	8192
#define GUEST_THREADS	16384

struct guest {
	char dir[90];		/* a unix socket in it must fit 107 bytes */
	struct backend *backend;
	struct gi_found found;
	struct gi_kernel kernel;
	struct gi_snapshot snaps[2];
	u32 current;
	u64 refusals[GI_REFUSE_MAX];
	u64 late;		/* holds that timed out and were tried again */
	u64 attach_ns;
	struct gi_plan plan;
	struct gi_stop_result result;
	u64 held_ns;		/* when the last hold was asked for */
	u64 released_ns;	/* when its vCPUs were let go */
};

u64 now_ns(void);
void sleep_us(u64 us);

/* Ends the program with a line on stderr and exit code 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/**
 * guest_open() - attach to the VM in @dir (scripts/vm dir NAME)
 * @silent: pretend that the kernel has no freezer trap, so that the method for
 *	older kernels is used
 */
void guest_open(struct guest *guest, const char *dir, bool silent);
void guest_close(struct guest *guest);

/* Find the kernel by registers; dies if it is not found. */
void guest_locate(struct guest *guest, struct gi_found *ret);

/* The newest snapshot; dies where the lists cannot be read. */
const struct gi_snapshot *guest_walk(struct guest *guest);

/* By name in the newest snapshot, or NULL. */
const struct gi_process *guest_find(struct guest *guest, const char *comm);
/* By identity in the newest snapshot, or NULL. */
const struct gi_process *guest_again(struct guest *guest,
				     const struct gi_target *target);

static inline struct gi_target guest_target(const struct gi_process *proc)
{
	return (struct gi_target){
		.task = proc->task, .start_time = proc->start_time,
	};
}

/* The load page of a process. Return: false if it has none. */
bool guest_page(struct guest *guest, const struct gi_process *proc,
		struct load_page *ret);

/*
 * One hold, one plan, one release. @page, if not NULL, is the process's load page
 * read under the hold.
 * Return: the refusal, each counted; GI_REFUSE_NONE with guest->result.
 */
enum gi_refusal guest_stop(struct guest *guest, const struct gi_process *proc,
			   struct load_page *page);
enum gi_refusal guest_resume(struct guest *guest,
			     const struct gi_target *target);
void guest_settle(struct guest *guest);

/*
 * Repeat until it is so, or @timeout_ms have passed. guest_stop_wait(): every
 * live thread parked or asleep; guest_resume_wait(): nothing of ours left.
 * Return: 0, -ETIMEDOUT, -ESRCH (the process is gone), -EPERM (refused for good)
 */
int guest_stop_wait(struct guest *guest, const struct gi_target *target,
		    u32 timeout_ms);
int guest_resume_wait(struct guest *guest, const struct gi_target *target,
		      u32 timeout_ms);

/* What guest memory says of its threads, to stderr: for failures. */
void guest_describe(struct guest *guest, const struct gi_target *target);

/* Run a command inside. *ret_output is malloc'ed. Return: its exit code. */
int guest_sh(struct guest *guest, const char *command, char **ret_output);

/* Sort and take a percentile of @samples (0 < percent <= 100); 0 if none. */
u64 percentile(u64 *samples, u32 nr, double percent);

#endif /* TEST_GUEST_LIB_GUEST_H */
