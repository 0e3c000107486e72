/*
 * autoscale/erlang.h: how many servers a load needs (M/M/n queue).
 *
 * A. K. Erlang, 1917. `a` is the load in erlang: arrivals per second times seconds of service; of C an
 * arrival has to wait with this probability. C is made from B, the loss formula, whose
 * recursion B(n) = a B(n-1) / (n + a B(n-1)) has only positive terms below 1 and so is stable
 * for any n, where powers and factorials overflow.
 */
#ifndef TG_AUTOSCALE_ERLANG_H
#define TG_AUTOSCALE_ERLANG_H

#include <stdint.h>

#define TG_ERLANG_SERVERS_MAX 10000000u

/* Probability that an arrival must wait; 1 where the servers cannot keep up. */
double erlang_c(uint32_t servers, double a);

/* The same for one more server after the other: B of n servers from that of n - 1, which is 1 of none; C from B. */
double erlang_b_next(double b, double a, uint32_t n);
double erlang_c_of_b(double b, double a, uint32_t n);
/* Share of arrivals that wait longer than `waits` mean times of service, of n servers with this B: C e^-((n - a) waits);
 * 1 where they cannot keep up. No digit depends on a library. */
double erlang_tail(double b, double a, uint32_t n, double waits);

/* What is to be held. */
struct erlang_goal {
	double wait;    /* at most this probability to wait; 0: any */
	double seconds; /* mean wait of all arrivals at most; 0: any */
	double service; /* mean seconds of service, for seconds */
};

/*
 * Fewest servers that hold it; 0 for no load; `most` + 1 where `most` are not enough. *ret_used is how much of
 * these servers the load uses, as a number of servers: the number itself is just enough.
 */
uint32_t erlang_servers(double a, const struct erlang_goal *goal, uint32_t most, double *ret_used);

#endif
