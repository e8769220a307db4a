// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "gzip.h"

#include <limits.h>
#include <zlib.h>

/* 15 bits of window, 16 for a gzip header instead of zlib's. */
#define GZIP_WINDOW (15 + 16)
#define GZIP_MEMORY 8

size_t ck_gzip_bound(size_t length)
{
	/* compressBound() and the longer header. */
	return length + (length >> 12) + (length >> 14) + (length >> 25) + 64;
}

size_t ck_gzip(const void *from, size_t length, void *to, size_t room)
{
	z_stream stream = {0};
	size_t done = 0;
	int result;

	if (length > UINT_MAX || room > UINT_MAX)
		return 0;
	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	stream.next_in = (Bytef *)from;
	stream.avail_in = (uInt)length;
	stream.next_out = to;
	stream.avail_out = (uInt)room;
	result = deflate(&stream, Z_FINISH);
	if (result == Z_STREAM_END)
		done = stream.total_out;
	deflateEnd(&stream);
	return done;
}

size_t ck_gunzip(const void *from, size_t length, void *to, size_t room)
{
	z_stream stream = {0};
	size_t done = 0;

	if (length > UINT_MAX || room > UINT_MAX || inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
		return 0;
	stream.next_in = (Bytef *)from;
	stream.avail_in = (uInt)length;
	stream.next_out = to;
	stream.avail_out = (uInt)room;
	if (inflate(&stream, Z_FINISH) == Z_STREAM_END)
		done = stream.total_out;
	inflateEnd(&stream);
	return done;
}
