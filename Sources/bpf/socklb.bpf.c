// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * socklb's data plane: eight cgroup/sock_addr programs and cgroup/sock_release. What they share is
 * in lib/. `hook_family` is that of the call; a hook of 6 that sees ::ffff:a.b.c.d uses the tables of 4.
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
#include "lib/decision.h"
#include "lib/tally.h"

#define ALLOW 1
/* What a rare function may return, too; `allow_or_deny` makes ALLOW of it. */
#define ALLOW_STICKY 2

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The verifier does not know what a function that is not static returns. */
static __always_inline int allow_or_deny(int result)
{
	barrier_var(result);
	return result ? ALLOW : DENY;
}

/*
 * Goes on with the backend that the socket has. `serves`: its endpoint id still stands for it; it is
 * asked for only where a flow is used whose endpoint may be gone.
 */
static __always_inline int go_on(struct bpf_sock_addr *ctx, int hook_family,
				 const struct svc_flow *flow, int serves)
{
	int is_v4 = hook_family == 4 || is_mapped(flow->vip_be);

	if (serves)
		tally_endpoint(is_v4, flow->endpoint);
	if (is_v4)
		count(&counters4, service_of(flow));
	else
		count(&counters6, service_of(flow));
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

/* Not static: the verifier checks such a function once, and not for every way that leads there. */
#define RARELY(name, hook_family)                                                                  \
	__noinline int name##hook_family(struct bpf_sock_addr *ctx, const struct request *request) \
	{                                                                                          \
		return request ? name(ctx, request, hook_family) : ALLOW;                          \
	}

/* Sends a socket to the backend that was chosen, and remembers that where there is room. */
static __always_inline int begin_flow(struct bpf_sock_addr *ctx, const struct request *request,
				      int hook_family, struct bpf_sock *sk, struct memory *memory,
				      const struct choice *choice)
{
	struct svc_flow flow = {}, *first = memory->record ? &memory->record->flow : 0;
	int is_v4;

	fill_flow(ctx, &flow, &request->to, &request->frontend, choice, request->flags);
	is_v4 = is_mapped(flow.vip_be);
	if (!(request->flags & SVC_FLOW_TCP) &&
	    backend_is_used(first, memory->more, &flow, avoids_past(&flow, &request->frontend))) {
		if (is_v4)
			avoid_taken4(first, memory->more, &flow, &request->frontend);
		else
			avoid_taken6(first, memory->more, &flow, &request->frontend);
	}
	/* No room for the reverse address: better no connection than one that lies. */
	if (!remember(sk, memory, &flow)) {
		if (is_v4)
			take_back(&counters4, service_of(&flow));
		else
			take_back(&counters6, service_of(&flow));
		return deny(ENOMEM);
	}
	tally_endpoint(is_v4, flow.endpoint);
	write_address(ctx, hook_family, flow.backend_be, flow.backend_port_be);
	return ALLOW;
}

/* The first way of its set is not free for this socket. */
static __always_inline int begin_elsewhere(struct bpf_sock_addr *ctx, const struct request *request,
					   const struct choice *choice, int hook_family)
{
	struct memory memory = {.at = NOWHERE};
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return ALLOW;
	memory.record = claim_other_way(request->cookie);
	return begin_flow(ctx, request, hook_family, sk, &memory, choice);
}

static __noinline int begin_elsewhere4(struct bpf_sock_addr *ctx, const struct request *request,
				       const struct choice *choice)
{
	return begin_elsewhere(ctx, request, choice, 4);
}

static __noinline int begin_elsewhere6(struct bpf_sock_addr *ctx, const struct request *request,
				       const struct choice *choice)
{
	return begin_elsewhere(ctx, request, choice, 6);
}

/* Sends a socket that remembers nothing to a backend. */
static __always_inline int begin_first_flow(struct bpf_sock_addr *ctx,
					    const struct request *request, int hook_family,
					    struct svc_socket_tags *tags)
{
	struct choice choice = {};
	struct svc_socket *record;
	enum verdict verdict;

	verdict = pick_backend(ctx, request->cookie, &request->to, hook_family, &request->frontend,
			       0, &choice);
	if (unlikely(verdict != TRANSLATED))
		return refuse(verdict);
	record = claim_way(request->cookie, tags, 0);
	if (likely(record)) {
		fill_flow(ctx, &record->flow, &request->to, &request->frontend, &choice,
			  request->flags);
		tally_endpoint(hook_family == 4 || is_mapped(request->to.w), choice.endpoint);
		write_address(ctx, hook_family, choice.w, choice.port_be);
		return ALLOW;
	}
	return hook_family == 4 ? begin_elsewhere4(ctx, request, &choice)
				: begin_elsewhere6(ctx, request, &choice);
}

/*
 * For IPv6 a frame of its own: the stack of Linux 6.1 is too small for it in that of connect6. For
 * that of sendmsg6 it is too small even so, where send_again6 does it.
 */
static __noinline int begin_first_flow6(struct bpf_sock_addr *ctx, const struct request *request,
					struct svc_socket_tags *tags)
{
	return begin_first_flow(ctx, request, 6, tags);
}

/* Sends a socket that may remember something to a backend. */
static __always_inline int begin_next_flow(struct bpf_sock_addr *ctx, const struct request *request,
					   int hook_family, struct bpf_sock *sk,
					   struct svc_socket_tags *tags, struct memory *memory)
{
	struct choice choice = {};
	enum verdict verdict;

	verdict = pick_backend(ctx, request->cookie, &request->to, hook_family, &request->frontend,
			       choices_of(memory), &choice);
	if (verdict != TRANSLATED)
		return refuse(verdict);
	if (!remembers(memory))
		memory->record = claim_record(request->cookie, tags);
	return begin_flow(ctx, request, hook_family, sk, memory, &choice);
}

/* connect() of a socket that may remember something. */
static __always_inline int connect_again(struct bpf_sock_addr *ctx, const struct request *request,
					 int hook_family)
{
	struct svc_socket_tags *tags = tags_of_set(request->cookie);
	struct bpf_sock *sk = ctx->sk;
	struct svc_flow *peer;
	struct memory memory;
	int is_connected;

	if (!sk || !tags)
		return ALLOW;
	recall(sk, request->cookie, tags, &memory);
	if (!request->is_service) {
		if (remembers(&memory))
			forget_flows_to(sk, &memory, &request->to, 1);
		return ALLOW;
	}
	if (remembers(&memory)) {
		is_connected = !(request->flags & SVC_FLOW_TCP) && sk->state == BPF_TCP_ESTABLISHED;
		memory.at = find_connected(&memory);
		peer = flow_at(&memory, memory.at);
		memory.keep_old = is_connected && !was_refused(sk, &memory, peer);
		/* A UDP socket connected to this VIP that asks for it again stays where it is. */
		if (peer && is_connected && flow_is_to(peer, &request->to) &&
		    service_of(peer) == request->frontend.target >> 32 &&
		    !(request->frontend.flags & SVC_FRONTEND_MAY_MOVE) &&
		    still_usable(peer, hook_family)) {
			go_on(ctx, hook_family, peer, 1);
			return ALLOW_STICKY;
		}
	}
	return begin_next_flow(ctx, request, hook_family, sk, tags, &memory);
}

RARELY(connect_again, 4)
RARELY(connect_again, 6)

/*
 * Where the flow is that a datagram belongs to. A socket stays with its backend for as long as
 * that backend is there; 0 when it needs another one, in place of memory->at.
 */
static __always_inline struct svc_flow *find_usable_flow(struct bpf_sock *sk,
							 const struct request *request,
							 int hook_family, struct memory *memory)
{
	__u32 service = request->frontend.target >> 32;
	struct svc_flow *flow;

	if (sk->state == BPF_TCP_ESTABLISHED) {
		/* The kernel hands a connected socket nothing from anybody but its peer. */
		memory->at = find_connected(memory);
		flow = flow_at(memory, memory->at);
		if (flow && flow_is_to(flow, &request->to) && service_of(flow) == service &&
		    is_peer(sk, flow))
			return flow;
	}
	memory->at = find_flow(memory, &request->to);
	memory->keep_old = 1;
	flow = flow_at(memory, memory->at);
	if (!flow)
		return 0;
	if (!(request->frontend.flags & SVC_FRONTEND_PER_DATAGRAM) && service_of(flow) == service &&
	    still_usable(flow, hook_family))
		return flow;
	/* Only replies may still come from there. */
	flow->service |= SVC_FLOW_PAST;
	return 0;
}

/* A datagram of a socket that may remember something. */
static __always_inline int send_again(struct bpf_sock_addr *ctx, const struct request *request,
				      int hook_family)
{
	struct svc_socket_tags *tags = tags_of_set(request->cookie);
	struct bpf_sock *sk = ctx->sk;
	struct memory memory;
	struct svc_flow *flow;

	if (!sk || !tags)
		return ALLOW;
	recall(sk, request->cookie, tags, &memory);
	if (!request->is_service) {
		if (remembers(&memory))
			forget_flows_to(sk, &memory, &request->to, 0);
		return ALLOW;
	}
	if (remembers(&memory)) {
		flow = find_usable_flow(sk, request, hook_family, &memory);
		if (flow) {
			touch(&memory, memory.at);
			go_on(ctx, hook_family, flow, still_usable(flow, hook_family));
			return ALLOW_STICKY;
		}
	}
	return begin_next_flow(ctx, request, hook_family, sk, tags, &memory);
}

RARELY(send_again, 4)
RARELY(send_again, 6)

/* Tells those who trace what was decided: nobody, mostly. */
static __always_inline int tell(struct bpf_sock_addr *ctx, const struct request *request,
				int hook_family, __u32 hook, int result)
{
	if (is_traced())
		return allow_or_deny(hook_family == 4
					     ? write_down4(ctx, request, hook | result << 8)
					     : write_down6(ctx, request, hook | result << 8));
	return result;
}

/* A port of a guarded address that no frontend has. */
static __always_inline int refuse_guarded(struct bpf_sock_addr *ctx, const struct request *request,
					  int hook_family, __u32 hook)
{
	return tell(ctx, request, hook_family, hook, refuse(NO_BACKEND));
}

static __always_inline int on_connect(struct bpf_sock_addr *ctx, int hook_family)
{
	const __u32 hook = hook_family == 4 ? SVC_TRACE_CONNECT4 : SVC_TRACE_CONNECT6;
	struct request request = {};
	struct bpf_sock *sk = ctx->sk;
	struct svc_socket_tags *tags;
	enum verdict verdict;
	int result;

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &request.to);
	verdict = find_frontend(&request.to, hook_family, ctx->protocol, &request.frontend);
	if (likely(verdict == STRANGER))
		return ALLOW;
	/* A refused connect() leaves the socket as it was. */
	if (unlikely(verdict != TRANSLATED && verdict != NOT_A_SERVICE))
		return refuse_guarded(ctx, &request, hook_family, hook);
	request.is_service = verdict == TRANSLATED;
	request.cookie = bpf_get_socket_cookie(ctx);
	tags = tags_of_set(request.cookie);
	if (!tags)
		return ALLOW;
	request.flags = ctx->protocol == IPPROTO_UDP ? SVC_FLOW_CONNECTED
						     : SVC_FLOW_CONNECTED | SVC_FLOW_TCP;
	if (verdict == NOT_A_SERVICE) {
		if (likely(has_nothing(request.cookie, word_of(tags))) ||
		    forget_only_flow(sk, request.cookie, word_of(tags), &request.to, 1))
			return ALLOW;
	} else if (hook_family == 4 && mostly(has_nothing(request.cookie, word_of(tags)))) {
		return tell(ctx, &request, hook_family, hook,
			    begin_first_flow(ctx, &request, hook_family, tags));
	} else if (hook_family == 6 && mostly(has_nothing(request.cookie, word_of(tags)))) {
		return tell(ctx, &request, hook_family, hook,
			    begin_first_flow6(ctx, &request, tags));
	}
	result = hook_family == 4 ? connect_again4(ctx, &request) : connect_again6(ctx, &request);
	if (request.is_service)
		result = tell(ctx, &request, hook_family, hook, result);
	return allow_or_deny(result);
}

/* The flow of a socket that has one and sends along it again; 0 when it is not so simple. */
static __always_inline struct svc_flow *
only_flow(struct bpf_sock *sk, const struct request *request, int hook_family, __u64 tags)
{
	__u64 lanes = matching_lanes(request->cookie, tags);
	struct svc_socket *record;

	if (!lanes || request->frontend.flags & SVC_FRONTEND_PER_DATAGRAM ||
	    sk->state == BPF_TCP_ESTABLISHED)
		return 0;
	record = record_at(request->cookie, way_of_lane(lanes));
	if (!record || record->cookie != request->cookie ||
	    record->flow.service & (SVC_FLOW_MORE | SVC_FLOW_PAST) ||
	    service_of(&record->flow) != request->frontend.target >> 32 ||
	    !flow_is_used(&record->flow) || !flow_is_to(&record->flow, &request->to) ||
	    !still_usable(&record->flow, hook_family))
		return 0;
	return &record->flow;
}

static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, int hook_family)
{
	const __u32 hook = hook_family == 4 ? SVC_TRACE_SENDMSG4 : SVC_TRACE_SENDMSG6;
	struct request request = {};
	struct bpf_sock *sk = ctx->sk;
	struct svc_socket_tags *tags;
	struct svc_flow *flow;
	enum verdict verdict;
	int result;

	if (!sk)
		return ALLOW;
	read_address(ctx, hook_family, &request.to);
	if (unlikely(is_send_to_peer(sk, hook_family, &request.to)))
		return ALLOW;
	verdict = find_frontend(&request.to, hook_family, ctx->protocol, &request.frontend);
	if (likely(verdict == STRANGER))
		return ALLOW;
	if (unlikely(verdict != TRANSLATED && verdict != NOT_A_SERVICE))
		return refuse_guarded(ctx, &request, hook_family, hook);
	request.is_service = verdict == TRANSLATED;
	request.cookie = bpf_get_socket_cookie(ctx);
	tags = tags_of_set(request.cookie);
	if (!tags)
		return ALLOW;
	if (verdict == NOT_A_SERVICE) {
		if (likely(has_nothing(request.cookie, word_of(tags))) ||
		    forget_only_flow(sk, request.cookie, word_of(tags), &request.to, 0))
			return ALLOW;
	} else if (hook_family == 4 && has_nothing(request.cookie, word_of(tags))) {
		return tell(ctx, &request, hook_family, hook,
			    begin_first_flow(ctx, &request, hook_family, tags));
	} else {
		flow = only_flow(sk, &request, hook_family, word_of(tags));
		if (likely(flow)) {
			go_on(ctx, hook_family, flow, 1);
			tell(ctx, &request, hook_family, hook, ALLOW_STICKY);
			return ALLOW;
		}
	}
	result = hook_family == 4 ? send_again4(ctx, &request) : send_again6(ctx, &request);
	if (request.is_service)
		result = tell(ctx, &request, hook_family, hook, result);
	return allow_or_deny(result);
}

/* recvmsg() and getpeername() show the address the application asked for. */
static __always_inline int on_recvmsg(struct bpf_sock_addr *ctx, int hook_family)
{
	struct bpf_sock *sk = ctx->sk;
	struct endpoint_address from;
	const struct svc_flow *flow;
	struct svc_socket_tags *tags;
	struct memory memory;
	__u64 cookie;

	if (!sk)
		return ALLOW;
	cookie = bpf_get_socket_cookie(ctx);
	tags = tags_of_set(cookie);
	if (!tags || likely(has_nothing(cookie, word_of(tags))))
		return ALLOW;
	recall(sk, cookie, tags, &memory);
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
	struct svc_socket_tags *tags;
	const struct svc_flow *peer;
	struct memory memory;
	__u64 cookie;

	if (!sk)
		return ALLOW;
	cookie = bpf_get_socket_cookie(ctx);
	if (unlikely(ctx->protocol == IPPROTO_MPTCP))
		cookie = cookie_of_subflow(sk);
	tags = tags_of_set(cookie);
	if (!tags || likely(has_nothing(cookie, word_of(tags))))
		return ALLOW;
	recall(sk, cookie, tags, &memory);
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
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct svc_socket_tags *tags;

	if (unlikely(sk->protocol == IPPROTO_MPTCP))
		cookie = cookie_of_subflow(sk);
	tags = tags_of_set(cookie);
	if (tags && unlikely(matching_lanes(cookie, word_of(tags))))
		release_record(cookie, tags);
	return ALLOW;
}
