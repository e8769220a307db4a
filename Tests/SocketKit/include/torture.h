/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Clients that connect as fast as they can while a writer changes the table, and servers that know
 * whose they are. What was in force when is in memory that all processes share: a row for each
 * version of the table, written before the version begins.
 */
#ifndef SOCKLB_TORTURE_H
#define SOCKLB_TORTURE_H

#define SK_TORTURE_SERVICES 32
#define SK_TORTURE_BACKENDS 128

enum sk_torture_state {
	SK_ABSENT,
	SK_EMPTY,
	SK_SERVING,
};

enum sk_torture_client {
	SK_TORTURE_UDP,
	SK_TORTURE_TCP,
	/* Unconnected sockets: a datagram to one VIP. */
	SK_TORTURE_SENDTO,
};

struct sk_torture;

/* What came of all connects. Everything after `untouched` is an error. */
struct sk_torture_totals {
	unsigned long udp;
	unsigned long tcp;
	unsigned long sendto;
	/* Of these, by clients whose programs are slowed. */
	unsigned long slow;
	/* Datagrams that a server took, and made sure that they were meant for it. */
	unsigned long datagrams;
	/* Refused while the service may have been empty, not translated while it may have been absent. */
	unsigned long refused_rightly;
	unsigned long untranslated_rightly;
	/* So many versions went by during the call that nobody can tell any more. */
	unsigned long unknown;
	/* Reached a backend that was none of the service meanwhile. */
	unsigned long wrong;
	unsigned long refused;
	unsigned long untranslated;
	/* Any other errno. */
	unsigned long failed;
};

/* Null when there is no memory. */
struct sk_torture *sk_torture_new(void);
/* Addresses as text; backends have port `port`, and a server each for TCP and UDP. */
int sk_torture_set_vip(struct sk_torture *torture, int service, const char *address, int port);
int sk_torture_set_backend(struct sk_torture *torture, int backend, const char *v4, const char *v6,
			   int port);
/* The row of a version. */
void sk_torture_set_owner(struct sk_torture *torture, long version, int backend, int service);
void sk_torture_set_state(struct sk_torture *torture, long version, int service,
			  enum sk_torture_state state);
/* From now on the version may be in force; is in force, and no earlier one. */
void sk_torture_begin(struct sk_torture *torture, long version);
void sk_torture_done(struct sk_torture *torture, long version);
long sk_torture_begun_version(const struct sk_torture *torture);
long sk_torture_done_version(const struct sk_torture *torture);

/* A process that serves all backends, or connects until it is told to stop; its pid. */
int sk_torture_serve(struct sk_torture *torture);
/* In the cgroup, unless it is null; rests so many microseconds after each connect. */
int sk_torture_connect(struct sk_torture *torture, enum sk_torture_client kind, const char *cgroup,
		       int is_slow, int rest);
void sk_torture_totals(const struct sk_torture *torture, struct sk_torture_totals *totals);
/* The first error in words; empty when there was none. */
const char *sk_torture_first_error(const struct sk_torture *torture);
/* Clients and servers end. */
void sk_torture_stop(struct sk_torture *torture);

#endif
