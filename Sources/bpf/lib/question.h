/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who asks for a backend: nobody. What a choice has to know of its client is in the question; what
 * it would leave behind goes nowhere, or into the answer. The other side of client.h.
 *
 * `client` is never 0; but the verifier does not know that in a function that is not static.
 */
#pragma once

#include "maps.h"
#include "verdict.h"

/* The other side uses other ones. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-parameter"

#define CLIENT struct svc_explanation

/* The one client that there is: user space writes the question and reads the answer here. */
struct svc_explanation explanation SEC(".data.explain");

static __always_inline __u64 netns_of(CLIENT *client)
{
	return client ? client->question.netns : 0;
}

static __always_inline __u64 cgroup_of(CLIENT *client)
{
	if (!client)
		return 0;
	client->answer.by_cgroup = 1;
	return client->question.cgroup;
}

static __always_inline int has_socket(CLIENT *client)
{
	return client != 0;
}

static __always_inline void bound_address4(CLIENT *client, struct svc_range4 *range)
{
	if (client)
		range->addr_be = client->question.bound_be[0];
}

static __always_inline void bound_address6(CLIENT *client, struct svc_range6 *range)
{
	if (client)
		copy_words(range->addr_be, client->question.bound_be);
}

static __always_inline __u32 random_number(CLIENT *client)
{
	return client ? mix(client->question.seed) : 0;
}

static __always_inline __u32 draw(CLIENT *client, __u64 cookie, __u64 nth, __u32 limit)
{
	return client ? mix(client->question.seed) * limit >> 32 : 0;
}

/*
 * A look from here would make the entry stay longer than others: user space finds it, without that,
 * once it knows the key.
 */
static __always_inline struct svc_affinity *find_affinity(CLIENT *client,
							  const struct svc_affinity_key *key)
{
	if (!client)
		return 0;
	client->answer.affinity_key = *key;
	client->answer.has_affinity = 1;
	if (!client->question.has_affinity || client->question.affinity_key.client != key->client ||
	    client->question.affinity_key.service != key->service ||
	    client->question.affinity_key.family != key->family)
		return 0;
	return &client->question.affinity;
}

static __always_inline void use_affinity(struct svc_affinity *entry, __u32 position, __u64 now)
{
}

static __always_inline void remember_affinity(const struct svc_affinity_key *key,
					      const struct svc_affinity *entry)
{
}

static __always_inline __u64 take_turn(struct svc_policy *policy)
{
	return *(volatile __u64 *)&policy->next;
}

static __always_inline void count_choice(struct svc_counters *counter)
{
}

static __always_inline void count_refusal(void *totals, __u32 service, enum verdict verdict)
{
}

static __always_inline int deny(int error)
{
	explanation.answer.error = error;
	return 0;
}

static __always_inline int denied_with(void)
{
	return -(int)explanation.answer.error;
}

static __always_inline void note_list(CLIENT *client, __u64 range)
{
	if (client)
		client->answer.range = range;
}

#pragma clang diagnostic pop
