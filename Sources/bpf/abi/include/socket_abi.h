/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What sockets remember, and what is said of them. Part of the one header, service_abi.h, whose rules
 * hold here too.
 */
#ifndef SOCKLB_SOCKET_ABI_H
#define SOCKLB_SOCKET_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* How many translations a socket remembers beyond the one in its record; a power of two. */
#define SVC_MORE_FLOWS 16

/*
 * One translation that a socket remembers. IPv4 is kept as ::ffff:a.b.c.d.
 * `service` holds the service port's id in its low 24 bits and enum
 * svc_flow_flags above: with them a record of `sockets` fills a cache line.
 */
struct svc_flow {
	__be32 vip_be[4];
	__be32 backend_be[4];
	SVC_TEST_MEMBER(__u64)
	__be16 vip_port_be;
	__be16 backend_port_be; /* 0: this flow is unused */
	__u32 service;
	__u32 endpoint;
	__u32 generation; /* of the endpoint when it was chosen */
	__u32 netns;	  /* low half of the network namespace's cookie; 0: not known */
	__u32 since;	  /* jiffies (boot: -300 s) >> SVC_SINCE_SHIFT */
};

#define SVC_FLOW_SERVICE_MASK 0xffffff
#define SVC_SINCE_SHIFT 4

enum svc_flow_flags {
	/* Of connect(); else of sendto() or sendmsg() on a socket that names its destinations. */
	SVC_FLOW_CONNECTED = 1 << 24,
	/* Replaced: replies that are late still show the VIP, nothing is sent this way any more. */
	SVC_FLOW_PAST = 1 << 25,
	/* The socket is TCP; else UDP. */
	SVC_FLOW_TCP = 1 << 26,
	/* In `sockets` only: the socket has an element in `more_flows` too. */
	SVC_FLOW_MORE = 1 << 27,
};

/*
 * sockets: ARRAY, mmapped: what a socket was translated to. Cookies are handed out nearly in
 * sequence and never again, so a socket's set is its cookie % SVC_SOCKET_SETS, and its record
 * way * SVC_SOCKET_SETS + set in the first way that was free. A record is claimed by a
 * compare-and-swap of `cookie` and given back when the socket is released.
 */
#define SVC_SOCKET_SETS 8192
#define SVC_SOCKET_WAYS 7
#define SVC_SOCKETS (SVC_SOCKET_SETS * SVC_SOCKET_WAYS)

struct svc_socket {
	struct svc_flow flow; /* first: to clang the two have one address, and so one null check */
	__u64 cookie;	      /* 0: free */
};

/*
 * socket_tags: ARRAY by set, mmapped: a byte per record of `sockets`, 0 when it is free, else
 * 128 + seven bits of the cookie. Most sockets of a node use no service, and find out here, in
 * one word, that there is nothing of theirs.
 */
struct svc_socket_tags {
	__u8 way[SVC_SOCKET_WAYS];
	__u8 was_full; /* since then, a socket of this set may be in more_flows only */
};

/*
 * more_flows: SK_STORAGE: what does not fit into the socket's record, or all of it when the
 * set was full. The members after `clock` say where something is in those before (lib/places.h).
 */
struct svc_more_flows {
	struct svc_flow flow[SVC_MORE_FLOWS];
	__u32 used[SVC_MORE_FLOWS]; /* what `clock` was when it was last sent through */
	__u32 record_used;	    /* the same for the flow in `sockets` */
	__u32 clock;
	/* Per place 128 + seven bits of a hash, of the VIP and of the backend; 0: no flow. */
	__u64 vip_tags[SVC_MORE_FLOWS / 8];
	__u64 backend_tags[SVC_MORE_FLOWS / 8];
	/*
	 * Places, four bits each, the one used last lowest; those without a flow highest. 0: what
	 * this and the members around it say is not known yet.
	 */
	__u64 recency;
	__u32 connected; /* 1 + the place where the current flow of connect() is, if it is in one */
	__u32 zero;
};

/*
 * endings: HASH by cookie, made by a command for the sockets it means to end; an iterator finds
 * them, makes sure that nothing has changed, and leaves the result: 0, -errno of
 * bpf_sock_destroy, or enum svc_ending_result.
 */
struct svc_ending {
	__u32 service; /* without flags */
	__u32 endpoint;
	__u32 generation;
	__s32 result;
};

enum svc_ending_result {
	/* No such socket was found. */
	SVC_ENDING_NOT_FOUND = 1,
	/* The socket uses that backend no more. */
	SVC_ENDING_CHANGED = 2,
	/* The socket was disconnected, or its connect() has not come so far. */
	SVC_ENDING_NOT_CONNECTED = 3,
};

/* What SOCK_DIAG needs to know of a socket. IPv4 addresses are in the first word. */
struct svc_located {
	__be32 local_be[4];
	__be32 peer_be[4];
	__u64 cookie;
	__be16 local_port_be;
	__be16 peer_port_be;
	__u32 device;
	__u32 family; /* AF_INET or AF_INET6 */
	__u32 protocol;
};

/*
 * What an iterator over open files says: one process has this socket, and one flow of the socket
 * is in use. A socket that remembers flows, none of which is in use, comes once, with no flow.
 */
struct svc_socket_user {
	struct svc_flow flow;
	__u64 cookie;	    /* by which the socket's record is found */
	__u64 netns;	    /* cookie of the network namespace */
	__be32 local_be[4]; /* IPv4 is ::ffff:a.b.c.d */
	__u32 netns_inode;
	__u32 pid; /* in the first pid namespace */
	char command[16];
	__be16 local_port_be;
	__u8 state; /* TCP_ESTABLISHED, ... */
	__u8 zero;
	__u32 zero2;
};

/* Two clocks at one moment: with them user space turns `since` into seconds. */
struct svc_clocks {
	__u64 jiffies;
	__u64 nanoseconds; /* CLOCK_MONOTONIC */
};

#endif
