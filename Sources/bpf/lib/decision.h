/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Writing down what was decided, for those who trace. Rare functions: nobody else runs them. */
#pragma once

#include "kernel.h"
#include "service.h"
#include "sockets.h"
#include "trace.h"
#include "why.h"

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
static __noinline __u32 count_candidates(const struct request *request)
{
	__u32 list = (__u32)request->frontend.target;
	__u64 *range = is_mapped(request->to.w) ? bpf_map_lookup_elem(&lists4, &list)
						: bpf_map_lookup_elem(&lists6, &list);

	return range ? (__u32)*range : 0;
}

/* Gives an event to one reader. */
static __always_inline void give(__u32 number, struct svc_tracer *tracer,
				 const struct svc_trace_event *event)
{
	void *ring = bpf_map_lookup_elem(&trace_rings, &number);

	/* It comes and looks by itself; to wake it would cost more than all the rest. */
	if (!ring || bpf_ringbuf_output(ring, (void *)event, sizeof(*event), BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&tracer->lost, 1);
}

static __noinline int give_to_readers(const struct svc_trace_event *event)
{
	__u64 until = *(volatile __u64 *)&tracing.until;
	int readers = 0;

	for (__u32 i = 0; i < SVC_TRACERS; i++) {
		struct svc_tracer *tracer = &tracing.tracer[i];
		__u64 end = *(volatile __u64 *)&tracer->until;

		if (!end)
			continue;
		if (end < event->time) {
			/* It did not say that it lives: unless it does so right now, it is gone. */
			__sync_val_compare_and_swap(&tracer->until, end, 0);
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
		give(i, tracer, event);
	}
	if (!readers)
		__sync_val_compare_and_swap(&tracing.until, until, 0);
	return 0;
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

/* `how`: the hook, and in the next byte what it returned. */
static __always_inline int write_down(struct bpf_sock_addr *ctx, const struct request *request,
				      __u32 how, int hook_family)
{
	struct svc_trace_event event = {};
	__u32 result = how >> 8;

	event.time = bpf_ktime_get_ns();
	event.cookie = request->cookie ?: bpf_get_socket_cookie(ctx);
	write_caller(&event);
	event.netns = bpf_get_netns_cookie(ctx);
	copy_words(event.vip_be, request->to.w);
	event.vip_port_be = request->to.port_be;
	event.service = request->frontend.target >> 32;
	event.protocol = ctx->protocol;
	event.hook = how;
	if (request->cookie)
		event.candidates = count_candidates(request);
	if (result) {
		struct endpoint_address backend;

		read_address(ctx, hook_family, &backend);
		copy_words(event.backend_be, backend.w);
		event.backend_port_be = backend.port_be;
		if (result == 2)
			event.why = SVC_WHY_STICKY;
		else
			event.why = why_chosen(request, event.candidates);
	} else {
		event.why = why_refused(request);
	}
	return give_to_readers(&event);
}

__noinline int write_down4(struct bpf_sock_addr *ctx, const struct request *request, __u32 how)
{
	return request ? write_down(ctx, request, how, 4) : 0;
}

__noinline int write_down6(struct bpf_sock_addr *ctx, const struct request *request, __u32 how)
{
	return request ? write_down(ctx, request, how, 6) : 0;
}
