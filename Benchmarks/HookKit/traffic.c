// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "hookkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* So many system calls between two looks at the clock. A socket's buffer holds them all. */
#define BATCH 32

static const char *failed_step = "";

const char *hk_failed_step(void)
{
	return failed_step;
}

static int fail(const char *step)
{
	failed_step = step;
	return errno ? -errno : -EPROTO;
}

/* What a call returned that must not fail. */
#define TRY(step, call)                        \
	({                                     \
		__typeof__(call) got = (call); \
		if (got < 0)                   \
			return fail(step);     \
		got;                           \
	})

static int wrong(const char *step)
{
	failed_step = step;
	return -EPROTO;
}

int hk_undisturbed(int on)
{
	struct sched_param priority = {.sched_priority = on ? 1 : 0};

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &priority) ? -errno : 0;
}

/* MARK: Places */

int hk_place_at(struct hk_place *place, const char *address, int port)
{
	memset(place, 0, sizeof(*place));
	if (inet_pton(AF_INET, address, &place->in.sin_addr) == 1) {
		place->in.sin_family = AF_INET;
		place->in.sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, address, &place->in6.sin6_addr) != 1)
		return -EINVAL;
	place->in6.sin6_family = AF_INET6;
	place->in6.sin6_port = htons(port);
	return 0;
}

static socklen_t length(const struct hk_place *place)
{
	return place->family == AF_INET ? sizeof(place->in) : sizeof(place->in6);
}

static int same(const struct hk_place *a, const struct hk_place *b)
{
	if (a->family != b->family)
		return 0;
	if (a->family == AF_INET)
		return a->in.sin_port == b->in.sin_port &&
		       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_port == b->in6.sin6_port &&
	       !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(struct in6_addr));
}

/* 1 when what arrives there arrives at an IPv6 socket. */
static int is_ipv6(const struct hk_place *place)
{
	return place->family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&place->in6.sin6_addr);
}

static int new_socket(const struct hk_place *to, int type)
{
	return socket(to->family, type | SOCK_CLOEXEC, 0);
}

/* Nothing here is to wait for ever, whatever goes wrong. */
static int bounded(int fd)
{
	struct timeval time = {.tv_sec = 2};

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) ||
			       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time))
		       ? -1
		       : fd;
}

/* MARK: Servers */

static int serve(const struct hk_place *at, int type)
{
	int one = 1, fd = TRY("a server's socket", new_socket(at, type));

	TRY("a server's time limit", bounded(fd));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	TRY("a server's bind", bind(fd, (const struct sockaddr *)at, length(at)));
	if (type == SOCK_STREAM)
		TRY("listen", listen(fd, 4 * BATCH));
	return fd;
}

static int server_place(struct hk_place *place, int ipv6, int number)
{
	char text[64];

	snprintf(text, sizeof(text), ipv6 ? "fd00::%d" : "10.0.0.%d", number + 1);
	return hk_place_at(place, text, HK_PORT);
}

int hk_start_servers(struct hk_servers *servers)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct hk_place at;

		hk_place_at(&at, ipv6 ? "::" : "0.0.0.0", HK_PORT);
		servers->listener[ipv6] = serve(&at, SOCK_STREAM);
		if (servers->listener[ipv6] < 0)
			return servers->listener[ipv6];
		for (int i = 0; i < HK_SERVERS; i++) {
			server_place(&at, ipv6, i);
			servers->udp[ipv6][i] = serve(&at, SOCK_DGRAM);
			if (servers->udp[ipv6][i] < 0)
				return servers->udp[ipv6][i];
		}
	}
	return 0;
}

/* Takes what came to the UDP servers; the one that got the last datagram, and from whom. */
static int drain(const struct hk_servers *servers, int ipv6, struct hk_place *from)
{
	struct hk_place sender;
	int last = -1;

	for (int i = 0; i < HK_SERVERS; i++) {
		char byte;
		socklen_t size = sizeof(sender);

		while (recvfrom(servers->udp[ipv6][i], &byte, 1, MSG_DONTWAIT,
				(struct sockaddr *)&sender, &size) >= 0) {
			last = i;
			if (from)
				*from = sender;
			size = sizeof(sender);
		}
	}
	return last;
}

/* MARK: Does it go where it should? */

static int check_peer_name(int client, const struct hk_place *to)
{
	struct hk_place name = {};
	socklen_t size = sizeof(name);

	TRY("getpeername", getpeername(client, (struct sockaddr *)&name, &size));
	return same(&name, to) ? 0 : wrong("getpeername shows another address");
}

/* One connection; the number of the server that it came to. */
static int check_connection(const struct hk_servers *servers, const struct hk_place *to)
{
	struct hk_place reached = {}, each;
	socklen_t size = sizeof(reached);
	int error, accepted, ipv6 = is_ipv6(to),
			     client = TRY("socket", new_socket(to, SOCK_STREAM));

	TRY("a time limit", bounded(client));
	TRY("connect", connect(client, (const struct sockaddr *)to, length(to)));
	error = check_peer_name(client, to);
	if (error)
		return error;
	accepted = TRY("accept", accept4(servers->listener[ipv6], 0, 0, SOCK_CLOEXEC));
	TRY("getsockname", getsockname(accepted, (struct sockaddr *)&reached, &size));
	close(client);
	close(accepted);
	for (int i = 0; i < HK_SERVERS; i++) {
		server_place(&each, ipv6, i);
		if (same(&each, &reached))
			return i;
	}
	return wrong("the connection came to no server");
}

/* A datagram there and one back; the number of the server. */
static int check_exchange(const struct hk_servers *servers, int client, const struct hk_place *to,
			  int connected)
{
	struct hk_place from = {}, seen = {};
	socklen_t size = sizeof(seen);
	char byte = 0;
	int server, ipv6 = is_ipv6(to);

	drain(servers, ipv6, 0);
	if (connected)
		TRY("send", send(client, &byte, 1, 0));
	else
		TRY("sendto", sendto(client, &byte, 1, 0, (const struct sockaddr *)to, length(to)));
	server = drain(servers, ipv6, &from);
	if (server < 0)
		return wrong("the datagram came to no server");
	TRY("the reply", sendto(servers->udp[ipv6][server], &byte, 1, 0,
				(const struct sockaddr *)&from, length(&from)));
	TRY("recvfrom", recvfrom(client, &byte, 1, 0, (struct sockaddr *)&seen, &size));
	return same(&seen, to) ? server : wrong("recvfrom shows another address");
}

/* One connected or unconnected UDP socket; it stays open as traffic->client. */
static int check_datagrams(const struct hk_servers *servers, struct hk_traffic *traffic,
			   const struct hk_place *to)
{
	int client = TRY("socket", new_socket(to, SOCK_DGRAM));
	int error, connected = traffic->kind == HK_CONNECT || traffic->kind == HK_NEW_CONNECT ||
			       traffic->kind == HK_PEER_NAME;

	traffic->client = client;
	TRY("a time limit", bounded(client));
	if (traffic->before) {
		error = check_exchange(servers, client, traffic->before, 0);
		if (error < 0)
			return error;
	}
	if (connected) {
		TRY("connect", connect(client, (const struct sockaddr *)to, length(to)));
		error = check_peer_name(client, to);
		if (error)
			return error;
	}
	traffic->server = check_exchange(servers, client, to, connected);
	return traffic->server;
}

int hk_open(const struct hk_servers *servers, struct hk_traffic *traffic)
{
	int server;

	traffic->client = -1;
	traffic->server = -1;
	traffic->next = 0;
	errno = 0;
	if (traffic->kind == HK_CONNECTION)
		return check_connection(servers, &traffic->to[0]);
	server = check_datagrams(servers, traffic, &traffic->to[0]);
	if (traffic->kind == HK_NEW_CONNECT || traffic->kind == HK_NEW_SEND)
		hk_close(traffic);
	return server;
}

void hk_close(struct hk_traffic *traffic)
{
	if (traffic->client >= 0)
		close(traffic->client);
	traffic->client = -1;
}

/* MARK: While the clock runs */

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static const struct hk_place *next(struct hk_traffic *traffic)
{
	if (traffic->next >= traffic->to_count)
		traffic->next = 0;
	return &traffic->to[traffic->next++];
}

/* The connections wait in the listener's queue and are taken when the clock stands still. */
static int64_t run_connections(const struct hk_servers *servers, struct hk_traffic *traffic,
			       int times)
{
	/* Reset, not closed: a port in TIME_WAIT for each connection would use them up. */
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int client[BATCH], accepted[BATCH], listener = servers->listener[is_ipv6(traffic->to)];
	const struct hk_place *to = traffic->to;
	int64_t start = now(), spent;

	for (int i = 0; i < times; i++) {
		to = next(traffic);
		client[i] = TRY("socket", new_socket(to, SOCK_STREAM));
		TRY("connect", connect(client[i], (const struct sockaddr *)to, length(to)));
	}
	spent = now() - start;
	if (traffic->check && check_peer_name(client[times - 1], to))
		return -EPROTO;
	for (int i = 0; i < times; i++) {
		accepted[i] = TRY("accept", accept4(listener, 0, 0, SOCK_CLOEXEC));
		setsockopt(client[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	start = now();
	for (int i = 0; i < times; i++)
		close(client[i]);
	spent += now() - start;
	for (int i = 0; i < times; i++)
		close(accepted[i]);
	return spent;
}

static int64_t run_connects(struct hk_traffic *traffic, int times)
{
	int64_t start = now();

	for (int i = 0; i < times; i++) {
		const struct hk_place *to = next(traffic);

		TRY("connect", connect(traffic->client, (const struct sockaddr *)to, length(to)));
	}
	return now() - start;
}

static int64_t run_new_connects(struct hk_traffic *traffic, int times)
{
	int64_t start = now();

	for (int i = 0; i < times; i++) {
		const struct hk_place *to = next(traffic);
		int client = TRY("socket", new_socket(to, SOCK_DGRAM));

		TRY("connect", connect(client, (const struct sockaddr *)to, length(to)));
		close(client);
	}
	return now() - start;
}

static int64_t run_sends(const struct hk_servers *servers, struct hk_traffic *traffic, int times)
{
	char byte = 0;
	int64_t spent, start = now();

	for (int i = 0; i < times; i++) {
		const struct hk_place *to = next(traffic);

		TRY("sendto",
		    sendto(traffic->client, &byte, 1, 0, (const struct sockaddr *)to, length(to)));
	}
	spent = now() - start;
	return drain(servers, is_ipv6(traffic->to), 0) < 0 ? wrong("no server got a datagram")
							   : spent;
}

static int64_t run_new_sends(const struct hk_servers *servers, struct hk_traffic *traffic,
			     int times)
{
	char byte = 0;
	int64_t spent, start = now();

	for (int i = 0; i < times; i++) {
		const struct hk_place *to = next(traffic);
		int client = TRY("socket", new_socket(to, SOCK_DGRAM));

		TRY("sendto", sendto(client, &byte, 1, 0, (const struct sockaddr *)to, length(to)));
		close(client);
	}
	spent = now() - start;
	return drain(servers, is_ipv6(traffic->to), 0) < 0 ? wrong("no server got a datagram")
							   : spent;
}

static int64_t run_receives(const struct hk_servers *servers, struct hk_traffic *traffic, int times)
{
	struct hk_place own = {}, seen;
	socklen_t size = sizeof(own);
	int ipv6 = is_ipv6(traffic->to), server = servers->udp[ipv6][traffic->server];
	char byte = 0;
	int64_t start;

	/* The client has a port but no address of its own: it has sent, and was not bound. */
	TRY("getsockname", getsockname(traffic->client, (struct sockaddr *)&own, &size));
	if (own.family == AF_INET6 && !ipv6)
		hk_place_at(&own, "10.0.0.1", ntohs(own.in6.sin6_port));
	else if (own.family == AF_INET6)
		hk_place_at(&own, "fd00::1", ntohs(own.in6.sin6_port));
	else
		hk_place_at(&own, "10.0.0.1", ntohs(own.in.sin_port));
	for (int i = 0; i < times; i++)
		TRY("a reply",
		    sendto(server, &byte, 1, 0, (const struct sockaddr *)&own, length(&own)));
	start = now();
	for (int i = 0; i < times; i++) {
		size = sizeof(seen);
		TRY("recvfrom",
		    recvfrom(traffic->client, &byte, 1, 0, (struct sockaddr *)&seen, &size));
	}
	start = now() - start;
	return same(&seen, &traffic->to[0]) ? start : wrong("recvfrom shows another address");
}

static int64_t run_peer_names(struct hk_traffic *traffic, int times)
{
	struct hk_place name;
	int64_t start = now();

	for (int i = 0; i < times; i++) {
		socklen_t size = sizeof(name);

		TRY("getpeername", getpeername(traffic->client, (struct sockaddr *)&name, &size));
	}
	start = now() - start;
	return same(&name, &traffic->to[0]) ? start : wrong("getpeername shows another address");
}

static int64_t run_sockets(struct hk_traffic *traffic, int times)
{
	int64_t start = now();

	for (int i = 0; i < times; i++)
		close(TRY("socket", new_socket(traffic->to, SOCK_DGRAM)));
	return now() - start;
}

static int64_t run_batch(const struct hk_servers *servers, struct hk_traffic *traffic, int times)
{
	switch (traffic->kind) {
	case HK_CONNECTION:
		return run_connections(servers, traffic, times);
	case HK_CONNECT:
		return run_connects(traffic, times);
	case HK_NEW_CONNECT:
		return run_new_connects(traffic, times);
	case HK_SEND:
		return run_sends(servers, traffic, times);
	case HK_NEW_SEND:
		return run_new_sends(servers, traffic, times);
	case HK_RECEIVE:
		return run_receives(servers, traffic, times);
	case HK_PEER_NAME:
		return run_peer_names(traffic, times);
	case HK_SOCKET:
		return run_sockets(traffic, times);
	}
	return -EINVAL;
}

int64_t hk_run(const struct hk_servers *servers, struct hk_traffic *traffic, int times)
{
	int64_t sum = 0;

	errno = 0;
	while (times > 0) {
		int64_t spent = run_batch(servers, traffic, times < BATCH ? times : BATCH);

		if (spent < 0)
			return spent;
		sum += spent;
		times -= BATCH;
	}
	return sum;
}
