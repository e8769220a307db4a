// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Carries more_flows over into a map of another layout: it is storage of sockets, which only a
 * program reaches that is given the socket. Loaded for one command. ARCHITECTURE.md, "Layouts that
 * change".
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.h"
#include "lib/kernel.h"
#include "lib/maps.h"
#include "lib/more_flows.h"
#include "lib/peer.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* How large a value of the map is that is listed. Set before this is loaded. */
const volatile __u32 stored_size = sizeof(struct svc_more_flows);

/* What sockets are to have, by cookie, in the new layout: in place of what they have there, ... */
HASH_MAP(moving, __u64, struct svc_more_flows, BPF_F_NO_PREALLOC, 65536);
/* ... and beside it. */
HASH_MAP(merging, __u64, struct svc_more_flows, BPF_F_NO_PREALLOC, 65536);

#define NEXT 0

/* Each socket that has an element of a map: its cookie, and the element. */
SEC("iter/bpf_sk_storage_map")
int list_stored(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	void *value = ctx->value;
	__u64 cookie;

	if (!sk || !value)
		return NEXT;
	cookie = cookie_of(&sk->__sk_common);
	bpf_seq_write(ctx->meta->seq, &cookie, sizeof(cookie));
	bpf_seq_write(ctx->meta->seq, value, stored_size);
	return NEXT;
}

struct overwriting {
	struct svc_more_flows *to;
	const struct svc_more_flows *from;
};

static long overwrite_step(__u32 i, struct overwriting *overwriting)
{
	__u32 at = i % SVC_MORE_FLOWS;

	overwriting->to->flow[at] = overwriting->from->flow[at];
	overwriting->to->used[at] = overwriting->from->used[at];
	return 0;
}

static __always_inline void copy_places(struct svc_more_flows *to,
					const struct svc_more_flows *from)
{
	to->record_used = from->record_used;
	to->clock = from->clock;
	for (int i = 0; i < SVC_MORE_FLOWS / 8; i++) {
		to->vip_tags[i] = from->vip_tags[i];
		to->backend_tags[i] = from->backend_tags[i];
	}
	to->connected = from->connected;
	to->recency = from->recency;
}

/* Both programs that know the old map and programs that know the new one have used the socket. */
static long merge_step(__u32 i, struct overwriting *overwriting)
{
	struct svc_flow flow = overwriting->from->flow[i % SVC_MORE_FLOWS];
	struct endpoint_address vip = {};

	if (!flow_is_used(&flow))
		return 0;
	copy_words(vip.w, flow.vip_be);
	vip.port_be = flow.vip_port_be;
	/* What the new ones have chosen for this VIP, or as the socket's peer, is in force. */
	if (find_flow_in_more(overwriting->to, &vip) != NOWHERE ||
	    (flow.service & SVC_FLOW_CONNECTED &&
	     find_connected_in_more(overwriting->to) != NOWHERE))
		flow.service |= SVC_FLOW_PAST;
	put_in_more(overwriting->to, &flow, 0);
	return 0;
}

/* Over the old map: it names the sockets. */
SEC("iter/bpf_sk_storage_map")
int move_stored(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct overwriting work = {};
	struct svc_more_flows *from;
	__u64 cookie;

	if (!sk || !ctx->value)
		return NEXT;
	cookie = cookie_of(&sk->__sk_common);
	from = bpf_map_lookup_elem(&moving, &cookie);
	if (from) {
		/* What is copied is never "not known yet": a hook may be at work on the socket. */
		know_places(from);
		work.from = from;
		work.to = bpf_sk_storage_get(&more_flows, sk, from, BPF_SK_STORAGE_GET_F_CREATE);
		if (!work.to)
			return NEXT;
		bpf_loop(SVC_MORE_FLOWS, overwrite_step, &work, 0);
		copy_places(work.to, from);
		return NEXT;
	}
	from = bpf_map_lookup_elem(&merging, &cookie);
	if (!from)
		return NEXT;
	work.from = from;
	work.to = bpf_sk_storage_get(&more_flows, sk, from, BPF_SK_STORAGE_GET_F_CREATE);
	if (!work.to)
		return NEXT;
	know_places(work.to);
	bpf_loop(SVC_MORE_FLOWS, merge_step, &work, 0);
	return NEXT;
}
