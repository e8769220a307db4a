// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "hookkit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	enum bpf_attach_type type;
} hooks[] = {
	{"connect4", BPF_CGROUP_INET4_CONNECT},
	{"connect6", BPF_CGROUP_INET6_CONNECT},
	{"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
	{"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
	{"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
	{"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
	{"getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
	{"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
	{"getsockname4", BPF_CGROUP_INET4_GETSOCKNAME},
	{"getsockname6", BPF_CGROUP_INET6_GETSOCKNAME},
	{"sock_create", BPF_CGROUP_INET_SOCK_CREATE},
	{"sock_release", BPF_CGROUP_INET_SOCK_RELEASE},
	{"bind4", BPF_CGROUP_INET4_BIND},
	{"bind6", BPF_CGROUP_INET6_BIND},
	{"post_bind4", BPF_CGROUP_INET4_POST_BIND},
	{"post_bind6", BPF_CGROUP_INET6_POST_BIND},
	{"sock_ops", BPF_CGROUP_SOCK_OPS},
	{"setsockopt", BPF_CGROUP_SETSOCKOPT},
	{"getsockopt", BPF_CGROUP_GETSOCKOPT},
	{"ingress", BPF_CGROUP_INET_INGRESS},
	{"egress", BPF_CGROUP_INET_EGRESS},
};

#define HOOKS (int)(sizeof(hooks) / sizeof(*hooks))

const char *hk_hook_name(int number)
{
	return number < HOOKS ? hooks[number].name : 0;
}

static int bpf(int command, union bpf_attr *attr)
{
	int result = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return result < 0 ? -errno : result;
}

static int open_cgroup(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int program_by_id(uint32_t id)
{
	union bpf_attr attr = {.prog_id = id};

	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static int program_info(int program, struct bpf_prog_info *info)
{
	union bpf_attr attr = {};

	memset(info, 0, sizeof(*info));
	attr.info.bpf_fd = program;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uintptr_t)info;
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int hk_programs_on(const char *cgroup, int effective, struct hk_program *programs, int room)
{
	int directory = open_cgroup(cgroup), count = 0;

	if (directory < 0)
		return directory;
	for (int hook = 0; hook < HOOKS; hook++) {
		uint32_t ids[16];
		union bpf_attr attr = {};
		int error;

		attr.query.target_fd = directory;
		attr.query.attach_type = hooks[hook].type;
		attr.query.query_flags = effective ? BPF_F_QUERY_EFFECTIVE : 0;
		attr.query.prog_ids = (uintptr_t)ids;
		attr.query.prog_cnt = sizeof(ids) / sizeof(*ids);
		error = bpf(BPF_PROG_QUERY, &attr);
		if (error == -EINVAL) /* This kernel has no such hook. */
			continue;
		for (uint32_t i = 0; !error && i < attr.query.prog_cnt; i++) {
			int program = count < room ? program_by_id(ids[i]) : -E2BIG;

			if (program < 0)
				error = program;
			else
				programs[count++] = (struct hk_program){hook, program, -1};
		}
		if (error) {
			close(directory);
			return error;
		}
	}
	close(directory);
	return count;
}

int hk_load_empty(const struct hk_program *like, struct hk_program *empty)
{
	const struct bpf_insn go_on[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.expected_attach_type = hooks[like->hook].type,
		.insns = (uintptr_t)go_on,
		.insn_cnt = sizeof(go_on) / sizeof(*go_on),
		.license = (uintptr_t) "GPL",
		.prog_name = "empty",
	};
	struct bpf_prog_info info;
	int error = program_info(like->program, &info);

	if (error < 0)
		return error;
	attr.prog_type = info.type;
	*empty = (struct hk_program){like->hook, bpf(BPF_PROG_LOAD, &attr), -1};
	return empty->program < 0 ? empty->program : 0;
}

int hk_attach(const char *cgroup, struct hk_program *programs, int count)
{
	int directory = open_cgroup(cgroup), error = directory < 0 ? directory : 0;

	for (int i = 0; !error && i < count; i++) {
		union bpf_attr attr = {};

		attr.link_create.prog_fd = programs[i].program;
		attr.link_create.target_fd = directory;
		attr.link_create.attach_type = hooks[programs[i].hook].type;
		programs[i].link = bpf(BPF_LINK_CREATE, &attr);
		if (programs[i].link < 0)
			error = programs[i].link;
	}
	if (directory >= 0)
		close(directory);
	if (error)
		hk_detach(programs, count);
	return error;
}

void hk_detach(struct hk_program *programs, int count)
{
	for (int i = 0; i < count; i++) {
		union bpf_attr attr = {};

		if (programs[i].link < 0)
			continue;
		/* close() alone leaves the time of it to the kernel. */
		attr.link_detach.link_fd = programs[i].link;
		bpf(BPF_LINK_DETACH, &attr);
		close(programs[i].link);
		programs[i].link = -1;
	}
}

void hk_close_programs(struct hk_program *programs, int count)
{
	for (int i = 0; i < count; i++)
		close(programs[i].program);
}

int hk_times_of(const struct hk_program *program, struct hk_times *times)
{
	struct bpf_prog_info info;
	int error = program_info(program->program, &info);

	*times = (struct hk_times){info.run_time_ns, info.run_cnt};
	return error < 0 ? error : 0;
}

int hk_enable_times(void)
{
	union bpf_attr attr = {};

	attr.enable_stats.type = BPF_STATS_RUN_TIME;
	return bpf(BPF_ENABLE_STATS, &attr);
}

int hk_count_strangers(const struct hk_program *programs, int count)
{
	union bpf_attr attr = {};
	int strangers = 0;

	while (!bpf(BPF_PROG_GET_NEXT_ID, &attr)) {
		struct bpf_prog_info info, own;
		int program = program_by_id(attr.next_id), known = 0, same_type = 0;

		attr.start_id = attr.next_id;
		if (program < 0)
			continue;
		if (program_info(program, &info) >= 0) {
			for (int i = 0; i < count; i++) {
				if (program_info(programs[i].program, &own) < 0)
					continue;
				known |= own.id == info.id;
				same_type |= own.type == info.type;
			}
			strangers += same_type && !known;
		}
		close(program);
	}
	return strangers;
}
