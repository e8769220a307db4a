// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * socklb's data plane: eight cgroup/sock_addr programs. Each hook is a few
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
#include "lib/reverse.h"
#include "lib/service.h"

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

static __always_inline enum verdict pick_backend(struct bpf_sock_addr *ctx,
						 const struct endpoint_address *to, int hook_family,
						 const struct frontend *frontend,
						 struct svc_flow *flow)
{
	copy_words(flow->vip_be, to->w);
	flow->vip_port_be = to->port_be;
	if (hook_family == 4 || is_mapped(to->w))
		return pick_backend4(ctx, frontend, flow);
	return pick_backend6(ctx, frontend, flow);
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
		count(&counters4, flow->service, verdict);
	else
		count(&counters6, flow->service, verdict);
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address to;
	struct svc_flow flow = {};
	enum verdict verdict;
	struct frontend frontend = {};

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &to);
	verdict = find_frontend(&to, hook_family, ctx->protocol, &frontend);
	if (verdict == NOT_A_SERVICE) {
		forget_peer(sk);
		if (ctx->protocol == IPPROTO_UDP)
			forget_flows_to(sk, &to);
		return ALLOW;
	}
	/* A refused connect() leaves the socket as it was. */
	if (verdict != TRANSLATED)
		return refuse(verdict);
	verdict = pick_backend(ctx, &to, hook_family, &frontend, &flow);
	/* No room for the reverse address: better no connection than one that lies. */
	if (verdict == TRANSLATED && !remember_peer(sk, &flow))
		return deny(ENOMEM);
	count_flow(&flow, hook_family, verdict);
	if (verdict != TRANSLATED)
		return refuse(verdict);
	write_address(ctx, hook_family, flow.backend_be, flow.backend_port_be);
	return ALLOW;
}

static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address to;
	const struct svc_flow *peer;
	struct svc_flows *all;
	struct svc_flow *flow, fresh = {};
	enum verdict verdict;
	struct frontend frontend = {};

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &to);
	if (is_send_to_peer(sk, hook_family, &to))
		return ALLOW;
	verdict = find_frontend(&to, hook_family, ctx->protocol, &frontend);
	if (verdict == NOT_A_SERVICE) {
		forget_flows_to(sk, &to);
		return ALLOW;
	}
	if (verdict != TRANSLATED)
		return refuse(verdict);

	peer = connected_flow(sk, frontend.target >> 32, &to);
	if (peer && (sk->state == BPF_TCP_ESTABLISHED || still_usable(peer, hook_family))) {
		count_flow(peer, hook_family, TRANSLATED);
		write_address(ctx, hook_family, peer->backend_be, peer->backend_port_be);
		return ALLOW;
	}
	all = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!all)
		return deny(ENOMEM);
	/* A socket stays with its backend for as long as that backend is there. */
	flow = find_flow(all, &to);
	if (flow && flow->service == frontend.target >> 32 && still_usable(flow, hook_family)) {
		count_flow(flow, hook_family, TRANSLATED);
		write_address(ctx, hook_family, flow->backend_be, flow->backend_port_be);
		return ALLOW;
	}
	verdict = pick_backend(ctx, &to, hook_family, &frontend, &fresh);
	count_flow(&fresh, hook_family, verdict);
	if (verdict != TRANSLATED) {
		if (flow)
			flow->backend_port_be = 0;
		return refuse(verdict);
	}
	if (!flow)
		flow = new_flow(all);
	*flow = fresh;
	write_address(ctx, hook_family, fresh.backend_be, fresh.backend_port_be);
	return ALLOW;
}

/* recvmsg() and getpeername() show the address the application asked for. */
static __always_inline int on_recvmsg(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address from;
	const struct svc_flow *flow;

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &from);
	flow = flow_from(sk, &from);
	if (flow)
		write_address(ctx, hook_family, flow->vip_be, flow->vip_port_be);
	return ALLOW;
}

static __always_inline int on_getpeername(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address peer_address;
	struct svc_flow *peer;

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &peer_address);
	peer = bpf_sk_storage_get(&peers, sk, 0, 0);
	if (peer && flow_is_from(peer, &peer_address))
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
