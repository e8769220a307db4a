/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Writing down what was decided, for those who trace. Rare functions: nobody else runs them. */
#pragma once

#include "kernel.h"
#include "service.h"
#include "sockets.h"
#include "trace.h"
#include "why.h"

/*
 * A store that comes after all others. x86 keeps their order, others want more than a store. clang
 * would put stores that are not volatile behind it.
 */
#ifdef __TARGET_ARCH_x86
#define PUBLISH(to, value)                         \
	({                                         \
		barrier();                         \
		*(volatile __u64 *)(to) = (value); \
	})
#else
#define PUBLISH(to, value) __sync_lock_test_and_set(to, value)
#endif

/* Notes with the socket how its backend was chosen: outcomes.bpf.c tells it if the connect fails. */
static __noinline int note_why(__u64 cookie, __u32 why)
{
	struct svc_socket_tags *tags = tags_of_set(cookie);
	struct svc_socket *record;
	__u32 way;

	if (!tags)
		return 0;
	record = find_record(cookie, tags, &way);
	if (!record)
		return 0;
	record->flow.service &= ~(SVC_FLOW_WHY_MASK << SVC_FLOW_WHY_SHIFT);
	record->flow.service |= (why & SVC_FLOW_WHY_MASK) << SVC_FLOW_WHY_SHIFT;
	return 0;
}

/* How many endpoints there were to choose from; it may have changed a moment ago. */
static __always_inline __u32 count_candidates(const struct request *request, int hook_family)
{
	__u32 list = (__u32)request->frontend.target;
	__u64 *range;

	range = EITHER_MAP(hook_family == 4 || is_mapped(request->to.w), lists, &list);
	return range ? (__u32)*range : 0;
}

/* Who calls. Read from the task itself: a helper for each of these would cost several times that. */
static __always_inline void write_caller(struct svc_trace_event *event)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const __u64 *command = (const __u64 *)task->comm;

	event->pid = task->tgid;
	event->cgroup = task->cgroups->dfl_cgrp->kn->id;
	event->command[0] = command[0];
	event->command[1] = command[1];
}

/* All but the time. `how`: the hook, and in the next byte what it returned. */
static __always_inline void describe(struct svc_trace_event *event, struct bpf_sock_addr *ctx,
				     const struct request *request, __u32 how, int hook_family)
{
	struct endpoint_address backend = {};
	__u32 result = how >> 8, candidates = 0;

	event->cookie = request->cookie ?: bpf_get_socket_cookie(ctx);
	write_caller(event);
	event->netns = bpf_get_netns_cookie(ctx);
	copy_words(event->vip_be, request->to.w);
	event->vip_port_be = request->to.port_be;
	event->service = request->frontend.target >> 32;
	event->protocol = ctx->protocol;
	event->hook = how;
	event->zero = 0;
	event->zero2 = 0;
	if (request->cookie)
		candidates = count_candidates(request, hook_family);
	event->candidates = candidates;
	if (result)
		read_address(ctx, hook_family, &backend);
	copy_words(event->backend_be, backend.w);
	event->backend_port_be = backend.port_be;
	if (!result)
		event->why = why_refused(request);
	else if (result == 2)
		event->why = SVC_WHY_STICKY;
	else
		event->why = why_chosen(request, candidates);
}

/* Where a reader finds the next record of this processor, to be published as `number`; 0: lost. */
static __always_inline struct svc_trace_record *claim_trace_record(__u32 reader, __u64 *number)
{
	__u32 processor = bpf_get_smp_processor_id() & tracing.tracer[reader].lane_mask;
	struct svc_trace_lane *lane = &tracing.lane[reader][processor % SVC_TRACE_LANES];
	struct svc_trace_record *record;
	/* Apart: what has its address taken has no bounds. */
	__u32 at = reader;
	void *log = bpf_map_lookup_elem(&trace_logs, &at);
	__u64 head;

	/* Others may write here, too: whoever came between, and processors that share the lane. */
	for (int attempt = 0; log && attempt < 16; attempt++) {
		head = *(volatile __u64 *)&lane->head;
		if (head - *(volatile __u64 *)&lane->tail > lane->mask)
			break;
		at = lane->base + (head & lane->mask);
		record = bpf_map_lookup_elem(log, &at);
		if (!record)
			break;
		*number = head + 1;
		if (__sync_val_compare_and_swap(&lane->head, head, head + 1) == head)
			return record;
	}
	__sync_fetch_and_add(&lane->lost, 1);
	return 0;
}

/* Gives a decision to each reader that wants it. */
static __noinline int give_to_readers(const struct svc_trace_event *event)
{
	__u64 until = *(volatile __u64 *)&tracing.until, number;
	struct svc_trace_record *record;
	int readers = 0;

	for (__u32 i = 0; i < SVC_TRACERS; i++) {
		__u64 end = *(volatile __u64 *)&tracing.reader_until[i];
		const struct svc_tracer *tracer = &tracing.tracer[i];

		if (!end)
			continue;
		if (end < event->time) {
			/* It did not say that it lives: unless it does so right now, it is gone. */
			__sync_val_compare_and_swap(&tracing.reader_until[i], end, 0);
			continue;
		}
		readers++;
		if (!wants(tracer, event))
			continue;
		if (tracer->flags & SVC_TRACE_FAILURES && event->why < SVC_WHY_REFUSED) {
			if (event->protocol == IPPROTO_TCP)
				note_why(event->cookie, event->why);
			continue;
		}
		record = claim_trace_record(i, &number);
		if (!record)
			continue;
		record->event = *event;
		PUBLISH(&record->number, number);
	}
	if (!readers)
		__sync_val_compare_and_swap(&tracing.until, until, 0);
	return 0;
}

/* Where there are several readers, or one that does not want to see everything. */
static __always_inline int write_for_each(struct bpf_sock_addr *ctx, const struct request *request,
					  __u32 how, int hook_family)
{
	struct svc_trace_event event;

	event.time = bpf_ktime_get_ns();
	describe(&event, ctx, request, how, hook_family);
	return give_to_readers(&event);
}

static __noinline int write_for_each4(struct bpf_sock_addr *ctx, const struct request *request,
				      __u32 how)
{
	return write_for_each(ctx, request, how, 4);
}

static __noinline int write_for_each6(struct bpf_sock_addr *ctx, const struct request *request,
				      __u32 how)
{
	return write_for_each(ctx, request, how, 6);
}

/* Only the first reader is there, and wants to see everything: mostly so. */
static __always_inline int is_for_one(void)
{
	const volatile __u64 *until = tracing.reader_until;

	return until[0] && !(until[1] | until[2] | until[3]) &&
	       !(tracing.tracer[0].flags & (SVC_TRACE_FILTERED | SVC_TRACE_FAILURES));
}

static __always_inline int write_down(struct bpf_sock_addr *ctx, const struct request *request,
				      __u32 how, int hook_family)
{
	struct svc_trace_record *record;
	__u64 number, now;

	if (!is_for_one())
		return hook_family == 4 ? write_for_each4(ctx, request, how)
					: write_for_each6(ctx, request, how);
	now = bpf_ktime_get_ns();
	if (*(volatile __u64 *)&tracing.reader_until[0] < now)
		return hook_family == 4 ? write_for_each4(ctx, request, how)
					: write_for_each6(ctx, request, how);
	record = claim_trace_record(0, &number);
	if (!record)
		return 0;
	record->event.time = now;
	describe(&record->event, ctx, request, how, hook_family);
	PUBLISH(&record->number, number);
	return 0;
}

/*
 * What the hook is to return: `how` has it already. Not static: the verifier checks each once.
 */
__noinline int write_down4(struct bpf_sock_addr *ctx, const struct request *request, __u32 how)
{
	if (request)
		write_down(ctx, request, how, 4);
	return how >> 8;
}

__noinline int write_down6(struct bpf_sock_addr *ctx, const struct request *request, __u32 how)
{
	if (request)
		write_down(ctx, request, how, 6);
	return how >> 8;
}
