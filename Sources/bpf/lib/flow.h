/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One flow: what it leads to, and whether it is in use. */
#pragma once

#include "address.h"
#include "maps.h"

static __always_inline int flow_is_to(const struct svc_flow *flow,
				      const struct endpoint_address *vip)
{
	return flow->vip_port_be == vip->port_be && same_words(flow->vip_be, vip->w);
}

static __always_inline int flow_is_from(const struct svc_flow *flow,
					const struct endpoint_address *backend)
{
	return flow->backend_port_be == backend->port_be &&
	       same_words(flow->backend_be, backend->w);
}

static __always_inline int flow_is_used(const struct svc_flow *flow)
{
	return flow->backend_port_be != 0;
}

static __always_inline int flow_is_current(const struct svc_flow *flow)
{
	return flow_is_used(flow) && !(flow->service & SVC_FLOW_PAST);
}

static __always_inline __u32 service_of(const struct svc_flow *flow)
{
	return flow->service & SVC_FLOW_SERVICE_MASK;
}

static __always_inline int same_way(const struct svc_flow *a, const struct svc_flow *b)
{
	return a->vip_port_be == b->vip_port_be && a->backend_port_be == b->backend_port_be &&
	       same_words(a->vip_be, b->vip_be) && same_words(a->backend_be, b->backend_be);
}

/* The members have no padding, and begin at a multiple of eight wherever a flow is kept. */
static __always_inline void copy_flow(struct svc_flow *to, const struct svc_flow *from)
{
	__u64 *to_words = (__u64 *)to;
	const __u64 *words = (const __u64 *)from;

#pragma unroll
	for (__u32 i = 0; i < sizeof(*to) / sizeof(*words); i++)
		to_words[i] = words[i];
}
