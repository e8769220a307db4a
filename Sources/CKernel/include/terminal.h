/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A terminal that is drawn on and read key by key. */
#ifndef SOCKLB_TERMINAL_H
#define SOCKLB_TERMINAL_H

/* The size of the terminal that `fd` is; 0, or -errno when it is none or does not say. */
int ck_terminal_size(int fd, unsigned int *rows, unsigned int *columns);

/*
 * From now on keys can be read one by one, are not shown, and cannot stop the process; Ctrl-C is a
 * signal still. 0, or -errno when `fd` is no terminal.
 */
int ck_keys_begin(int fd);
/* As it was before ck_keys_begin(). */
void ck_keys_end(int fd);

/*
 * Waits as ck_wait() does: bit 0 for `signals`, bit 1 for `output`; and bit 3 when `keys` can be
 * read, or has ended. 0 when the time is up.
 */
int ck_wait_keys(int signals, int output, int keys, int milliseconds);

#endif
