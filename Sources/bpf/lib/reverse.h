/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The reverse address: what a socket asked for before it was translated.
 * Kept in socket storage, so it dies with the socket: nothing is evicted,
 * nothing is left behind, and no other socket can see it.
 */
#pragma once

#include "address.h"
#include "maps.h"

#define AF_INET6 10

static __always_inline int flow_is_to(const struct svc_flow *flow,
				      const struct endpoint_address *vip)
{
	return flow->backend_port_be && flow->vip_port_be == vip->port_be &&
	       same_words(flow->vip_be, vip->w);
}

static __always_inline int flow_is_from(const struct svc_flow *flow,
					const struct endpoint_address *backend)
{
	return flow->backend_port_be && flow->backend_port_be == backend->port_be &&
	       same_words(flow->backend_be, backend->w);
}

/* connect(): from now on the peer of this socket is flow->vip. */
static __always_inline int remember_peer(struct bpf_sock *sk, struct svc_flow *flow)
{
	struct svc_flow *peer = bpf_sk_storage_get(&peers, sk, flow, BPF_SK_STORAGE_GET_F_CREATE);

	if (!peer)
		return 0;
	*peer = *flow;
	return 1;
}

/* connect() to something else: what the socket was translated to before is over. */
static __always_inline void forget_peer(struct bpf_sock *sk)
{
	struct svc_flow *peer = bpf_sk_storage_get(&peers, sk, 0, 0);

	if (peer)
		peer->backend_port_be = 0;
}

/* What a socket remembers of a VIP, which is used again now; 0 when that is nothing. */
static __always_inline struct svc_flow *find_flow(struct svc_flows *all,
						  const struct endpoint_address *vip)
{
	for (int i = 0; i < SVC_FLOWS_PER_SOCKET; i++) {
		if (flow_is_to(&all->flow[i], vip)) {
			all->used[i] = ++all->clock;
			return &all->flow[i];
		}
	}
	return 0;
}

/* A place for one more flow: a free one, else the one that was not used for longest. */
static __always_inline struct svc_flow *new_flow(struct svc_flows *all)
{
	__u32 at = 0, oldest = 0;

	for (int i = 0; i < SVC_FLOWS_PER_SOCKET; i++) {
		__u32 age = all->flow[i].backend_port_be ? all->clock - all->used[i] : ~0U;

		if (age > oldest) {
			oldest = age;
			at = i;
		}
	}
	at &= SVC_FLOWS_PER_SOCKET - 1;
	all->used[at] = ++all->clock;
	return &all->flow[at];
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

/*
 * sendto() to the VIP that the socket is, or was, connected to: it goes to the same backend. The
 * kernel hands a connected socket nothing from anybody else.
 */
static __always_inline const struct svc_flow *connected_flow(struct bpf_sock *sk, __u32 service,
							     const struct endpoint_address *vip)
{
	struct svc_flow *peer = bpf_sk_storage_get(&peers, sk, 0, 0);

	return peer && peer->service == service && flow_is_to(peer, vip) ? peer : 0;
}

/*
 * The application names an address itself, with sendto() or connect(): replies from there are
 * no longer a service's. The peer of a connected socket stays what it is; what is left of a
 * connection that connect(AF_UNSPEC) ended, for which no program runs, goes.
 */
static __always_inline void forget_flows_to(struct bpf_sock *sk,
					    const struct endpoint_address *backend)
{
	struct svc_flows *all = bpf_sk_storage_get(&flows, sk, 0, 0);
	struct svc_flow *peer;

	if (sk->state != BPF_TCP_ESTABLISHED) {
		peer = bpf_sk_storage_get(&peers, sk, 0, 0);
		if (peer && flow_is_from(peer, backend))
			peer->backend_port_be = 0;
	}
	if (!all)
		return;
	for (int i = 0; i < SVC_FLOWS_PER_SOCKET; i++)
		if (flow_is_from(&all->flow[i], backend))
			all->flow[i].backend_port_be = 0;
}

/*
 * The VIP behind which `from` stands for this socket; 0 when it stands for itself. When several
 * VIPs led to this backend, it is the one that was written to last.
 */
static __always_inline const struct svc_flow *flow_from(struct bpf_sock *sk,
							const struct endpoint_address *from)
{
	struct svc_flow *peer = bpf_sk_storage_get(&peers, sk, 0, 0);
	const struct svc_flow *found = 0;
	__u32 youngest = ~0U;
	struct svc_flows *all;

	if (peer && flow_is_from(peer, from))
		return peer;
	all = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!all)
		return 0;
	for (int i = 0; i < SVC_FLOWS_PER_SOCKET; i++) {
		__u32 age = all->clock - all->used[i];

		if (age < youngest && flow_is_from(&all->flow[i], from)) {
			youngest = age;
			found = &all->flow[i];
		}
	}
	return found;
}
