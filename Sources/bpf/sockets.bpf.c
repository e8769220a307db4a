// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * BPF iterators over the sockets of a network namespace: loaded when a command needs one, run once,
 * and gone. They work on the maps of the data plane that is attached. Each is loaded alone, because
 * some need a newer kernel than the others. ARCHITECTURE.md, "Sockets whose backend went away".
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.h"
#include "lib/kernel.h"
#include "lib/maps.h"
#include "lib/more_flows.h"
#include "lib/peer.h"
#include "lib/records.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What to end, by cookie; filled before the walk and read after it. */
HASH_MAP(endings, __u64, struct svc_ending, BPF_F_NO_PREALLOC, 1);

/* Since 6.5. The socket's owner sees ECONNABORTED. */
extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak;

/* A program that returns 1 is called again for the same socket. */
#define NEXT 0

/* Not what is left of a socket (TIME_WAIT), nor what may become one (NEW_SYN_RECV). */
static __always_inline int is_full(const struct sock_common *sk)
{
	return sk->skc_state != BPF_TCP_TIME_WAIT && sk->skc_state != BPF_TCP_NEW_SYN_RECV;
}

/* The flow that user space found: the endpoint that it leads to is gone, and stays so. */
static __always_inline int is_ending(const struct svc_flow *flow, const struct svc_ending *ending)
{
	return flow_is_current(flow) && flow->service & SVC_FLOW_CONNECTED &&
	       service_of(flow) == ending->service && flow->endpoint == ending->endpoint &&
	       flow->generation == ending->generation;
}

static __always_inline struct svc_flow *find_ending_flow(struct sock_common *sk, __u64 cookie,
							 const struct svc_ending *ending)
{
	struct svc_socket_tags *tags = tags_of_set(cookie);
	struct svc_socket *record;
	struct svc_more_flows *more;
	__u32 way;

	record = tags ? find_record(cookie, tags, &way) : 0;
	if (record && is_ending(&record->flow, ending))
		return &record->flow;
	more = bpf_sk_storage_get(&more_flows, sk, 0, 0);
	for (int i = 0; more && i < SVC_MORE_FLOWS; i++) {
		if (is_ending(&more->flow[i], ending))
			return &more->flow[i];
	}
	return 0;
}

/*
 * The socket is still connected to the backend that it is to be parted from. Whoever has
 * disconnected it meanwhile, or named another address, keeps it.
 */
static __always_inline struct svc_ending *find_ending(struct sock_common *sk,
						      struct svc_flow **flow)
{
	struct endpoint_address peer;
	struct svc_ending *ending;
	__u64 cookie = cookie_of(sk);

	if (!cookie || !is_full(sk))
		return 0;
	ending = bpf_map_lookup_elem(&endings, &cookie);
	if (!ending)
		return 0;
	*flow = find_ending_flow(sk, cookie, ending);
	if (!*flow) {
		ending->result = SVC_ENDING_CHANGED;
		return 0;
	}
	read_peer(sk, &peer);
	if (flow_is_from(*flow, &peer))
		return ending;
	ending->result = SVC_ENDING_NOT_CONNECTED;
	return 0;
}

static __always_inline int end(struct sock_common *sk)
{
	struct svc_ending *ending;
	struct svc_flow *flow;

	if (!sk)
		return NEXT;
	ending = find_ending(sk, &flow);
	if (!ending)
		return NEXT;
	ending->result = bpf_sock_destroy(sk);
	/*
	 * Its record stays until the application closes it, and is not to be found again. close() gives
	 * the record back without the socket's lock: it may be another one's by now.
	 */
	if (!ending->result && is_ending(flow, ending))
		__sync_fetch_and_or(&flow->service, SVC_FLOW_PAST);
	return NEXT;
}

SEC("iter/tcp")
int end_tcp(struct bpf_iter__tcp *ctx)
{
	return end(ctx->sk_common);
}

SEC("iter/udp")
int end_udp(struct bpf_iter__udp *ctx)
{
	return end((struct sock_common *)ctx->udp_sk);
}

/* Without bpf_sock_destroy: says where the sockets are that SOCK_DIAG has to end. */
static __always_inline int locate(struct bpf_iter_meta *meta, struct sock_common *sk, int protocol)
{
	struct svc_located found = {};
	struct svc_ending *ending;
	struct svc_flow *flow;

	if (!sk)
		return NEXT;
	ending = find_ending(sk, &flow);
	if (!ending)
		return NEXT;
	found.cookie = cookie_of(sk);
	found.family = sk->skc_family;
	found.protocol = protocol;
	found.device = sk->skc_bound_dev_if;
	found.local_port_be = bpf_htons(sk->skc_num);
	found.peer_port_be = sk->skc_dport;
	if (found.family == AF_INET6) {
		for (int i = 0; i < 4; i++) {
			found.local_be[i] = sk->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			found.peer_be[i] = sk->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	} else {
		found.local_be[0] = sk->skc_rcv_saddr;
		found.peer_be[0] = sk->skc_daddr;
	}
	bpf_seq_write(meta->seq, &found, sizeof(found));
	return NEXT;
}

SEC("iter/tcp")
int locate_tcp(struct bpf_iter__tcp *ctx)
{
	return locate(ctx->meta, ctx->sk_common, IPPROTO_TCP);
}

SEC("iter/udp")
int locate_udp(struct bpf_iter__udp *ctx)
{
	return locate(ctx->meta, (struct sock_common *)ctx->udp_sk, IPPROTO_UDP);
}

/* The connected flows of sockets that need more than a record, of all network namespaces. */
SEC("iter/bpf_sk_storage_map")
int list_more_flows(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct svc_more_flows *more = ctx->value;
	struct sock *sk = ctx->sk;
	struct svc_socket found = {};

	if (!more || !sk)
		return NEXT;
	found.cookie = cookie_of(&sk->__sk_common);
	for (int i = 0; i < SVC_MORE_FLOWS; i++) {
		found.flow = more->flow[i];
		if (flow_is_current(&found.flow) && found.flow.service & SVC_FLOW_CONNECTED)
			bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	}
	return NEXT;
}

/* What `since` of a flow is at this moment; user space cannot tell. Over the map `header`. */
SEC("iter/bpf_map_elem")
int read_clock(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 now = bpf_jiffies64() >> SVC_SINCE_SHIFT;

	if (ctx->value)
		bpf_seq_write(ctx->meta->seq, &now, sizeof(now));
	return NEXT;
}

/* The cookies of all sockets of this network namespace. */
static __always_inline int list_cookie(struct bpf_iter_meta *meta, struct sock_common *sk)
{
	__u64 cookie = sk ? cookie_of(sk) : 0;

	if (cookie)
		bpf_seq_write(meta->seq, &cookie, sizeof(cookie));
	return NEXT;
}

SEC("iter/tcp")
int list_tcp(struct bpf_iter__tcp *ctx)
{
	return list_cookie(ctx->meta, ctx->sk_common);
}

SEC("iter/udp")
int list_udp(struct bpf_iter__udp *ctx)
{
	return list_cookie(ctx->meta, (struct sock_common *)ctx->udp_sk);
}

/* The same of all sockets that processes have open, wherever: also of those without an address. */
SEC("iter/task_file")
int list_open(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket = file ? bpf_sock_from_file(file) : 0;
	struct sock *sk = socket ? socket->sk : 0;

	return list_cookie(ctx->meta, sk ? &sk->__sk_common : 0);
}
