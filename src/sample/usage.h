/*
 * sample/usage.h: cpu and memory of a group of processes, from cgroup v2 or v1 files or from /proc.
 *
 * Working set: what is current without inactive_file (as Kubernetes counts it). Of processes in /proc: what
 * each has resident of its own, and once the most that any of them shares.
 *
 * Cgroups are read as the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst say,
 * processes as proc_pid_stat(5) and proc_pid_statm(5). Version 2 goes first, where the
 * folder has a file of it. A limit is the tightest of the folder's own and of all above it, as far up as the file
 * system is mounted: in a container to the container's own. One above is shared with others below it.
 */
#ifndef TG_SAMPLE_USAGE_H
#define TG_SAMPLE_USAGE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/err.h"

/* Where to look: in the cgroup, and for what it does not say in the process group. A value. */
struct usage_place {
	const char *cgroup; /* a folder below the cgroup file system, without ".."; NULL: none */
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

/* Blocks for no longer than reading some files of the kernel: for a group, those of all processes of the machine.
 * Both absent: nothing could be read. */
void usage_read(const struct usage_place *place, struct mono now, struct usage *ret);
/* The same of `n` places, which looks through /proc once. Memory: -TG_ENOMEM, then only cgroups are read. */
TG_MUST_CHECK int usage_read_all(const struct usage_place *places, size_t n, struct mono now,
				 struct usage *ret);
/* The same, where `root` stands for "/": tests. */
TG_MUST_CHECK int usage_read_below(const char *root, const struct usage_place *places, size_t n,
				   struct mono now, struct usage *ret);

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
