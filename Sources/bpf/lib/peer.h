/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What iterators read of a socket of the kernel's. */
#pragma once

#include "address.h"
#include "kernel.h"

#define AF_INET 2
#define AF_INET6 10

static __always_inline __u64 cookie_of(const struct sock_common *sk)
{
	return sk->skc_cookie.counter;
}

static __always_inline void read_peer(const struct sock_common *sk, struct endpoint_address *peer)
{
	peer->port_be = sk->skc_dport;
	if (sk->skc_family == AF_INET6) {
		for (int i = 0; i < 4; i++)
			peer->w[i] = sk->skc_v6_daddr.in6_u.u6_addr32[i];
	} else {
		peer->w[0] = 0;
		peer->w[1] = 0;
		peer->w[2] = MAPPED_PREFIX;
		peer->w[3] = sk->skc_daddr;
	}
}
