// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "socketkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define RESULT(call) ((call) < 0 ? -errno : 0)

struct any_address {
	struct sockaddr_storage storage;
	socklen_t length;
};

static int family_of(int fd)
{
	int family = 0;
	socklen_t length = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) ? -errno : family;
}

static int parse(int fd, const char *text, int port, struct any_address *address)
{
	int family = family_of(fd);

	memset(address, 0, sizeof(*address));
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		address->length = sizeof(*in);
		return inet_pton(AF_INET, text, &in->sin_addr) == 1 ? 0 : -EINVAL;
	}
	if (family == AF_INET6) {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)&address->storage;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons(port);
		address->length = sizeof(*in);
		return inet_pton(AF_INET6, text, &in->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	return family < 0 ? family : -EAFNOSUPPORT;
}

static int format(const struct sockaddr_storage *storage, struct sk_name *name)
{
	const void *bytes;

	memset(name, 0, sizeof(*name));
	if (storage->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)storage;

		bytes = &in->sin_addr;
		name->port = ntohs(in->sin_port);
	} else if (storage->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)storage;

		bytes = &in->sin6_addr;
		name->port = ntohs(in->sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	return inet_ntop(storage->ss_family, bytes, name->address, SK_TEXT) ? 0 : -errno;
}

int sk_socket(enum sk_family family, enum sk_type type)
{
	int fd = socket(family == SK_IPV4 ? AF_INET : AF_INET6,
			(type == SK_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
			type == SK_MPTCP ? IPPROTO_MPTCP : 0);

	return fd < 0 ? -errno : fd;
}

int sk_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return RESULT(flags < 0 ? flags : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK));
}

int sk_bind(int fd, const char *address, int port)
{
	struct any_address to;
	int one = 1, error = parse(fd, address, port, &to);

	if (error)
		return error;
	/* So that an IPv6 listener on :: leaves the IPv4 port alone; ::ffff:10.0.0.1 is IPv4. */
	if (to.storage.ss_family == AF_INET6 &&
	    !IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&to.storage)->sin6_addr))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return RESULT(bind(fd, (struct sockaddr *)&to.storage, to.length));
}

int sk_listen(int fd, int backlog)
{
	return RESULT(listen(fd, backlog));
}

int sk_accept(int fd)
{
	int accepted = accept4(fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return accepted < 0 ? -errno : accepted;
}

int sk_connect(int fd, const char *address, int port)
{
	struct any_address to;
	int error = parse(fd, address, port, &to);

	return error ? error : RESULT(connect(fd, (struct sockaddr *)&to.storage, to.length));
}

int sk_disconnect(int fd)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

	return RESULT(connect(fd, &nowhere, sizeof(nowhere)));
}

int sk_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) ? -errno : -error;
}

int sk_wait(int fd, int to_write, int milliseconds)
{
	struct pollfd one = {.fd = fd, .events = to_write ? POLLOUT : POLLIN};
	int count = poll(&one, 1, milliseconds);

	return count < 0 ? -errno : count;
}

int sk_send(int fd, const void *data, int size)
{
	int sent = send(fd, data, size, MSG_NOSIGNAL);

	return sent < 0 ? -errno : sent;
}

static int send_to(int fd, const void *data, int size, const char *address, int port, int flags)
{
	struct any_address to;
	int sent, error = parse(fd, address, port, &to);

	if (error)
		return error;
	sent = sendto(fd, data, size, flags | MSG_NOSIGNAL, (struct sockaddr *)&to.storage,
		      to.length);
	return sent < 0 ? -errno : sent;
}

int sk_send_to(int fd, const void *data, int size, const char *address, int port)
{
	return send_to(fd, data, size, address, port, 0);
}

int sk_send_fast_open(int fd, const void *data, int size, const char *address, int port)
{
	return send_to(fd, data, size, address, port, MSG_FASTOPEN);
}

int sk_send_message(int fd, const void *data, int size, const char *address, int port)
{
	struct any_address to;
	struct iovec part = {.iov_base = (void *)data, .iov_len = size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int sent, error = parse(fd, address, port, &to);

	if (error)
		return error;
	message.msg_name = &to.storage;
	message.msg_namelen = to.length;
	sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

/* The destination of a datagram, from its control messages. The port is the socket's own. */
static void read_destination(int fd, struct msghdr *message, struct sk_name *to)
{
	struct sk_name own = {};

	memset(to, 0, sizeof(*to));
	if (!sk_own_name(fd, &own))
		to->port = own.port;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

			inet_ntop(AF_INET, &info->ipi_addr, to->address, SK_TEXT);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *info = (const void *)CMSG_DATA(c);

			inet_ntop(AF_INET6, &info->ipi6_addr, to->address, SK_TEXT);
		}
	}
}

int sk_receive(int fd, void *data, int size, struct sk_name *from, struct sk_name *to)
{
	_Alignas(struct cmsghdr) char control[256];
	struct sockaddr_storage sender = {};
	struct iovec part = {.iov_base = data, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int received = recvmsg(fd, &message, 0);

	if (received < 0)
		return -errno;
	if (from)
		format(&sender, from);
	if (to)
		read_destination(fd, &message, to);
	return received;
}

int sk_want_destination(int fd)
{
	int one = 1;

	if (family_of(fd) == AF_INET)
		return RESULT(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)));
	return RESULT(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)));
}

int sk_close_at_once(int fd)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	return RESULT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

int sk_peer_name(int fd, struct sk_name *name)
{
	struct sockaddr_storage storage = {};
	socklen_t length = sizeof(storage);

	return getpeername(fd, (struct sockaddr *)&storage, &length) ? -errno
								     : format(&storage, name);
}

int sk_own_name(int fd, struct sk_name *name)
{
	struct sockaddr_storage storage = {};
	socklen_t length = sizeof(storage);

	return getsockname(fd, (struct sockaddr *)&storage, &length) ? -errno
								     : format(&storage, name);
}

unsigned long long sk_cookie(int fd)
{
	unsigned long long cookie = 0;
	socklen_t length = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) ? 0 : cookie;
}

void sk_close(int fd)
{
	close(fd);
}
