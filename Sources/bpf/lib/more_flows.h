/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows, and the walks over the many of one socket: functions that the verifier checks once, for
 * sockets that are few. bpf_loop keeps it from trying every way through sixteen rounds.
 */
#pragma once

#include "address.h"
#include "records.h"

/* Where a flow is: an index into more_flows, or one of these. */
#define IN_RECORD SVC_MORE_FLOWS
#define NOWHERE (-1)

static __always_inline int flow_is_to(const struct svc_flow *flow,
				      const struct endpoint_address *vip)
{
	return flow->vip_port_be == vip->port_be && same_words(flow->vip_be, vip->w);
}

static __always_inline int flow_is_from(const struct svc_flow *flow,
					const struct endpoint_address *backend)
{
	return flow->backend_port_be == backend->port_be &&
	       same_words(flow->backend_be, backend->w);
}

static __always_inline int flow_is_used(const struct svc_flow *flow)
{
	return flow->backend_port_be != 0;
}

static __always_inline int flow_is_current(const struct svc_flow *flow)
{
	return flow_is_used(flow) && !(flow->service & SVC_FLOW_PAST);
}

static __always_inline __u32 service_of(const struct svc_flow *flow)
{
	return flow->service & SVC_FLOW_SERVICE_MASK;
}

static __always_inline int same_way(const struct svc_flow *a, const struct svc_flow *b)
{
	return a->vip_port_be == b->vip_port_be && a->backend_port_be == b->backend_port_be &&
	       same_words(a->vip_be, b->vip_be) && same_words(a->backend_be, b->backend_be);
}

struct walk {
	struct svc_more_flows *more;
	const struct endpoint_address *address;
	const struct svc_flow *flow;
	__u32 flags;
	__u32 best;
	int found;
};

static long find_flow_step(__u32 i, struct walk *walk)
{
	struct svc_flow *flow = &walk->more->flow[i % SVC_MORE_FLOWS];

	if (!flow_is_current(flow) || (flow->service & walk->flags) != walk->flags)
		return 0;
	if (walk->address && !flow_is_to(flow, walk->address))
		return 0;
	walk->found = i;
	return 1;
}

/* The current flow with these flags that goes to `vip`; to anywhere, if that is 0. */
__noinline int find_flow_in_more(struct svc_more_flows *more, const struct endpoint_address *vip,
				 __u32 flags)
{
	struct walk walk = {.more = more, .address = vip, .flags = flags, .found = NOWHERE};

	if (!more)
		return NOWHERE;
	bpf_loop(SVC_MORE_FLOWS, find_flow_step, &walk, 0);
	return walk.found;
}

static long same_way_step(__u32 i, struct walk *walk)
{
	struct svc_flow *flow = &walk->more->flow[i % SVC_MORE_FLOWS];

	if (!flow_is_used(flow) || !same_way(flow, walk->flow))
		return 0;
	walk->found = i;
	return 1;
}

/* How long a flow was not used, in uses of others. */
static __always_inline __u32 age_in_more(const struct svc_more_flows *more, __u32 used)
{
	return (more->clock - used) & 0x3fffffff;
}

static long place_step(__u32 i, struct walk *walk)
{
	struct svc_flow *flow = &walk->more->flow[i % SVC_MORE_FLOWS];
	__u32 age = age_in_more(walk->more, walk->more->used[i % SVC_MORE_FLOWS]);

	if (!flow_is_used(flow))
		age |= 0xc0000000;
	else if (!flow_is_current(flow))
		age |= 0x80000000;
	if (age >= walk->best) {
		walk->best = age;
		walk->found = i;
	}
	return 0;
}

/*
 * Puts a flow where the same is already, else into a free place, else into that of a past flow,
 * else, if it is not a past flow itself, into the place that was not used for longest.
 */
__noinline int put_in_more(struct svc_more_flows *more, const struct svc_flow *flow)
{
	struct walk walk = {.more = more, .flow = flow, .found = NOWHERE};
	__u32 at;

	if (!more || !flow)
		return 0;
	bpf_loop(SVC_MORE_FLOWS, same_way_step, &walk, 0);
	if (walk.found == NOWHERE)
		bpf_loop(SVC_MORE_FLOWS, place_step, &walk, 0);
	at = (__u32)walk.found % SVC_MORE_FLOWS;
	if (flow_is_current(&more->flow[at])) {
		if (!flow_is_current(flow))
			return 0;
		if (!same_way(&more->flow[at], flow))
			count_event(SVC_EVENT_FLOW_GIVEN_UP);
	}
	more->flow[at] = *flow;
	more->flow[at].service &= ~SVC_FLOW_MORE;
	more->used[at] = ++more->clock;
	return 0;
}

/*
 * The application names an address itself, with connect() or sendto(): what comes from there is
 * no longer a service's. After a connect() the former peer is past: the kernel may still refuse
 * the call, and then getpeername() has to answer as before.
 */
static __always_inline void forget_flow(struct svc_flow *flow, const struct endpoint_address *to,
					int is_connect, int is_connected)
{
	int is_peer = flow_is_current(flow) && flow->service & SVC_FLOW_CONNECTED;

	if (flow_is_used(flow) && flow_is_from(flow, to)) {
		if (is_connect || !is_connected || !is_peer)
			flow->backend_port_be = 0;
	} else if (is_connect && is_peer) {
		flow->service |= SVC_FLOW_PAST;
	}
}

static long forget_step(__u32 i, struct walk *walk)
{
	forget_flow(&walk->more->flow[i % SVC_MORE_FLOWS], walk->address, walk->flags & 1,
		    walk->flags & 2);
	return 0;
}

__noinline int forget_in_more(struct svc_more_flows *more, const struct endpoint_address *to,
			      __u32 is_connect, __u32 is_connected)
{
	struct walk walk = {.more = more, .address = to};

	walk.flags = (is_connect ? 1 : 0) | (is_connected ? 2 : 0);
	if (!more || !to)
		return 0;
	bpf_loop(SVC_MORE_FLOWS, forget_step, &walk, 0);
	return 0;
}

/* Current flows go before past ones, then the one used last. */
static __always_inline __u32 rank_of(const struct svc_flow *flow, const struct svc_more_flows *more,
				     __u32 used)
{
	__u32 rank = 0x3fffffff - age_in_more(more, used);

	return flow_is_current(flow) ? rank | 0x40000000 : rank;
}

static __always_inline int may_be_from(const struct svc_flow *flow,
				       const struct endpoint_address *from, __u32 flags)
{
	return flow_is_used(flow) && flow_is_from(flow, from) && (flow->service & flags) == flags;
}

static long best_step(__u32 i, struct walk *walk)
{
	struct svc_flow *flow = &walk->more->flow[i % SVC_MORE_FLOWS];
	__u32 rank;

	if (!may_be_from(flow, walk->address, walk->flags))
		return 0;
	rank = rank_of(flow, walk->more, walk->more->used[i % SVC_MORE_FLOWS]);
	if (rank >= walk->best) {
		walk->best = rank;
		walk->found = i;
	}
	return 0;
}

/* Where the best flow is that leads to `from` and is no worse than `rank`; else `otherwise`. */
__noinline int best_in_more(struct svc_more_flows *more, const struct endpoint_address *from,
			    __u32 flags, __u32 rank, int otherwise)
{
	struct walk walk = {
		.more = more, .address = from, .flags = flags, .best = rank, .found = otherwise};

	if (!more || !from)
		return otherwise;
	bpf_loop(SVC_MORE_FLOWS, best_step, &walk, 0);
	return walk.found;
}

/* `past_too`: replies that are late may come from there, too. */
static __always_inline int takes_backend(const struct svc_flow *other, const struct svc_flow *flow,
					 int past_too)
{
	if (!past_too && !flow_is_current(other))
		return 0;
	return flow_is_used(other) && other->backend_port_be == flow->backend_port_be &&
	       same_words(other->backend_be, flow->backend_be) && !same_way(other, flow);
}

/*
 * Does another VIP of a socket lead to this backend already? A plain loop: every round ends the
 * same way, so the verifier need not try them all.
 */
__noinline int backend_is_used(const struct svc_flow *first, struct svc_more_flows *more,
			       const struct svc_flow *flow, int past_too)
{
	if (!flow)
		return 0;
	if (first && takes_backend(first, flow, past_too))
		return 1;
	if (!more)
		return 0;
	for (int i = 0; i < SVC_MORE_FLOWS; i++)
		if (takes_backend(&more->flow[i], flow, past_too))
			return 1;
	return 0;
}
