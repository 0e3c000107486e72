#include "sim/rng.h"

#include <pthread.h>

#define LN2   UINT64_C(2977044472) /* in units of 2^-32 */
#define PARTS 1024u

/* ln(1 + i / PARTS), in units of 2^-32. */
static uint64_t logs[PARTS + 1];

/* Digit after digit: y squared is twice its logarithm. y from 1 to below 2, in units of 2^-31. */
static uint64_t
log2_of(uint64_t y)
{
	uint64_t digits = 0;

	for (unsigned i = 0; i < 32; i++) {
		y = (y * y) >> 31;
		digits <<= 1;
		if (y >= UINT64_C(1) << 32) {
			digits |= 1;
			y >>= 1;
		}
	}
	return digits;
}

static void
make_logs(void)
{
	for (uint64_t i = 0; i < PARTS; i++)
		logs[i] = (log2_of((UINT64_C(1) << 31) + (i << 21)) * LN2) >> 32;
	logs[PARTS] = LN2;
}

static uint64_t
splitmix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void
rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t state = seed;

	pthread_once(&once, make_logs);
	state = splitmix(&state) ^ stream;
	for (unsigned i = 0; i < 4; i++)
		r->s[i] = splitmix(&state);
}

/* -ln(x / 2^64): the place of the highest bit, and for what follows it a table with straight lines in between. */
uint64_t
rng_exponential(struct rng *r)
{
	uint64_t x = rng_next(r) | 1;
	unsigned zeros = (unsigned)__builtin_clzll(x);
	uint64_t behind = (x << zeros) << 1;
	uint64_t i = behind >> 54;
	uint64_t part = (behind >> 22) & UINT32_MAX;
	uint64_t ln = logs[i] + (((logs[i + 1] - logs[i]) * part) >> 32);

	return (zeros + 1) * LN2 - ln;
}
