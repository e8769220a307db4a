/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a socket remembers: which VIP it asked for, and where that led. Every hook of one socket
 * runs under the socket's lock, so nothing here has to guard against the same socket; other
 * sockets are kept out by the cookie. ARCHITECTURE.md, "Sockets", says why it is built so.
 */
#pragma once

#include "address.h"
#include "more_flows.h"
#include "records.h"

#define AF_INET6 10
/* Where no number of the socket's own tells its choices apart. */
#define NOT_COUNTED (~0ull)

/* What there is of one socket, found once per hook. */
struct memory {
	struct svc_socket *record;
	struct svc_more_flows *more;
	int at;	      /* the flow that the next one takes the place of, or NOWHERE */
	int keep_old; /* replies from where that one led may still come */
};

/* Finds what this socket remembers; nothing, for most sockets. */
static __always_inline void recall(struct bpf_sock *sk, __u64 cookie,
				   const struct svc_socket_tags *tags, struct memory *memory)
{
	__u32 way;
	int has_more;

	memory->at = NOWHERE;
	memory->keep_old = 0;
	memory->more = 0;
	memory->record = find_record(cookie, tags, &way);
	if (memory->record)
		has_more = memory->record->flow.service & SVC_FLOW_MORE;
	else
		has_more = *(volatile __u8 *)&tags->was_full;
	if (unlikely(has_more)) {
		memory->more = bpf_sk_storage_get(&more_flows, sk, 0, 0);
		know_places(memory->more);
	}
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

/* Which of the socket's choices the next one is, or more: no two of them have the same number. */
static __always_inline __u64 choices_of(const struct memory *memory)
{
	if (memory->more)
		return memory->more->clock;
	return memory->record ? NOT_COUNTED : 0;
}

static __always_inline int make_more(struct bpf_sock *sk, struct memory *memory)
{
	if (!memory->more) {
		memory->more = bpf_sk_storage_get(&more_flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		know_places(memory->more);
		if (memory->more && memory->record)
			memory->record->flow.service |= SVC_FLOW_MORE;
	}
	return memory->more != 0;
}

static __always_inline struct svc_flow *flow_at(struct memory *memory, int at)
{
	__u32 place = at;

	if (at == IN_RECORD)
		return memory->record ? &memory->record->flow : 0;
	if (at < 0 || at >= SVC_MORE_FLOWS || !memory->more)
		return 0;
	/* Else clang leaves out what tells the verifier the same. */
	barrier_var(place);
	return &memory->more->flow[place % SVC_MORE_FLOWS];
}

/* Notes that the flow at this place is the one used last. */
static __always_inline void touch(struct memory *memory, int at)
{
	if (!memory->more)
		return;
	if (at == IN_RECORD)
		memory->more->record_used = ++memory->more->clock;
	else if (at >= 0 && at < SVC_MORE_FLOWS)
		use_place(memory->more, at);
}

/* Where datagrams to this VIP go now. */
static __always_inline int find_flow(struct memory *memory, const struct endpoint_address *vip)
{
	if (memory->record && flow_is_current(&memory->record->flow) &&
	    flow_is_to(&memory->record->flow, vip))
		return IN_RECORD;
	return memory->more ? find_flow_in_more(memory->more, vip) : NOWHERE;
}

/* What the last connect() was translated to. The socket may have been disconnected since. */
static __always_inline int find_connected(struct memory *memory)
{
	if (memory->record && flow_is_current(&memory->record->flow) &&
	    memory->record->flow.service & SVC_FLOW_CONNECTED)
		return IN_RECORD;
	return memory->more ? find_connected_in_more(memory->more) : NOWHERE;
}

/*
 * Remembers a flow in place of the one at memory->at, if there is one; 0 when there is no memory.
 * Without memory to keep what it replaces, late replies from there show the backend's address.
 */
static __noinline int remember(struct bpf_sock *sk, struct memory *memory,
			       const struct svc_flow *flow)
{
	struct svc_flow *old;

	if (memory->at == NOWHERE && memory->record && !flow_is_current(&memory->record->flow))
		memory->at = IN_RECORD;
	old = flow_at(memory, memory->at);
	if (memory->at == IN_RECORD && old) {
		if (memory->keep_old && flow_is_used(old) && !same_way(old, flow) &&
		    make_more(sk, memory))
			put_in_more(memory->more, old, SVC_FLOW_PAST);
		*old = *flow;
		if (memory->more)
			old->service |= SVC_FLOW_MORE;
		touch(memory, IN_RECORD);
		return 1;
	}
	if (!make_more(sk, memory)) {
		count_event(SVC_EVENT_NO_MEMORY);
		return 0;
	}
	if (old)
		leave_place(memory->more, memory->at, memory->keep_old);
	put_in_more(memory->more, flow, 0);
	return 1;
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

/* The same for a socket that has one flow and no more; 0 when it is not so simple. */
static __always_inline int forget_only_flow(struct bpf_sock *sk, __u64 cookie, __u64 tags,
					    const struct endpoint_address *to, int is_connect)
{
	__u64 lanes = matching_lanes(cookie, tags);
	struct svc_socket *record;

	if (!lanes)
		return 0;
	record = record_at(cookie, way_of_lane(lanes));
	if (!record || record->cookie != cookie || record->flow.service & SVC_FLOW_MORE)
		return 0;
	forget_flow(&record->flow, to, is_connect, sk->state == BPF_TCP_ESTABLISHED);
	return 1;
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

/*
 * Is the socket connected to where this flow leads? A connect() to a stranger is not looked at, so
 * what the last translated connect() led to may be the peer no more.
 */
static __always_inline int is_peer(struct bpf_sock *sk, const struct svc_flow *flow)
{
	if (sk->dst_port != flow->backend_port_be)
		return 0;
	if (sk->family != AF_INET6)
		return is_mapped(flow->backend_be) && sk->dst_ip4 == flow->backend_be[3];
	return sk->dst_ip6[0] == flow->backend_be[0] && sk->dst_ip6[1] == flow->backend_be[1] &&
	       sk->dst_ip6[2] == flow->backend_be[2] && sk->dst_ip6[3] == flow->backend_be[3];
}

/* Did the kernel refuse the connect() that led to `flow`? Then the socket has its former peer. */
static __noinline int refused_for(struct bpf_sock *sk, struct svc_more_flows *more)
{
	struct endpoint_address peer = {.w = {0, 0, MAPPED_PREFIX, sk->dst_ip4}};

	/* Else clang may choose between two offsets, which the verifier does not allow. */
	barrier_var(peer.w[3]);
	peer.port_be = sk->dst_port;
	if (sk->family == AF_INET6) {
		peer.w[0] = sk->dst_ip6[0];
		peer.w[1] = sk->dst_ip6[1];
		peer.w[2] = sk->dst_ip6[2];
		peer.w[3] = sk->dst_ip6[3];
	}
	return best_in_more(more, &peer, SVC_FLOW_CONNECTED, 0, NOWHERE) != NOWHERE;
}

static __always_inline int was_refused(struct bpf_sock *sk, struct memory *memory,
				       const struct svc_flow *flow)
{
	return flow && unlikely(!is_peer(sk, flow)) && memory->more &&
	       refused_for(sk, memory->more);
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
