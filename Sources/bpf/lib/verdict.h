/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a destination comes to: what the hooks act on, and what explain.bpf.c tells. */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

enum verdict {
	STRANGER = 0,  /* leave the destination alone: no socket was ever led there */
	NOT_A_SERVICE, /* leave the destination alone; but it may be a backend */
	NO_BACKEND,    /* ECONNREFUSED */
	DROPPED,       /* EHOSTUNREACH: a policy keeps the backends away */
	DENIED,	       /* EACCES: the source ranges */
	TRANSLATED,
};

/* The mixing function of splitmix64: makes 32 random bits of any number. */
static __always_inline __u64 mix(__u64 z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return z >> 32;
}
