// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

int sk_bpf(int command, union bpf_attr *attr)
{
	int result = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return result < 0 ? -errno : result;
}

int sk_load_program(int type, int attach, const struct bpf_insn *program, int count)
{
	union bpf_attr attr = {
		.prog_type = type,
		.expected_attach_type = attach,
		.insns = (uintptr_t)program,
		.insn_cnt = count,
		.license = (uintptr_t) "GPL",
	};

	return sk_bpf(BPF_PROG_LOAD, &attr);
}

int sk_attach_program(int program, const char *cgroup, int attach)
{
	union bpf_attr attr = {};
	int link, directory = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return -errno;
	attr.link_create.prog_fd = program;
	attr.link_create.target_fd = directory;
	attr.link_create.attach_type = attach;
	link = sk_bpf(BPF_LINK_CREATE, &attr);
	close(directory);
	return link;
}
