/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What Swift's Glibc leaves out for being GNU's: starting a program cleanly, and looking up names. */
#ifndef SOCKLB_CPROCESS_H
#define SOCKLB_CPROCESS_H

/* A started program. */
struct cp_child {
	int pid;
	/* Its standard output and its standard error: non-blocking, closed on exec, the caller's to close. */
	int output;
	int messages;
};

/*
 * Starts `command`: a path, or a name that is looked for in PATH. It gets /dev/null as its input and
 * no other descriptor of this process than the two, a process group of its own, no blocked
 * signal, and no ignored one. `arguments` and `environment` end with NULL. Returns 0, or errno.
 */
int cp_start(const char *command, char *const *arguments, char *const *environment,
	     struct cp_child *child);

/*
 * From now on names of hosts are looked up in /etc/hosts and by DNS, whatever nsswitch.conf says:
 * everything else is a shared library of the system, which a static program must not load.
 */
void cp_plain_name_lookup(void);

#endif
