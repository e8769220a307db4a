/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From what an application connects to, to the index of its frontend. Part of the one header,
 * service_abi.h, whose rules hold here too.
 */
#ifndef SOCKLB_KEY_ABI_H
#define SOCKLB_KEY_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * keys4, keys6: ARRAY of buckets, mmapped: from a key to the index of its frontend. A key is in one
 * of two buckets, which its hash names, as one word: SVC_KEY_USED, bits of the hash, and the index;
 * 0: nothing is there. Which key it is, is written in the frontend. A word never moves, and one
 * store puts it there or takes it away.
 *
 * Bucket 0 holds what hashing needs: the seed and the number of the other buckets, a power of
 * two, less one.
 */
#define SVC_KEY_WAYS 8
#define SVC_KEY_INDEX_BITS 24
#define SVC_KEY_INDEX_MASK ((1u << SVC_KEY_INDEX_BITS) - 1)
#define SVC_KEY_USED (1ull << 63)

struct svc_key_bucket {
	__u64 way[SVC_KEY_WAYS];
};

enum svc_key_parameters {
	SVC_KEY_SEED = 0,
	SVC_KEY_MASK = 1,
};

/* The end of the mixing function of splitmix64. */
static inline __u64 svc_key_mix(__u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return z ^ z >> 32;
}

/* Parts of keys are as they are in memory, in network byte order. */
static inline __u32 svc_key_port(__u16 port_be, __u8 protocol)
{
	return (__u32)port_be << 16 | protocol;
}

static inline __u64 svc_key_hash4(__u64 seed, __u32 addr_be, __u32 port)
{
	return svc_key_mix((((__u64)addr_be << 32 | port) ^ seed) * 0x9e3779b97f4a7c15ull);
}

/* `high` and `low`: two words of the address each, the first one on top. A call of its own would
 * cost as much as the rest. */
static inline __attribute__((always_inline)) __u64 svc_key_hash6(__u64 seed, __u64 high, __u64 low,
								 __u32 port)
{
	__u64 z = svc_key_mix((high ^ seed) * 0x9e3779b97f4a7c15ull);

	z = svc_key_mix(z ^ low);
	return svc_key_mix((z ^ port) * 0x9e3779b97f4a7c15ull);
}

/* Of addresses, without a port. */
static inline __u64 svc_guard_hash4(__u64 seed, __u32 addr_be)
{
	return svc_key_hash4(seed, addr_be, 0);
}

static inline __u64 svc_guard_hash6(__u64 seed, __u64 high, __u64 low)
{
	return svc_key_hash6(seed, high, low, 0);
}

/* Where a key may be: the first or the second bucket. */
static inline __u32 svc_key_bucket_of(__u64 hash, __u64 mask, int second)
{
	return 1 + ((second ? hash >> SVC_KEY_INDEX_BITS : hash) & mask);
}

/* Is this the word of a key with that hash? */
static inline int svc_key_may_be(__u64 word, __u64 hash)
{
	return ((word ^ (hash | SVC_KEY_USED)) >> SVC_KEY_INDEX_BITS) == 0;
}

#endif
