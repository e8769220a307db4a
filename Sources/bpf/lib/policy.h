/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who a client is, for session affinity. kube-proxy takes the source address;
 * at connect() there mostly is none yet, and a network namespace is what stands
 * for a pod on this node.
 */
#pragma once

#include "maps.h"

static __always_inline const struct svc_header *settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&header, &zero);
}

/* Sets key->client; returns 1 when it is a cgroup. */
static __always_inline __u32 identify_client(CLIENT *client, struct svc_affinity_key *key)
{
	const struct svc_header *head = settings();

	key->client = netns_of(client);
	if (head && head->host_netns == key->client &&
	    head->options & SVC_OPTION_HOST_AFFINITY_BY_CGROUP) {
		key->client = cgroup_of(client);
		return 1;
	}
	return 0;
}

static __always_inline int allows_unknown_source(void)
{
	const struct svc_header *head = settings();

	return head && head->options & SVC_OPTION_ALLOW_UNKNOWN_SOURCE;
}
