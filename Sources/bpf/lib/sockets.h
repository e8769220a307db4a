/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a socket remembers: which VIP it asked for, and where that led. Every hook of one socket
 * runs under the socket's lock, so nothing here has to guard against the same socket; other
 * sockets are kept out by the cookie. ARCHITECTURE.md, "Sockets", says why it is built so.
 */
#pragma once

#include <bpf/bpf_core_read.h>

#include "address.h"
#include "kernel.h"
#include "maps.h"
#include "records.h"

#define AF_INET6 10
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* What there is of one socket, found once per hook. */
struct memory {
	struct svc_socket *record;
	struct svc_more_flows *more;
};

/* Where a flow is: an index into more_flows, or one of these. */
#define IN_RECORD SVC_MORE_FLOWS
#define NOWHERE (-1)

/* Finds what this socket remembers; nothing, for most sockets. */
static __always_inline void recall(struct bpf_sock *sk, __u64 cookie, struct memory *memory)
{
	struct svc_socket_tags *tags = tags_of_set(cookie);
	__u32 way;
	int has_more = 0;

	memory->record = 0;
	memory->more = 0;
	if (!tags)
		return;
	memory->record = find_record(cookie, tags, &way);
	if (memory->record)
		has_more = memory->record->flow.service & SVC_FLOW_MORE;
	else
		has_more = *(volatile __u8 *)&tags->was_full;
	if (unlikely(has_more))
		memory->more = bpf_sk_storage_get(&more_flows, sk, 0, 0);
}

/* The record of another cookie than that of the socket at hand. */
static __always_inline void recall_record(__u64 cookie, struct memory *memory)
{
	struct svc_socket_tags *tags = tags_of_set(cookie);
	__u32 way;

	memory->more = 0;
	memory->record = tags && cookie ? find_record(cookie, tags, &way) : 0;
}

static __always_inline int remembers(const struct memory *memory)
{
	struct svc_more_flows *more;

	if (memory->record)
		return 1;
	more = memory->more;
	/* Else clang may OR the two pointers, which the verifier does not allow. */
	barrier_var(more);
	return more != 0;
}

static __always_inline int make_more(struct bpf_sock *sk, struct memory *memory)
{
	if (!memory->more) {
		memory->more = bpf_sk_storage_get(&more_flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (memory->more && memory->record)
			memory->record->flow.service |= SVC_FLOW_MORE;
	}
	return memory->more != 0;
}

static __always_inline struct svc_flow *flow_at(struct memory *memory, int at)
{
	if (at == IN_RECORD)
		return memory->record ? &memory->record->flow : 0;
	if (at < 0 || at >= SVC_MORE_FLOWS || !memory->more)
		return 0;
	return &memory->more->flow[at];
}

/* Notes that the flow at this place is the one used last. */
static __always_inline void touch(struct memory *memory, int at)
{
	if (!memory->more)
		return;
	memory->more->clock++;
	if (at == IN_RECORD)
		memory->more->record_used = memory->more->clock;
	else if (at >= 0 && at < SVC_MORE_FLOWS)
		memory->more->used[at] = memory->more->clock;
}

/*
 * The walks over more_flows. They are functions of their own that the verifier checks once, for
 * sockets that are few; bpf_loop keeps it from trying every way through sixteen rounds.
 */

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
	if (flow_is_current(&more->flow[at]) && !same_way(&more->flow[at], flow)) {
		if (!flow_is_current(flow))
			return 0;
		count_event(SVC_EVENT_FLOW_GIVEN_UP);
	}
	more->flow[at] = *flow;
	more->flow[at].service &= ~SVC_FLOW_MORE;
	more->used[at] = ++more->clock;
	return 0;
}

/* Where datagrams to this VIP go now. */
static __always_inline int find_flow(struct memory *memory, struct endpoint_address *vip)
{
	if (memory->record && flow_is_current(&memory->record->flow) &&
	    flow_is_to(&memory->record->flow, vip))
		return IN_RECORD;
	return memory->more ? find_flow_in_more(memory->more, vip, 0) : NOWHERE;
}

/* What the last connect() was translated to. The socket may have been disconnected since. */
static __noinline int find_connected(struct memory *memory)
{
	if (memory->record && flow_is_current(&memory->record->flow) &&
	    memory->record->flow.service & SVC_FLOW_CONNECTED)
		return IN_RECORD;
	return memory->more ? find_flow_in_more(memory->more, 0, SVC_FLOW_CONNECTED) : NOWHERE;
}

/*
 * Remembers a flow in place of the one at `at`, if there is one; 0 when there is no memory.
 * With `keep_old` what is replaced is kept aside, because replies from there may still come;
 * when there is no memory for that, they show the backend's address.
 */
static __noinline int remember_besides(struct bpf_sock *sk, struct memory *memory,
				       const struct svc_flow *flow, int at, int keep_old)
{
	struct svc_flow *old, past;

	if (at == NOWHERE && memory->record && !flow_is_current(&memory->record->flow))
		at = IN_RECORD;
	old = flow_at(memory, at);
	if (!old) {
		if (!make_more(sk, memory)) {
			count_event(SVC_EVENT_NO_MEMORY);
			return 0;
		}
		put_in_more(memory->more, flow);
		return 1;
	}
	past = *old;
	*old = *flow;
	if (at == IN_RECORD && memory->more)
		old->service |= SVC_FLOW_MORE;
	touch(memory, at);
	if (!keep_old || !flow_is_used(&past) || same_way(&past, flow))
		return 1;
	past.service |= SVC_FLOW_PAST;
	if (make_more(sk, memory))
		put_in_more(memory->more, &past);
	return 1;
}

static __always_inline int remember(struct bpf_sock *sk, __u64 cookie, struct memory *memory,
				    const struct svc_flow *flow, int at, int keep_old)
{
	if (likely(!remembers(memory))) {
		memory->record = claim_record(cookie);
		if (likely(memory->record)) {
			memory->record->flow = *flow;
			return 1;
		}
	}
	return remember_besides(sk, memory, flow, at, keep_old);
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

static __noinline int forget_flows_to(struct bpf_sock *sk, struct memory *memory,
				      const struct endpoint_address *to, int is_connect)
{
	int is_connected = sk->state == BPF_TCP_ESTABLISHED;

	if (memory->record)
		forget_flow(&memory->record->flow, to, is_connect, is_connected);
	if (memory->more)
		forget_in_more(memory->more, to, is_connect, is_connected);
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

/*
 * The VIP behind which `from` stands for this socket; 0 when it stands for itself. When several
 * VIPs led to this backend, it is the one that was written to last.
 */
static __always_inline struct svc_flow *flow_from(struct memory *memory,
						  const struct endpoint_address *from, __u32 flags)
{
	struct svc_flow *flow = memory->record ? &memory->record->flow : 0;
	struct svc_more_flows *more = memory->more;

	if (flow && !may_be_from(flow, from, flags))
		flow = 0;
	if (!more)
		return flow;
	if (flow)
		return flow_at(memory,
			       best_in_more(more, from, flags,
					    rank_of(flow, more, more->record_used), IN_RECORD));
	return flow_at(memory, best_in_more(more, from, flags, 0, NOWHERE));
}

static __always_inline int takes_backend(const struct svc_flow *other, const struct svc_flow *flow)
{
	return flow_is_current(other) && other->backend_port_be == flow->backend_port_be &&
	       same_words(other->backend_be, flow->backend_be) && !same_way(other, flow);
}

static long taken_step(__u32 i, struct walk *walk)
{
	if (!takes_backend(&walk->more->flow[i % SVC_MORE_FLOWS], walk->flow))
		return 0;
	walk->found = i;
	return 1;
}

__noinline int backend_is_taken_in_more(struct svc_more_flows *more, const struct svc_flow *flow)
{
	struct walk walk = {.more = more, .flow = flow, .found = NOWHERE};

	if (!more || !flow)
		return 0;
	bpf_loop(SVC_MORE_FLOWS, taken_step, &walk, 0);
	return walk.found != NOWHERE;
}

/* Does another VIP of this socket lead to this backend already? */
static __always_inline int backend_is_taken(const struct memory *memory,
					    const struct svc_flow *flow)
{
	if (memory->record && takes_backend(&memory->record->flow, flow))
		return 1;
	return memory->more ? backend_is_taken_in_more(memory->more, flow) : 0;
}

/*
 * A datagram of a connected AF_INET6 socket that speaks IPv4: the kernel hands send() over to
 * IPv4 as if it were a sendto() to the peer, so sendmsg4 runs for what is no sendto() at all.
 */
static __always_inline int is_send_to_peer(struct bpf_sock *sk, int hook_family,
					   const struct endpoint_address *to)
{
	return hook_family == 4 && sk->family == AF_INET6 && sk->state == BPF_TCP_ESTABLISHED &&
	       sk->dst_ip4 == to->w[3] && sk->dst_port == to->port_be;
}

/* MPTCP: the hook of connect() sees the first subflow, the others see the socket above it. */

/* 0 when the first subflow is gone. `sk` may be read only through a helper. */
static __noinline __u64 cookie_of_subflow(struct bpf_sock *sk)
{
	struct bpf_sock *volatile spilled = sk;
	struct sock *first = 0;
	__u64 address = 0, cookie = 0;

	if (!sk || !bpf_core_field_exists(struct mptcp_sock, first))
		return 0;
	bpf_probe_read_kernel(&address, sizeof(address), (const void *)&spilled);
	bpf_probe_read_kernel(&first, sizeof(first),
			      (void *)(address + bpf_core_field_offset(struct mptcp_sock, first)));
	if (!first)
		return 0;
	bpf_probe_read_kernel(&cookie, sizeof(cookie),
			      (void *)((__u64)first +
				       bpf_core_field_offset(struct sock, __sk_common.skc_cookie)));
	return cookie;
}
