// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "netfilter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* libc's header before the kernel's: the other way round they contradict each other. */
// clang-format off
#include <netinet/in.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <linux/netlink.h>
// clang-format on

/* Where the next name goes; a name for which there is no room is left out. */
struct names {
	char *to;
	size_t room;
	size_t used;
};

static void add(struct names *names, const char *name, size_t most)
{
	size_t length = strnlen(name, most);

	if (!length || length + 1 > names->room - names->used)
		return;
	memcpy(names->to + names->used, name, length);
	names->to[names->used + length] = 0;
	names->used += length + 1;
}

/* A chain of a user's begins with an entry whose target is called ERROR and has the chain's name. */
static void add_target(struct names *names, const char *entry, size_t offset, size_t next)
{
	const struct xt_entry_target *target = (const void *)(entry + offset);
	const struct xt_error_target *error = (const void *)target;

	if (offset + sizeof(*error) <= next && !strcmp(target->u.user.name, XT_ERROR_TARGET) &&
	    strcmp(error->errorname, XT_ERROR_TARGET))
		add(names, error->errorname, sizeof(error->errorname));
}

static void walk4(struct names *names, const char *table, size_t size)
{
	size_t at = 0;

	while (at + sizeof(struct ipt_entry) <= size) {
		const struct ipt_entry *entry = (const void *)(table + at);

		if (entry->next_offset < sizeof(*entry) || at + entry->next_offset > size)
			break;
		add_target(names, table + at, entry->target_offset, entry->next_offset);
		at += entry->next_offset;
	}
}

static void walk6(struct names *names, const char *table, size_t size)
{
	size_t at = 0;

	while (at + sizeof(struct ip6t_entry) <= size) {
		const struct ip6t_entry *entry = (const void *)(table + at);

		if (entry->next_offset < sizeof(*entry) || at + entry->next_offset > size)
			break;
		add_target(names, table + at, entry->target_offset, entry->next_offset);
		at += entry->next_offset;
	}
}

/* Both families have structures of the same shape up to the entries. */
static int read_table(int fd, int family, const char *table, struct names *names)
{
	int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	struct ipt_get_entries *entries;
	struct ipt_getinfo info;
	socklen_t length = sizeof(info);
	int result = 0;

	memset(&info, 0, sizeof(info));
	strncpy(info.name, table, sizeof(info.name) - 1);
	if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &length))
		return -errno;
	length = sizeof(*entries) + info.size;
	entries = calloc(1, length);
	if (!entries)
		return -ENOMEM;
	strncpy(entries->name, table, sizeof(entries->name) - 1);
	entries->size = info.size;
	if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, entries, &length))
		result = -errno;
	else if (family == AF_INET6)
		walk6(names, (const char *)entries->entrytable, info.size);
	else
		walk4(names, (const char *)entries->entrytable, info.size);
	free(entries);
	return result;
}

_Static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO && IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES &&
		       sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
		       sizeof(struct ipt_get_entries) == sizeof(struct ip6t_get_entries),
	       "IPv4 and IPv6 differ");

long ck_iptables_chains(int family, const char *table, char *to, size_t room)
{
	struct names names = {.to = to, .room = room};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), result, tries;

	if (fd < 0)
		return -errno;
	/* Somebody may replace the table between the two calls. */
	for (tries = 0; tries < 10; tries++) {
		result = read_table(fd, family, table, &names);
		if (result != -EAGAIN)
			break;
	}
	close(fd);
	return result ? result : (long)names.used;
}

struct request {
	struct nlmsghdr header;
	struct nfgenmsg family;
};

static void add_attribute(struct names *names, const struct nlmsghdr *header, int wanted)
{
	size_t at = NLMSG_LENGTH(sizeof(struct nfgenmsg));

	while (at + NLA_HDRLEN <= header->nlmsg_len) {
		const struct nlattr *attribute = (const void *)((const char *)header + at);

		if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > header->nlmsg_len)
			break;
		if ((attribute->nla_type & NLA_TYPE_MASK) == wanted)
			add(names, (const char *)attribute + NLA_HDRLEN,
			    attribute->nla_len - NLA_HDRLEN);
		at += NLA_ALIGN(attribute->nla_len);
	}
}

/* 1 at the end of the answer, 0 when there is more, or -errno. */
static int read_messages(const char *buffer, size_t length, int wanted, struct names *names)
{
	size_t at = 0;

	while (at + sizeof(struct nlmsghdr) <= length) {
		const struct nlmsghdr *header = (const void *)(buffer + at);

		if (header->nlmsg_len < sizeof(*header) || at + header->nlmsg_len > length)
			return -EIO;
		if (header->nlmsg_type == NLMSG_DONE)
			return 1;
		if (header->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
		add_attribute(names, header, wanted);
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
	return 0;
}

long ck_nftables_names(int chains, char *to, size_t room)
{
	struct names names = {.to = to, .room = room};
	struct request request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 |
					 (chains ? NFT_MSG_GETCHAIN : NFT_MSG_GETTABLE),
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.family = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
	};
	static _Thread_local char buffer[32768] __attribute__((aligned(8)));
	struct timeval limit = {.tv_sec = 5};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), result = 0;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, &request, sizeof(request), 0) < 0)
		result = -errno;
	while (!result) {
		ssize_t length = recv(fd, buffer, sizeof(buffer), 0);

		if (length < 0 && errno == EINTR)
			continue;
		result = length < 0 ? -errno
				    : read_messages(buffer, length,
						    chains ? NFTA_CHAIN_NAME : NFTA_TABLE_NAME,
						    &names);
	}
	close(fd);
	return result < 0 ? result : (long)names.used;
}
