// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "ckernel.h"

#include <sys/vfs.h>

long ck_file_system_type(const char *path)
{
	struct statfs info;

	return statfs(path, &info) ? -1 : (long)info.f_type;
}
