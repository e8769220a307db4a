// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The same traffic from several CPUs at once. */
#define _GNU_SOURCE
#include "internal.h"

#include <pthread.h>
#include <sched.h>

struct one {
	const struct hk_servers *servers;
	struct hk_traffic *traffic;
	int *waiting;
	int count, cpu, warm, times;
	int64_t spent;
};

int hk_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

/* The CPU with this number among those that this process may use; -1: there is none. */
static int cpu_number(int number)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set) && !number--)
			return cpu;
	return -1;
}

/* Everybody gets here before anybody goes on; who comes last may have failed. */
static void meet(struct one *one, int turn)
{
	__atomic_add_fetch(one->waiting, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(one->waiting, __ATOMIC_ACQUIRE) < one->count * turn)
		;
}

static void *run(void *argument)
{
	struct one *one = argument;
	cpu_set_t set;
	int64_t error;

	CPU_ZERO(&set);
	CPU_SET(one->cpu, &set);
	error = sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
	meet(one, 1);
	hk_undisturbed(1);
	if (!error && one->warm)
		error = hk_run(one->servers, one->traffic, one->warm);
	meet(one, 2);
	one->spent = error < 0 ? error : hk_run(one->servers, one->traffic, one->times);
	hk_undisturbed(0);
	return 0;
}

int hk_run_at_once(const struct hk_servers *servers, struct hk_traffic *traffics, int count,
		   int warm, int times, int64_t *spent)
{
	pthread_t threads[8];
	struct one ones[8];
	int waiting = 0, started = 0, error = 0;

	if (count > 8 || count > hk_cpus())
		return -E2BIG;
	for (; started < count && !error; started++) {
		ones[started] = (struct one){servers,
					     &traffics[started],
					     &waiting,
					     count,
					     cpu_number(started),
					     warm,
					     times,
					     0};
		error = -pthread_create(&threads[started], 0, run, &ones[started]);
	}
	if (error)
		/* Nobody is to wait for who was not started. */
		__atomic_add_fetch(&waiting, 2 * count, __ATOMIC_ACQ_REL);
	for (int i = 0; i < (error ? started - 1 : started); i++) {
		pthread_join(threads[i], 0);
		spent[i] = ones[i].spent;
		if (!error && spent[i] < 0)
			error = (int)spent[i];
	}
	return error;
}
