// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "internal.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int hk_undisturbed(int on)
{
	struct sched_param priority = {.sched_priority = on ? 1 : 0};

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &priority) ? -errno : 0;
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
	if (traffic->check && traffic->two_way && check_peer_name(client[times - 1], to))
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

/* What programs took until now, taken off or added: around what is not to be counted. */
static int note_times(const struct hk_traffic *traffic, int sign)
{
	for (int i = 0; traffic->watched && i < traffic->watched_count; i++) {
		struct hk_times times;
		int error = hk_times_of(&traffic->watched[i], &times);

		if (error)
			return error;
		traffic->aside[i].nanoseconds += sign * times.nanoseconds;
		traffic->aside[i].runs += sign * times.runs;
	}
	return 0;
}

static int64_t run_after_connects(struct hk_traffic *traffic, int times)
{
	int client[BATCH];
	int64_t spent;

	TRY("a program's times", note_times(traffic, -1));
	for (int i = 0; i < times; i++) {
		client[i] = TRY("socket", new_socket(traffic->before, SOCK_DGRAM));
		TRY("connect to what was before",
		    connect(client[i], (const struct sockaddr *)traffic->before,
			    length(traffic->before)));
	}
	TRY("a program's times", note_times(traffic, 1));
	spent = now();
	for (int i = 0; i < times; i++) {
		const struct hk_place *to = next(traffic);

		TRY("connect", connect(client[i], (const struct sockaddr *)to, length(to)));
	}
	spent = now() - spent;
	TRY("a program's times", note_times(traffic, -1));
	for (int i = 0; i < times; i++)
		close(client[i]);
	TRY("a program's times", note_times(traffic, 1));
	return spent;
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
	return drain(servers, is_ipv6(traffic->to), 0, 0) == times
		       ? spent
		       : wrong("not every datagram came to a server");
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
	return drain(servers, is_ipv6(traffic->to), 0, 0) == times
		       ? spent
		       : wrong("not every datagram came to a server");
}

static int64_t run_receives(const struct hk_servers *servers, struct hk_traffic *traffic, int times)
{
	const struct hk_place *shown = traffic->two_way ? traffic->to : &traffic->reached;
	struct hk_place own = {}, seen;
	socklen_t size = sizeof(own);
	int ipv6 = is_ipv6(traffic->to);
	char byte = 0;
	int64_t start;

	/* The client has a port but no address of its own: it has sent, and was not bound. */
	TRY("getsockname", getsockname(traffic->client, (struct sockaddr *)&own, &size));
	place_of_client(&own, ipv6,
			ntohs(own.family == AF_INET6 ? own.in6.sin6_port : own.in.sin_port));
	for (int i = 0; i < times; i++)
		TRY("a reply", send_from(servers->udp[ipv6], &traffic->reached, &own));
	start = now();
	for (int i = 0; i < times; i++) {
		size = sizeof(seen);
		TRY("recvfrom",
		    recvfrom(traffic->client, &byte, 1, 0, (struct sockaddr *)&seen, &size));
	}
	start = now() - start;
	return hk_same_place(&seen, shown) ? start : wrong("recvfrom shows another address");
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
	return hk_same_place(&name, traffic->two_way ? traffic->to : &traffic->reached)
		       ? start
		       : wrong("getpeername shows another address");
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
	case HK_AFTER_CONNECT:
		return run_after_connects(traffic, times);
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
