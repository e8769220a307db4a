// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The smallest translator that there can be, for `socklb-bench hooks` and nothing else: one look-up
 * in a hash, one store of address and port. A service has one backend. Nobody learns the address
 * that was asked for, nothing is counted, and replies come from somebody else. What any data plane
 * costs more than this, it pays for what it can do more.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct key4 {
	__be32 addr;
	__be16 port;
	__u8 protocol;
	__u8 pad;
};

struct key6 {
	__be32 addr[4];
	__be16 port;
	__u8 protocol;
	__u8 pad;
};

/* As the context has them: a port is the low half of a word. */
struct place4 {
	__be32 addr;
	__u32 port;
};

struct place6 {
	__be32 addr[4];
	__u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct key4);
	__type(value, struct place4);
	__uint(max_entries, 1);
} services4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct key6);
	__type(value, struct place6);
	__uint(max_entries, 1);
} services6 SEC(".maps");

static __always_inline int translate4(struct bpf_sock_addr *ctx)
{
	struct key4 key = {
		.addr = ctx->user_ip4,
		.port = ctx->user_port,
		.protocol = ctx->protocol,
	};
	struct place4 *to = bpf_map_lookup_elem(&services4, &key);

	if (to) {
		ctx->user_ip4 = to->addr;
		ctx->user_port = to->port;
	}
	return 1;
}

static __always_inline int translate6(struct bpf_sock_addr *ctx)
{
	struct key6 key = {
		.addr = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]},
		.port = ctx->user_port,
		.protocol = ctx->protocol,
	};
	struct place6 *to = bpf_map_lookup_elem(&services6, &key);

	if (to) {
		ctx->user_ip6[0] = to->addr[0];
		ctx->user_ip6[1] = to->addr[1];
		ctx->user_ip6[2] = to->addr[2];
		ctx->user_ip6[3] = to->addr[3];
		ctx->user_port = to->port;
	}
	return 1;
}

#define HOOK(name, context, call)     \
	SEC("cgroup/" #name)          \
	int name(struct context *ctx) \
	{                             \
		return call(ctx);     \
	}

static __always_inline int go_on(void *ctx)
{
	(void)ctx;
	return 1;
}

HOOK(connect4, bpf_sock_addr, translate4)
HOOK(connect6, bpf_sock_addr, translate6)
HOOK(sendmsg4, bpf_sock_addr, translate4)
HOOK(sendmsg6, bpf_sock_addr, translate6)
HOOK(recvmsg4, bpf_sock_addr, go_on)
HOOK(recvmsg6, bpf_sock_addr, go_on)
HOOK(getpeername4, bpf_sock_addr, go_on)
HOOK(getpeername6, bpf_sock_addr, go_on)
HOOK(sock_release, bpf_sock, go_on)
