/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every map of the data plane. max_entries are the defaults of `socklb attach`;
 * the loader sets what the user asked for. Layout: ARCHITECTURE.md, "The tables".
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "service_abi.h"

#define HASH_MAP(map, key_type, value_type, flags, entries) \
	TYPED_MAP(map, BPF_MAP_TYPE_HASH, key_type, value_type, flags, entries)

#define TYPED_MAP(map, map_type, key_type, value_type, flags, entries) \
	struct {                                                       \
		__uint(type, map_type);                                \
		__uint(map_flags, flags);                              \
		__uint(max_entries, entries);                          \
		__type(key, key_type);                                 \
		__type(value, value_type);                             \
	} map SEC(".maps")

#define ARRAY_MAP(map, map_type, value_type, flags, entries) \
	struct {                                             \
		__uint(type, map_type);                      \
		__uint(map_flags, flags);                    \
		__uint(max_entries, entries);                \
		__type(key, __u32);                          \
		__type(value, value_type);                   \
	} map SEC(".maps")

#define SOCKET_MAP(map, value_type)                    \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_SK_STORAGE); \
		__uint(map_flags, BPF_F_NO_PREALLOC);  \
		__type(key, int);                      \
		__type(value, value_type);             \
	} map SEC(".maps")

/*
 * Looks into the map of either family, each with a call of its own: of one call for two maps the
 * kernel does not know which map it is, and cannot inline it.
 */
#define EITHER_MAP(is_v4, name, key)                                  \
	({                                                            \
		void *element;                                        \
		if (is_v4) {                                          \
			element = bpf_map_lookup_elem(&name##4, key); \
			barrier_var(element);                         \
		} else {                                              \
			element = bpf_map_lookup_elem(&name##6, key); \
			barrier_var(element);                         \
		}                                                     \
		element;                                              \
	})

#define FAMILY_MAPS(family)                                                                        \
	ARRAY_MAP(keys##family, BPF_MAP_TYPE_ARRAY, struct svc_key_bucket, BPF_F_MMAPABLE,         \
		  131073);                                                                         \
	ARRAY_MAP(frontends##family, BPF_MAP_TYPE_ARRAY, struct svc_frontend##family,              \
		  BPF_F_MMAPABLE, 262144);                                                         \
	ARRAY_MAP(lists##family, BPF_MAP_TYPE_ARRAY, __u64, BPF_F_MMAPABLE, 262144);               \
	ARRAY_MAP(slots##family, BPF_MAP_TYPE_ARRAY, struct svc_slot##family, BPF_F_MMAPABLE,      \
		  1048576);                                                                        \
	ARRAY_MAP(endpoints##family, BPF_MAP_TYPE_ARRAY, struct svc_endpoint, BPF_F_MMAPABLE,      \
		  1048576);                                                                        \
	HASH_MAP(kept##family, struct svc_kept##family, __u32, BPF_F_NO_PREALLOC, 262144);         \
	ARRAY_MAP(counters##family, BPF_MAP_TYPE_PERCPU_ARRAY, struct svc_counters, 0, 65536);     \
	ARRAY_MAP(totals##family, BPF_MAP_TYPE_ARRAY, struct svc_totals, BPF_F_MMAPABLE, 65536);   \
	ARRAY_MAP(tallies##family, BPF_MAP_TYPE_ARRAY, __u64, BPF_F_MMAPABLE, 131072);             \
	TYPED_MAP(full_tallies##family, BPF_MAP_TYPE_LPM_TRIE, struct svc_tally_key, __u64,        \
		  BPF_F_NO_PREALLOC, 1 << 24);                                                     \
	TYPED_MAP(past##family, BPF_MAP_TYPE_LPM_TRIE, struct svc_past_key, struct svc_past,       \
		  BPF_F_NO_PREALLOC, 1 << 24);                                                     \
	ARRAY_MAP(services##family, BPF_MAP_TYPE_ARRAY, struct svc_service, BPF_F_MMAPABLE,        \
		  65536);                                                                          \
	TYPED_MAP(names##family, BPF_MAP_TYPE_LPM_TRIE, struct svc_names_key, struct svc_names,    \
		  BPF_F_NO_PREALLOC, 65536);                                                       \
	ARRAY_MAP(policies##family, BPF_MAP_TYPE_ARRAY, struct svc_policy, BPF_F_MMAPABLE, 65536); \
	ARRAY_MAP(guards##family, BPF_MAP_TYPE_ARRAY, struct svc_guard_bucket##family,             \
		  BPF_F_MMAPABLE, 32769);                                                          \
	TYPED_MAP(ranges##family, BPF_MAP_TYPE_LPM_TRIE, struct svc_range##family, __u32,          \
		  BPF_F_NO_PREALLOC, 1048576)

FAMILY_MAPS(4);
FAMILY_MAPS(6);

ARRAY_MAP(header, BPF_MAP_TYPE_ARRAY, struct svc_header, BPF_F_MMAPABLE, 1);
ARRAY_MAP(address_filter, BPF_MAP_TYPE_ARRAY, __u64, BPF_F_MMAPABLE, SVC_FILTER_WORDS);

/* Session affinity: the least recently used client is forgotten when it is full. */
TYPED_MAP(affinities, BPF_MAP_TYPE_LRU_HASH, struct svc_affinity_key, struct svc_affinity, 0,
	  32768);
/* Source addresses by network namespace; filled by the loader. */
HASH_MAP(sources, __u64, struct svc_source, BPF_F_NO_PREALLOC, 16384);

/* What sockets were translated to: lib/sockets.h. */
ARRAY_MAP(sockets, BPF_MAP_TYPE_ARRAY, struct svc_socket, BPF_F_MMAPABLE, SVC_SOCKETS);
ARRAY_MAP(socket_tags, BPF_MAP_TYPE_ARRAY, struct svc_socket_tags, BPF_F_MMAPABLE, SVC_SOCKET_SETS);
SOCKET_MAP(more_flows, struct svc_more_flows);

ARRAY_MAP(events, BPF_MAP_TYPE_PERCPU_ARRAY, __u64, 0, SVC_EVENTS);
