/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One family of peers.bpf.c, which defines NAME, WORDS, READ and WRITE, and includes it twice. */

struct NAME(service_key) {
	__be32 addr[WORDS];
	__be16 port;
	__u16 slot;
	__u8 protocol;
	__u8 pad[3];
};

struct NAME(backend) {
	__be32 addr[WORDS];
	__be16 port;
	__u8 protocol;
	__u8 flags;
};

struct NAME(reverse_key) {
	__u64 cookie;
	__be32 addr[WORDS];
	__be16 port;
	__u16 pad;
};

struct NAME(vip) {
	__be32 addr[WORDS];
	__be16 port;
	__u16 service;
};

struct NAME(prefix) {
	__u32 length;
	__be32 addr[WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct NAME(service_key));
	__type(value, struct service);
	__uint(max_entries, 1);
} NAME(services) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, struct NAME(backend));
	__uint(max_entries, 1);
} NAME(backends) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct NAME(reverse_key));
	__type(value, struct NAME(vip));
	__uint(max_entries, 262144);
} NAME(reverse) SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct NAME(prefix));
	__type(value, __u32);
	__uint(max_entries, 65536);
} NAME(nodes) SEC(".maps");

static __always_inline struct service *NAME(find_service)(struct NAME(service_key) * key)
{
	struct service *service = bpf_map_lookup_elem(&NAME(services), key);
	struct NAME(prefix) prefix = {.length = 32 * WORDS};
	__u32 *kind;

	if (service)
		return service;
	/* A port of this node may be a service at whatever address the node has. */
	__builtin_memcpy(prefix.addr, key->addr, sizeof(prefix.addr));
	kind = bpf_map_lookup_elem(&NAME(nodes), &prefix);
	if (!kind || *kind != NODE_ADDRESS)
		return 0;
	__builtin_memset(key->addr, 0, sizeof(key->addr));
	return bpf_map_lookup_elem(&NAME(services), key);
}

static __always_inline void NAME(remember)(__u64 cookie, const struct NAME(backend) * backend,
					   const struct NAME(service_key) * asked,
					   const struct service *service)
{
	struct NAME(reverse_key) key = {.cookie = cookie, .port = backend->port};
	struct NAME(vip) vip = {.port = asked->port, .service = service->number}, *old;

	__builtin_memcpy(key.addr, backend->addr, sizeof(key.addr));
	__builtin_memcpy(vip.addr, asked->addr, sizeof(vip.addr));
	old = bpf_map_lookup_elem(&NAME(reverse), &key);
	if (!old || __builtin_memcmp(old, &vip, sizeof(vip)))
		bpf_map_update_elem(&NAME(reverse), &key, &vip, BPF_ANY);
}

static __always_inline int NAME(translate)(struct bpf_sock_addr *ctx)
{
	struct NAME(service_key) key = {.port = ctx->user_port, .protocol = ctx->protocol};
	struct service *service, *slot;
	struct NAME(backend) * backend;
	__u64 cookie;
	__u32 chance;

	READ(key.addr, ctx->user_ip);
	service = NAME(find_service)(&key);
	if (!service || !service->count)
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	chance = key.protocol == IPPROTO_TCP ? bpf_get_prandom_u32() : (__u32)cookie;
	key.slot = chance % service->count + 1;
	slot = bpf_map_lookup_elem(&NAME(services), &key);
	if (!slot)
		return 0;
	backend = bpf_map_lookup_elem(&NAME(backends), &slot->backend);
	if (!backend)
		return 0;
	NAME(remember)(cookie, backend, &key, service);
	WRITE(ctx->user_ip, backend->addr);
	ctx->user_port = backend->port;
	return 1;
}

static __always_inline int NAME(show)(struct bpf_sock_addr *ctx)
{
	struct NAME(reverse_key) key = {
		.cookie = bpf_get_socket_cookie(ctx),
		.port = ctx->user_port,
	};
	struct NAME(vip) * vip;

	READ(key.addr, ctx->user_ip);
	vip = bpf_map_lookup_elem(&NAME(reverse), &key);
	if (vip) {
		WRITE(ctx->user_ip, vip->addr);
		ctx->user_port = vip->port;
	}
	return 1;
}

static __always_inline int NAME(forget)(struct bpf_sock *sk)
{
	struct NAME(reverse_key) key = {
		.cookie = bpf_get_socket_cookie(sk),
		.port = sk->dst_port,
	};

	READ(key.addr, sk->dst_ip);
	bpf_map_delete_elem(&NAME(reverse), &key);
	return 1;
}
