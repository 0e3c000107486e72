#include "http/grpc.h"

#define TYPE         SLICE("application/grpc")
#define DIGITS_MAX   8u
#define VALUES       100000000u
#define US_OF_SECOND 1000000u

bool
grpc_is_type(struct slice s)
{
	char next;

	if (s.n < TYPE.n || !slice_equal_fold((struct slice){s.p, TYPE.n}, TYPE))
		return false;
	next = s.n > TYPE.n ? s.p[TYPE.n] : ';';
	return next == '+' || next == ';' || next == ' ' || next == '\t';
}

/* False: there is no such unit. */
static bool
scale(uint64_t v, char unit, uint64_t *ret_us)
{
	switch (unit) {
	case 'H':
		*ret_us = v * 3600 * US_OF_SECOND;
		return true;
	case 'M':
		*ret_us = v * 60 * US_OF_SECOND;
		return true;
	case 'S':
		*ret_us = v * US_OF_SECOND;
		return true;
	case 'm':
		*ret_us = v * 1000;
		return true;
	case 'u':
		*ret_us = v;
		return true;
	case 'n':
		*ret_us = (v + 999) / 1000;
		return true;
	default:
		return false;
	}
}

bool
grpc_timeout_parse(struct slice s, uint64_t *ret_us)
{
	uint64_t v = 0;
	size_t i;

	if (s.n < 2 || s.n > DIGITS_MAX + 1)
		return false;
	for (i = 0; i < s.n - 1; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return scale(v, s.p[s.n - 1], ret_us);
}

void
grpc_timeout_write(uint64_t us, char ret[GRPC_TIMEOUT_ROOM])
{
	static const struct {
		uint64_t us;
		char name;
	} units[] = {{1, 'u'},
		     {1000, 'm'},
		     {US_OF_SECOND, 'S'},
		     {60 * US_OF_SECOND, 'M'},
		     {UINT64_C(3600) * US_OF_SECOND, 'H'}};
	size_t at = GRPC_TIMEOUT_ROOM;
	size_t unit = 0;
	uint64_t v;

	while (unit < 4 && us / units[unit].us >= VALUES)
		unit++;
	v = us / units[unit].us;
	v = v < VALUES ? v : VALUES - 1;
	v = v > 0 ? v : 1;
	ret[--at] = units[unit].name;
	for (; v > 0; v /= 10)
		ret[--at] = (char)('0' + v % 10);
	while (at > 0)
		ret[--at] = ' ';
}

enum grpc_status
grpc_status_of(unsigned http_status)
{
	switch (http_status) {
	case 200:
		return GRPC_OK;
	case 400:
		return GRPC_INTERNAL;
	case 401:
		return GRPC_UNAUTHENTICATED;
	case 403:
		return GRPC_PERMISSION_DENIED;
	case 404:
	case 405:
	case 501:
		return GRPC_UNIMPLEMENTED;
	case 408:
	case 504:
		return GRPC_DEADLINE_EXCEEDED;
	case 413:
	case 414:
	case 431:
		return GRPC_RESOURCE_EXHAUSTED;
	case 429:
	case 502:
	case 503:
		return GRPC_UNAVAILABLE;
	default:
		return GRPC_UNKNOWN;
	}
}
