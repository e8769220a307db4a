/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What each endpoint was given: a byte that is counted up, and now and then emptied. Why so small:
 * ARCHITECTURE.md, "Counters".
 */
#pragma once

#include "records.h"

/* The number of stripes, less one: the loader knows how large it made the maps. */
const volatile __u32 tally_mask SEC(".rodata.tally");

/* Makes the element of an endpoint. One at a time: a trie takes a second one for the same key. */
static __always_inline __u64 *make_full_tally(void *full_tallies, const struct svc_tally_key *key)
{
	__u64 *sum, none = 0;
	struct svc_header *head;
	__u32 zero = 0;

	head = bpf_map_lookup_elem(&header, &zero);
	if (!head || __sync_val_compare_and_swap(&head->tally_lock, 0, 1))
		return 0;
	sum = bpf_map_lookup_elem(full_tallies, key);
	if (!sum) {
		bpf_map_update_elem(full_tallies, key, &none, BPF_ANY);
		sum = bpf_map_lookup_elem(full_tallies, key);
	}
	__sync_val_compare_and_swap(&head->tally_lock, 1, 0);
	return sum;
}

/*
 * Empties a byte by SVC_TALLY_CARRY. When that does not work out now, the next count tries again;
 * there is room for as many more.
 */
static __noinline int carry(void *full_tallies, __u64 *word, __u32 endpoint)
{
	struct svc_tally_key key = {.prefix_length = 32, .endpoint = endpoint};
	__u32 shift = svc_tally_shift(endpoint);
	__u64 old, *sum;

	if (!word)
		return 0;
	sum = bpf_map_lookup_elem(full_tallies, &key);
	if (!sum)
		sum = make_full_tally(full_tallies, &key);
	for (int attempt = 0; attempt < 4; attempt++) {
		old = *(volatile __u64 *)word;
		if ((old >> shift & 0xff) < (sum ? SVC_TALLY_CARRY : 0xf0))
			return 0;
		if (__sync_val_compare_and_swap(word, old,
						old - ((__u64)SVC_TALLY_CARRY << shift)) != old)
			continue;
		if (sum)
			__sync_fetch_and_add(sum, SVC_TALLY_CARRY);
		else
			count_event(SVC_EVENT_TALLY_LOST);
		return 0;
	}
	return 0;
}

static __always_inline void tally(void *tallies, void *full_tallies, __u32 endpoint)
{
	__u32 stripe = bpf_get_smp_processor_id() & tally_mask, shift = svc_tally_shift(endpoint);
	__u32 at = svc_tally_word(endpoint, stripe, tally_mask + 1);
	__u64 *word = bpf_map_lookup_elem(tallies, &at);

	if (word && unlikely(__sync_fetch_and_add(word, 1ull << shift) >> shift & SVC_TALLY_CARRY))
		carry(full_tallies, word, endpoint);
}

/* `is_v4`: of the tables that the endpoint is in. */
static __always_inline void tally_endpoint(int is_v4, __u32 endpoint)
{
	if (is_v4)
		tally(&tallies4, &full_tallies4, endpoint);
	else
		tally(&tallies6, &full_tallies6, endpoint);
}
