/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* bpf(2), for maps and for programs of a dozen instructions that some tests bring. */
#pragma once

#include <linux/bpf.h>

/* -errno when it fails. */
int sk_bpf(int command, union bpf_attr *attr);
/* Descriptors, or -errno. `attach`: enum bpf_attach_type, of the program's type. */
int sk_load_program(int type, int attach, const struct bpf_insn *program, int count);
int sk_attach_program(int program, const char *cgroup, int attach);
