/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sockets in a scratch cgroup that show whether each hook does its work; loopback addresses only. */
#ifndef SOCKLB_CANARY_H
#define SOCKLB_CANARY_H

#include <linux/types.h>

/*
 * A frontend and its backend, for TCP and UDP alike. Both ports are held by sockets: what is not
 * translated is refused (TCP) or comes back to us (UDP), and nobody else can listen there.
 */
struct ck_canary_place {
	/* 4 or 6 */
	__u32 family;
	__u16 vip_port;
	__u16 backend_port;
	/* Network order; IPv4 has the first four bytes. */
	__u8 vip[16];
	__u8 backend[16];
	/* TCP, UDP */
	int held[2];
	int servers[2];
};

enum ck_canary_step {
	CK_CANARY_CONNECT,
	CK_CANARY_PEER_NAME,
	CK_CANARY_SEND,
	CK_CANARY_RECEIVE,
	CK_CANARY_STEPS,
};

/* An outcome is one of these, or -errno. */
enum ck_canary_outcome {
	CK_CANARY_OK,
	/* The address was what it would be without the program. */
	CK_CANARY_UNTRANSLATED,
	/* It was a third one. */
	CK_CANARY_WRONG,
	/* A step before it failed. */
	CK_CANARY_UNTESTED,
	/* No answer within a second. */
	CK_CANARY_SILENT,
};

/* IPv4, IPv6, and IPv4 through an AF_INET6 socket. */
#define CK_CANARY_WAYS 3

struct ck_canary_report {
	/* -errno of moving into the cgroup; no outcome counts then. */
	int error;
	int outcome[CK_CANARY_WAYS][CK_CANARY_STEPS];
	/* Of the sockets, 0 where there is none: TCP, UDP. */
	__u64 cookies[CK_CANARY_WAYS][2];
};

struct ck_canary {
	int pid;
	int socket;
};

/* Takes the ports; `vip_port` is given, `backend_port` is found. 0 or -errno. */
int ck_canary_open(struct ck_canary_place *place);
void ck_canary_close(struct ck_canary_place *place);

/*
 * Starts a child in the cgroup that `procs` is the open cgroup.procs of. `places` are two; one
 * with family 0 is left out. 0 or -errno.
 */
int ck_canary_start(struct ck_canary *canary, int procs, const struct ck_canary_place *places);
/* What the child found, while its sockets are still open. 0 or -errno, -ETIMEDOUT. */
int ck_canary_report(struct ck_canary *canary, struct ck_canary_report *report, int milliseconds);
/* The child closes its sockets. 0 or -errno. */
int ck_canary_release(struct ck_canary *canary, int milliseconds);
/* Ends the child and waits for it. */
void ck_canary_end(struct ck_canary *canary);

#endif
