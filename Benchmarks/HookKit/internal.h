/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once

#include "hookkit.h"

#include <errno.h>
#include <string.h>

/* So many system calls between two looks at the clock. A socket's buffer holds them all. */
#define BATCH 32

int fail(const char *step);
int wrong(const char *step);

/* What a call returned that must not fail. */
#define TRY(step, call)                        \
	({                                     \
		__typeof__(call) got = (call); \
		if (got < 0)                   \
			return fail(step);     \
		got;                           \
	})

static inline socklen_t length(const struct hk_place *place)
{
	return place->family == AF_INET ? sizeof(place->in) : sizeof(place->in6);
}

/* 1 when what arrives there arrives at an IPv6 socket. */
static inline int is_ipv6(const struct hk_place *place)
{
	return place->family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&place->in6.sin6_addr);
}

static inline int new_socket(const struct hk_place *to, int type)
{
	return socket(to->family, type | SOCK_CLOEXEC, 0);
}

/* Nothing here is to wait for ever, whatever goes wrong. */
int bounded(int fd);
/* Takes what came to the UDP server; how many, and of the last one from whom and where to. */
int drain(const struct hk_servers *servers, int ipv6, struct hk_place *from,
	  struct hk_place *reached);
/* A datagram of one byte, as if from the server at `source`. */
int send_from(int fd, const struct hk_place *source, const struct hk_place *to);
/* Where a client is whose socket has a port and no address of its own. */
void place_of_client(struct hk_place *place, int ipv6, int port);
int check_peer_name(int client, const struct hk_place *to);
