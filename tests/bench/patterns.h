/*
 * tests/bench/patterns.h: how few nodes an instance can be packed on at all, nearly.
 *
 * A pattern is a set of things that fit on one node together and leave no room for another one. The
 * fewest patterns, in fractions, that hold each thing once (Gilmore and Gomory, A Linear
 * Programming Approach to the Cutting-Stock Problem, 1961): no packing needs fewer, and hardly one that
 * is known more than one node more. All patterns are made, so it is for classes of which few things fit on a node.
 */
#ifndef TG_TESTS_BENCH_PATTERNS_H
#define TG_TESTS_BENCH_PATTERNS_H

#include "fake/packing.h"

#define PATTERNS_MAX 1000000

/* 0: more patterns than that, or no memory. */
uint32_t patterns_bound(const struct packing_case *c);

#endif
