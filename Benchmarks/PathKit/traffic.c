// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "pathkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* A connection's bytes are sent and taken in pieces of this size. */
#define CHUNK (128 << 10)

static const char *failed_step = "";

const char *pk_failed_step(void)
{
	return failed_step;
}

static int fail(const char *step)
{
	failed_step = step;
	return errno ? -errno : -EPROTO;
}

static int wrong(const char *step)
{
	failed_step = step;
	return -EPROTO;
}

/* What a call returned that must not fail. */
#define TRY(step, call)                        \
	({                                     \
		__typeof__(call) got = (call); \
		if (got < 0)                   \
			return fail(step);     \
		got;                           \
	})

static int64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct sockaddr_in place(uint32_t address, int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(address),
	};
}

static int same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

typedef int name_call(int, struct sockaddr *, socklen_t *);

static int name_of(int fd, name_call *call, struct sockaddr_in *name)
{
	socklen_t size = sizeof(*name);

	memset(name, 0, sizeof(*name));
	return call(fd, (struct sockaddr *)name, &size);
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

/*
 * What the kernel makes of buffers, windows and a path's speed by itself differs from one connection
 * to the next: Reno has no clock and no model of the path. Before the handshake, in which windows
 * are agreed.
 */
static int all_alike(int fd)
{
	int size = 8 * CHUNK;

	return setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
			       setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
			       setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4)
		       ? -1
		       : 0;
}

/* MARK: Pods */

static int serve(const struct sockaddr_in *at, int type)
{
	int one = 1, fd = TRY("a pod's socket", socket(AF_INET, type | SOCK_CLOEXEC, 0));

	TRY("a pod's time limit", bounded(fd));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	TRY("a pod's bind", bind(fd, (const struct sockaddr *)at, sizeof(*at)));
	if (type == SOCK_STREAM)
		TRY("buffers and congestion control", all_alike(fd));
	if (type == SOCK_STREAM)
		TRY("listen", listen(fd, 2 * PK_TURN));
	return fd;
}

int pk_listen(void)
{
	struct sockaddr_in any = place(INADDR_ANY, PK_POD_PORT);

	return serve(&any, SOCK_STREAM);
}

int pk_serve_datagrams(struct pk_way *way)
{
	for (int i = 0; i < PK_PODS; i++) {
		struct sockaddr_in at = place(way->pods + i, way->pod_port[PK_UDP]);

		way->datagrams[i] = serve(&at, SOCK_DGRAM);
		if (way->datagrams[i] < 0)
			return way->datagrams[i];
	}
	return 0;
}

/* MARK: Does it go where it should? */

/*
 * `server`: the pod's end. Whatever is in between, the client must see whom it asked for, and the
 * pod who asked.
 */
static int check_ends(struct pk_way *way, enum pk_type type, int client, int server,
		      const struct sockaddr_in *asked)
{
	struct sockaddr_in reached, seen, own;
	uint32_t pod;

	TRY("the pod's own name", name_of(server, getsockname, &reached));
	TRY("the pod's peer", name_of(server, getpeername, &seen));
	pod = ntohl(reached.sin_addr.s_addr) - way->pods;
	if (pod >= PK_PODS || ntohs(reached.sin_port) != way->pod_port[type])
		return wrong("it came to no pod of the service");
	if (way->to_count > 1 && !same(&reached, asked))
		return wrong("it came to another pod than the one that was asked for");
	TRY("getsockname", name_of(client, getsockname, &own));
	if (ntohl(own.sin_addr.s_addr) != way->client || !same(&own, &seen))
		return wrong("the pod sees another client");
	TRY("getpeername", name_of(client, getpeername, &own));
	if (!same(&own, asked))
		return wrong("getpeername shows another address than was asked for");
	way->answers[pod]++;
	return pod;
}

int pk_answering(const struct pk_way *way)
{
	int count = 0;

	for (int i = 0; i < PK_PODS; i++)
		count += way->answers[i] > 0;
	return count;
}

static struct sockaddr_in next(struct pk_way *way, enum pk_type type)
{
	return place(way->to + way->next++ % way->to_count, way->port[type]);
}

/* MARK: Connections */

int64_t pk_connects(struct pk_way *way, uint32_t *latencies, int times)
{
	/* Reset, not closed: a port in TIME_WAIT for each connection would use them up. */
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct sockaddr_in asked[PK_TURN];
	int client[PK_TURN], accepted[PK_TURN];
	int64_t spent, start;

	errno = 0;
	if (times > PK_TURN)
		return -EINVAL;
	for (int i = 0; i < times; i++)
		asked[i] = next(way, PK_TCP);
	start = now(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < times; i++) {
		int64_t before;

		client[i] = TRY("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
		before = now(CLOCK_MONOTONIC);
		TRY("connect",
		    connect(client[i], (const struct sockaddr *)&asked[i], sizeof(asked[i])));
		latencies[i] = now(CLOCK_MONOTONIC) - before;
	}
	spent = now(CLOCK_THREAD_CPUTIME_ID) - start;
	/* They wait in the listener's queue, in the order in which they were made. */
	for (int i = 0; i < times; i++) {
		int pod;

		accepted[i] = TRY("accept", accept4(way->listener, 0, 0, SOCK_CLOEXEC));
		pod = check_ends(way, PK_TCP, client[i], accepted[i], &asked[i]);
		if (pod < 0)
			return pod;
		TRY("linger", setsockopt(client[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)));
	}
	start = now(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < times; i++)
		close(client[i]);
	spent += now(CLOCK_THREAD_CPUTIME_ID) - start;
	for (int i = 0; i < times; i++)
		close(accepted[i]);
	return spent;
}

/* MARK: What is kept */

static int keep_tcp(struct pk_way *way)
{
	struct sockaddr_in asked = next(way, PK_TCP);
	int one = 1, *end = way->kept[PK_TCP], pod;

	end[0] = TRY("socket", socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	TRY("a time limit", bounded(end[0]));
	TRY("buffers and congestion control", all_alike(end[0]));
	TRY("connect", connect(end[0], (const struct sockaddr *)&asked, sizeof(asked)));
	end[1] = TRY("accept", accept4(way->listener, 0, 0, SOCK_CLOEXEC));
	TRY("a time limit", bounded(end[1]));
	for (int i = 0; i < 2; i++)
		TRY("nodelay", setsockopt(end[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	pod = check_ends(way, PK_TCP, end[0], end[1], &asked);
	return pod < 0 ? pod : 0;
}

/* The pod that got the datagram answers from a socket that is connected to the client from now on. */
static int keep_udp(struct pk_way *way)
{
	struct sockaddr_in asked = next(way, PK_UDP), from;
	struct pollfd pods[PK_PODS];
	socklen_t size = sizeof(from);
	int *end = way->kept[PK_UDP], pod = 0;
	char byte = 0;

	end[0] = TRY("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	TRY("a time limit", bounded(end[0]));
	TRY("connect", connect(end[0], (const struct sockaddr *)&asked, sizeof(asked)));
	TRY("send", send(end[0], &byte, 1, 0));
	for (int i = 0; i < PK_PODS; i++)
		pods[i] = (struct pollfd){.fd = way->datagrams[i], .events = POLLIN};
	if (TRY("poll", poll(pods, PK_PODS, 2000)) != 1)
		return wrong("the datagram came to no pod");
	while (!pods[pod].revents)
		pod++;
	end[1] = way->datagrams[pod];
	TRY("recvfrom", recvfrom(end[1], &byte, 1, 0, (struct sockaddr *)&from, &size));
	TRY("the pod's connect", connect(end[1], (const struct sockaddr *)&from, size));
	TRY("the reply", send(end[1], &byte, 1, 0));
	TRY("recv", recv(end[0], &byte, 1, 0));
	pod = check_ends(way, PK_UDP, end[0], end[1], &asked);
	return pod < 0 ? pod : 0;
}

int pk_keep(struct pk_way *way)
{
	int error;

	errno = 0;
	error = keep_tcp(way);
	return error ? error : keep_udp(way);
}

int64_t pk_exchanges(struct pk_way *way, enum pk_type type, uint32_t *latencies, int times)
{
	const int *end = way->kept[type];
	int64_t start, before, after;
	char byte = 0;

	errno = 0;
	start = now(CLOCK_THREAD_CPUTIME_ID);
	before = now(CLOCK_MONOTONIC);
	for (int i = 0; i < times; i++) {
		byte = (char)i;
		if (send(end[0], &byte, 1, 0) != 1)
			return fail("the request");
		if (recv(end[1], &byte, 1, 0) != 1)
			return fail("receiving the request");
		if (send(end[1], &byte, 1, 0) != 1)
			return fail("the response");
		if (recv(end[0], &byte, 1, 0) != 1)
			return fail("receiving the response");
		if (byte != (char)i)
			return wrong("the response is that of another request");
		after = now(CLOCK_MONOTONIC);
		latencies[i] = after - before;
		before = after;
	}
	return now(CLOCK_THREAD_CPUTIME_ID) - start;
}

int64_t pk_bulk(struct pk_way *way, int64_t bytes)
{
	static char buffer[CHUNK];
	const int *end = way->kept[PK_TCP];
	int64_t start = now(CLOCK_MONOTONIC), sent = 0, taken = 0;

	errno = 0;
	while (taken < bytes) {
		struct pollfd readable = {.fd = end[1], .events = POLLIN};
		int64_t rest = bytes - sent, moved = 0, count;

		if (rest > 0) {
			count = send(end[0], buffer, rest < CHUNK ? rest : CHUNK, MSG_DONTWAIT);
			if (count < 0 && errno != EAGAIN)
				return fail("send");
			moved += count > 0 ? count : 0;
			sent += count > 0 ? count : 0;
		}
		while ((count = recv(end[1], buffer, CHUNK, MSG_DONTWAIT)) > 0) {
			taken += count;
			moved += count;
		}
		if (!count || errno != EAGAIN)
			return fail("recv");
		if (!moved && TRY("poll", poll(&readable, 1, 2000)) == 0)
			return wrong("the bytes do not come any more");
	}
	return now(CLOCK_MONOTONIC) - start;
}
