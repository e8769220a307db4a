// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Does it go where it should? */
#define _GNU_SOURCE
#include "internal.h"

#include <sys/socket.h>
#include <unistd.h>

int check_peer_name(int client, const struct hk_place *to)
{
	struct hk_place name = {};
	socklen_t size = sizeof(name);

	TRY("getpeername", getpeername(client, (struct sockaddr *)&name, &size));
	return hk_same_place(&name, to) ? 0 : wrong("getpeername shows another address");
}

static int check_connection(const struct hk_servers *servers, struct hk_traffic *traffic)
{
	const struct hk_place *to = traffic->to;
	struct hk_place *reached = &traffic->reached;
	socklen_t size = sizeof(*reached);
	int error, accepted, client = TRY("socket", new_socket(to, SOCK_STREAM));

	TRY("a time limit", bounded(client));
	TRY("connect", connect(client, (const struct sockaddr *)to, length(to)));
	accepted = TRY("accept", accept4(servers->listener[is_ipv6(to)], 0, 0, SOCK_CLOEXEC));
	TRY("getsockname", getsockname(accepted, (struct sockaddr *)reached, &size));
	error = check_peer_name(client, traffic->two_way ? to : reached);
	close(client);
	close(accepted);
	return error;
}

/* A datagram there and one back. */
static int check_exchange(const struct hk_servers *servers, struct hk_traffic *traffic, int client,
			  const struct hk_place *to, int connected)
{
	struct hk_place from = {}, seen = {};
	socklen_t size = sizeof(seen);
	char byte = 0;
	int ipv6 = is_ipv6(to);

	drain(servers, ipv6, 0, 0);
	if (connected)
		TRY("send", send(client, &byte, 1, 0));
	else
		TRY("sendto", sendto(client, &byte, 1, 0, (const struct sockaddr *)to, length(to)));
	if (drain(servers, ipv6, &from, &traffic->reached) != 1)
		return wrong("the datagram came to no server");
	TRY("the reply", send_from(servers->udp[ipv6], &traffic->reached, &from));
	TRY("recvfrom", recvfrom(client, &byte, 1, 0, (struct sockaddr *)&seen, &size));
	return hk_same_place(&seen, traffic->two_way ? to : &traffic->reached)
		       ? 0
		       : wrong("recvfrom shows another address");
}

static int connect_and_check(const struct hk_servers *servers, struct hk_traffic *traffic,
			     int client, const struct hk_place *to)
{
	int error;

	TRY("connect", connect(client, (const struct sockaddr *)to, length(to)));
	error = check_exchange(servers, traffic, client, to, 1);
	if (error)
		return error;
	return check_peer_name(client, traffic->two_way ? to : &traffic->reached);
}

/* One connected or unconnected UDP socket; it stays open as traffic->client. */
static int check_datagrams(const struct hk_servers *servers, struct hk_traffic *traffic)
{
	int client = TRY("socket", new_socket(traffic->to, SOCK_DGRAM));
	int error = 0, connected = traffic->kind == HK_CONNECT || traffic->kind == HK_NEW_CONNECT ||
				   traffic->kind == HK_AFTER_CONNECT ||
				   traffic->kind == HK_PEER_NAME;

	traffic->client = client;
	TRY("a time limit", bounded(client));
	if (traffic->before && connected)
		error = connect_and_check(servers, traffic, client, traffic->before);
	else if (traffic->before)
		error = check_exchange(servers, traffic, client, traffic->before, 0);
	if (error)
		return error;
	return connected ? connect_and_check(servers, traffic, client, traffic->to)
			 : check_exchange(servers, traffic, client, traffic->to, 0);
}

int hk_open(const struct hk_servers *servers, struct hk_traffic *traffic)
{
	int error;

	traffic->client = -1;
	traffic->next = 0;
	errno = 0;
	if (traffic->kind == HK_CONNECTION)
		return check_connection(servers, traffic);
	error = check_datagrams(servers, traffic);
	if (traffic->kind == HK_NEW_CONNECT || traffic->kind == HK_NEW_SEND ||
	    traffic->kind == HK_AFTER_CONNECT)
		hk_close(traffic);
	return error;
}

void hk_close(struct hk_traffic *traffic)
{
	if (traffic->client >= 0)
		close(traffic->client);
	traffic->client = -1;
}
