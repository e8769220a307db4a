// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A sock_release program beside the data plane's, which writes down the cookie of every socket
 * that it runs for: what the kernel itself forgets is told from what the data plane forgets.
 */
#define _GNU_SOURCE
#include "socketkit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	int result = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return result < 0 ? -errno : result;
}

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
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SOCK,
		.expected_attach_type = BPF_CGROUP_INET_SOCK_RELEASE,
		.insns = (uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(*program),
		.license = (uintptr_t) "GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int program, const char *cgroup)
{
	union bpf_attr attr = {};
	int link, directory = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return -errno;
	attr.link_create.prog_fd = program;
	attr.link_create.target_fd = directory;
	attr.link_create.attach_type = BPF_CGROUP_INET_SOCK_RELEASE;
	link = bpf(BPF_LINK_CREATE, &attr);
	close(directory);
	return link;
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
	int cookies = bpf(BPF_MAP_CREATE, &attr), program, link;

	if (cookies < 0)
		return cookies;
	program = load(cookies);
	link = program < 0 ? program : attach(program, cgroup);
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
	int error = bpf(BPF_MAP_LOOKUP_ELEM, &attr);

	return error == -ENOENT ? 0 : error ?: 1;
}
