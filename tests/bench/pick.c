/*
 * pick: what a pick and its release cost, for each algorithm and from 2 to 10,000
 * backends: nanoseconds of processor time, the median of some rounds.
 *
 * Below it the floor: the same places in memory in the same order with nothing around them, measured
 * in turns with it. Each pick finds an entry of the view, of 16 bytes, and counts a stream in the backend's number of
 * streams in flight, of 16 bytes too (base/lone.h); so who goes to any of n backends waits for any of their
 * lines, and who compares two for two. Then what is ours, the median of the differences. "spread": by how much the dearest of a
 * row is above the cheapest, in parts of that; of ours, in parts of the whole cheapest pick.
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

#define ROUNDS_MAX 1001

static struct {
	const char *only;
	uint32_t backends;
	uint32_t picks;
	uint32_t rounds;
	uint32_t weights;
	uint32_t held;
	uint32_t limit;
} options = {.picks = 20000, .rounds = 31, .weights = 1};

static const uint32_t sizes[] = {2, 10, 100, 1000, 10000};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct backends backends;

/* What a stream knows of its backend. */
struct held {
	struct segment_load *load;
	uint32_t backend;
};

struct bench {
	const struct balance_ops *ops;
	struct balance_shared *shared;
	struct balance *balance;
	struct view *view;
	uint64_t streams;  /* so far */
	struct held *held; /* a ring; the oldest is given back */
	size_t n_held;
	size_t newest;
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
	b->held[b->newest] = (struct held){
		.load = b->view->entries[entry].load,
		.backend = b->view->entries[entry].backend,
	};
	b->newest = b->newest + 1 < b->n_held ? b->newest + 1 : 0;
	b->streams++;
}

static void
end(struct bench *b)
{
	struct balance_outcome outcome = {
		.latency_us = 1000,
		.now = {1000000 + b->streams * 10},
	};
	const struct held *held = &b->held[b->oldest];

	b->ops->release(b->balance, b->view, held->backend, held->load, &outcome);
	b->oldest = b->oldest + 1 < b->n_held ? b->oldest + 1 : 0;
}

/* Between two picks there is a request: the processor cannot fetch for the next one while it waits for
 * this one's lines. */
static inline void
let_come(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_lfence();
#elif defined(__aarch64__)
	__asm__ volatile("dsb ld\n\tisb" ::: "memory");
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static void
turn(struct bench *b, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		begin(b);
		end(b);
		let_come();
	}
}

/* the floor */

enum places {
	PLACES_SAME = 0,    /* always the same line */
	PLACES_IN_TURN = 1, /* one after the other */
	PLACES_ONE = 2,     /* any one */
	PLACES_TWO = 3,     /* any two, one of them counted */
	PLACES_LEARNED = 4, /* the same, and what is known of each, which is written for the one */
	PLACES_BY_KEY = 5   /* any place of a table says which one */
};

#define TABLE_SIZE 65537u

static enum places
places_of(enum conf_balance id)
{
	switch (id) {
	case TG_BALANCE_ROUND_ROBIN:
	case TG_BALANCE_LEAST_CONN:
		return PLACES_IN_TURN;
	case TG_BALANCE_RANDOM:
		return PLACES_ONE;
	case TG_BALANCE_P2C:
		return PLACES_TWO;
	case TG_BALANCE_EWMA:
		return PLACES_LEARNED;
	case TG_BALANCE_HASH:
		return PLACES_BY_KEY;
	case TG_BALANCE_FIRST:
	case TG_BALANCE_COUNT:
		break;
	}
	return PLACES_SAME;
}

struct ground {
	enum places places;
	uint32_t n;
	const struct view *view;
	uint64_t streams;
	uint16_t table[TABLE_SIZE];
	struct {
		_Atomic uint64_t us;
		_Atomic uint64_t at;
	} known[BACKENDS_MAX];
};

static struct ground ground;

static void
ground_open(enum places places, const struct view *view)
{
	uint32_t n = view->n;
	uint32_t i;

	ground.places = places;
	ground.view = view;
	ground.n = n;
	ground.streams = 0;
	for (i = 0; i < TABLE_SIZE; i++)
		ground.table[i] = (uint16_t)hash_below(hash_number(i), n);
}

static int64_t
load_at(const struct ground *g, uint32_t i)
{
	return atomic_load(&g->view->entries[i].load->in_flight);
}

static uint64_t
known_at(const struct ground *g, uint32_t i)
{
	return atomic_load(&g->known[i].us) + atomic_load(&g->known[i].at);
}

static uint32_t
ground_place(const struct ground *g)
{
	uint64_t hash = hash_number(g->streams);
	uint32_t one = hash_below(hash, g->n);
	uint32_t other = hash_below(hash << 32, g->n);

	switch (g->places) {
	case PLACES_SAME:
		break;
	case PLACES_IN_TURN:
		return (uint32_t)(g->streams % g->n);
	case PLACES_ONE:
		return one;
	case PLACES_TWO:
		return load_at(g, one) <= load_at(g, other) ? one : other;
	case PLACES_LEARNED:
		return load_at(g, one) + (int64_t)known_at(g, one) <=
				       load_at(g, other) + (int64_t)known_at(g, other)
			       ? one
			       : other;
	case PLACES_BY_KEY:
		return g->table[hash_below(hash, TABLE_SIZE)];
	}
	return 0;
}

static void
ground_turn(struct ground *g, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++, g->streams++) {
		uint32_t place = ground_place(g);
		_Atomic int64_t *count = &g->view->entries[place].load->in_flight;

		atomic_fetch_add(count, 1);
		atomic_fetch_sub(count, 1);
		if (g->places == PLACES_LEARNED)
			atomic_store(&g->known[g->view->entries[place].backend].at, 0);
		let_come();
	}
}

/* time */

/* Of this thread: what else runs here does not count, but for the caches it takes. */
static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
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

static double
measure_ground(void)
{
	double start = seconds();

	ground_turn(&ground, options.picks);
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
median(double *values)
{
	qsort(values, options.rounds, sizeof(values[0]), compare);
	return values[options.rounds / 2];
}

/* Of one algorithm with one number of backends. */
struct cost {
	double whole;
	double ground;
	double ours;
};

static struct cost
cost_of(const struct balance_ops *ops, uint32_t n)
{
	static double whole[ROUNDS_MAX];
	static double floors[ROUNDS_MAX];
	static double ours[ROUNDS_MAX];
	struct bench b;
	uint32_t i;

	bench_open(&b, ops, n);
	ground_open(places_of(ops->id), b.view);
	for (i = 0; i + 1 < b.n_held; i++)
		begin(&b);
	/* Everybody was picked and measured some times before. */
	turn(&b, 10 * n);
	for (i = 0; i < options.rounds; i++) {
		whole[i] = measure(&b);
		floors[i] = measure_ground();
		ours[i] = whole[i] - floors[i];
	}
	bench_close(&b);
	return (struct cost){median(whole), median(floors), median(ours)};
}

/* what is printed */

static bool
is_wanted(size_t i)
{
	return options.backends == 0 || options.backends == sizes[i];
}

/* `offset`: of the figure in a cost. */
static void
print_row(const char *name, const struct cost *costs, size_t offset, double least_whole)
{
	double least = 0;
	double most = 0;
	bool is_first = true;
	size_t i;

	printf("%-12s", name);
	for (i = 0; i < N_SIZES; i++) {
		double ns;

		if (!is_wanted(i))
			continue;
		ns = *(const double *)(const void *)((const char *)&costs[i] + offset);
		printf(" %8.1f", ns);
		least = is_first || ns < least ? ns : least;
		most = is_first || ns > most ? ns : most;
		is_first = false;
	}
	printf("  %6.1f %%\n", (most - least) / (least_whole > 0 ? least_whole : least) * 100);
}

static void
report(const struct balance_ops *ops)
{
	struct cost costs[N_SIZES];
	double least = 0;
	size_t i;

	for (i = 0; i < N_SIZES; i++) {
		if (!is_wanted(i))
			continue;
		costs[i] = cost_of(ops, sizes[i]);
		least = least == 0 || costs[i].whole < least ? costs[i].whole : least;
	}
	print_row(ops->name, costs, offsetof(struct cost, whole), 0);
	print_row("  floor", costs, offsetof(struct cost, ground), 0);
	print_row("  ours", costs, offsetof(struct cost, ours), least);
	fflush(stdout);
}

static void
head(void)
{
	size_t i;

	printf("%-12s", "ns per pick");
	for (i = 0; i < N_SIZES; i++) {
		if (is_wanted(i))
			printf(" %8u", sizes[i]);
	}
	printf("  %8s\n", "spread");
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
