/*
 * pick: what a pick and its release cost, for each algorithm and from 2 to 10,000
 * backends: nanoseconds, the median of some rounds.
 *
 *	pick [--only ALGORITHM] [--backends N] [--picks N] [--rounds N]
 *	     [--weights N] [--held N] [--limit N]
 *
 * --weights: how many distinct weights there are, in turns; 1. --held: streams in flight per
 * backend while it is measured; 0. --limit: of each backend, in streams; 0: none.
 *
 * What is measured happens in measure() alone, so that instructions can be counted, which
 * no other load on the machine disturbs:
 *
 *	valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no
 *	    --toggle-collect=measure tests/bench/pick --only hash --backends 1000 --rounds 1
 *
 * The "Collected" it prints is instructions; divide them by --picks.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "balance/balance.h"
#include "base/hash.h"
#include "unit/balance/views.h"

#define ROUNDS_MAX 101

static struct {
	const char *only;
	uint32_t backends;
	uint32_t picks;
	uint32_t rounds;
	uint32_t weights;
	uint32_t held;
	uint32_t limit;
} options = {.picks = 100000, .rounds = 11, .weights = 1};

static const uint32_t sizes[] = {2, 10, 100, 1000, 10000};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct backends backends;

struct bench {
	const struct balance_ops *ops;
	struct balance_shared *shared;
	struct balance *balance;
	struct view *view;
	uint64_t streams; /* so far */
	uint32_t *held;   /* a ring of backends; the oldest is given back */
	size_t n_held;
	size_t oldest;
};

static void
bench_open(struct bench *b, const struct balance_ops *ops, uint32_t n)
{
	static uint32_t weights[BACKENDS_MAX];
	static uint32_t limits[BACKENDS_MAX];
	uint32_t i;

	for (i = 0; i < n; i++) {
		weights[i] = 1 + i % options.weights;
		limits[i] = options.limit;
	}
	backends_init(&backends, n);
	if (options.limit != 0 && !backends_limit(&backends, limits))
		errx(1, "no memory");
	*b = (struct bench){.ops = ops, .n_held = (size_t)n * options.held + 1};
	b->shared = ops->shared_new(&backends.conf, backends.loads);
	b->view = backends_view(&backends, weights);
	b->held = calloc(b->n_held, sizeof(b->held[0]));
	if (b->shared == NULL || b->view == NULL || b->held == NULL ||
	    ops->prepare(b->shared, b->view) != 0)
		errx(1, "no memory");
	b->balance = ops->new (b->shared, 0, 1, 1);
	if (b->balance == NULL || ops->update(b->balance, b->view) != 0)
		errx(1, "no memory");
}

static void
bench_close(struct bench *b)
{
	b->ops->free(b->balance);
	view_unref(b->view);
	b->ops->shared_free(b->shared);
	backends_fini(&backends);
	free(b->held);
}

static void
begin(struct bench *b)
{
	struct balance_query query = {
		.key = hash_number(b->streams),
		.now = {1000000 + b->streams * 10},
	};
	uint32_t entry = b->ops->pick(b->balance, b->view, &query);

	if (entry == TG_VIEW_NONE)
		errx(1, "%s: all are full", b->ops->name);
	b->held[b->streams++ % b->n_held] = b->view->entries[entry].backend;
}

static void
end(struct bench *b)
{
	struct balance_outcome outcome = {
		.latency_us = 1000,
		.now = {1000000 + b->streams * 10},
	};

	b->ops->release(b->balance, b->view, b->held[b->oldest], &outcome);
	b->oldest = b->oldest + 1 < b->n_held ? b->oldest + 1 : 0;
}

static void
turn(struct bench *b, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		begin(b);
		end(b);
	}
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Nanoseconds of one. */
static __attribute__((noinline)) double
measure(struct bench *b)
{
	double start = seconds();

	turn(b, options.picks);
	return (seconds() - start) / options.picks * 1e9;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(const struct balance_ops *ops, uint32_t n)
{
	double rounds[ROUNDS_MAX];
	struct bench b;
	uint32_t i;

	bench_open(&b, ops, n);
	for (i = 0; i + 1 < b.n_held; i++)
		begin(&b);
	/* Everybody was picked and measured some times before. */
	turn(&b, 10 * n);
	for (i = 0; i < options.rounds; i++)
		rounds[i] = measure(&b);
	bench_close(&b);
	qsort(rounds, options.rounds, sizeof(rounds[0]), compare);
	return rounds[options.rounds / 2];
}

static void
report(const struct balance_ops *ops)
{
	size_t i;

	printf("%-12s", ops->name);
	for (i = 0; i < N_SIZES; i++) {
		if (options.backends == 0 || options.backends == sizes[i])
			printf(" %8.1f", median(ops, sizes[i]));
	}
	printf("\n");
	fflush(stdout);
}

static void
head(void)
{
	size_t i;

	printf("%-12s", "ns per pick");
	for (i = 0; i < N_SIZES; i++) {
		if (options.backends == 0 || options.backends == sizes[i])
			printf(" %8u", sizes[i]);
	}
	printf("\n");
}

static uint32_t
number(const char *text, uint32_t min, uint32_t max)
{
	char *rest;
	unsigned long n = strtoul(text, &rest, 10);

	if (*text < '0' || *text > '9' || *rest != '\0' || n < min || n > max)
		errx(2, "\"%s\": a number from %u to %u is wanted", text, min, max);
	return (uint32_t)n;
}

static void
read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"only", required_argument, NULL, 'o'},
		{"backends", required_argument, NULL, 'b'},
		{"picks", required_argument, NULL, 'p'},
		{"rounds", required_argument, NULL, 'r'},
		{"weights", required_argument, NULL, 'w'},
		{"held", required_argument, NULL, 'h'},
		{"limit", required_argument, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'o':
			options.only = optarg;
			break;
		case 'b':
			options.backends = number(optarg, 2, BACKENDS_MAX);
			break;
		case 'p':
			options.picks = number(optarg, 1, 1000000000);
			break;
		case 'r':
			options.rounds = number(optarg, 1, ROUNDS_MAX);
			break;
		case 'w':
			options.weights = number(optarg, 1, 256);
			break;
		case 'h':
			options.held = number(optarg, 0, 1000);
			break;
		case 'l':
			options.limit = number(optarg, 0, 1000000);
			break;
		default:
			exit(2);
		}
	}
}

int
main(int argc, char **argv)
{
	int i;

	read_options(argc, argv);
	head();
	for (i = 0; i < TG_BALANCE_COUNT; i++) {
		const struct balance_ops *ops = balance_find((enum conf_balance)i);

		if (options.only == NULL || strcmp(options.only, ops->name) == 0)
			report(ops);
	}
	return 0;
}
