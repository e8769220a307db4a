// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The layout that most socket load balancers use, for `socklb-bench hooks` and nothing else. It is
 * written after public descriptions of that layout: nobody's program, and nobody's code.
 *
 *   services {address, port, protocol, slot} -> slot 0: how many backends; slot 1…n: a backend's id
 *   backends id -> address, port
 *   reverse  {socket cookie, backend} -> VIP: an LRU hash of 262,144 for the whole node
 *   nodes    longest prefix -> what kind of address it is: asked when there is no such service
 *
 * connect() looks up the service, a slot of it, the backend, and whether `reverse` says so already;
 * if not, that is written. A TCP socket gets a slot by chance, a UDP socket by its cookie. sendmsg()
 * does the same. recvmsg() and getpeername() look into `reverse`, sock_release() deletes from it.
 *
 * Left out, in favour of the layout: session affinity, source ranges, counters, events, whether a
 * backend is still alive, whether a socket is in the namespace of the host, IPv4 through sockets of
 * IPv6. The hashes are preallocated, which is the faster way of making them.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define NODE_ADDRESS 1

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct service {
	__u32 backend;
	__u16 count;
	__u16 number;
	__u32 flags;
};

#define NAME(name) name##4
#define WORDS 1
#define READ(to, field) (to)[0] = field##4
#define WRITE(field, from) field##4 = (from)[0]
#include "peers_family.h"
#undef NAME
#undef WORDS
#undef READ
#undef WRITE

#define NAME(name) name##6
#define WORDS 4
#define READ(to, field)                 \
	do {                            \
		(to)[0] = field##6 [0]; \
		(to)[1] = field##6 [1]; \
		(to)[2] = field##6 [2]; \
		(to)[3] = field##6 [3]; \
	} while (0)
#define WRITE(field, from)                \
	do {                              \
		field##6 [0] = (from)[0]; \
		field##6 [1] = (from)[1]; \
		field##6 [2] = (from)[2]; \
		field##6 [3] = (from)[3]; \
	} while (0)
#include "peers_family.h"

#define HOOK(name, call)                    \
	SEC("cgroup/" #name)                \
	int name(struct bpf_sock_addr *ctx) \
	{                                   \
		return call(ctx);           \
	}

HOOK(connect4, translate4)
HOOK(connect6, translate6)
HOOK(sendmsg4, translate4)
HOOK(sendmsg6, translate6)
HOOK(recvmsg4, show4)
HOOK(recvmsg6, show6)
HOOK(getpeername4, show4)
HOOK(getpeername6, show6)

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *sk)
{
	return sk->family == AF_INET ? forget4(sk) : forget6(sk);
}
