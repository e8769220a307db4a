/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What Swift cannot import: atomics on mapped memory, and varargs system calls. */
#ifndef SOCKLB_CKERNEL_H
#define SOCKLB_CKERNEL_H

#include <linux/types.h>

#include "canary.h"
#include "follow.h"
#include "gzip.h"
#include "netfilter.h"
#include "terminal.h"

static inline void ck_store_release64(__u64 *to, __u64 value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static inline __u64 ck_load_acquire64(const __u64 *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

static inline void ck_store_release32(__u32 *to, __u32 value)
{
	__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static inline __u32 ck_load_acquire32(const __u32 *from)
{
	return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}

/* SO_NETNS_COOKIE of the calling thread's network namespace (5.14); 0 when it cannot be had. */
__u64 ck_netns_cookie(void);

/*
 * Enters the network namespace at `path`, asks its routing which source address
 * an unbound socket towards `to` (4 or 16 bytes, network order) would get, and
 * comes back. No packet is sent. A zero `family` only asks for the cookie.
 * Returns 0, or -errno; `cookie` is set whenever the namespace was entered.
 */
int ck_source_address(const char *path, int family, const void *to, void *source, __u64 *cookie);

/*
 * The network namespace of the socket that process `pid` has open as `fd`: a descriptor, or
 * -errno; `cookie` is that of the namespace. -ENOTSOCK for anything else.
 */
int ck_socket_namespace(int pid, int fd, __u64 *cookie);

/* Moves the calling thread into a network namespace; 0 or -errno. */
int ck_enter_namespace(int fd);

/* A TCP or UDP socket as SOCK_DIAG names it. IPv4 addresses are in the first word. */
struct ck_socket {
	__be32 local_be[4];
	__be32 peer_be[4];
	__u64 cookie;
	__be16 local_port_be;
	__be16 peer_port_be;
	__u32 device;
	__u32 family;
	__u32 protocol;
};

/*
 * Ends exactly this socket of the calling thread's network namespace (SOCK_DESTROY); 0 or -errno:
 * -ENOENT when there is none, -EOPNOTSUPP without CONFIG_INET_DIAG_DESTROY.
 */
int ck_sock_diag_destroy(const struct ck_socket *socket);

/* Whether the kernel can do that for a protocol: 0 or -errno. */
int ck_sock_diag_probe(int protocol);

/* Replaces a word that still has the value `old`; whether it did. */
static inline int ck_compare_and_swap64(__u64 *at, __u64 old, __u64 value)
{
	return __atomic_compare_exchange_n(at, &old, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline void ck_store_release8(__u8 *to, __u8 value)
{
	__atomic_store_n(to, value, __ATOMIC_SEQ_CST);
}

/* The magic number of the file system that `path` lies on; -1 with errno. */
long ck_file_system_type(const char *path);

/*
 * From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE do not end the process; the first three are
 * remembered. A descriptor (signalfd) that can be read when one came; -errno.
 */
int ck_signals(void);
/*
 * Waits until one of these can be read, or what is written to `output` cannot be read by anybody
 * any more: bit 0 for `signals`, bit 1 for `output`. `for_room`: also until `output` takes bytes
 * without waiting, bit 2. 0 when the time is up.
 */
int ck_wait(int signals, int output, int for_room, int milliseconds);
/* CLOCK_REALTIME - CLOCK_MONOTONIC in nanoseconds. */
long long ck_wall_clock_offset(void);
/* An exclusive lock (flock) on a directory, which ends with the descriptor; -errno. */
int ck_lock_directory(const char *path);

#endif
