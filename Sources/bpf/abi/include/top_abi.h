/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What latencies.bpf.c counts for `socklb top`. Part of the one header, service_abi.h, whose rules
 * hold here too. Nothing of it is pinned.
 */
#ifndef SOCKLB_TOP_ABI_H
#define SOCKLB_TOP_ABI_H

/* Its structs are used below; where it includes this file, it has them already. */
#include "service_abi.h"

/* In svc_path_key.service: an id of services6, not of services4. */
#define SVC_PATH_V6 0x80000000u

/* Connections to one endpoint of one service port. */
struct svc_path_key {
	__u32 service;
	__u32 endpoint;
	__u32 generation; /* of the endpoint */
};

/* Powers of two of a microsecond; the last one holds what took longer, too. */
#define SVC_PATH_BUCKETS 28

/* paths: HASH by svc_path_key. */
struct svc_path {
	struct svc_flow flow; /* of the first connection */
	__u64 begun;	      /* SYN was sent */
	__u64 established;
	__u64 failed;	/* refused, timed out or ended by an error before it was established */
	__u64 given_up; /* closed by the client before that */
	/* Of those that were established, how many took less than 2 µs, 4 µs, 8 µs, ... */
	__u64 took[SVC_PATH_BUCKETS];
};

/* connecting: HASH by cookie: a SYN was sent, and nothing has come of it yet. */
struct svc_connecting {
	__u64 time; /* CLOCK_MONOTONIC */
	struct svc_path_key path;
	__u32 zero;
};

/* more_live: HASH by svc_path_key: flows in more_flows, counted by one walk. */
struct svc_path_live {
	struct svc_flow flow; /* of the first one */
	__u64 count;
};

#endif
