/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What rules of netfilter there are, by name; for `doctor`. Nothing is changed or loaded. */
#ifndef SOCKLB_NETFILTER_H
#define SOCKLB_NETFILTER_H

#include <stddef.h>

/*
 * The chains of a table of iptables (legacy) in the calling thread's network namespace, each name
 * ended by a NUL: how many bytes, or -errno. `family` is AF_INET or AF_INET6. A table that is not
 * there yet would be made: ask only for those that /proc/net/ip_tables_names has.
 */
long ck_iptables_chains(int family, const char *table, char *names, size_t room);

/* The tables, or else the chains, of nftables, in the same way. */
long ck_nftables_names(int chains, char *names, size_t room);

#endif
