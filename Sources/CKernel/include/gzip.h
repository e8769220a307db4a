/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* zlib is linked because libelf needs it; its own interface is macros and pointers in structs. */
#ifndef SOCKLB_GZIP_H
#define SOCKLB_GZIP_H

#include <stddef.h>

/* How much room the gzip form (RFC 1952) of so many bytes needs at most. */
size_t ck_gzip_bound(size_t length);
/* How many bytes were written; 0 when there was no memory or too little room. */
size_t ck_gzip(const void *from, size_t length, void *to, size_t room);
/* The other way: how many bytes came out; 0 when it is damaged, or does not fit. */
size_t ck_gunzip(const void *from, size_t length, void *to, size_t room);

#endif
