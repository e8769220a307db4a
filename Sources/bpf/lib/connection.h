/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* From a TCP socket that connects to the translation that it went through. */
#pragma once

#include "more_flows.h"
#include "peer.h"
#include "records.h"

struct finding {
	struct svc_more_flows *more;
	const struct endpoint_address *peer;
	int found;
};

static long find_step(__u32 i, struct finding *finding)
{
	struct svc_flow *flow = &finding->more->flow[i % SVC_MORE_FLOWS];

	if (!flow_is_current(flow) || !(flow->service & SVC_FLOW_CONNECTED) ||
	    !flow_is_from(flow, finding->peer))
		return 0;
	finding->found = i;
	return 1;
}

/* The translation that this connect() went through; 0 when it is not to a service. */
static __always_inline const struct svc_flow *flow_of(struct sock *sk, __u64 cookie,
						      const struct endpoint_address *peer)
{
	struct finding finding = {.peer = peer, .found = NOWHERE};
	struct svc_socket_tags *tags = tags_of_set(cookie);
	struct svc_socket *record;
	__u32 way;
	int has_more;

	if (!cookie || !tags)
		return 0;
	record = find_record(cookie, tags, &way);
	if (record && flow_is_current(&record->flow) && flow_is_from(&record->flow, peer))
		return &record->flow;
	has_more = record ? record->flow.service & SVC_FLOW_MORE : tags->was_full;
	if (has_more)
		finding.more = bpf_sk_storage_get(&more_flows, sk, 0, 0);
	if (!finding.more)
		return 0;
	bpf_loop(SVC_MORE_FLOWS, find_step, &finding, 0);
	if (finding.found == NOWHERE)
		return 0;
	return &finding.more->flow[(__u32)finding.found % SVC_MORE_FLOWS];
}
