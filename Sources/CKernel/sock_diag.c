// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "ckernel.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* Sends one request; 0 or -errno as the kernel answers. What it lists is thrown away. */
static int ask(struct request *request)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	_Alignas(struct nlmsghdr) char answer[32768];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), result = -EPROTO;
	struct nlmsghdr *header = (struct nlmsghdr *)answer;
	ssize_t size;

	if (fd < 0)
		return -errno;
	request->header.nlmsg_len = sizeof(*request);
	if (sendto(fd, request, sizeof(*request), 0, (struct sockaddr *)&kernel, sizeof(kernel)) <
	    0)
		result = -errno;
	else if ((size = recv(fd, answer, sizeof(answer), 0)) < 0)
		result = -errno;
	else if (NLMSG_OK(header, size) && header->nlmsg_type == NLMSG_ERROR)
		result = ((struct nlmsgerr *)NLMSG_DATA(header))->error;
	else if (NLMSG_OK(header, size))
		result = 0;
	close(fd);
	return result;
}

int ck_sock_diag_destroy(const struct ck_socket *socket)
{
	struct request request = {
		.header = {.nlmsg_type = SOCK_DESTROY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.body = {.sdiag_family = socket->family,
			 .sdiag_protocol = socket->protocol,
			 .idiag_states = ~0U,
			 .id = {.idiag_sport = socket->local_port_be,
				.idiag_dport = socket->peer_port_be,
				.idiag_if = socket->device,
				.idiag_cookie = {(__u32)socket->cookie,
						 (__u32)(socket->cookie >> 32)}}},
	};

	memcpy(request.body.id.idiag_src, socket->local_be, 16);
	memcpy(request.body.id.idiag_dst, socket->peer_be, 16);
	return ask(&request);
}

int ck_sock_diag_probe(int protocol)
{
	/* A list of sockets in no state at all: whether there is anybody to answer. */
	struct request list = {
		.header = {.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.body = {.sdiag_family = AF_INET, .sdiag_protocol = protocol},
	};
	struct ck_socket nobody = {.family = AF_INET, .protocol = protocol, .cookie = ~0ULL};
	int result = ask(&list);

	if (result)
		return result;
	result = ck_sock_diag_destroy(&nobody);
	return result == -ENOENT ? 0 : result;
}
