/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From a destination to a backend: key -> frontend -> list -> slot.
 * Written once; FAMILY_SERVICE makes the IPv4 and the IPv6 copy, which differ
 * only in the type of the key and the maps they look into.
 */
#pragma once

#include "address.h"
#include "maps.h"

enum verdict {
	NOT_A_SERVICE = 0, /* leave the destination alone */
	NO_BACKEND,	   /* refuse */
	TRANSLATED,
};


#define fill_key4(key, to)                 \
	do {                               \
		(key).addr_be = (to)->w[3]; \
	} while (0)
#define fill_key6(key, to)                            \
	do {                                          \
		copy_words((key).addr_be, (to)->w);   \
	} while (0)

/* A frontend begins with the members of its key. */
#define same_key4(frontend, key) (*(const __u64 *)(frontend) == *(const __u64 *)(key))
#define same_key6(frontend, key)                           \
	(same_words((frontend)->addr_be, (key)->addr_be) && \
	 (frontend)->port_be == (key)->port_be &&           \
	 (frontend)->protocol == (key)->protocol)

#define copy_slot4(flow, slot)                           \
	do {                                             \
		(flow)->backend_be[0] = 0;               \
		(flow)->backend_be[1] = 0;               \
		(flow)->backend_be[2] = MAPPED_PREFIX;   \
		(flow)->backend_be[3] = (slot)->addr_be; \
	} while (0)
#define copy_slot6(flow, slot) copy_words((flow)->backend_be, (slot)->addr_be)

static __always_inline void count(void *counters, __u32 service, enum verdict verdict)
{
	struct svc_counters *c = bpf_map_lookup_elem(counters, &service);

	if (!c)
		return;
	if (verdict == TRANSLATED)
		c->translated++;
	else
		c->refused++;
}

/*
 * find_frontend: one hash lookup for a destination that is no service.
 * A preallocated hash may hand an element that is being read to another key.
 * The echo in the frontend record shows it, and the lookup is done again; the
 * writer lets a grace period pass between delete and insert, so the second
 * lookup is exact. A third answer never comes from another service's record.
 *
 * select_backend: a list is one word, read once; the slot it leads to is not
 * reused before this program has ended (ARCHITECTURE.md, "Grace periods").
 * With `want` set, the flow's endpoint is kept if it is still the same one.
 */
#define FAMILY_SERVICE(family)                                                                 \
	static __always_inline enum verdict find_frontend##family(                             \
		const struct endpoint_address *to, __u8 protocol, __u64 *target)               \
	{                                                                                      \
		struct svc_key##family key = {};                                               \
                                                                                               \
		fill_key##family(key, to);                                                     \
		key.port_be = to->port_be;                                                     \
		key.protocol = protocol;                                                       \
		for (int attempt = 0; attempt < 2; attempt++) {                                \
			struct svc_frontend##family *frontend;                                 \
			__u32 *index = bpf_map_lookup_elem(&keys##family, &key);               \
                                                                                               \
			if (!index)                                                            \
				return NOT_A_SERVICE;                                          \
			__u32 at = *(volatile __u32 *)index;                                   \
			frontend = bpf_map_lookup_elem(&frontends##family, &at);               \
			if (frontend && same_key##family(frontend, &key)) {              \
				*target = *(volatile __u64 *)&frontend->target;                \
				return TRANSLATED;                                             \
			}                                                                      \
		}                                                                              \
		return NO_BACKEND;                                                             \
	}                                                                                      \
                                                                                               \
	static __always_inline int still_usable##family(const struct svc_flow *flow)           \
	{                                                                                      \
		__u32 id = flow->endpoint;                                                     \
		struct svc_endpoint *endpoint = bpf_map_lookup_elem(&endpoints##family, &id);  \
                                                                                               \
		return endpoint && endpoint->generation == flow->generation;                   \
	}                                                                                      \
                                                                                               \
	static __always_inline enum verdict pick_backend##family(__u64 target,                 \
								 struct svc_flow *flow)        \
	{                                                                                      \
		__u32 service = target >> 32, list = (__u32)target;                            \
		enum verdict verdict = NO_BACKEND;                                             \
		__u64 *word = bpf_map_lookup_elem(&lists##family, &list);                      \
		__u64 range = word ? *(volatile __u64 *)word : 0;                              \
		__u32 n = (__u32)range;                                                        \
                                                                                               \
		if (n) {                                                                       \
			__u32 at = (range >> 32) + (((__u64)bpf_get_prandom_u32() * n) >> 32); \
			struct svc_slot##family *slot =                                        \
				bpf_map_lookup_elem(&slots##family, &at);                      \
                                                                                               \
			if (slot) {                                                            \
				copy_slot##family(flow, slot);                                 \
				flow->backend_port_be = slot->port_be;                         \
				flow->endpoint = slot->endpoint;                               \
				flow->generation = slot->generation;                           \
				flow->service = service;                                       \
				verdict = TRANSLATED;                                          \
			}                                                                      \
		}                                                                              \
		count(&counters##family, service, verdict);                                    \
		return verdict;                                                                \
	}

FAMILY_SERVICE(4)
FAMILY_SERVICE(6)
