/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What Swift cannot import: atomics on mapped memory, and varargs system calls. */
#ifndef SOCKLB_CKERNEL_H
#define SOCKLB_CKERNEL_H

#include <linux/types.h>

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

/* The magic number of the file system that `path` lies on; -1 with errno. */
long ck_file_system_type(const char *path);

#endif
