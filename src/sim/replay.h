/*
 * sim/replay.h: decisions that were recorded, made again.
 */
#ifndef TG_SIM_REPLAY_H
#define TG_SIM_REPLAY_H

#include <stdio.h>

#include "sim/policy.h"

/* A value. */
struct replay_counts {
	size_t n;
	size_t same;
	size_t different;
};

/*
 * The records of `path`, one a line, as a log of decisions or `tidectl show decisions S json` has them. With `other`,
 * a policy, what that would have decided instead. What differs, or with `is_json` each, is a line in `out`.
 * -TG_EINVAL, -TG_ENOENT: a line that is no record, or its module is not here; -TG_EIO, -TG_ENOMEM.
 */
TG_MUST_CHECK int replay_file(const char *path, const struct policy *other, bool is_json, FILE *out,
			      struct replay_counts *ret, struct err *err);

#endif
