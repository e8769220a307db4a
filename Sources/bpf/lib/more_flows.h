/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The many flows of one socket: functions that the verifier checks once, for sockets that are few.
 */
#pragma once

#include "flow.h"
#include "places.h"

/* Where a flow is: an index into more_flows, or one of these. */
#define IN_RECORD SVC_MORE_FLOWS
#define NOWHERE (-1)

/* The current flow that goes to `vip`. */
__noinline int find_flow_in_more(struct svc_more_flows *more, const struct endpoint_address *vip)
{
	__u32 places;

	if (!more || !vip)
		return NOWHERE;
	places = places_with(more->vip_tags, tag_of_address(vip->w, vip->port_be));
	FOR_EACH_PLACE (i, places) {
		__u32 at = first_of(places);
		struct svc_flow *flow = &more->flow[at % SVC_MORE_FLOWS];

		if (flow_is_current(flow) && flow_is_to(flow, vip))
			return at;
	}
	return NOWHERE;
}

/* The current flow of connect(). */
static __always_inline int find_connected_in_more(const struct svc_more_flows *more)
{
	__u32 at = more->connected - 1;
	const struct svc_flow *flow = &more->flow[at % SVC_MORE_FLOWS];

	if (likely(at >= SVC_MORE_FLOWS) || !flow_is_current(flow) ||
	    !(flow->service & SVC_FLOW_CONNECTED))
		return NOWHERE;
	return at;
}

static __always_inline int same_way_in_more(const struct svc_more_flows *more,
					    const struct svc_flow *flow, __u64 tag)
{
	__u32 places = places_with(more->backend_tags, tag);

	FOR_EACH_PLACE (i, places) {
		__u32 at = first_of(places);
		const struct svc_flow *other = &more->flow[at % SVC_MORE_FLOWS];

		if (flow_is_used(other) && same_way(other, flow))
			return at;
	}
	return NOWHERE;
}

/* `flags`: enum svc_flow_flags that are added. A past flow is put in place of no current one. */
__noinline int put_in_more(struct svc_more_flows *more, const struct svc_flow *flow, __u32 flags)
{
	struct svc_flow *to;
	__u32 service;
	__u64 tag;
	int at;

	if (!more || !flow)
		return 0;
	tag = backend_tag(flow);
	service = (flow->service | flags) & ~SVC_FLOW_MORE;
	at = same_way_in_more(more, flow, tag);
	if (likely(at == NOWHERE)) {
		at = place_for_more(more);
		to = &more->flow[(__u32)at % SVC_MORE_FLOWS];
		if (unlikely(flow_is_current(to))) {
			if (service & SVC_FLOW_PAST)
				return 0;
			count_event(SVC_EVENT_FLOW_GIVEN_UP);
		}
		set_tag(more->vip_tags, at, vip_tag(flow));
		set_tag(more->backend_tags, at, tag);
	} else {
		to = &more->flow[(__u32)at % SVC_MORE_FLOWS];
		if (flow_is_current(to) && service & SVC_FLOW_PAST)
			return 0;
	}
	copy_flow(to, flow);
	to->service = service;
	if ((service & (SVC_FLOW_CONNECTED | SVC_FLOW_PAST)) == SVC_FLOW_CONNECTED)
		more->connected = at + 1;
	use_place(more, at);
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

__noinline int forget_in_more(struct svc_more_flows *more, const struct endpoint_address *to,
			      __u32 is_connect, __u32 is_connected)
{
	__u32 places;
	int connected;

	if (!more || !to)
		return 0;
	connected = find_connected_in_more(more);
	places = places_with(more->backend_tags, tag_of_address(to->w, to->port_be));
	if (is_connect && connected >= 0)
		places |= 1 << connected;
	FOR_EACH_PLACE (i, places) {
		__u32 at = first_of(places);
		struct svc_flow *flow = &more->flow[at % SVC_MORE_FLOWS];

		forget_flow(flow, to, is_connect, is_connected);
		if (!flow_is_used(flow))
			free_place(more, at);
	}
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

/* Where the best flow is that leads to `from` and is no worse than `rank`; else `otherwise`. */
__noinline int best_in_more(struct svc_more_flows *more, const struct endpoint_address *from,
			    __u32 flags, __u32 rank, int otherwise)
{
	__u32 places;

	if (!more || !from)
		return otherwise;
	places = places_with(more->backend_tags, tag_of_address(from->w, from->port_be));
	FOR_EACH_PLACE (i, places) {
		__u32 at = first_of(places), other;
		struct svc_flow *flow = &more->flow[at % SVC_MORE_FLOWS];

		if (!may_be_from(flow, from, flags))
			continue;
		other = rank_of(flow, more, more->used[at % SVC_MORE_FLOWS]);
		if (other < rank)
			continue;
		rank = other;
		otherwise = at;
	}
	return otherwise;
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

/* Does another VIP of a socket lead to this backend already? */
__noinline int backend_is_used(const struct svc_flow *first, const struct svc_more_flows *more,
			       const struct svc_flow *flow, int past_too)
{
	__u32 places;

	if (!flow)
		return 0;
	if (first && takes_backend(first, flow, past_too))
		return 1;
	if (!more)
		return 0;
	places = places_with(more->backend_tags, backend_tag(flow));
	FOR_EACH_PLACE (i, places)
		if (takes_backend(&more->flow[first_of(places) % SVC_MORE_FLOWS], flow, past_too))
			return 1;
	return 0;
}
