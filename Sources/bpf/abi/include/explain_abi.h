/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What `socklb explain` asks its program, and what that answers. Part of the one header,
 * service_abi.h, whose rules hold here too. Nothing of it is pinned.
 */
#ifndef SOCKLB_EXPLAIN_ABI_H
#define SOCKLB_EXPLAIN_ABI_H

/* Its structs are used below; where it includes this file, it has them already. */
#include "service_abi.h"

/* What would a new socket get? */
struct svc_question {
	/* The entry of `affinities` with this key, where there is one; found by user space. */
	struct svc_affinity_key affinity_key;
	struct svc_affinity affinity;
	__u64 netns; /* cookie */
	__u64 cgroup;
	__u64 seed;	  /* what the draw is made of */
	__be32 vip_be[4]; /* IPv4 is ::ffff:a.b.c.d */
	/* What the socket is bound to, in the width of the VIP's family; all zero: nothing. */
	__be32 bound_be[4];
	__be16 vip_port_be;
	__u8 protocol;
	__u8 has_affinity;
	__u32 zero;
};

struct svc_answer {
	/* What was looked for in `affinities`, when has_affinity says that something was. */
	struct svc_affinity_key affinity_key;
	__u64 target;  /* of the frontend: service << 32 | list */
	__u64 range;   /* of the list: base << 32 | count */
	__u64 jiffies; /* when this was answered */
	__be32 backend_be[4];
	__u32 endpoint;
	__u32 generation;
	__u32 frontend; /* index */
	__u32 flags;	/* enum svc_frontend_flags */
	__be16 backend_port_be;
	__u8 filter; /* enum svc_filter: what there may be at the address */
	__u8 is_service;
	__u8 is_found; /* a frontend was found */
	__u8 why;      /* enum svc_trace_why; when it is no service's: SVC_WHY_UNKNOWN */
	__u8 has_affinity;
	__u8 by_cgroup; /* the client is a cgroup */
	__u32 error;	/* errno of a refusal */
	__u32 zero;
};

/* The variable `explanation` of explain.bpf.c (map .data.explain, mmapped). */
struct svc_explanation {
	struct svc_question question;
	struct svc_answer answer;
};

#endif
