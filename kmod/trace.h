/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints: one at each decision. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM monarch

#if !defined(MONARCH_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MONARCH_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(monarch_attach,
	TP_PROTO(u32 id, u32 pid, u32 nr_vcpus),
	TP_ARGS(id, pid, nr_vcpus),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, pid)
		__field(u32, nr_vcpus)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->pid = pid;
		__entry->nr_vcpus = nr_vcpus;
	),
	TP_printk("vm=%u pid=%u vcpus=%u", __entry->id, __entry->pid,
		  __entry->nr_vcpus)
);

DECLARE_EVENT_CLASS(monarch_vm,
	TP_PROTO(u32 id),
	TP_ARGS(id),
	TP_STRUCT__entry(
		__field(u32, id)
	),
	TP_fast_assign(
		__entry->id = id;
	),
	TP_printk("vm=%u", __entry->id)
);

DEFINE_EVENT(monarch_vm, monarch_detach, TP_PROTO(u32 id), TP_ARGS(id));
DEFINE_EVENT(monarch_vm, monarch_sample_failed, TP_PROTO(u32 id), TP_ARGS(id));

TRACE_EVENT(monarch_sample,
	TP_PROTO(u32 id, int result, u32 processes, u32 threads, u64 ns),
	TP_ARGS(id, result, processes, threads, ns),
	TP_STRUCT__entry(
		__field(u64, ns)
		__field(u32, id)
		__field(int, result)
		__field(u32, processes)
		__field(u32, threads)
	),
	TP_fast_assign(
		__entry->ns = ns;
		__entry->id = id;
		__entry->result = result;
		__entry->processes = processes;
		__entry->threads = threads;
	),
	TP_printk("vm=%u result=%d processes=%u threads=%u ns=%llu",
		  __entry->id, __entry->result, __entry->processes,
		  __entry->threads, __entry->ns)
);

TRACE_EVENT(monarch_tick,
	TP_PROTO(u64 ticks, u64 overruns, u64 late_ns, u64 sample_ns),
	TP_ARGS(ticks, overruns, late_ns, sample_ns),
	TP_STRUCT__entry(
		__field(u64, ticks)
		__field(u64, overruns)
		__field(u64, late_ns)
		__field(u64, sample_ns)
	),
	TP_fast_assign(
		__entry->ticks = ticks;
		__entry->overruns = overruns;
		__entry->late_ns = late_ns;
		__entry->sample_ns = sample_ns;
	),
	TP_printk("tick=%llu overruns=%llu late_ns=%llu sample_ns=%llu",
		  __entry->ticks, __entry->overruns, __entry->late_ns,
		  __entry->sample_ns)
);

TRACE_EVENT(monarch_hold,
	TP_PROTO(u32 id, u64 reach_ns, u64 hold_ns),
	TP_ARGS(id, reach_ns, hold_ns),
	TP_STRUCT__entry(
		__field(u64, reach_ns)
		__field(u64, hold_ns)
		__field(u32, id)
	),
	TP_fast_assign(
		__entry->reach_ns = reach_ns;
		__entry->hold_ns = hold_ns;
		__entry->id = id;
	),
	TP_printk("vm=%u reach_ns=%llu hold_ns=%llu", __entry->id,
		  __entry->reach_ns, __entry->hold_ns)
);

TRACE_EVENT(monarch_hold_refused,
	TP_PROTO(u32 id, u32 refusal),
	TP_ARGS(id, refusal),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, refusal)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->refusal = refusal;
	),
	TP_printk("vm=%u refusal=%s", __entry->id,
		  __print_symbolic(__entry->refusal,
				   { 1, "paused" }, { 2, "dirty-ring" },
				   { 3, "taken" }, { 4, "state" }))
);

TRACE_EVENT(monarch_edit,
	TP_PROTO(u32 id, u32 op, u64 task, u32 refusal, u32 marked, u32 woken,
		 u32 pending),
	TP_ARGS(id, op, task, refusal, marked, woken, pending),
	TP_STRUCT__entry(
		__field(u64, task)
		__field(u32, id)
		__field(u32, op)
		__field(u32, refusal)
		__field(u32, marked)
		__field(u32, woken)
		__field(u32, pending)
	),
	TP_fast_assign(
		__entry->task = task;
		__entry->id = id;
		__entry->op = op;
		__entry->refusal = refusal;
		__entry->marked = marked;
		__entry->woken = woken;
		__entry->pending = pending;
	),
	TP_printk("vm=%u %s task=0x%llx refusal=%u marked=%u woken=%u pending=%u",
		  __entry->id,
		  __print_symbolic(__entry->op, { 0, "stop" }, { 1, "resume" }),
		  __entry->task, __entry->refusal, __entry->marked,
		  __entry->woken, __entry->pending)
);

TRACE_EVENT(monarch_lease_expired,
	TP_PROTO(u32 id, u32 stopped),
	TP_ARGS(id, stopped),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, stopped)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->stopped = stopped;
	),
	TP_printk("vm=%u stopped=%u", __entry->id, __entry->stopped)
);

TRACE_EVENT(monarch_phase,
	TP_PROTO(u32 id, bool autonomous, u32 stopped),
	TP_ARGS(id, autonomous, stopped),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, stopped)
		__field(bool, autonomous)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->stopped = stopped;
		__entry->autonomous = autonomous;
	),
	TP_printk("vm=%u %s stopped=%u", __entry->id,
		  __entry->autonomous ? "autonomous" : "controlled",
		  __entry->stopped)
);

#endif /* MONARCH_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
