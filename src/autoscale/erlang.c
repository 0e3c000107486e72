#include "autoscale/erlang.h"

#define HALVINGS 12u
#define TERMS    8u

/* e^-x for x >= 0: a series of a small part of x, squared. The library's may differ in its last bit from
 * machine to machine. */
static double
exp_minus(double x)
{
	double part = x / (1u << HALVINGS);
	double term = 1;
	double sum = 1;

	if (x > 700)
		return 0;
	for (unsigned i = 1; i < TERMS; i++) {
		term = term * -part / i;
		sum += term;
	}
	for (unsigned i = 0; i < HALVINGS; i++)
		sum *= sum;
	return sum;
}

double
erlang_tail(double b, double a, uint32_t n, double waits)
{
	return a < n ? erlang_c_of_b(b, a, n) * exp_minus((n - a) * waits) : 1;
}

double
erlang_b_next(double b, double a, uint32_t n)
{
	return a * b / (n + a * b);
}

double
erlang_c_of_b(double b, double a, uint32_t n)
{
	double rho = a / n;

	return rho >= 1 ? 1 : b / (1 - rho * (1 - b));
}

double
erlang_c(uint32_t servers, double a)
{
	double b = 1;

	if (a <= 0)
		return servers > 0 ? 0 : 1;
	for (uint32_t n = 1; n <= servers; n++)
		b = erlang_b_next(b, a, n);
	return servers > 0 ? erlang_c_of_b(b, a, servers) : 1;
}

/* How much of the goal is used up: 1 is just held. Servers keep up with the load. */
static double
used_of_goal(const struct erlang_goal *goal, double c, double a, uint32_t n)
{
	double used = 0;
	double wait;

	if (goal->wait > 0)
		used = c / goal->wait;
	if (goal->seconds > 0) {
		wait = c * goal->service / (n - a) / goal->seconds;
		used = wait > used ? wait : used;
	}
	return used;
}

uint32_t
erlang_servers(double a, const struct erlang_goal *goal, uint32_t most, double *ret_used)
{
	double b = 1;
	double used;
	double least;

	*ret_used = 0;
	if (a <= 0)
		return 0;
	for (uint32_t n = 1; n <= most; n++) {
		b = erlang_b_next(b, a, n);
		if (a >= n)
			continue;
		used = used_of_goal(goal, erlang_c_of_b(b, a, n), a, n);
		if (used > 1)
			continue;
		/* Between what the load alone takes of the last one, and all of it. */
		least = a > n - 1 ? a - (n - 1) : 0;
		*ret_used = n - 1 + least + (1 - least) * used;
		return n;
	}
	*ret_used = (double)most + 1;
	return most + 1;
}
