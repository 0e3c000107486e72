/*
 * sample/usage.h: cpu and memory of a group of processes, from cgroup v2 or v1 files or from /proc.
 *
 * Working set: what is current without inactive_file (as Kubernetes counts it).
 */
#ifndef TG_SAMPLE_USAGE_H
#define TG_SAMPLE_USAGE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/err.h"

/* Where to look. A value. */
struct usage_place {
	const char *cgroup; /* a folder below the cgroup file system; NULL: none */
	pid_t group;        /* a process group, looked up in /proc; 0: none */
};

/* As read at one time. A value. */
struct usage {
	struct mono at;
	bool has_cpu;
	uint64_t cpu_us; /* used since it began */
	bool has_memory;
	uint64_t memory; /* working set, bytes */
	/* What it may use; 0: not said there. */
	double cpu_limit; /* processors */
	uint64_t memory_limit;
};

/* Blocks for no longer than reading some files of the kernel. Both absent: nothing could be read. */
void usage_read(const struct usage_place *place, struct mono now, struct usage *ret);

/* Of what may be used: NAN: not known. A value. */
struct usage_rate {
	double cpu;
	double memory;
};

/*
 * From two readings. The limits are the configured ones, or where these are 0 those that were read.
 * Not known: without a limit, when a reading is absent, is older than `stale_ms`, went back, or when cpu and
 * memory are both 0, which no process that runs can have.
 */
struct usage_rate usage_rate(const struct usage *before, const struct usage *now, double cpu_limit,
			     uint64_t memory_limit, struct mono at, uint64_t stale_ms);

#endif
