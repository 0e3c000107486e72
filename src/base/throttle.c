#include "base/throttle.h"

#define SECOND_NS INT64_C(1000000000)

bool
throttle_next(int64_t due_ns, unsigned rate, uint64_t burst_us, struct mono now, int64_t *ret_ns)
{
	int64_t now_ns = (int64_t)now.us * 1000;
	int64_t earliest = now_ns - (int64_t)burst_us * 1000;

	if (due_ns > now_ns)
		return false;
	*ret_ns = (due_ns > earliest ? due_ns : earliest) + SECOND_NS / rate;
	return true;
}

bool
throttle_take(_Atomic int64_t *due_ns, unsigned rate, uint64_t burst_us, struct mono now)
{
	int64_t due = atomic_load_explicit(due_ns, memory_order_relaxed);
	int64_t next;

	do {
		if (!throttle_next(due, rate, burst_us, now, &next))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(due_ns, &due, next, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

void
throttle_give_back(_Atomic int64_t *due_ns, unsigned rate)
{
	atomic_fetch_sub_explicit(due_ns, SECOND_NS / rate, memory_order_relaxed);
}
