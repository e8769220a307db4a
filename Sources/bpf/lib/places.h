/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where in more_flows something is. Tags tell at which places an address may be, so that only these
 * are looked at, which mostly are one or none; the order tells which place was used longest ago. So
 * one flow costs the same however many there are.
 */
#pragma once

#include "flow.h"
#include "records.h"

/* Bytes of a word: one per place. */
#define EVERY_BYTE 0x0101010101010101ull
#define HIGH_BITS 0x8080808080808080ull
/* Moves bit 8k to bit 56 + k. */
#define GATHER_BITS 0x0102040810204080ull
/* Half bytes of a word: the order of places. */
#define EVERY_HALF_BYTE 0x1111111111111111ull
#define HALF_HIGH_BITS 0x8888888888888888ull
/* Turns 1 << 4k into k. */
#define PLACE_NUMBERS 0x0123456789abcdefull
/* An order of places in which none was used before another. */
#define ANY_ORDER 0xfedcba9876543210ull

static __always_inline __u64 tag_of_address(const __be32 *w, __be16 port_be)
{
	return 0x80 | (w[0] ^ w[1] ^ w[2] ^ w[3] ^ port_be) * 0x9e3779b1u >> 25;
}

/* The places with this tag, a bit for each. A wrong one is among them now and then. */
static __always_inline __u32 places_with(const __u64 *tags, __u64 tag)
{
	__u64 low = tags[0] ^ tag * EVERY_BYTE, high = tags[1] ^ tag * EVERY_BYTE;

	low = (low - EVERY_BYTE) & ~low & HIGH_BITS;
	high = (high - EVERY_BYTE) & ~high & HIGH_BITS;
	if (likely(!(low | high)))
		return 0;
	return (low >> 7) * GATHER_BITS >> 56 | (high >> 7) * GATHER_BITS >> 56 << 8;
}

static __always_inline __u64 vip_tag(const struct svc_flow *flow)
{
	return tag_of_address(flow->vip_be, flow->vip_port_be);
}

static __always_inline __u64 backend_tag(const struct svc_flow *flow)
{
	return tag_of_address(flow->backend_be, flow->backend_port_be);
}

static __always_inline __u32 first_of(__u32 places)
{
	__u64 bit = places & -places;

	bit *= bit;
	bit *= bit;
	return bit * PLACE_NUMBERS >> 60;
}

/* Plain loops: every round ends the same way, so the verifier need not try them all. */
#define FOR_EACH_PLACE(i, places) \
	for (int i = 0; i < SVC_MORE_FLOWS && (places); i++, (places) &= (places)-1)

static __always_inline void set_tag(__u64 *tags, __u32 at, __u64 tag)
{
	__u64 *word = &tags[at / 8 % 2];

	*word = (*word & ~(0xffull << at % 8 * 8)) | tag << at % 8 * 8;
}

/* The bit above the half byte of `order` that is this place. */
static __always_inline __u64 find_in_order(__u64 order, __u32 at)
{
	__u64 differs = order ^ at * EVERY_HALF_BYTE, found;

	/* The lowest bit of these is never a wrong one. */
	found = (differs - EVERY_HALF_BYTE) & ~differs & HALF_HIGH_BITS;
	return found & -found;
}

/* Notes that the flow at this place is the one used last. */
static __always_inline void use_place(struct svc_more_flows *more, __u32 at)
{
	__u64 order = more->recency, top = find_in_order(order, at);
	__u64 before = (top >> 3) - 1, up_to = (top << 1) - 1;

	more->recency = (order & ~up_to) | (order & before) << 4 | at;
	more->used[at % SVC_MORE_FLOWS] = ++more->clock;
}

/* Notes that there is nothing at this place any more: it is the next to be taken. */
static __always_inline void free_place(struct svc_more_flows *more, __u32 at)
{
	__u64 order = more->recency, top = find_in_order(order, at);
	__u64 before = (top >> 3) - 1, up_to = (top << 1) - 1;

	more->recency = (order & before) | (order & ~up_to) >> 4 | (__u64)at << 60;
}

/* How long a flow was not used, in uses of others. */
static __always_inline __u32 age_in_more(const struct svc_more_flows *more, __u32 used)
{
	return (more->clock - used) & 0x3fffffff;
}

/* What comes later in the order has more. */
static __always_inline __u64 order_key(const struct svc_more_flows *more, __u32 at)
{
	__u64 is_unused = ((__u64)more->flow[at].backend_port_be - 1) >> 63;

	return is_unused << 40 | (__u64)age_in_more(more, more->used[at]) << 4 | at;
}

/*
 * Finds out what the members after `clock` say, for an element that has just been made, or that was
 * carried over from a layout without them.
 */
__noinline int learn_places(struct svc_more_flows *more)
{
	__u64 order = 0;

	if (!more)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; more->clock && i < SVC_MORE_FLOWS; i++) {
		struct svc_flow *flow = &more->flow[i];
		__u64 before = 0;

#pragma clang loop unroll(disable)
		for (__u32 j = 0; j < SVC_MORE_FLOWS; j++) {
			__u64 difference = order_key(more, j) - order_key(more, i);

			/* Else clang branches, and the verifier tries every way. */
			barrier_var(difference);
			before += difference >> 63;
		}
		order |= (__u64)i << before * 4;
		if (!flow_is_used(flow))
			continue;
		set_tag(more->vip_tags, i, vip_tag(flow));
		set_tag(more->backend_tags, i, backend_tag(flow));
		if (flow_is_current(flow) && flow->service & SVC_FLOW_CONNECTED)
			more->connected = i + 1;
	}
	more->recency = order ?: ANY_ORDER;
	return 0;
}

static __always_inline void know_places(struct svc_more_flows *more)
{
	if (more && unlikely(!more->recency))
		learn_places(more);
}

/* The flow at this place is current no more. */
static __always_inline void leave_place(struct svc_more_flows *more, __u32 at, int keep)
{
	struct svc_flow *flow = &more->flow[at % SVC_MORE_FLOWS];

	if (keep) {
		flow->service |= SVC_FLOW_PAST;
	} else {
		flow->backend_port_be = 0;
		free_place(more, at);
	}
}

/*
 * The place used longest ago of those with nothing, else of those with past flows, else of all.
 * What has nothing is at the end of the order.
 */
static __always_inline __u32 place_for_more(const struct svc_more_flows *more)
{
	__u64 order = more->recency;

	for (int i = 0; i < SVC_MORE_FLOWS; i++) {
		__u32 at = order >> 60;

		if (likely(!flow_is_current(&more->flow[at % SVC_MORE_FLOWS])))
			return at;
		order <<= 4;
	}
	return more->recency >> 60;
}
