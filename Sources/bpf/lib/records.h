/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The records of sockets: found by tag, claimed, given back. A record belongs to one cookie, and
 * every hook of one socket runs under that socket's lock; so only claiming has to be atomic.
 */
#pragma once

#include "maps.h"

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
/* As likely; but clang does not make functions of what is not, which libbpf would not know. */
#define mostly(condition) __builtin_expect_with_probability(!!(condition), 1, 0.95)

/* The bytes of struct svc_socket_tags, seen as one word. */
#define TAG_LANES 0x0101010101010101ull
/* Turns 1 << 8k into k: three bits for each k, placed so that the product has them on top. */
#define LANE_NUMBERS 0x0020406080a0c0e0ull
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WAY_HIGH_BITS 0x0080808080808080ull
#define WAS_FULL_BITS 0xff00000000000000ull
#define WAY_OF_LANE(number) (number)
#else
#define WAY_HIGH_BITS 0x8080808080808000ull
#define WAS_FULL_BITS 0xffull
#define WAY_OF_LANE(number) (7 - (number))
#endif

static __always_inline void count_event(__u32 event)
{
	__u64 *counter = bpf_map_lookup_elem(&events, &event);

	if (counter)
		__sync_fetch_and_add(counter, 1);
}

static __always_inline __u8 tag_of(__u64 cookie)
{
	return 0x80 | (cookie / SVC_SOCKET_SETS & 0x7f);
}

static __always_inline struct svc_socket *record_at(__u64 cookie, __u32 way)
{
	__u32 at = way * SVC_SOCKET_SETS + cookie % SVC_SOCKET_SETS;

	return bpf_map_lookup_elem(&sockets, &at);
}

static __always_inline struct svc_socket_tags *tags_of_set(__u64 cookie)
{
	__u32 set = cookie % SVC_SOCKET_SETS;

	return bpf_map_lookup_elem(&socket_tags, &set);
}

/*
 * The high bit of each byte whose tag is that of the cookie. A wrong one is among them now and
 * then; the cookie in the record tells.
 */
static __always_inline __u64 matching_lanes(__u64 cookie, __u64 tags)
{
	__u64 differs = tags ^ tag_of(cookie) * TAG_LANES;

	return (differs - TAG_LANES) & ~differs & WAY_HIGH_BITS;
}

static __always_inline __u64 word_of(const struct svc_socket_tags *tags)
{
	return *(volatile __u64 *)tags;
}

/* For sure neither a record nor anything in more_flows. */
static __always_inline int has_nothing(__u64 cookie, __u64 tags)
{
	return !(matching_lanes(cookie, tags) | (tags & WAS_FULL_BITS));
}

static __always_inline __u32 way_of_lane(__u64 lanes)
{
	return WAY_OF_LANE(((lanes & -lanes) >> 7) * LANE_NUMBERS >> 61);
}

/* The record of a cookie, and its way. */
static __always_inline struct svc_socket *
find_record(__u64 cookie, const struct svc_socket_tags *tags, __u32 *way)
{
	__u64 lanes = matching_lanes(cookie, word_of(tags));

	for (int i = 0; i < SVC_SOCKET_WAYS && unlikely(lanes); i++) {
		struct svc_socket *record;

		*way = way_of_lane(lanes);
		record = record_at(cookie, *way);
		if (record && *(volatile __u64 *)&record->cookie == cookie)
			return record;
		lanes &= lanes - 1;
	}
	return 0;
}

static __always_inline struct svc_socket *claim_way(__u64 cookie, struct svc_socket_tags *tags,
						    __u32 way)
{
	struct svc_socket *record = record_at(cookie, way);

	if (!record || __sync_val_compare_and_swap(&record->cookie, 0, cookie))
		return 0;
	*(volatile __u8 *)&tags->way[way] = tag_of(cookie);
	return record;
}

static __noinline struct svc_socket *claim_other_way(__u64 cookie)
{
	struct svc_socket_tags *tags = tags_of_set(cookie);

	if (!tags)
		return 0;
	for (__u32 way = 1; way < SVC_SOCKET_WAYS; way++) {
		struct svc_socket *record = claim_way(cookie, tags, way);

		if (record)
			return record;
	}
	count_event(SVC_EVENT_SET_FULL);
	*(volatile __u8 *)&tags->was_full = 1;
	return 0;
}

/*
 * A record of its own for a socket that has none; 0 when its set is full. The first free way is
 * taken, so that records that come and go are few and stay in the processor's cache.
 */
static __always_inline struct svc_socket *claim_record(__u64 cookie, struct svc_socket_tags *tags)
{
	struct svc_socket *record = claim_way(cookie, tags, 0);

	return likely(record) ? record : claim_other_way(cookie);
}

/* The tag goes first: whoever claims the record next sets it anew. */
static __always_inline void release_record(__u64 cookie, struct svc_socket_tags *tags)
{
	struct svc_socket *record;
	__u32 way;

	record = find_record(cookie, tags, &way);
	if (!record)
		return;
	if (way < SVC_SOCKET_WAYS)
		*(volatile __u8 *)&tags->way[way] = 0;
	record->flow.backend_port_be = 0;
	record->flow.service = 0;
	/* Not a plain store: it must come after the others on every processor. */
	__sync_lock_test_and_set(&record->cookie, 0);
}
