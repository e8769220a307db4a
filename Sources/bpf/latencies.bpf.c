// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * How TCP connections to services fare, counted by endpoint: loaded and attached by one
 * `socklb top`, for as long as that runs. It reads the maps of the data plane that is attached, and
 * counts in maps of its own. ARCHITECTURE.md, "Top".
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.h"
#include "lib/connection.h"
#include "lib/kernel.h"
#include "lib/maps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

HASH_MAP(paths, struct svc_path_key, struct svc_path, BPF_F_NO_PREALLOC, 131072);
HASH_MAP(connecting, __u64, struct svc_connecting, BPF_F_NO_PREALLOC, 262144);
HASH_MAP(more_live, struct svc_path_key, struct svc_path_live, BPF_F_NO_PREALLOC, 131072);

/* Connections that there was no room for. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} uncounted SEC(".maps");

static const struct svc_path no_path;
static const struct svc_path_live nothing_live;

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&uncounted, &zero);

	if (lost)
		count(lost);
}

static __always_inline void make_key(struct svc_path_key *key, const struct svc_flow *flow)
{
	key->service = service_of(flow);
	if (!is_mapped(flow->vip_be))
		key->service |= SVC_PATH_V6;
	key->endpoint = flow->endpoint;
	key->generation = flow->generation;
}

/* Whoever makes an element at the same time writes the same into it. */
static __always_inline struct svc_path *path_of(const struct svc_path_key *key,
						const struct svc_flow *flow)
{
	struct svc_path *path = bpf_map_lookup_elem(&paths, key);

	if (likely(path))
		return path;
	bpf_map_update_elem(&paths, key, &no_path, BPF_NOEXIST);
	path = bpf_map_lookup_elem(&paths, key);
	if (path)
		copy_flow(&path->flow, flow);
	return path;
}

/* The first SYN is about to be sent, in the process that called connect(). */
static __always_inline int begin(struct sock *sk, __u64 cookie)
{
	struct svc_connecting connection = {};
	struct endpoint_address peer;
	const struct svc_flow *flow;
	struct svc_path *path;

	read_peer(&sk->__sk_common, &peer);
	flow = flow_of(sk, cookie, &peer);
	if (!flow)
		return 0;
	make_key(&connection.path, flow);
	path = path_of(&connection.path, flow);
	if (!path) {
		count_lost();
		return 0;
	}
	count(&path->begun);
	connection.time = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&connecting, &cookie, &connection, BPF_ANY))
		count_lost();
	return 0;
}

/* 0 below 2, 1 below 4, 2 below 8, ... */
static __always_inline __u32 bucket_of(__u64 microseconds)
{
	__u32 bucket = 0;

#pragma unroll
	for (__u32 shift = 16; shift; shift /= 2) {
		if (microseconds >> shift) {
			microseconds >>= shift;
			bucket += shift;
		}
	}
	return bucket < SVC_PATH_BUCKETS ? bucket : SVC_PATH_BUCKETS - 1;
}

static __always_inline void end(struct sock *sk, const struct svc_connecting *connection,
				int before, int state)
{
	__u64 nanoseconds = bpf_ktime_get_ns() - connection->time;
	struct svc_path *path = bpf_map_lookup_elem(&paths, &connection->path);

	if (!path)
		return;
	if (state == BPF_TCP_CLOSE && before == BPF_TCP_SYN_SENT) {
		count(sk->sk_err ? &path->failed : &path->given_up);
		return;
	}
	count(&path->established);
	/* Else this program was at work on this processor when it was established, and missed it. */
	if (state == BPF_TCP_ESTABLISHED)
		count(&path->took[bucket_of(nanoseconds / 1000)]);
}

/* Arguments: the socket, its state before, its state from now on. */
SEC("tp_btf/inet_sock_set_state")
int on_connection(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int before = ctx[1], state = ctx[2];
	struct svc_connecting *connection;
	__u64 cookie;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	cookie = cookie_of(&sk->__sk_common);
	if (!cookie)
		return 0;
	if (state == BPF_TCP_SYN_SENT)
		return begin(sk, cookie);
	connection = bpf_map_lookup_elem(&connecting, &cookie);
	if (!connection)
		return 0;
	end(sk, connection, before, state);
	bpf_map_delete_elem(&connecting, &cookie);
	return 0;
}

/*
 * Counts what sockets remember beyond their records, over `more_flows`: of all network namespaces.
 * A million sockets are a million steps here and nothing that user space has to read.
 */
SEC("iter/bpf_sk_storage_map")
int count_more_flows(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct svc_more_flows *more = ctx->value;

	if (!more || !ctx->sk)
		return 0;
	for (int i = 0; i < SVC_MORE_FLOWS; i++) {
		struct svc_flow flow = more->flow[i];
		struct svc_path_live *live;
		struct svc_path_key key;

		if (!flow_is_current(&flow))
			continue;
		make_key(&key, &flow);
		live = bpf_map_lookup_elem(&more_live, &key);
		if (!live) {
			bpf_map_update_elem(&more_live, &key, &nothing_live, BPF_NOEXIST);
			live = bpf_map_lookup_elem(&more_live, &key);
			if (!live)
				continue;
			copy_flow(&live->flow, &flow);
		}
		count(&live->count);
	}
	return 0;
}
