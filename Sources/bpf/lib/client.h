/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who asks for a backend: the socket that a hook runs for. All that a choice has to know of it, and
 * all that a choice leaves behind. explain.bpf.c has the same functions in question.h, which leave
 * nothing behind; what lies between is one and the same source.
 */
#pragma once

#include "maps.h"
#include "verdict.h"

/* The other side uses other ones. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-parameter"

#define CLIENT struct bpf_sock_addr
#define DENY 0

static __always_inline __u64 netns_of(CLIENT *client)
{
	return bpf_get_netns_cookie(client);
}

static __always_inline __u64 cgroup_of(CLIENT *client)
{
	return bpf_get_current_cgroup_id();
}

static __always_inline int has_socket(CLIENT *client)
{
	return client->sk != 0;
}

/* The address that the socket is bound to; zero when it is not. */
static __always_inline void bound_address4(CLIENT *client, struct svc_range4 *range)
{
	range->addr_be = client->sk->src_ip4;
}

static __always_inline void bound_address6(CLIENT *client, struct svc_range6 *range)
{
	range->addr_be[0] = client->sk->src_ip6[0];
	range->addr_be[1] = client->sk->src_ip6[1];
	range->addr_be[2] = client->sk->src_ip6[2];
	range->addr_be[3] = client->sk->src_ip6[3];
}

static __always_inline __u32 random_number(CLIENT *client)
{
	return bpf_get_prandom_u32();
}

/*
 * A number below `limit`, uniform. It is made of what is at hand and never comes twice: the socket,
 * which of its choices this is (for NOT_COUNTED: how many this processor has made for the service),
 * and the time. The kernel's generator would touch memory of its own, which costs as much as all
 * the rest of the choice; so would a wait for the counter.
 */
static __always_inline __u32 draw(CLIENT *client, __u64 cookie, __u64 nth, __u32 limit)
{
	__u64 sum = cookie * 0x9e3779b97f4a7c15ull + nth + (bpf_jiffies64() << 24);

	return mix(sum) * limit >> 32;
}

static __always_inline struct svc_affinity *find_affinity(CLIENT *client,
							  const struct svc_affinity_key *key)
{
	return bpf_map_lookup_elem(&affinities, key);
}

static __always_inline void use_affinity(struct svc_affinity *entry, __u32 position, __u64 now)
{
	entry->position = position;
	entry->last_used = now;
}

static __always_inline void remember_affinity(const struct svc_affinity_key *key,
					      const struct svc_affinity *entry)
{
	bpf_map_update_elem(&affinities, key, entry, BPF_ANY);
}

/* Round robin: how many turns others have had. */
static __always_inline __u64 take_turn(struct svc_policy *policy)
{
	return __sync_fetch_and_add(&policy->next, 1);
}

static __always_inline void count_choice(struct svc_counters *counter)
{
	__sync_fetch_and_add(&counter->translated, 1);
}

/* NO_BACKEND or DENIED. */
static __always_inline void count_refusal(void *totals, __u32 service, enum verdict verdict)
{
	struct svc_totals *t = bpf_map_lookup_elem(totals, &service);

	if (t)
		__sync_fetch_and_add(verdict == DENIED ? &t->denied : &t->refused, 1);
}

static __always_inline int deny(int error)
{
	bpf_set_retval(-error);
	return DENY;
}

static __always_inline int denied_with(void)
{
	return bpf_get_retval();
}

/* Which list was read: for those who explain. */
static __always_inline void note_list(CLIENT *client, __u64 range)
{
}

#pragma clang diagnostic pop
