// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A sock_release program beside the data plane's, which writes down the cookie of every socket
 * that it runs for: what the kernel itself forgets is told from what the data plane forgets.
 */
#define _GNU_SOURCE
#include "socketkit.h"

#include "programs.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <unistd.h>

static int load(int cookies)
{
	const struct bpf_insn program[] = {
		/* *(u64 *)(r10 - 8) = bpf_get_socket_cookie(ctx); *(u64 *)(r10 - 16) = 1 */
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_socket_cookie},
		{.code = BPF_STX | BPF_DW | BPF_MEM, .dst_reg = 10, .src_reg = 0, .off = -8},
		{.code = BPF_ST | BPF_DW | BPF_MEM, .dst_reg = 10, .off = -16, .imm = 1},
		/* bpf_map_update_elem(&cookies, r10 - 8, r10 - 16, BPF_ANY) */
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = cookies},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -16},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = BPF_ANY},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_update_elem},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return sk_load_program(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE, program,
			       sizeof(program) / sizeof(*program));
}

int sk_watch_releases(const char *cgroup, int most)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_HASH,
		.key_size = 8,
		.value_size = 8,
		.max_entries = most,
		.map_flags = BPF_F_NO_PREALLOC,
	};
	int cookies = sk_bpf(BPF_MAP_CREATE, &attr), program, link;

	if (cookies < 0)
		return cookies;
	program = load(cookies);
	link = program < 0 ? program
			   : sk_attach_program(program, cgroup, BPF_CGROUP_INET_SOCK_RELEASE);
	if (program >= 0)
		close(program);
	if (link < 0)
		close(cookies);
	/* The link lasts as long as this process. */
	return link < 0 ? link : cookies;
}

int sk_was_released(int cookies, unsigned long long cookie)
{
	unsigned long long value;
	union bpf_attr attr = {
		.map_fd = cookies,
		.key = (uintptr_t)&cookie,
		.value = (uintptr_t)&value,
	};
	int error = sk_bpf(BPF_MAP_LOOKUP_ELEM, &attr);

	return error == -ENOENT ? 0 : error ?: 1;
}
