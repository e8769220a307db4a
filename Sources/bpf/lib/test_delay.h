/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * For tests: a reader that takes its time between two reads, to see what writers do meanwhile. The
 * product is compiled without SVC_TEST_DELAY, and then nothing of this is in it.
 */
#pragma once

#ifdef SVC_TEST_DELAY

static long wait_step(__u32 index __attribute__((unused)), __u64 *start)
{
	return bpf_ktime_get_ns() - *start > SVC_TEST_DELAY;
}

/* A function of its own: it has a stack of its own. */
__noinline int wait_in_test(void)
{
	__u64 start = bpf_ktime_get_ns();

	return bpf_loop(1 << 23, wait_step, &start, 0);
}

/* There are three such places on the way, and one wait on average. */
static __always_inline void let_writers_go_on(void)
{
	if (bpf_get_prandom_u32() % 3 == 0)
		wait_in_test();
}

#else

static __always_inline void let_writers_go_on(void)
{
}

#endif
