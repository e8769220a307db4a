/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From a destination to a backend. service_family.h is the one source of both
 * families; here is what it is made with, and what the families differ in.
 */
#pragma once

#include <linux/errno.h>

#include "address.h"
#include "maps.h"
#include "sockets.h"
#include "test_delay.h"
#include "verdict.h"

/* Who asks: a socket, or somebody who wants to know what a socket would get. */
#ifdef SVC_EXPLAIN
#include "question.h"
#else
#include "client.h"
#endif

/* What a destination leads to. */
struct frontend {
	__u64 target; /* service << 32 | list */
	__u32 flags;  /* enum svc_frontend_flags, CHOSEN_BY_AFFINITY */
	__u32 index;
};

/* In `flags` of a copy: the client came back to the backend it had, for those who trace. */
#define CHOSEN_BY_AFFINITY (1u << 31)

/* The backend that was chosen. */
struct choice {
	__be32 w[4];
	__be16 port_be;
	__u32 service;
	__u32 endpoint;
	__u32 generation;
};

/*
 * Atomic although the map is per CPU: with preempt=full another program of the same CPU can come
 * between load and store, and a count would be lost.
 */
static __always_inline void count(void *counters, __u32 service)
{
	struct svc_counters *c = bpf_map_lookup_elem(counters, &service);

	if (c)
		__sync_fetch_and_add(&c->translated, 1);
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

/* What was counted as translated was not, after all. */
static __always_inline void take_back(void *counters, __u32 service)
{
	struct svc_counters *c = bpf_map_lookup_elem(counters, &service);

	if (c)
		__sync_fetch_and_add(&c->translated, -1);
}

static __always_inline __u64 hash_key4(__u64 seed, const struct endpoint_address *to, __u8 protocol)
{
	return svc_key_hash4(seed, to->w[3], svc_key_port(to->port_be, protocol));
}

static __always_inline __u64 hash_key6(__u64 seed, const struct endpoint_address *to, __u8 protocol)
{
	return svc_key_hash6(seed, (__u64)to->w[0] << 32 | to->w[1],
			     (__u64)to->w[2] << 32 | to->w[3], svc_key_port(to->port_be, protocol));
}

/* The word of a key with this hash; 0 when there is none. */
static __always_inline __u64 word_with_hash(const struct svc_key_bucket *bucket, __u64 hash)
{
#pragma unroll
	for (int way = 0; way < SVC_KEY_WAYS; way++) {
		__u64 word = *(volatile __u64 *)&bucket->way[way];

		if (svc_key_may_be(word, hash))
			return word;
	}
	return 0;
}

/* A frontend begins with its key. */
static __always_inline int has_key4(const struct svc_frontend4 *frontend,
				    const struct endpoint_address *to, __u8 protocol)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return *(const __u64 *)frontend ==
	       ((__u64)protocol << 48 | (__u64)to->port_be << 32 | to->w[3]);
#else
	return *(const __u64 *)frontend ==
	       ((__u64)to->w[3] << 32 | (__u32)to->port_be << 16 | protocol << 8);
#endif
}

static __always_inline int has_key6(const struct svc_frontend6 *frontend,
				    const struct endpoint_address *to, __u8 protocol)
{
	/* All of it at once: what differs is rare, and branches cost more than reading. */
	return !((frontend->addr_be[0] ^ to->w[0]) | (frontend->addr_be[1] ^ to->w[1]) |
		 (frontend->addr_be[2] ^ to->w[2]) | (frontend->addr_be[3] ^ to->w[3]) |
		 (frontend->port_be ^ to->port_be) | (frontend->protocol ^ protocol));
}

static __always_inline void copy_backend4(__be32 *w, const struct svc_slot4 *slot)
{
	w[0] = 0;
	w[1] = 0;
	w[2] = MAPPED_PREFIX;
	w[3] = slot->addr_be;
}

static __always_inline void copy_backend6(__be32 *w, const struct svc_slot6 *slot)
{
	copy_words(w, slot->addr_be);
}

/* What there may be at this address: enum svc_filter. */
static __always_inline __u32 look_into_filter(const struct endpoint_address *to)
{
	__u32 hash = svc_filter_hash(to->w[0], to->w[1], to->w[2], to->w[3]);
	__u32 at = hash / SVC_FILTER_PLACES;
	__u64 *word = bpf_map_lookup_elem(&address_filter, &at);

	if (!word)
		return 0;
	return *(volatile __u64 *)word >> hash % SVC_FILTER_PLACES * SVC_FILTER_BITS &
	       ((1 << SVC_FILTER_BITS) - 1);
}

static __always_inline __u64 hash_address4(__u64 seed, const struct endpoint_address *to)
{
	return svc_guard_hash4(seed, to->w[3]);
}

static __always_inline __u64 hash_address6(__u64 seed, const struct endpoint_address *to)
{
	return svc_guard_hash6(seed, (__u64)to->w[0] << 32 | to->w[1],
			       (__u64)to->w[2] << 32 | to->w[3]);
}

/* All zero is no address that is guarded: in a way it says that nothing is there. */
static __always_inline int is_guard4(const struct svc_guard4 *guard,
				     const struct endpoint_address *to)
{
	return to->w[3] && guard->addr_be == to->w[3];
}

static __always_inline int is_guard6(const struct svc_guard6 *guard,
				     const struct endpoint_address *to)
{
	return (to->w[0] | to->w[1] | to->w[2] | to->w[3]) && same_words(guard->addr_be, to->w);
}

/* The address a socket is bound to; for one that is not, what its namespace would choose. */
static __always_inline int source4(CLIENT *client, struct svc_range4 *range)
{
	__u64 netns = netns_of(client);
	struct svc_source *source;

	bound_address4(client, range);
	if (range->addr_be)
		return 1;
	source = bpf_map_lookup_elem(&sources, &netns);
	if (!source)
		return 0;
	range->addr_be = source->addr4_be;
	return range->addr_be != 0;
}

static __always_inline int source6(CLIENT *client, struct svc_range6 *range)
{
	__u64 netns = netns_of(client);
	struct svc_source *source;

	bound_address6(client, range);
	if (range->addr_be[0] | range->addr_be[1] | range->addr_be[2] | range->addr_be[3])
		return 1;
	source = bpf_map_lookup_elem(&sources, &netns);
	if (!source)
		return 0;
	copy_words(range->addr_be, source->addr6_be);
	return (range->addr_be[0] | range->addr_be[1] | range->addr_be[2] | range->addr_be[3]) != 0;
}

/*
 * Whether a backend that another VIP has left counts as taken, because of replies that are late: a
 * connected socket gets none, and who chooses for each datagram would soon have nothing to choose.
 */
static __always_inline int avoids_past(const struct svc_flow *flow, const struct frontend *frontend)
{
	return !(flow->service & SVC_FLOW_CONNECTED) &&
	       !(frontend->flags & SVC_FRONTEND_PER_DATAGRAM);
}

#include "policy.h"

#define FAMILY 4
#include "service_family.h"
#undef FAMILY
#define FAMILY 6
#include "service_family.h"
#undef FAMILY

/* An AF_INET6 hook that sees ::ffff:a.b.c.d uses the IPv4 tables. */
static __always_inline enum verdict find_frontend(const struct endpoint_address *to,
						  int hook_family, __u8 protocol,
						  struct frontend *found)
{
	if (hook_family == 4 || is_mapped(to->w))
		return find_frontend4(to, protocol, found);
	return find_frontend6(to, protocol, found);
}

static __always_inline enum verdict pick_backend(CLIENT *client, __u64 cookie,
						 const struct endpoint_address *to, int hook_family,
						 const struct frontend *frontend, __u64 nth,
						 struct choice *choice)
{
	if (hook_family == 4 || is_mapped(to->w))
		return pick_backend4(client, cookie, frontend, nth, choice);
	return pick_backend6(client, cookie, frontend, nth, choice);
}

static __always_inline int still_usable(const struct svc_flow *flow, int hook_family)
{
	if (hook_family == 4 || is_mapped(flow->vip_be))
		return still_usable4(flow);
	return still_usable6(flow);
}
