// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ticks; the idea is in session.h.
 *
 * The timer queues work on the worker of every VM, so that VMs are sampled side
 * by side; the last to finish makes the device readable: one wake-up per tick,
 * however many VMs. A tick that finds sampling still going on asks for nothing
 * and counts as an overrun, so a slow guest costs ticks, not memory.
 */
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "compat/compat.h"
#include "session.h"
#include "trace.h"
#include "vm.h"

struct session {
	struct kref users;			/* its file, and its VMs */
	struct hrtimer timer;
	wait_queue_head_t wait;
	struct mutex setting;			/* of @quantum_ns */
	u64 quantum_ns;
	spinlock_t lock;
	struct list_head vms;			/* @lock */
	struct monarch_tick_event event;	/* @lock */
	u64 fired_ns;				/* @lock: of the tick at work */
	u64 reported;				/* @lock: ticks read so far */
	atomic_t at_work;			/* VMs, and the timer itself */
};

static void lateness(struct session *session, u64 late_ns)
{
	struct monarch_tick_event *event = &session->event;

	event->lateness_ns = late_ns;
	event->lateness_sum_ns += late_ns;
	event->lateness_max_ns = max_t(u64, event->lateness_max_ns, late_ns);
}

/* The last one turns off the light. */
void session_vm_done(struct session *session)
{
	unsigned long flags;

	if (!atomic_dec_and_test(&session->at_work))
		return;
	spin_lock_irqsave(&session->lock, flags);
	session->event.ticks++;
	session->event.sample_ns = ktime_get_ns() - session->fired_ns;
	trace_monarch_tick(session->event.ticks, session->event.overruns,
			   session->event.lateness_ns,
			   session->event.sample_ns);
	spin_unlock_irqrestore(&session->lock, flags);
	wake_up_interruptible(&session->wait);
}

static void ask_vms(struct session *session)
{
	struct vm *vm;

	list_for_each_entry(vm, &session->vms, ticking) {
		atomic_inc(&session->at_work);
		vm->tick_session = session;
		if (!kthread_queue_work(vm->worker, &vm->tick_work))
			atomic_dec(&session->at_work);
	}
}

static enum hrtimer_restart tick(struct hrtimer *timer)
{
	struct session *session = container_of(timer, struct session, timer);
	u64 now = ktime_get_ns(), passed;
	unsigned long flags;
	bool free;

	spin_lock_irqsave(&session->lock, flags);
	lateness(session, now - ktime_to_ns(hrtimer_get_expires(timer)));
	passed = hrtimer_forward_now(timer, ns_to_ktime(session->quantum_ns));
	session->event.overruns += passed - 1;
	free = atomic_cmpxchg(&session->at_work, 0, 1) == 0;
	if (free) {
		session->fired_ns = now;
		ask_vms(session);
	} else {
		session->event.overruns++;
	}
	spin_unlock_irqrestore(&session->lock, flags);
	if (free)
		session_vm_done(session);
	return HRTIMER_RESTART;
}

struct session *session_create(void)
{
	struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	compat_hrtimer_setup(&session->timer, tick, HRTIMER_MODE_ABS);
	init_waitqueue_head(&session->wait);
	mutex_init(&session->setting);
	spin_lock_init(&session->lock);
	INIT_LIST_HEAD(&session->vms);
	kref_init(&session->users);
	return session;
}

static void session_free(struct kref *users)
{
	kfree(container_of(users, struct session, users));
}

void session_end(struct session *session)
{
	hrtimer_cancel(&session->timer);
	kref_put(&session->users, session_free);
}

void session_add(struct session *session, struct vm *vm)
{
	kref_get(&session->users);
	spin_lock_irq(&session->lock);
	vm->session = session;
	list_add_tail(&vm->ticking, &session->vms);
	spin_unlock_irq(&session->lock);
}

static int nothing(struct vm *vm, void *arg)
{
	return 0;
}

void session_del(struct vm *vm)
{
	struct session *session = vm->session;

	spin_lock_irq(&session->lock);
	list_del_init(&vm->ticking);
	spin_unlock_irq(&session->lock);
	/* Behind the work of a tick that may be queued. */
	vm_run(vm, nothing, NULL);
	vm->session = NULL;
	kref_put(&session->users, session_free);
}

int session_tick(struct session *session, u64 quantum_ns)
{
	if (quantum_ns && (quantum_ns < MONARCH_TICK_MIN_NS ||
			   quantum_ns > MONARCH_TICK_MAX_NS))
		return -EINVAL;
	mutex_lock(&session->setting);
	hrtimer_cancel(&session->timer);
	spin_lock_irq(&session->lock);
	memset(&session->event, 0, sizeof(session->event));
	session->reported = 0;
	session->quantum_ns = quantum_ns;
	spin_unlock_irq(&session->lock);
	if (quantum_ns)
		hrtimer_start(&session->timer,
			      ktime_add_ns(ktime_get(), quantum_ns),
			      HRTIMER_MODE_ABS);
	mutex_unlock(&session->setting);
	return 0;
}

static bool take_event(struct session *session, struct monarch_tick_event *ret)
{
	bool any;

	spin_lock_irq(&session->lock);
	any = session->event.ticks != session->reported;
	if (any) {
		*ret = session->event;
		session->reported = session->event.ticks;
	}
	spin_unlock_irq(&session->lock);
	return any;
}

int session_read(struct session *session, bool wait,
		 struct monarch_tick_event *ret)
{
	if (take_event(session, ret))
		return 0;
	if (!wait)
		return -EAGAIN;
	if (wait_event_interruptible(session->wait, take_event(session, ret)))
		return -EINTR;
	return 0;
}

__poll_t session_poll(struct session *session, struct file *file,
		      struct poll_table_struct *table)
{
	__poll_t ret;

	poll_wait(file, &session->wait, table);
	spin_lock_irq(&session->lock);
	ret = session->event.ticks != session->reported ?
		      EPOLLIN | EPOLLRDNORM : 0;
	spin_unlock_irq(&session->lock);
	return ret;
}
