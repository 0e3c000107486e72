/*
 * provider/cgroup.h: control groups that hold backends to their cpu and memory, where we may make them.
 */
#ifndef TG_PROVIDER_CGROUP_H
#define TG_PROVIDER_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* v1 has a hierarchy per controller. */
#define TG_CGROUP_PARTS 2u

struct cgroup_limits {
	uint32_t cpu_permille; /* 0: none */
	uint64_t memory;       /* bytes; 0: none */
};

/* Where groups of backends are made. Storage is the caller's. */
struct cgroup_root {
	unsigned n; /* 0: nowhere */
	bool is_v2;
	char folders[TG_CGROUP_PARTS][PATH_MAX];
	char below[PATH_MAX]; /* v2: that folder, below the mount */
};

/* What a new process enters. */
struct cgroup_door {
	int fds[TG_CGROUP_PARTS]; /* -1: none */
};

/* Finds where, from /proc/self/cgroup and mountinfo. -TG_ENOTSUP, with the reason. */
TG_MUST_CHECK int cgroup_find(const struct cgroup_limits *limits, struct cgroup_root *ret,
			      struct err *err);
/* Makes the group `name` with the limits. -TG_EIO, with the reason; nothing is left then. */
TG_MUST_CHECK int cgroup_make(const struct cgroup_root *root, const char *name,
			      const struct cgroup_limits *limits, struct cgroup_door *ret,
			      struct err *err);
/* The new process enters. Async-signal-safe. False: errno. */
bool cgroup_enter(const struct cgroup_door *door);
void cgroup_door_close(struct cgroup_door *door);
/* Removes the group. False: it is not empty. */
bool cgroup_remove(const struct cgroup_root *root, const char *name);
/* Its folder below the mount, where all of its usage is told in one (v2); false: not so. */
bool cgroup_place(const struct cgroup_root *root, const char *name, char *ret, size_t size);

#endif
