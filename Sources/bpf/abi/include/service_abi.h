/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one place where the layout shared by the BPF programs and the Swift
 * loader is written down. The programs include it, Swift imports it as the
 * module CServiceABI; nothing here is retyped anywhere else.
 *
 * Rules: no unions, no bit-fields, no implicit padding (abi_check.c builds with
 * -Wpadded -Werror). Fields named *_be hold network byte order, all others the
 * byte order of the host. IPv6 addresses are four network-order words.
 */
#ifndef SOCKLB_SERVICE_ABI_H
#define SOCKLB_SERVICE_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * Raised whenever a struct, a map or the meaning of a field changes. State of an older layout is
 * carried over by the names of members: a member whose meaning changes gets another name.
 * The test layout was never released: members that are new, moved, wider or narrower.
 */
#ifndef SVC_TEST_LAYOUT
#define SVC_LAYOUT_VERSION 5
#define SVC_NAME_SIZE 64 /* RFC 1123 label (63) with its NUL */
#define SVC_TEXT_SIZE 52
#define SVC_TEST_MEMBER(type)
#define SVC_TEST_TYPE(type, other) type
#else
#define SVC_LAYOUT_VERSION 1
#define SVC_NAME_SIZE 72
#define SVC_TEXT_SIZE 20
#define SVC_TEST_MEMBER(type) type test_member;
#define SVC_TEST_TYPE(type, other) other
#define recency test_recency /* so it is found out anew after each migration of a test */
#endif

/* What kind of address a frontend stands for: the low 8 bits of svc_frontend*.flags. */
enum svc_kind {
	SVC_KIND_CLUSTER_IP = 1,
	SVC_KIND_NODE_PORT = 2,
	SVC_KIND_EXTERNAL_IP = 3,
	SVC_KIND_LOAD_BALANCER = 4,
	SVC_KIND_HOST_PORT = 5,
};

#define SVC_KIND_MASK 0xff

/* The other bits of svc_frontend*.flags. */
enum svc_frontend_flags {
	/* Without a backend EHOSTUNREACH instead of ECONNREFUSED: a policy keeps them away. */
	SVC_FRONTEND_DROP = 1 << 8,
	/* Only clients whose source address is in ranges4/ranges6 get through. */
	SVC_FRONTEND_SOURCE_RANGES = 1 << 9,
	/* The service port has session affinity or an algorithm: policies4/policies6. */
	SVC_FRONTEND_POLICY = 1 << 10,
	/* UDP only: a backend is chosen for each datagram, not for each socket. */
	SVC_FRONTEND_PER_DATAGRAM = 1 << 11,
	/* Sockets are ended when their backend goes: their namespace is remembered. */
	SVC_FRONTEND_TERMINATE = 1 << 12,
};

/* A UDP socket that connects to the same VIP again gets another backend, perhaps. */
#define SVC_FRONTEND_MAY_MOVE (SVC_FRONTEND_POLICY | SVC_FRONTEND_PER_DATAGRAM)

/* svc_service.affinity */
enum svc_affinity_mode {
	SVC_AFFINITY_NONE = 0,
	SVC_AFFINITY_CLIENT_IP = 1,
};

/* svc_policy.algorithm, svc_service.algorithm */
enum svc_algorithm {
	SVC_ALGORITHM_RANDOM = 0,
	SVC_ALGORITHM_ROUND_ROBIN = 1,
};

/* svc_service.terminate: which sockets are ended when their backend goes. */
enum svc_terminate {
	SVC_TERMINATE_UDP = 1 << 0,
	SVC_TERMINATE_TCP = 1 << 1,
};

/* svc_header.options */
enum svc_options {
	/* Clients on the host network are told apart by cgroup, not all one. */
	SVC_OPTION_HOST_AFFINITY_BY_CGROUP = 1 << 0,
	/* A client whose source address is not known passes source ranges. */
	SVC_OPTION_ALLOW_UNKNOWN_SOURCE = 1 << 1,
};

/*
 * frontends4, frontends6: ARRAY, mmapped. It begins with the members of its key
 * (abi_check.c sees to that), so that a program knows whether the word that led here is that of
 * its key. `target` is one word, so service port and list change
 * together: service << 32 | list.
 */
struct svc_frontend4 {
	__be32 addr_be;
	__be16 port_be;
	__u8 protocol;
	__u8 zero_key;
	SVC_TEST_MEMBER(__u64)
	__u64 target;
	__u32 flags;
	__u32 zero;
};

struct svc_frontend6 {
	__be32 addr_be[4];
	__be16 port_be;
	__u8 protocol;
	__u8 zero_key;
	SVC_TEST_MEMBER(__u64)
	__u32 flags;
	__u64 target;
};

/*
 * lists4, lists6: ARRAY of __u64, mmapped: base << 32 | count, where base is an
 * index into slots4/slots6. One aligned store publishes a new list.
 */

/* slots4, slots6: ARRAY, mmapped. */
struct svc_slot4 {
	__be32 addr_be;
	__be16 port_be;
	__u16 zero;
	SVC_TEST_MEMBER(__u32)
	__u32 endpoint;	  /* index into endpoints4 */
	__u32 generation; /* of that endpoint when the slot was written */
};

struct svc_slot6 {
	__be32 addr_be[4];
	__be16 port_be;
	__u16 zero;
	__u32 endpoint;
	__u32 generation;
	__u32 zero2;
};

/*
 * endpoints4, endpoints6: ARRAY, mmapped. An endpoint id stands for one
 * {service port, address, port} for as long as a socket may remember it.
 * The generation is raised when the endpoint does not serve for its service any
 * more: whoever still holds {id, old generation} then knows that its backend is
 * gone.
 */
struct svc_endpoint {
	__u32 generation;
	__u32 service;
};

/*
 * kept4, kept6: HASH -> endpoint id (__u32). Endpoints that still serve for a
 * service port but are in none of its lists: what their ids stand for. Only
 * the loader reads it.
 */
struct svc_kept4 {
	SVC_TEST_TYPE(__u32, __u64) service;
	__be32 addr_be;
	__be16 port_be;
	__u16 zero;
};

struct svc_kept6 {
	__u32 service;
	__be32 addr_be[4];
	__be16 port_be;
	__u16 zero;
};

/*
 * services4, services6: ARRAY by service port id, mmapped: names, for the dump. Namespace, name and
 * port lie one after the other in `text`; where they are longer than that, in names4/names6.
 */
struct svc_service {
	__u8 protocol; /* 0: no service port has this id */
	__u8 namespace_length;
	__u8 name_length;
	__u8 port_length;
	SVC_TEST_TYPE(__u32, __u64) affinity_timeout; /* seconds */
	__u8 affinity;				      /* enum svc_affinity_mode */
	__u8 algorithm;				      /* enum svc_algorithm */
	__u8 terminate;				      /* enum svc_terminate */
	__u8 zero;
	char text[SVC_TEXT_SIZE];
};

/*
 * names4, names6: LPM_TRIE by service port id: what `text` has no room for. A trie because it takes
 * no memory for what is not there, which is most.
 */
struct svc_names_key {
	__u32 prefix_length; /* 32 */
	__u32 service;
};

struct svc_names {
	char namespace_name[SVC_NAME_SIZE];
	char name[SVC_NAME_SIZE];
	char port_name[SVC_NAME_SIZE];
};

/*
 * policies4, policies6: ARRAY by service port id, mmapped. Read only where the
 * frontend says so.
 */
struct svc_policy {
	SVC_TEST_TYPE(__u32, __u64) affinity_timeout; /* seconds; 0: no session affinity */
	__u32 algorithm;			      /* enum svc_algorithm */
	__u64 next; /* round robin: how many choices were made; written by programs */
};

/*
 * affinities: LRU_HASH, session affinity. The client is a network namespace
 * cookie, or a cgroup id (see svc_options).
 */
struct svc_affinity_key {
	__u64 client;
	SVC_TEST_TYPE(__u32, __u64) service;
	SVC_TEST_TYPE(__u32, __u64) family; /* 4 or 6 */
};

struct svc_affinity {
	__u64 last_used; /* CLOCK_MONOTONIC, nanoseconds */
	__u32 endpoint;
	__u32 generation;
	SVC_TEST_TYPE(__u32, __u64) position; /* in the list, where it was last seen */
	SVC_TEST_TYPE(__u32, __u64) by_cgroup;
};

/*
 * guards4, guards6: ARRAY of buckets, mmapped: every port of these addresses that is no frontend is
 * refused. An address is in one of the two buckets that its hash names (svc_guard_hash4, …6); all
 * zero: nothing is there. Bucket 0 begins with svc_guard_parameters.
 */
#define SVC_GUARD_WAYS 16

struct svc_guard_parameters {
	__u64 seed;
	__u64 mask; /* the number of the other buckets, a power of two, less one */
};

struct svc_guard4 {
	__be32 addr_be;
};

struct svc_guard6 {
	__be32 addr_be[4];
};

struct svc_guard_bucket4 {
	struct svc_guard4 way[SVC_GUARD_WAYS];
};

struct svc_guard_bucket6 {
	struct svc_guard6 way[SVC_GUARD_WAYS];
};

/*
 * address_filter: ARRAY of __u64, mmapped. A few bits per hash of an address, SVC_FILTER_PLACES
 * in a word: whether a frontend has it, whether it is guarded, whether it ever was a backend's.
 * Most destinations are none of these, and find out here, with no lookup in a hash.
 */
#define SVC_FILTER_HASH_BITS 18
#define SVC_FILTER_BITS 4
#define SVC_FILTER_PLACES 16   /* 64 / SVC_FILTER_BITS */
#define SVC_FILTER_WORDS 16384 /* (1 << SVC_FILTER_HASH_BITS) / SVC_FILTER_PLACES */

enum svc_filter {
	SVC_FILTER_FRONTEND = 1 << 0,
	SVC_FILTER_GUARDED = 1 << 1,
	/* Sockets may remember it long after; so it stays. */
	SVC_FILTER_BACKEND = 1 << 2,
};

/* Below 1 << SVC_FILTER_HASH_BITS. */
static inline __u32 svc_filter_hash(__u32 w0, __u32 w1, __u32 w2, __u32 w3)
{
	__u32 mixed = (w0 ^ w1 ^ w2 ^ w3) * 0x9e3779b1u;

	return mixed >> (32 - SVC_FILTER_HASH_BITS);
}

/*
 * ranges4, ranges6: LPM_TRIE; the source ranges of a frontend. The first 32
 * bits of what is compared are the frontend's index.
 */
struct svc_range4 {
	__u32 prefix_length; /* 32 + that of the range */
	__u32 frontend;
	__be32 addr_be;
};

struct svc_range6 {
	__u32 prefix_length;
	__u32 frontend;
	__be32 addr_be[4];
};

/*
 * sources: HASH by network namespace cookie (__u64): the address that the
 * namespace's routing chooses for a socket that is not bound. All zero: none.
 */
struct svc_source {
	SVC_TEST_MEMBER(__u32)
	__be32 addr4_be;
	__be32 addr6_be[4];
};

/*
 * counters4, counters6: PERCPU_ARRAY by service port id. One word, as there are as many of them as
 * processors.
 */
struct svc_counters {
	SVC_TEST_MEMBER(__u64)
	__u64 translated; /* connects and datagrams sent on to a backend */
};

/*
 * totals4, totals6: ARRAY by service port id, mmapped: what happens too seldom for a counter per
 * processor.
 */
struct svc_totals {
	SVC_TEST_MEMBER(__u64)
	__u64 refused; /* refused because there was no backend */
	__u64 denied;  /* refused because of the source ranges */
};

/*
 * tallies4, tallies6: ARRAY of __u64, mmapped: connects and datagrams that each endpoint was given,
 * a byte for each endpoint id and stripe. A processor counts in the stripe of its number; there
 * are a power of two of them, SVC_TALLY_STRIPES at most. The bytes of SVC_TALLY_BLOCK ids fill a
 * cache line, and the lines of all stripes of these ids lie one after the other.
 *
 * A byte that has reached SVC_TALLY_CARRY gives as much away to full_tallies: so there is room
 * for endpoints that nobody asks for, and elements only for those that many do.
 */
#define SVC_TALLY_STRIPES 8
#define SVC_TALLY_BLOCK 64
#define SVC_TALLY_WORDS 8 /* of a block in one stripe */
#define SVC_TALLY_CARRY 0x80

/* The word of an endpoint id in a stripe; the byte is svc_tally_shift() bits up in it. */
static inline __u32 svc_tally_word(__u32 endpoint, __u32 stripe, __u32 stripes)
{
	return (endpoint / SVC_TALLY_BLOCK * stripes + stripe) * SVC_TALLY_WORDS +
	       endpoint / 8 % SVC_TALLY_WORDS;
}

static inline __u32 svc_tally_shift(__u32 endpoint)
{
	return endpoint % 8 * 8;
}

/* full_tallies4, full_tallies6: LPM_TRIE by endpoint id -> __u64: what its bytes gave away. */
struct svc_tally_key {
	__u32 prefix_length; /* 32 */
	__u32 endpoint;
};

/*
 * past4, past6: LPM_TRIE: what was counted in maps that others have taken the place of. Written by
 * the loader only. Tries, because they take no memory for what is not there.
 */
enum svc_past_kind {
	SVC_PAST_SERVICE = 0,
	SVC_PAST_ENDPOINT = 1,
};

struct svc_past_key {
	__u32 prefix_length; /* 64 */
	__u32 kind;	     /* enum svc_past_kind */
	__u32 id;
};

struct svc_past {
	__u64 translated;
	__u64 refused;
	__u64 denied;
};

/* header: ARRAY with one element, mmapped. */
struct svc_header {
	__u32 layout_version; /* first in every layout: it tells which one this is */
	__u32 grace_pending;  /* 1: something was deleted and no grace period has passed since */
	SVC_TEST_MEMBER(__u64)
	__u64 generation;    /* odd while a writer is at work, even when the table is at rest */
	__u64 instance_high; /* drawn at random by attach; the state directory holds the same */
	__u64 instance_low;
	__u64 host_netns; /* cookie of the network namespace that attach ran in */
	__u32 options;	  /* enum svc_options */
	__u32 map_set;	  /* raised when pinned maps are replaced by others */
	__u64 grown_at;	  /* seconds since 1970; 0: never */
	__u32 version; /* of the socklb whose programs these are: major << 16 | minor << 8 | patch */
	__u32 switching;  /* enum svc_switching */
	__u32 tally_lock; /* 1: a program puts an element into full_tallies4 or full_tallies6 */
	__u32 zero;
};

enum svc_switching {
	/* Links are being given other programs; some may have them already. */
	SVC_SWITCHING_LINKS = 1,
	/* Everything was carried over into maps of this layout; the old ones are used no more. */
	SVC_SWITCHING_CARRIED = 2,
};

/* events: PERCPU_ARRAY of __u64, counted since attach. */
enum svc_event {
	/* Two VIPs of one socket had to share a backend: its replies show the one written to last. */
	SVC_EVENT_SHARED_BACKEND = 0,
	/* The kernel had no memory for a reverse address; the call was refused with ENOMEM. */
	SVC_EVENT_NO_MEMORY = 1,
	/* A flow went into more_flows because the set of the socket was full. */
	SVC_EVENT_SET_FULL = 2,
	/* A socket used more VIPs at once than it can remember; the one used longest ago was given up. */
	SVC_EVENT_FLOW_GIVEN_UP = 3,
	/* The kernel had no memory to count on: SVC_TALLY_CARRY of one endpoint are not counted. */
	SVC_EVENT_TALLY_LOST = 4,
	SVC_EVENTS = 5,
};

#include "key_abi.h"
#include "socket_abi.h"
#include "trace_abi.h"
#include "explain_abi.h"
#include "top_abi.h"

#endif
