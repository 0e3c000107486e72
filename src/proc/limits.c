#include <sys/resource.h>

#include "proc/limits.h"

/* Listening sockets, channels, loops, the log. */
#define HEADROOM 256ul

int
limits_raise_descriptors(unsigned long *ret_limit, struct err *err)
{
	struct rlimit limit;
	rlim_t soft;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		*ret_limit = 0;
		return err_set_errno(err, "cannot read the descriptor limit");
	}
	soft = limit.rlim_cur;
	*ret_limit = (unsigned long)soft;
	if (soft == limit.rlim_max)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_set_errno(err, "cannot raise the descriptor limit from %lu to %lu",
				     (unsigned long)soft, (unsigned long)limit.rlim_max);
	*ret_limit = (unsigned long)limit.rlim_cur;
	return 0;
}

unsigned long
limits_descriptors(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (unsigned long)limit.rlim_cur : 0;
}

unsigned long
limits_descriptors_for(unsigned connections)
{
	return 2ul * connections + HEADROOM;
}
