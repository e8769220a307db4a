// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The sockets that processes have open and that use services: an iterator over all open files,
 * loaded for one `socklb dump sockets`. It works on the maps of the data plane that is attached,
 * and reads only. ARCHITECTURE.md, "Who uses what".
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.h"
#include "lib/kernel.h"
#include "lib/maps.h"
#include "lib/more_flows.h"
#include "lib/mptcp.h"
#include "lib/peer.h"
#include "lib/records.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A program that returns 1 is called again for the same file. */
#define NEXT 0

/*
 * The cookie under which the hook of connect() made the record: of MPTCP that of the first subflow.
 * What a subflow has in more_flows is out of reach here.
 */
static __always_inline __u64 cookie_of_record(struct sock *sk)
{
	if (sk->sk_protocol == IPPROTO_MPTCP)
		return cookie_of_subflow((struct bpf_sock *)sk);
	return cookie_of(&sk->__sk_common);
}

static __always_inline void read_local(const struct sock_common *sk, struct svc_socket_user *user)
{
	user->local_port_be = bpf_htons(sk->skc_num);
	if (sk->skc_family == AF_INET6) {
		for (int i = 0; i < 4; i++)
			user->local_be[i] = sk->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
	} else {
		user->local_be[2] = MAPPED_PREFIX;
		user->local_be[3] = sk->skc_rcv_saddr;
	}
}

/* A connected flow that is not where the socket is connected to has been left without a hook. */
static __always_inline int is_in_use(const struct svc_flow *flow,
				     const struct endpoint_address *peer)
{
	return flow_is_current(flow) &&
	       (!(flow->service & SVC_FLOW_CONNECTED) || flow_is_from(flow, peer));
}

struct writing {
	struct seq_file *seq;
	struct svc_more_flows *more;
	struct svc_socket_user *user;
	struct endpoint_address peer;
	int written;
};

static __always_inline void write_flow(struct writing *writing)
{
	if (!is_in_use(&writing->user->flow, &writing->peer))
		return;
	bpf_seq_write(writing->seq, writing->user, sizeof(*writing->user));
	writing->written = 1;
}

static long write_step(__u32 i, struct writing *writing)
{
	writing->user->flow = writing->more->flow[i % SVC_MORE_FLOWS];
	write_flow(writing);
	return 0;
}

SEC("iter/task_file")
int list_files(struct bpf_iter__task_file *ctx)
{
	struct svc_socket_user user = {};
	struct writing writing = {.user = &user, .seq = ctx->meta->seq};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct svc_socket_tags *tags;
	struct svc_socket *record;
	struct socket *socket;
	struct sock *sk;
	int has_more;
	__u32 way;

	if (!task || !file)
		return NEXT;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return NEXT;
	sk = socket->sk;
	if (!sk ||
	    (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return NEXT;
	user.cookie = cookie_of_record(sk);
	tags = tags_of_set(user.cookie);
	if (!user.cookie || !tags)
		return NEXT;
	record = find_record(user.cookie, tags, &way);
	has_more = record ? record->flow.service & SVC_FLOW_MORE : tags->was_full;
	if (has_more)
		writing.more = bpf_sk_storage_get(&more_flows, sk, 0, 0);
	if (!record && !writing.more)
		return NEXT;

	read_peer(&sk->__sk_common, &writing.peer);
	read_local(&sk->__sk_common, &user);
	user.state = sk->__sk_common.skc_state;
	user.netns = sk->__sk_common.skc_net.net->net_cookie;
	user.netns_inode = sk->__sk_common.skc_net.net->ns.inum;
	user.pid = task->tgid;
	bpf_probe_read_kernel(user.command, sizeof(user.command), task->group_leader->comm);
	if (record) {
		user.flow = record->flow;
		/* Else it was given back meanwhile, and perhaps to another socket. */
		if (*(volatile __u64 *)&record->cookie == user.cookie)
			write_flow(&writing);
	}
	if (writing.more)
		bpf_loop(SVC_MORE_FLOWS, write_step, &writing, 0);
	if (!writing.written) {
		user.flow.backend_port_be = 0;
		bpf_seq_write(writing.seq, &user, sizeof(user));
	}
	return NEXT;
}

/* What the two clocks say at this moment. Over the map `header`. */
SEC("iter/bpf_map_elem")
int read_clocks(struct bpf_iter__bpf_map_elem *ctx)
{
	struct svc_clocks clocks = {};

	if (!ctx->value)
		return NEXT;
	clocks.jiffies = bpf_jiffies64();
	clocks.nanoseconds = bpf_ktime_get_ns();
	bpf_seq_write(ctx->meta->seq, &clocks, sizeof(clocks));
	return NEXT;
}
