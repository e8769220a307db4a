/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* MPTCP: the hook of connect() sees the first subflow, the others see the socket above it. */
#pragma once

#include <bpf/bpf_core_read.h>

#include "kernel.h"
#include "maps.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* 0 when the first subflow is gone. `sk` may be read only through a helper. */
static __noinline __u64 cookie_of_subflow(struct bpf_sock *sk)
{
	struct bpf_sock *volatile spilled = sk;
	struct sock *first = 0;
	__u64 address = 0, cookie = 0;

	if (!sk || !bpf_core_field_exists(struct mptcp_sock, first))
		return 0;
	bpf_probe_read_kernel(&address, sizeof(address), (const void *)&spilled);
	bpf_probe_read_kernel(&first, sizeof(first),
			      (void *)(address + bpf_core_field_offset(struct mptcp_sock, first)));
	if (!first)
		return 0;
	bpf_probe_read_kernel(&cookie, sizeof(cookie),
			      (void *)((__u64)first +
				       bpf_core_field_offset(struct sock, __sk_common.skc_cookie)));
	return cookie;
}
