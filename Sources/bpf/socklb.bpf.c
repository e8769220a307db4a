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

static __always_inline enum verdict pick_backend(struct bpf_sock_addr *ctx, struct memory *memory,
						 const struct endpoint_address *to, int hook_family,
						 const struct frontend *frontend,
						 struct svc_flow *flow)
{
	copy_words(flow->vip_be, to->w);
	flow->vip_port_be = to->port_be;
	flow->netns = bpf_get_netns_cookie(ctx);
	flow->since = bpf_ktime_get_coarse_ns() >> SVC_SINCE_SHIFT;
	if (hook_family == 4 || is_mapped(to->w))
		return pick_backend4(ctx, memory, frontend, flow);
	return pick_backend6(ctx, memory, frontend, flow);
}

static __always_inline int still_usable(const struct svc_flow *flow, int hook_family)
{
	if (hook_family == 4 || is_mapped(flow->vip_be))
		return still_usable4(flow);
	return still_usable6(flow);
}

static __always_inline void count_flow(const struct svc_flow *flow, int hook_family,
				       enum verdict verdict)
{
	if (hook_family == 4 || is_mapped(flow->vip_be))
		count(&counters4, service_of(flow), verdict);
	else
		count(&counters6, service_of(flow), verdict);
}

static __always_inline int send_along(struct bpf_sock_addr *ctx, int hook_family,
				      const struct svc_flow *flow)
{
	count_flow(flow, hook_family, TRANSLATED);
	write_address(ctx, hook_family, flow->backend_be, flow->backend_port_be);
	return ALLOW;
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address to;
	struct frontend frontend = {};
	struct svc_flow fresh = {}, *peer;
	struct memory memory;
	enum verdict verdict;
	__u64 cookie;
	int at, is_tcp, is_connected;

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
	is_tcp = ctx->protocol != IPPROTO_UDP;
	is_connected = !is_tcp && sk->state == BPF_TCP_ESTABLISHED;
	at = NOWHERE;
	if (unlikely(remembers(&memory))) {
		at = find_connected(&memory);
		peer = flow_at(&memory, at);
		/* A UDP socket connected to this VIP that asks for it again stays where it is. */
		if (peer && is_connected && flow_is_to(peer, &to) &&
		    service_of(peer) == frontend.target >> 32 &&
		    !(frontend.flags & SVC_FRONTEND_MAY_MOVE) && still_usable(peer, hook_family))
			return send_along(ctx, hook_family, peer);
	}
	verdict = pick_backend(ctx, &memory, &to, hook_family, &frontend, &fresh);
	fresh.service |= is_tcp ? SVC_FLOW_CONNECTED | SVC_FLOW_TCP : SVC_FLOW_CONNECTED;
	/* No room for the reverse address: better no connection than one that lies. */
	if (verdict == TRANSLATED && !remember(sk, cookie, &memory, &fresh, at, is_connected))
		return deny(ENOMEM);
	if (verdict == TRANSLATED)
		return send_along(ctx, hook_family, &fresh);
	count_flow(&fresh, hook_family, verdict);
	return refuse(verdict);
}

/* A socket stays with its backend for as long as that backend is there. */
static __always_inline int find_usable_flow(struct bpf_sock *sk, int hook_family,
					    struct memory *memory, struct endpoint_address *to,
					    const struct frontend *frontend, int *at)
{
	struct svc_flow *flow;

	*at = NOWHERE;
	if (sk->state == BPF_TCP_ESTABLISHED) {
		/* The kernel hands a connected socket nothing from anybody but its peer. */
		*at = find_connected(memory);
		flow = flow_at(memory, *at);
		if (flow && flow_is_to(flow, to) && service_of(flow) == frontend->target >> 32)
			return 1;
	}
	*at = find_flow(memory, to);
	flow = flow_at(memory, *at);
	return flow && !(frontend->flags & SVC_FRONTEND_PER_DATAGRAM) &&
	       service_of(flow) == frontend->target >> 32 && still_usable(flow, hook_family);
}

static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address to;
	struct frontend frontend = {};
	struct svc_flow fresh = {}, *flow;
	struct memory memory;
	enum verdict verdict;
	__u64 cookie;
	int at;

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
	if (find_usable_flow(sk, hook_family, &memory, &to, &frontend, &at)) {
		flow = flow_at(&memory, at);
		touch(&memory, at);
		if (flow)
			return send_along(ctx, hook_family, flow);
	}
	verdict = pick_backend(ctx, &memory, &to, hook_family, &frontend, &fresh);
	if (verdict == TRANSLATED) {
		if (!remember(sk, cookie, &memory, &fresh, at, 1))
			return deny(ENOMEM);
		return send_along(ctx, hook_family, &fresh);
	}
	count_flow(&fresh, hook_family, verdict);
	flow = flow_at(&memory, at);
	if (flow)
		flow->service |= SVC_FLOW_PAST;
	return refuse(verdict);
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
