/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How a backend was chosen, or why there is none: told by the trace, and by explain.bpf.c. */
#pragma once

#include "service.h"

/*
 * What a hook has found out. The hooks themselves do what is common, in a straight line; what is
 * rare is in functions of its own, so that the processor need not fetch it.
 */
struct request {
	struct endpoint_address to;
	struct frontend frontend;
	__u64 cookie;
	__u32 flags; /* enum svc_flow_flags, of a flow that begins */
	__u32 is_service;
};

static __always_inline __u8 why_refused(const struct request *request)
{
	if (!request->cookie)
		return SVC_WHY_GUARDED;
	switch (denied_with()) {
	case -EHOSTUNREACH:
		return SVC_WHY_POLICY;
	case -EACCES:
		return SVC_WHY_SOURCE_RANGES;
	case -ENOMEM:
		return SVC_WHY_NO_MEMORY;
	default:
		return SVC_WHY_NO_ENDPOINTS;
	}
}

static __noinline __u8 why_by_policy(const struct request *request)
{
	__u32 service = request->frontend.target >> 32;
	struct svc_policy *policy = EITHER_MAP(is_mapped(request->to.w), policies, &service);

	return policy && policy->algorithm == SVC_ALGORITHM_ROUND_ROBIN ? SVC_WHY_ROUND_ROBIN
									: SVC_WHY_RANDOM;
}

static __always_inline __u8 why_chosen(const struct request *request, __u32 candidates)
{
	if (request->frontend.flags & CHOSEN_BY_AFFINITY)
		return SVC_WHY_AFFINITY;
	if (candidates == 1)
		return SVC_WHY_ONLY_ONE;
	if (!(request->frontend.flags & SVC_FRONTEND_POLICY))
		return SVC_WHY_RANDOM;
	return why_by_policy(request);
}
