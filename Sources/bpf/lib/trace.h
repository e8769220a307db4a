/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who wants to see what. The variable `tracing` is a map of its own (.data.trace), so that the way
 * of those who are not traced has one load and one jump more. ARCHITECTURE.md, "Trace".
 */
#pragma once

#include "address.h"
#include "maps.h"

struct svc_tracing tracing SEC(".data.trace");

/* The log of each reader, of whatever size; there only while it reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SVC_TRACERS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(__u32));
			__uint(value_size, sizeof(struct svc_trace_record));
		});
} trace_logs SEC(".maps");

/* SVC_NO_TRACE: to count what this costs when nobody traces (scripts/count-instructions.py). */
static __always_inline int is_traced(void)
{
#ifdef SVC_NO_TRACE
	return 0;
#endif
	return !mostly(*(volatile __u64 *)&tracing.until == 0);
}

/* Deep enough for any address that is matched against a filter. */
static __always_inline int is_one_of(const __be32 (*addresses)[4], __u32 count, const __be32 *w)
{
	for (__u32 i = 0; i < SVC_TRACE_ADDRESSES && i < count; i++)
		if (same_words(addresses[i], w))
			return 1;
	return 0;
}

/*
 * Is this what a reader wants to see? All that is about the process that calls is asked for only
 * by filters that need it. Sockets are sampled whole: by cookie.
 */
static __always_inline int wants(const struct svc_tracer *tracer,
				 const struct svc_trace_event *event)
{
	__u32 service = event->service;

	if (!(tracer->flags & SVC_TRACE_FILTERED))
		return 1;
	if (tracer->pid && tracer->pid != event->pid)
		return 0;
	if (tracer->netns && tracer->netns != event->netns)
		return 0;
	if (tracer->cgroup &&
	    bpf_get_current_ancestor_cgroup_id(tracer->cgroup_level) != tracer->cgroup)
		return 0;
	/* The high bits of multiples of the golden ratio: the most even there is for what is counted up. */
	if (tracer->sample > 1 &&
	    (event->cookie * 0x9e3779b97f4a7c15ull >> 32) * tracer->sample >> 32)
		return 0;
	if (tracer->flags & SVC_TRACE_BY_BACKEND &&
	    (!same_words(tracer->backend_be, event->backend_be) ||
	     (tracer->backend_port_be && tracer->backend_port_be != event->backend_port_be)))
		return 0;
	if (!(tracer->flags & SVC_TRACE_BY_SERVICE))
		return 1;
	if (event->why == SVC_WHY_GUARDED)
		return is_one_of(tracer->address_be, tracer->addresses, event->vip_be);
	if (!is_mapped(event->vip_be))
		service |= SVC_TRACE_V6;
	for (__u32 i = 0; i < SVC_TRACE_SERVICES && i < tracer->services; i++)
		if (tracer->service[i] == service)
			return 1;
	return 0;
}
