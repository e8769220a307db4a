// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * socklb's data plane: eight cgroup/sock_addr programs and cgroup/sock_release. Each hook is a few
 * lines here; what they share is in lib/. `hook_family` is the family of the
 * socket call; an AF_INET6 hook that sees ::ffff:a.b.c.d uses the IPv4 tables.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.h"
#include "lib/maps.h"
#include "lib/mptcp.h"
#include "lib/service.h"
#include "lib/sockets.h"

#define ALLOW 1
#define DENY 0

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline int deny(int error)
{
	bpf_set_retval(-error);
	return DENY;
}

/* docs/conformance.md says why these errors. */
static __always_inline int refuse(enum verdict verdict)
{
	if (verdict == DROPPED)
		return deny(EHOSTUNREACH);
	if (verdict == DENIED)
		return deny(EACCES);
	return deny(ECONNREFUSED);
}

static __always_inline enum verdict find_frontend(const struct endpoint_address *to,
						  int hook_family, __u8 protocol,
						  struct frontend *found)
{
	if (hook_family == 4 || is_mapped(to->w))
		return find_frontend4(to, protocol, found);
	return find_frontend6(to, protocol, found);
}

static __always_inline enum verdict pick_backend(struct bpf_sock_addr *ctx, __u64 cookie,
						 const struct endpoint_address *to, int hook_family,
						 const struct frontend *frontend,
						 struct choice *choice)
{
	if (hook_family == 4 || is_mapped(to->w))
		return pick_backend4(ctx, cookie, frontend, choice);
	return pick_backend6(ctx, cookie, frontend, choice);
}

static __always_inline int still_usable(const struct svc_flow *flow, int hook_family)
{
	if (hook_family == 4 || is_mapped(flow->vip_be))
		return still_usable4(flow);
	return still_usable6(flow);
}

/* Goes on with the backend that the socket has. */
static __always_inline int go_on(struct bpf_sock_addr *ctx, int hook_family,
				 const struct svc_flow *flow)
{
	if (hook_family == 4 || is_mapped(flow->vip_be))
		count(&counters4, service_of(flow), TRANSLATED);
	else
		count(&counters6, service_of(flow), TRANSLATED);
	write_address(ctx, hook_family, flow->backend_be, flow->backend_port_be);
	return ALLOW;
}

static __always_inline void fill_flow(struct bpf_sock_addr *ctx, struct svc_flow *flow,
				      const struct endpoint_address *to,
				      const struct frontend *frontend, const struct choice *choice,
				      __u32 flags)
{
	copy_words(flow->vip_be, to->w);
	copy_words(flow->backend_be, choice->w);
	flow->vip_port_be = to->port_be;
	flow->service = choice->service | flags;
	flow->endpoint = choice->endpoint;
	flow->generation = choice->generation;
	/* Asked only where it may be needed: it lies in memory that is used for nothing else. */
	flow->netns = frontend->flags & SVC_FRONTEND_TERMINATE ? bpf_get_netns_cookie(ctx) : 0;
	flow->since = bpf_jiffies64() >> SVC_SINCE_SHIFT;
	/* Last: from here on the record counts. */
	*(volatile __be16 *)&flow->backend_port_be = choice->port_be;
}

/* For a socket that remembers something already, or has no record: the slow way. */
static __noinline int start_flow_slowly(struct bpf_sock *sk, struct memory *memory,
					struct svc_flow *flow, const struct frontend *frontend)
{
	int is_mapped_vip = is_mapped(flow->vip_be);

	if (!(flow->service & SVC_FLOW_TCP) && backend_is_taken(memory, flow)) {
		if (is_mapped_vip)
			avoid_taken4(memory, flow, frontend);
		else
			avoid_taken6(memory, flow, frontend);
	}
	if (remember_slowly(sk, memory, flow))
		return 1;
	if (is_mapped_vip)
		take_back(&counters4, service_of(flow));
	else
		take_back(&counters6, service_of(flow));
	return 0;
}

/* Sends a socket to a backend that is chosen now. */
static __always_inline int start_flow(struct bpf_sock_addr *ctx, struct bpf_sock *sk, __u64 cookie,
				      struct memory *memory, const struct endpoint_address *to,
				      int hook_family, const struct frontend *frontend, __u32 flags)
{
	struct choice choice = {};
	struct svc_flow flow = {};
	enum verdict verdict;

	verdict = pick_backend(ctx, cookie, to, hook_family, frontend, &choice);
	if (unlikely(verdict != TRANSLATED))
		return refuse(verdict);
	if (likely(!remembers(memory))) {
		memory->record = claim_record(cookie);
		if (likely(memory->record)) {
			fill_flow(ctx, &memory->record->flow, to, frontend, &choice, flags);
			write_address(ctx, hook_family, choice.w, choice.port_be);
			return ALLOW;
		}
	}
	fill_flow(ctx, &flow, to, frontend, &choice, flags);
	/* No room for the reverse address: better no connection than one that lies. */
	if (!start_flow_slowly(sk, memory, &flow, frontend))
		return deny(ENOMEM);
	write_address(ctx, hook_family, flow.backend_be, flow.backend_port_be);
	return ALLOW;
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address to;
	struct frontend frontend = {};
	struct svc_flow *peer;
	struct memory memory;
	enum verdict verdict;
	__u64 cookie;
	__u32 flags = SVC_FLOW_CONNECTED;
	int is_connected = 0;

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &to);
	verdict = find_frontend(&to, hook_family, ctx->protocol, &frontend);
	/* A refused connect() leaves the socket as it was. */
	if (unlikely(verdict != TRANSLATED && verdict != NOT_A_SERVICE))
		return refuse(verdict);
	cookie = bpf_get_socket_cookie(ctx);
	recall(sk, cookie, &memory);
	if (verdict == NOT_A_SERVICE) {
		if (unlikely(remembers(&memory)))
			forget_flows_to(sk, &memory, &to, 1);
		return ALLOW;
	}
	if (ctx->protocol == IPPROTO_UDP)
		is_connected = sk->state == BPF_TCP_ESTABLISHED;
	else
		flags |= SVC_FLOW_TCP;
	if (unlikely(remembers(&memory))) {
		memory.at = find_connected(&memory);
		memory.keep_old = is_connected;
		peer = flow_at(&memory, memory.at);
		/* A UDP socket connected to this VIP that asks for it again stays where it is. */
		if (peer && is_connected && flow_is_to(peer, &to) &&
		    service_of(peer) == frontend.target >> 32 &&
		    !(frontend.flags & SVC_FRONTEND_MAY_MOVE) && still_usable(peer, hook_family))
			return go_on(ctx, hook_family, peer);
	}
	return start_flow(ctx, sk, cookie, &memory, &to, hook_family, &frontend, flags);
}

/*
 * Where the flow is that this datagram belongs to. A socket stays with its backend for as long as
 * that backend is there; 0 when it needs another one, in place of memory->at.
 */
static __always_inline struct svc_flow *find_usable_flow(struct bpf_sock *sk, int hook_family,
							 struct memory *memory,
							 const struct endpoint_address *to,
							 const struct frontend *frontend)
{
	struct svc_flow *flow;

	if (sk->state == BPF_TCP_ESTABLISHED) {
		/* The kernel hands a connected socket nothing from anybody but its peer. */
		memory->at = find_connected(memory);
		flow = flow_at(memory, memory->at);
		if (flow && flow_is_to(flow, to) && service_of(flow) == frontend->target >> 32)
			return flow;
	}
	memory->at = find_flow(memory, to);
	memory->keep_old = 1;
	flow = flow_at(memory, memory->at);
	if (!flow)
		return 0;
	if (!(frontend->flags & SVC_FRONTEND_PER_DATAGRAM) &&
	    service_of(flow) == frontend->target >> 32 && still_usable(flow, hook_family))
		return flow;
	/* Only replies may still come from there. */
	flow->service |= SVC_FLOW_PAST;
	return 0;
}

static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address to;
	struct frontend frontend = {};
	struct svc_flow *flow;
	struct memory memory;
	enum verdict verdict;
	__u64 cookie;

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &to);
	if (unlikely(is_send_to_peer(sk, hook_family, &to)))
		return ALLOW;
	verdict = find_frontend(&to, hook_family, ctx->protocol, &frontend);
	if (unlikely(verdict != TRANSLATED && verdict != NOT_A_SERVICE))
		return refuse(verdict);
	cookie = bpf_get_socket_cookie(ctx);
	recall(sk, cookie, &memory);
	if (verdict == NOT_A_SERVICE) {
		if (unlikely(remembers(&memory)))
			forget_flows_to(sk, &memory, &to, 0);
		return ALLOW;
	}
	if (remembers(&memory)) {
		flow = find_usable_flow(sk, hook_family, &memory, &to, &frontend);
		if (flow) {
			touch(&memory, memory.at);
			return go_on(ctx, hook_family, flow);
		}
	}
	return start_flow(ctx, sk, cookie, &memory, &to, hook_family, &frontend, 0);
}

/* recvmsg() and getpeername() show the address the application asked for. */
static __always_inline int on_recvmsg(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address from;
	const struct svc_flow *flow;
	struct memory memory;

	if (!sk)
		return ALLOW;
	recall(sk, bpf_get_socket_cookie(ctx), &memory);
	if (!remembers(&memory))
		return ALLOW;
	read_address(ctx, hook_family, &from);
	flow = flow_from(&memory, &from, 0);
	if (flow)
		write_address(ctx, hook_family, flow->vip_be, flow->vip_port_be);
	return ALLOW;
}

static __always_inline int on_getpeername(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address peer_address;
	const struct svc_flow *peer;
	struct memory memory;

	if (!sk)
		return ALLOW;
	recall(sk, bpf_get_socket_cookie(ctx), &memory);
	if (!remembers(&memory) && ctx->protocol == IPPROTO_MPTCP)
		recall_record(cookie_of_subflow(sk), &memory);
	if (!remembers(&memory))
		return ALLOW;
	read_address(ctx, hook_family, &peer_address);
	peer = flow_from(&memory, &peer_address, SVC_FLOW_CONNECTED);
	if (peer)
		write_address(ctx, hook_family, peer->vip_be, peer->vip_port_be);
	return ALLOW;
}

#define HOOK(name, handler, hook_family)          \
	SEC("cgroup/" #name)                      \
	int name(struct bpf_sock_addr *ctx)       \
	{                                         \
		return handler(ctx, hook_family); \
	}

HOOK(connect4, on_connect, 4)
HOOK(connect6, on_connect, 6)
HOOK(sendmsg4, on_sendmsg, 4)
HOOK(sendmsg6, on_sendmsg, 6)
HOOK(recvmsg4, on_recvmsg, 4)
HOOK(recvmsg6, on_recvmsg, 6)
HOOK(getpeername4, on_getpeername, 4)
HOOK(getpeername6, on_getpeername, 6)

/* The socket is closed by its last owner; it will run no other hook. */
SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *sk)
{
	release_record(bpf_get_socket_cookie(sk));
	if (sk->protocol == IPPROTO_MPTCP)
		release_record(cookie_of_subflow(sk));
	return ALLOW;
}
