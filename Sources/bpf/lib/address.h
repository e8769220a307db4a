/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Addresses as the hooks see them. Inside the programs an address is always
 * four words; IPv4 is ::ffff:a.b.c.d, so one piece of code serves AF_INET
 * sockets, AF_INET6 sockets and AF_INET6 sockets that speak IPv4.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAPPED_PREFIX bpf_htonl(0x0000ffff)

struct endpoint_address {
	__be32 w[4];
	__be16 port_be;
};

static __always_inline void read_address(struct bpf_sock_addr *ctx, int hook_family,
					 struct endpoint_address *to)
{
	if (hook_family == 4) {
		to->w[0] = 0;
		to->w[1] = 0;
		to->w[2] = MAPPED_PREFIX;
		to->w[3] = ctx->user_ip4;
	} else {
		to->w[0] = ctx->user_ip6[0];
		to->w[1] = ctx->user_ip6[1];
		to->w[2] = ctx->user_ip6[2];
		to->w[3] = ctx->user_ip6[3];
	}
	to->port_be = (__be16)ctx->user_port;
}

static __always_inline void write_address(struct bpf_sock_addr *ctx, int hook_family,
					  const __be32 *w, __be16 port_be)
{
	if (hook_family == 4) {
		ctx->user_ip4 = w[3];
	} else {
		ctx->user_ip6[0] = w[0];
		ctx->user_ip6[1] = w[1];
		ctx->user_ip6[2] = w[2];
		ctx->user_ip6[3] = w[3];
	}
	ctx->user_port = port_be;
}

static __always_inline int is_mapped(const __be32 *w)
{
	return w[0] == 0 && w[1] == 0 && w[2] == MAPPED_PREFIX;
}

static __always_inline int same_words(const __be32 *a, const __be32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline void copy_words(__be32 *to, const __be32 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}
