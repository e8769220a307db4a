// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "socketkit.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

int sk_freeze_map(int fd)
{
	union bpf_attr attr = {.map_fd = fd};

	return syscall(SYS_bpf, BPF_MAP_FREEZE, &attr, sizeof(attr)) ? -errno : 0;
}
