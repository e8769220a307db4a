// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "internal.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char *failed_step = "";

const char *hk_failed_step(void)
{
	return failed_step;
}

int fail(const char *step)
{
	failed_step = step;
	return errno ? -errno : -EPROTO;
}

int wrong(const char *step)
{
	failed_step = step;
	return -EPROTO;
}

/* MARK: Places */

static uint32_t half(uint64_t number, int shift)
{
	return htonl((uint32_t)(number >> shift));
}

void hk_place_of(struct hk_place *place, int family, uint64_t high, uint64_t low, int port)
{
	memset(place, 0, sizeof(*place));
	if (family == 4) {
		place->in.sin_family = AF_INET;
		place->in.sin_port = htons(port);
		place->in.sin_addr.s_addr = half(low, 0);
		return;
	}
	place->in6.sin6_family = AF_INET6;
	place->in6.sin6_port = htons(port);
	if (family == 46) {
		high = 0;
		low = (uint32_t)low | 0xffffull << 32;
	}
	place->in6.sin6_addr.s6_addr32[0] = half(high, 32);
	place->in6.sin6_addr.s6_addr32[1] = half(high, 0);
	place->in6.sin6_addr.s6_addr32[2] = half(low, 32);
	place->in6.sin6_addr.s6_addr32[3] = half(low, 0);
}

int hk_same_place(const struct hk_place *a, const struct hk_place *b)
{
	if (a->family != b->family)
		return 0;
	if (a->family == AF_INET)
		return a->in.sin_port == b->in.sin_port &&
		       a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return a->in6.sin6_port == b->in6.sin6_port &&
	       !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(struct in6_addr));
}

void place_of_client(struct hk_place *place, int ipv6, int port)
{
	/* The two that hk_own_addresses() gives the interface. */
	hk_place_of(place, ipv6 ? 6 : 4, 0xfd00000800000000, ipv6 ? 1 : 0x0a000001, port);
}

/* For IPv4 the prefix of an address of the loopback interface does it; for IPv6 a route does. */
int hk_own_addresses(void)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr to;
		uint32_t prefix[4];
		struct rtattr through;
		uint32_t interface;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_NEWROUTE,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
		.route = {.rtm_family = AF_INET6,
			  .rtm_dst_len = 32,
			  .rtm_table = RT_TABLE_LOCAL,
			  .rtm_protocol = RTPROT_STATIC,
			  .rtm_type = RTN_LOCAL},
		.to = {.rta_len = RTA_LENGTH(16), .rta_type = RTA_DST},
		.prefix = {htonl(0xfd000008)},
		.through = {.rta_len = RTA_LENGTH(4), .rta_type = RTA_OIF},
		.interface = 1,
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[sizeof(request)];
	} answer = {};
	int got, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	got = send(fd, &request, sizeof(request), 0);
	if (got > 0)
		got = recv(fd, &answer, sizeof(answer), 0);
	close(fd);
	if (got < (int)sizeof(answer.header) + (int)sizeof(int))
		return got < 0 ? -errno : -EPROTO;
	return answer.error.error;
}

/* MARK: Servers */

int bounded(int fd)
{
	struct timeval time = {.tv_sec = 2};

	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) ||
			       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time))
		       ? -1
		       : fd;
}

static int serve(int ipv6, int type)
{
	struct hk_place at;
	int one = 1, fd;

	hk_place_of(&at, ipv6 ? 6 : 4, 0, 0, HK_PORT);
	fd = TRY("a server's socket", new_socket(&at, type));
	TRY("a server's time limit", bounded(fd));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ipv6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		/* It answers from addresses that no interface has. */
		TRY("IPV6_FREEBIND",
		    setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one)));
		TRY("IPV6_RECVPKTINFO",
		    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)));
	} else {
		TRY("IP_PKTINFO", setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)));
	}
	TRY("a server's bind", bind(fd, (const struct sockaddr *)&at, length(&at)));
	if (type == SOCK_STREAM)
		TRY("listen", listen(fd, 4 * BATCH));
	return fd;
}

int hk_start_servers(struct hk_servers *servers)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		servers->listener[ipv6] = serve(ipv6, SOCK_STREAM);
		servers->udp[ipv6] = serve(ipv6, SOCK_DGRAM);
		if (servers->listener[ipv6] < 0 || servers->udp[ipv6] < 0)
			return servers->listener[ipv6] < 0 ? servers->listener[ipv6]
							   : servers->udp[ipv6];
	}
	return 0;
}

/* Room for what the kernel says of a datagram's addresses. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

int drain(const struct hk_servers *servers, int ipv6, struct hk_place *from,
	  struct hk_place *reached)
{
	int count = 0;

	for (;;) {
		char byte;
		struct hk_place sender;
		union control control;
		struct iovec io = {&byte, 1};
		struct msghdr message = {.msg_name = &sender,
					 .msg_namelen = sizeof(sender),
					 .msg_iov = &io,
					 .msg_iovlen = 1,
					 .msg_control = &control,
					 .msg_controllen = sizeof(control)};
		struct cmsghdr *header;

		if (recvmsg(servers->udp[ipv6], &message, MSG_DONTWAIT) < 0)
			return count;
		count++;
		if (from)
			*from = sender;
		header = CMSG_FIRSTHDR(&message);
		if (!reached || !header)
			continue;
		memset(reached, 0, sizeof(*reached));
		if (ipv6) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(header), sizeof(info));
			reached->in6.sin6_family = AF_INET6;
			reached->in6.sin6_port = htons(HK_PORT);
			reached->in6.sin6_addr = info.ipi6_addr;
		} else {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(header), sizeof(info));
			reached->in.sin_family = AF_INET;
			reached->in.sin_port = htons(HK_PORT);
			reached->in.sin_addr = info.ipi_addr;
		}
	}
}

int send_from(int fd, const struct hk_place *source, const struct hk_place *to)
{
	char byte = 0;
	union control control = {};
	struct hk_place receiver = *to;
	struct iovec io = {&byte, 1};
	struct msghdr message = {.msg_name = &receiver,
				 .msg_namelen = length(to),
				 .msg_iov = &io,
				 .msg_iovlen = 1,
				 .msg_control = &control};

	if (source->family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = source->in.sin_addr};

		control.header.cmsg_level = IPPROTO_IP;
		control.header.cmsg_type = IP_PKTINFO;
		control.header.cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
		message.msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_addr = source->in6.sin6_addr};

		control.header.cmsg_level = IPPROTO_IPV6;
		control.header.cmsg_type = IPV6_PKTINFO;
		control.header.cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
		message.msg_controllen = CMSG_SPACE(sizeof(info));
	}
	return sendmsg(fd, &message, 0) == 1 ? 0 : -1;
}
