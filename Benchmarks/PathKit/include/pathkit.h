/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What `socklb-bench paths` does while the clock runs: a client's connections to pods or to a VIP,
 * both ends in one thread. Addresses are IPv4, in host order. Every function returns -errno on
 * failure; pk_failed_step() tells at what.
 */
#ifndef SOCKLB_PATHKIT_H
#define SOCKLB_PATHKIT_H

#include <stdint.h>

#define PK_PODS 10
/* Pods listen there for TCP. */
#define PK_POD_PORT 8080
/* So many operations at most in one call. */
#define PK_TURN 1024

/* traffic.c */

enum pk_type {
	PK_TCP,
	PK_UDP,
};

/* One way to reach PK_PODS pods, whose addresses follow each other. */
struct pk_way {
	/* What the client asks for, in turn: a VIP, or the pods themselves. */
	uint32_t to;
	int to_count;
	/* By type. */
	int port[2];
	uint32_t pods;
	int pod_port[2];
	/* The address that pods must see. */
	uint32_t client;
	/* In the pods' namespace. */
	int listener;
	int datagrams[PK_PODS];
	/* Kept open, by type: the client's end and the pod's. */
	int kept[2][2];
	int next;
	unsigned answers[PK_PODS];
};

/* In the calling thread's namespace, for all addresses there. */
int pk_listen(void);
/* A UDP socket for each pod of the way. */
int pk_serve_datagrams(struct pk_way *way);
/*
 * So many TCP connections, each made, looked at, and reset. `latencies`: nanoseconds of each
 * connect(). Returns the CPU time of this thread in socket(), connect() and close(), which is that
 * of both ends: a packet on a veth pair is received by who sent it. Fails when a connection came to
 * another pod than it should, when getpeername() shows another address than was asked for, or when
 * the pod sees another client.
 */
int64_t pk_connects(struct pk_way *way, uint32_t *latencies, int times);
/* The number of pods that answered so far. */
int pk_answering(const struct pk_way *way);
/* Opens what is kept, and makes the same sure of it. */
int pk_keep(struct pk_way *way);
/* A byte there and a byte back, so often; `latencies` of each, and returns the CPU time of all. */
int64_t pk_exchanges(struct pk_way *way, enum pk_type type, uint32_t *latencies, int times);
/* So many bytes to the pod through the kept connection; wall time, in nanoseconds. */
int64_t pk_bulk(struct pk_way *way, int64_t bytes);
/* The step that failed last. */
const char *pk_failed_step(void);

/* system.c */

/* Whether this thread stays on one CPU, or runs where it was allowed to run before. */
int pk_stay_on_one_cpu(int on);
/* No other process comes between; -errno when that is not allowed. */
int pk_undisturbed(int on);
/* What conntrack remembers in this thread's namespace: forgets it; the number. */
int pk_flush_conntrack(void);
int pk_conntrack_count(void);
/* Writes to a file below /proc/sys, for this thread's namespace. */
int pk_set(const char *path, const char *value);
/* A nameless file with these bytes. */
int pk_memory_file(const void *data, int64_t size);
/*
 * Runs a program to its end with `input` (from its beginning) as standard input; the wall time that
 * it took, in nanoseconds. -EPROTO when it failed, -ETIMEDOUT when it had to be killed.
 */
int64_t pk_run(char *const arguments[], int input, int output, int milliseconds);

#endif
