// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "socketkit.h"

#include "programs.h"

int sk_freeze_map(int fd)
{
	union bpf_attr attr = {.map_fd = fd};

	return sk_bpf(BPF_MAP_FREEZE, &attr);
}
