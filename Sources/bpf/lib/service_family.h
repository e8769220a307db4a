/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * key -> frontend -> list -> slot, for one family. No include guard: service.h
 * includes it with FAMILY 4 and with FAMILY 6. OF(name) is name4 or name6.
 */
#define JOIN(name, family) name##family
#define JOIN_EXPANDED(name, family) JOIN(name, family)
#define OF(name) JOIN_EXPANDED(name, FAMILY)

static __always_inline struct svc_key_bucket *OF(bucket_at)(__u32 at)
{
	return bpf_map_lookup_elem(&OF(keys), &at);
}

/* Is this an address of which every other port is refused? */
static __noinline enum verdict OF(check_guard)(const struct endpoint_address *to)
{
	const struct svc_guard_parameters *parameters;
	const struct OF(svc_guard_bucket) * bucket;
	__u32 at = 0;
	__u64 hash;

	parameters = bpf_map_lookup_elem(&OF(guards), &at);
	if (!parameters)
		return NOT_A_SERVICE;
	hash = OF(hash_address)(parameters->seed, to);
	for (int second = 0; second < 2; second++) {
		at = svc_key_bucket_of(hash, parameters->mask, second);
		bucket = bpf_map_lookup_elem(&OF(guards), &at);
		for (int way = 0; bucket && way < SVC_GUARD_WAYS; way++)
			if (OF(is_guard)(&bucket->way[way], to))
				return NO_BACKEND;
	}
	return NOT_A_SERVICE;
}

/*
 * Begins to fetch what a choice will need, while the processor waits for the frontend: where each
 * Service has one frontend, its list and its service port have the same index, as all are handed
 * out in one order. What was fetched is not used.
 */
static __always_inline void OF(begin_to_fetch)(__u32 index)
{
	struct svc_counters *counters = bpf_map_lookup_elem(&OF(counters), &index);
	__u64 *list = bpf_map_lookup_elem(&OF(lists), &index);

	if (counters)
		*(volatile __u64 *)&counters->translated;
	if (list)
		*(volatile __u64 *)list;
}

static __always_inline struct OF(svc_frontend) *
	OF(frontend_of_word)(__u64 word, const struct endpoint_address *to, __u8 protocol,
			     __u32 *index)
{
	struct OF(svc_frontend) * frontend;

	*index = word & SVC_KEY_INDEX_MASK;
	frontend = bpf_map_lookup_elem(&OF(frontends), index);
	return frontend && OF(has_key)(frontend, to, protocol) ? frontend : 0;
}

static __always_inline enum verdict OF(found)(const struct OF(svc_frontend) * frontend, __u32 index,
					      struct frontend *found)
{
	found->target = *(volatile __u64 *)&frontend->target;
	found->flags = frontend->flags;
	found->index = index;
	return TRANSLATED;
}

/* Looks at every word whose hash is that of the key. */
static __always_inline enum verdict OF(search_keys)(const struct endpoint_address *to,
						    __u8 protocol, struct frontend *found)
{
	const struct svc_key_bucket *bucket = OF(bucket_at)(0);
	struct OF(svc_frontend) * frontend;
	__u64 hash, mask, word;
	__u32 index;

	if (!bucket)
		return NOT_A_SERVICE;
	mask = bucket->way[SVC_KEY_MASK];
	hash = OF(hash_key)(bucket->way[SVC_KEY_SEED], to, protocol);
	for (int second = 0; second < 2; second++) {
		bucket = OF(bucket_at)(svc_key_bucket_of(hash, mask, second));
		for (int way = 0; bucket && way < SVC_KEY_WAYS; way++) {
			word = *(volatile __u64 *)&bucket->way[way];
			if (!svc_key_may_be(word, hash))
				continue;
			frontend = OF(frontend_of_word)(word, to, protocol, &index);
			if (frontend)
				return OF(found)(frontend, index, found);
		}
	}
	return NOT_A_SERVICE;
}

/* When the first look has found nothing, but there may be something. */
__noinline int OF(find_again)(const struct endpoint_address *to, __u32 protocol, __u32 filter,
			      struct frontend *found)
{
	if (!to || !found)
		return NOT_A_SERVICE;
	for (int attempt = 0; attempt < 2; attempt++) {
		if (OF(search_keys)(to, protocol, found) == TRANSLATED)
			return TRANSLATED;
		if (!(filter & SVC_FILTER_GUARDED))
			return NOT_A_SERVICE;
		let_writers_go_on();
		/* The guard comes after the keys: if it is there, the key may be by now. */
		if (OF(check_guard)(to) == NOT_A_SERVICE)
			return NOT_A_SERVICE;
	}
	return NO_BACKEND;
}

/* One look into the filter for a destination that is no service, and hardly ever more. */
static __always_inline enum verdict OF(find_frontend)(const struct endpoint_address *to,
						      __u8 protocol, struct frontend *found)
{
	__u32 filter = look_into_filter(to), index;
	struct OF(svc_frontend) * frontend;
	const struct svc_key_bucket *bucket;
	__u64 hash, mask, word;

	if (likely(!filter))
		return STRANGER;
	if (filter == SVC_FILTER_BACKEND)
		return NOT_A_SERVICE;
	bucket = OF(bucket_at)(0);
	if (!bucket)
		return NOT_A_SERVICE;
	mask = bucket->way[SVC_KEY_MASK];
	hash = OF(hash_key)(bucket->way[SVC_KEY_SEED], to, protocol);
	bucket = OF(bucket_at)(svc_key_bucket_of(hash, mask, 0));
	word = bucket ? word_with_hash(bucket, hash) : 0;
	if (unlikely(!word)) {
		bucket = OF(bucket_at)(svc_key_bucket_of(hash, mask, 1));
		word = bucket ? word_with_hash(bucket, hash) : 0;
	}
	let_writers_go_on();
	if (likely(word)) {
		OF(begin_to_fetch)(word & SVC_KEY_INDEX_MASK);
		frontend = OF(frontend_of_word)(word, to, protocol, &index);
		if (likely(frontend))
			return OF(found)(frontend, index, found);
	} else if (!(filter & SVC_FILTER_GUARDED)) {
		return NOT_A_SERVICE;
	}
	return OF(find_again)(to, protocol, filter, found);
}

/* May this socket use a frontend with source ranges? */
__noinline int OF(source_allowed)(CLIENT *client, __u32 index)
{
	struct OF(svc_range) range = {};

	if (!has_socket(client))
		return 0;
	range.prefix_length = 32 + 8 * sizeof(range.addr_be);
	range.frontend = index;
	if (!OF(source)(client, &range))
		return allows_unknown_source();
	return bpf_map_lookup_elem(&OF(ranges), &range) != 0;
}

/* Looking for the endpoint that a client is to come back to, after the list has changed. */
struct OF(search) {
	__u32 base;
	__u32 endpoint;
	__u32 generation;
	__u32 position;
};

static long OF(search_step)(__u32 position, void *context)
{
	struct OF(search) *search = context;
	__u32 at = search->base + position;
	struct OF(svc_slot) *slot = bpf_map_lookup_elem(&OF(slots), &at);

	if (!slot || slot->endpoint != search->endpoint || slot->generation != search->generation)
		return 0;
	search->position = position;
	return 1;
}

/*
 * The position of the endpoint that an affinity entry names, or `backends` when
 * it is no longer in the list.
 */
static __always_inline __u32 OF(affine_position)(const struct svc_affinity *entry, __u32 base,
						 __u32 backends)
{
	struct OF(search) search = {
		.base = base,
		.endpoint = entry->endpoint,
		.generation = entry->generation,
		.position = backends,
	};

	if (entry->position < backends && OF(search_step)(entry->position, &search))
		return search.position;
	bpf_loop(backends, OF(search_step), &search, 0);
	return search.position;
}

/*
 * Which position of a list of a service port with a policy this client gets. Says so in the flags
 * if it is the one that it had before.
 */
__noinline __u32 OF(choose_by_policy)(CLIENT *client, __u32 service, __u64 range,
				      struct frontend *frontend)
{
	struct svc_affinity_key key = {.service = service, .family = FAMILY};
	__u32 base = range >> 32, backends = (__u32)range, position, by_cgroup = 0, at;
	struct svc_policy *policy = bpf_map_lookup_elem(&OF(policies), &service);
	struct svc_affinity *entry;
	struct OF(svc_slot) * slot;

	position = ((__u64)random_number(client) * backends) >> 32;
	if (!policy || !backends)
		return position;
	if (policy->affinity_timeout) {
		__u64 now = bpf_ktime_get_ns();

		by_cgroup = identify_client(client, &key);
		entry = find_affinity(client, &key);
		if (entry && now - entry->last_used < policy->affinity_timeout * 1000000000ull) {
			__u32 kept = OF(affine_position)(entry, base, backends);

			if (kept < backends) {
				use_affinity(entry, kept, now);
				if (frontend)
					frontend->flags |= CHOSEN_BY_AFFINITY;
				return kept;
			}
		}
	}
	if (policy->algorithm == SVC_ALGORITHM_ROUND_ROBIN)
		position = take_turn(policy) % backends;
	if (!policy->affinity_timeout)
		return position;
	at = base + position;
	slot = bpf_map_lookup_elem(&OF(slots), &at);
	if (slot) {
		struct svc_affinity fresh = {
			.last_used = bpf_ktime_get_ns(),
			.endpoint = slot->endpoint,
			.generation = slot->generation,
			.position = position,
			.by_cgroup = by_cgroup,
		};

		remember_affinity(&key, &fresh);
	}
	return position;
}

static __always_inline int OF(try_others)(const struct svc_flow *first, struct svc_more_flows *more,
					  struct svc_flow *flow, __u64 range, __u32 start,
					  int past_too)
{
	__u32 backends = (__u32)range;

	for (__u32 i = 0; i < SVC_MORE_FLOWS + 2 && i < backends; i++) {
		__u32 at = (range >> 32) + (start + i) % backends;
		struct OF(svc_slot) *slot = bpf_map_lookup_elem(&OF(slots), &at);

		if (!slot)
			return 0;
		OF(copy_backend)(flow->backend_be, slot);
		flow->backend_port_be = slot->port_be;
		flow->endpoint = slot->endpoint;
		flow->generation = slot->generation;
		if (!backend_is_used(first, more, flow, past_too))
			return 1;
	}
	return 0;
}

/*
 * Another backend for a flow whose own is that of another VIP of this socket; then a reply's
 * source says which VIP it is from. When there is none, or a policy has chosen, one is shared.
 * Plain loops: with a callback the stack would be too small on Linux 6.1.
 */
__noinline int OF(avoid_taken)(const struct svc_flow *first, struct svc_more_flows *more,
			       struct svc_flow *flow, const struct frontend *frontend)
{
	__u32 list, start = bpf_get_prandom_u32();
	__u64 *word;
	__u64 range;

	if (!flow || !frontend)
		return 0;
	list = (__u32)frontend->target;
	word = bpf_map_lookup_elem(&OF(lists), &list);
	range = word ? *(volatile __u64 *)word : 0;
	if (frontend->flags & SVC_FRONTEND_POLICY)
		range = 0;
	if (avoids_past(flow, frontend)) {
		/* Only late replies would be mistaken: better that than one another VIP waits for. */
		if (OF(try_others)(first, more, flow, range, start, 1) ||
		    !backend_is_used(first, more, flow, 0))
			return 0;
	}
	if (!OF(try_others)(first, more, flow, range, start, 0))
		count_event(SVC_EVENT_SHARED_BACKEND);
	return 0;
}

/*
 * Chooses a backend, and counts what becomes of it. `nth`: see draw().
 *
 * A list is one word, read once; the slots it leads to are not reused before
 * this program has ended (ARCHITECTURE.md, "Publishing a change").
 */
static __always_inline enum verdict OF(pick_backend)(CLIENT *client, __u64 cookie,
						     const struct frontend *frontend, __u64 nth,
						     struct choice *choice)
{
	__u32 service = frontend->target >> 32, list = (__u32)frontend->target;
	struct svc_counters *counter;
	struct OF(svc_slot) * slot;
	__u64 range, counted, *word;
	__u32 backends, at;

	/* Read here and written below: it comes from memory while the slot does. */
	counter = bpf_map_lookup_elem(&OF(counters), &service);
	counted = counter ? *(volatile __u64 *)&counter->translated : 0;
	let_writers_go_on();
	word = bpf_map_lookup_elem(&OF(lists), &list);
	range = word ? *(volatile __u64 *)word : 0;
	backends = (__u32)range;
	at = range >> 32;
	note_list(client, range);
	let_writers_go_on();
	if (unlikely(frontend->flags & SVC_FRONTEND_SOURCE_RANGES) &&
	    !OF(source_allowed)(client, frontend->index)) {
		count_refusal(&OF(totals), service, DENIED);
		return DENIED;
	}
	if (unlikely(!backends)) {
		count_refusal(&OF(totals), service, NO_BACKEND);
		return frontend->flags & SVC_FRONTEND_DROP ? DROPPED : NO_BACKEND;
	}
	if (unlikely(frontend->flags & SVC_FRONTEND_POLICY))
		at += OF(choose_by_policy)(client, service, range, (struct frontend *)frontend);
	else
		at += draw(client, cookie, nth == NOT_COUNTED ? counted : nth, backends);
	slot = bpf_map_lookup_elem(&OF(slots), &at);
	if (!slot)
		return NO_BACKEND;
	OF(copy_backend)(choice->w, slot);
	choice->port_be = slot->port_be;
	choice->service = service;
	choice->endpoint = slot->endpoint;
	choice->generation = slot->generation;
	if (likely(counter))
		count_choice(counter);
	return TRANSLATED;
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
