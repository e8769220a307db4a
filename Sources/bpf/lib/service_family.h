/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * key -> frontend -> list -> slot, for one family. No include guard: service.h
 * includes it with FAMILY 4 and with FAMILY 6. OF(name) is name4 or name6.
 */
#define JOIN(name, family) name##family
#define JOIN_EXPANDED(name, family) JOIN(name, family)
#define OF(name) JOIN_EXPANDED(name, FAMILY)

/*
 * One hash lookup for a destination that is no service.
 *
 * A preallocated hash may hand an element that is being read to another key.
 * The key at the head of the frontend shows it, and the lookup is done again.
 * The writer lets a grace period pass between delete and insert, so the second
 * lookup is exact; a record that is not the key's own is never used.
 */
static __always_inline enum verdict OF(find_frontend)(const struct endpoint_address *to,
						      __u8 protocol, __u64 *target)
{
	struct OF(svc_key) key = {};

	OF(fill_key)(&key, to);
	key.port_be = to->port_be;
	key.protocol = protocol;
	for (int attempt = 0; attempt < 2; attempt++) {
		__u32 *index = bpf_map_lookup_elem(&OF(keys), &key);
		struct OF(svc_frontend) * frontend;
		__u32 at;

		if (!index)
			return NOT_A_SERVICE;
		at = *(volatile __u32 *)index;
		frontend = bpf_map_lookup_elem(&OF(frontends), &at);
		if (frontend && OF(same_key)(frontend, &key)) {
			*target = *(volatile __u64 *)&frontend->target;
			return TRANSLATED;
		}
	}
	return NO_BACKEND;
}

/*
 * Chooses a backend at random and writes it into the flow.
 *
 * A list is one word, read once; the slots it leads to are not reused before
 * this program has ended (ARCHITECTURE.md, "Publishing a change").
 */
static __always_inline enum verdict OF(pick_backend)(__u64 target, struct svc_flow *flow)
{
	__u32 service = target >> 32, list = (__u32)target;
	__u64 *word = bpf_map_lookup_elem(&OF(lists), &list);
	__u64 range = word ? *(volatile __u64 *)word : 0;
	__u32 backends = (__u32)range;
	enum verdict verdict = NO_BACKEND;

	if (backends) {
		__u64 random = bpf_get_prandom_u32();
		__u32 at = (range >> 32) + ((random * backends) >> 32);
		struct OF(svc_slot) *slot = bpf_map_lookup_elem(&OF(slots), &at);

		if (slot) {
			OF(copy_backend)(flow, slot);
			flow->backend_port_be = slot->port_be;
			flow->endpoint = slot->endpoint;
			flow->generation = slot->generation;
			flow->service = service;
			verdict = TRANSLATED;
		}
	}
	count(&OF(counters), service, verdict);
	return verdict;
}

/* Is the backend that a flow remembers still there for its service? */
static __always_inline int OF(still_usable)(const struct svc_flow *flow)
{
	__u32 id = flow->endpoint;
	struct svc_endpoint *endpoint = bpf_map_lookup_elem(&OF(endpoints), &id);

	return endpoint && endpoint->generation == flow->generation;
}

#undef OF
#undef JOIN_EXPANDED
#undef JOIN
