#include "proc/thread.h"

#include <time.h>

#define NS_PER_S 1000000000

bool
thread_join(pthread_t thread, unsigned timeout_ms)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (deadline.tv_nsec >= NS_PER_S) {
		deadline.tv_sec++;
		deadline.tv_nsec -= NS_PER_S;
	}
	return pthread_timedjoin_np(thread, NULL, &deadline) == 0;
}
