// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A connect4 program that takes its time, to test what waits for running programs. A dozen
 * instructions, written out here: it says that it has started, copies a large map value onto
 * itself again and again, and says that it has ended.
 */
#define _GNU_SOURCE
#include "socketkit.h"

#include "programs.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COPIED (1 << 20)

static int make_array(int value_size, int flags)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = value_size,
		.max_entries = 1,
		.map_flags = flags,
	};

	return sk_bpf(BPF_MAP_CREATE, &attr);
}

static int load(int progress, int buffer, int rounds)
{
	const struct bpf_insn program[] = {
		/* r6 = &progress; r7 = &buffer; r8 = 0; r6->started = 1 */
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 6,
		 .src_reg = BPF_PSEUDO_MAP_VALUE,
		 .imm = progress},
		{},
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 7,
		 .src_reg = BPF_PSEUDO_MAP_VALUE,
		 .imm = buffer},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 8},
		{.code = BPF_ST | BPF_DW | BPF_MEM, .dst_reg = 6, .imm = 1},
		/* do bpf_probe_read_kernel(r7, COPIED, r7); while (++r8 < rounds) */
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 7},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = COPIED},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 7},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 8, .imm = 1},
		{.code = BPF_JMP | BPF_JLT | BPF_K, .dst_reg = 8, .off = -6, .imm = rounds},
		/* r6->ended = 1; return 1 */
		{.code = BPF_ST | BPF_DW | BPF_MEM, .dst_reg = 6, .off = 8, .imm = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return sk_load_program(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, program,
			       sizeof(program) / sizeof(*program));
}

int sk_slow_start(struct sk_slow *slow, const char *cgroup, int rounds)
{
	int progress, buffer, program = -1, link = -1;

	memset(slow, 0, sizeof(*slow));
	progress = make_array(16, BPF_F_MMAPABLE);
	buffer = make_array(COPIED, 0);
	if (progress >= 0 && buffer >= 0)
		program = load(progress, buffer, rounds);
	if (program >= 0)
		link = sk_attach_program(program, cgroup, BPF_CGROUP_INET4_CONNECT);
	if (link >= 0) {
		slow->progress = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, progress, 0);
		slow->link = link;
	}
	/* The link keeps the program, the program keeps the maps. */
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? progress : i == 1 ? buffer : program;

		if (fd >= 0)
			close(fd);
	}
	if (progress < 0 || buffer < 0)
		return progress < 0 ? progress : buffer;
	return program < 0 ? program : link < 0 ? link : slow->progress == MAP_FAILED ? -ENOMEM : 0;
}

void sk_slow_stop(struct sk_slow *slow)
{
	munmap((void *)slow->progress, 4096);
	close(slow->link);
}

void sk_slow_reset(struct sk_slow *slow)
{
	__atomic_store_n(&slow->progress[0], 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&slow->progress[1], 0, __ATOMIC_SEQ_CST);
}

int sk_slow_started(const struct sk_slow *slow)
{
	return __atomic_load_n(&slow->progress[0], __ATOMIC_SEQ_CST) != 0;
}

int sk_slow_ended(const struct sk_slow *slow)
{
	return __atomic_load_n(&slow->progress[1], __ATOMIC_SEQ_CST) != 0;
}
