#include "fake/packing.h"

#include <math.h>
#include <stdlib.h>

#include "fake/turn.h"
#include "sched/solver.h"

#define STEPS_MAX 100u /* k of u(k) */

/*** Instances ***/

/* splitmix64 */
int64_t
packing_random(uint64_t *state, int64_t least, int64_t most)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return least + (int64_t)(z % (uint64_t)(most - least + 1));
}

static const struct {
	int64_t least;
	int64_t most;
	int64_t capacity;
} ranges[PACKING_CLASSES + 1] = {
	[1] = {100, 400, 1000}, [2] = {1, 1000, 1000}, [3] = {200, 800, 1000},
	[4] = {50, 200, 1000},  [5] = {25, 100, 1000}, [6] = {20, 100, 150},
	[7] = {20, 100, 150},   [8] = {20, 100, 150},  [9] = {100, 400, 0},
	[10] = {25, 50, 100},
};

static int64_t
divide_up(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

static int64_t
sum(const struct packing_case *c, unsigned dimension)
{
	int64_t all = 0;

	for (uint32_t i = 0; i < c->n; i++)
		all += c->sizes[i][dimension];
	return all;
}

/* Nodes that are as small as can be for the number that class 1 would need. */
static void
fit_capacity(struct packing_case *c)
{
	int64_t nodes = divide_up(sum(c, 0), 1000);

	if (divide_up(sum(c, 1), 1000) > nodes)
		nodes = divide_up(sum(c, 1), 1000);
	c->capacity[0] = divide_up(sum(c, 0), nodes);
	c->capacity[1] = divide_up(sum(c, 1), nodes);
}

static void
shuffle(struct packing_case *c, uint64_t *state)
{
	for (uint32_t i = c->n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)packing_random(state, 0, i);

		for (unsigned d = 0; d < 2; d++) {
			int64_t size = c->sizes[i][d];

			c->sizes[i][d] = c->sizes[k][d];
			c->sizes[k][d] = size;
		}
	}
}

/* Three and three fill a node to the last bit. */
static void
make_triplets(struct packing_case *c, uint64_t *state)
{
	c->n -= c->n % 3;
	for (uint32_t i = 0; i < c->n; i += 3) {
		for (unsigned d = 0; d < 2; d++) {
			c->sizes[i][d] = packing_random(state, 25, 50);
			c->sizes[i + 1][d] = packing_random(state, 25, 50);
			c->sizes[i + 2][d] = 100 - c->sizes[i][d] - c->sizes[i + 1][d];
		}
	}
	shuffle(c, state);
}

void
packing_make(struct packing_case *ret, unsigned class, uint32_t n, unsigned number)
{
	uint64_t state = (uint64_t)class << 40 | (uint64_t)n << 16 | number;

	*ret = (struct packing_case){.n = n < PACKING_MAX ? n : PACKING_MAX};
	ret->capacity[0] = ret->capacity[1] = ranges[class].capacity;
	if (class == 10) {
		make_triplets(ret, &state);
		return;
	}
	for (uint32_t i = 0; i < ret->n; i++) {
		int64_t first = packing_random(&state, ranges[class].least, ranges[class].most);
		int64_t least = class == 7 ? first - 10 : class == 8 ? 110 - first
							       : ranges[class].least;
		int64_t most = class == 7 ? first + 10 : class == 8 ? 130 - first
							      : ranges[class].most;

		ret->sizes[i][0] = first;
		ret->sizes[i][1] = packing_random(&state, least, most);
	}
	if (class == 9)
		fit_capacity(ret);
}

/*** Bounds ***/

const char *
packing_bound_str(enum packing_bound bound)
{
	static const char *const words[] = {"continuous", "Martello-Toth", "Fekete-Schepers"};

	return bound < PACKING_BOUND_COUNT ? words[bound] : "?";
}

/* Two resources, and a third that nobody has but all must keep to: their sum, each in parts of a node. */
#define DIMENSIONS 3u

static int64_t
size_at(const struct packing_case *c, uint32_t i, unsigned dimension)
{
	if (dimension < 2)
		return c->sizes[i][dimension];
	return c->sizes[i][0] * c->capacity[1] + c->sizes[i][1] * c->capacity[0];
}

static int64_t
capacity_at(const struct packing_case *c, unsigned dimension)
{
	return dimension < 2 ? c->capacity[dimension] : 2 * c->capacity[0] * c->capacity[1];
}

/* Those above half a node need one each; what is from `least` to half, and is too much beside them, more. */
static int64_t
martello_toth(const struct packing_case *c, unsigned dimension, int64_t least)
{
	int64_t capacity = capacity_at(c, dimension);
	int64_t alone = 0;
	int64_t beside = 0; /* what those leave that leave enough for one of `least` */
	int64_t small = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		int64_t size = size_at(c, i, dimension);

		if (2 * size > capacity)
			alone++;
		if (2 * size > capacity && size <= capacity - least)
			beside += capacity - size;
		if (2 * size <= capacity && size >= least)
			small += size;
	}
	return alone + (small > beside ? divide_up(small - beside, capacity) : 0);
}

static int64_t
best_martello_toth(const struct packing_case *c)
{
	int64_t best = 0;

	for (unsigned d = 0; d < DIMENSIONS; d++) {
		for (uint32_t i = 0; i <= c->n; i++) {
			int64_t least = i < c->n ? size_at(c, i, d) : 0;
			int64_t is = 2 * least <= capacity_at(c, d) ? martello_toth(c, d, least) : 0;

			best = is > best ? is : best;
		}
	}
	return best;
}

/* u(k) of all, in parts of k * capacity, so that nothing is rounded. */
static int64_t
fekete_schepers(const struct packing_case *c, unsigned dimension, int64_t k)
{
	int64_t capacity = capacity_at(c, dimension);
	int64_t all = 0;

	for (uint32_t i = 0; i < c->n; i++) {
		int64_t times = (k + 1) * size_at(c, i, dimension);

		all += times % capacity == 0 ? k * size_at(c, i, dimension)
					     : times / capacity * capacity;
	}
	return divide_up(all, k * capacity);
}

static int64_t
best_fekete_schepers(const struct packing_case *c)
{
	int64_t best = 0;

	for (unsigned d = 0; d < DIMENSIONS; d++) {
		for (int64_t k = 1; k <= (int64_t)STEPS_MAX; k++) {
			int64_t is = fekete_schepers(c, d, k);

			best = is > best ? is : best;
		}
	}
	return best;
}

uint32_t
packing_bound(const struct packing_case *c, enum packing_bound bound)
{
	int64_t cpu = divide_up(sum(c, 0), c->capacity[0]);
	int64_t memory = divide_up(sum(c, 1), c->capacity[1]);

	switch (bound) {
	case PACKING_CONTINUOUS:
		return (uint32_t)(cpu > memory ? cpu : memory);
	case PACKING_MARTELLO_TOTH:
		return (uint32_t)best_martello_toth(c);
	case PACKING_FEKETE_SCHEPERS:
		return (uint32_t)best_fekete_schepers(c);
	case PACKING_BOUND_COUNT:
		break;
	}
	return 0;
}

/*** Schedulers ***/

/* An instance as a cluster of so many nodes. */
struct case_cluster {
	struct tg_group groups[PACKING_MAX];
	struct tg_node nodes[PACKING_MAX];
	uint32_t demands[PACKING_MAX];
	int32_t at[PACKING_MAX];
	uint32_t *counts;
};

static bool
fill_cluster(struct case_cluster *all, const struct packing_case *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		all->demands[i] = i;
		all->groups[i] = (struct tg_group){.service = "thing",
						   .cpu_milli = c->sizes[i][0],
						   .memory_bytes = c->sizes[i][1]};
		all->nodes[i] = (struct tg_node){.name = "node",
						 .cpu_milli = c->capacity[0],
						 .memory_bytes = c->capacity[1],
						 .free_cpu_milli = c->capacity[0],
						 .free_memory_bytes = c->capacity[1]};
	}
	all->counts = calloc((size_t)PACKING_MAX * PACKING_MAX, sizeof(*all->counts));
	return all->counts != NULL;
}

/* NULL: no memory. */
static struct board *
board_of(const struct case_cluster *all, const struct packing_case *c, uint32_t n_nodes)
{
	struct tg_cluster cluster = {
		.size = sizeof(cluster),
		.n_nodes = n_nodes,
		.n_groups = c->n,
		.nodes = all->nodes,
		.groups = all->groups,
		.counts = all->counts,
	};

	return board_new(&cluster);
}

uint32_t
packing_nodes(const struct packing_case *c, const struct tg_module *module, uint32_t least)
{
	static const struct tg_value no_values[1];
	struct sched_by by = {.module = module, .values = no_values};
	struct case_cluster all;
	uint32_t n = least;
	int placed = 0;

	if (!fill_cluster(&all, c))
		return 0;
	for (; placed >= 0 && n <= c->n; n++) {
		struct board *b = board_of(&all, c, n);

		placed = b != NULL ? sched_place_all(b, &by, all.demands, c->n, true, all.at)
				   : -TG_ENOMEM;
		board_free(b);
		if (placed == (int)c->n)
			break;
	}
	free(all.counts);
	return placed == (int)c->n ? n : 0;
}

struct asked {
	struct packing_solved solved;
	bool is_answered;
};

static void
on_answer(void *user, const struct solver_answer *answer)
{
	struct asked *asked = user;
	bool is_whole = answer->why == NULL;

	for (uint32_t i = 0; i < answer->n && is_whole; i++)
		is_whole = answer->nodes[i] != TG_SCHED_NOWHERE;
	if (is_whole)
		asked->solved = (struct packing_solved){answer->used, answer->bound};
	asked->is_answered = true;
}

static void
ask_solver(struct board *b, const struct sched_by *by, const struct case_cluster *all, uint32_t n,
	   uint32_t deadline_ms, struct asked *asked)
{
	struct loop *loop = loop_new();
	struct solver *solver = loop != NULL ? solver_new(loop) : NULL;

	if (solver != NULL &&
	    solver_ask(solver, b, by, all->demands, n, deadline_ms, on_answer, asked) == 0) {
		while (!asked->is_answered)
			fake_turn_later(loop);
	}
	solver_free(solver);
	loop_free(loop);
}

struct packing_solved
packing_solve(const struct packing_case *c, const struct tg_module *module,
	      const struct tg_value *values, uint32_t n_nodes, uint32_t deadline_ms)
{
	struct sched_by by = {.module = module, .values = values};
	struct case_cluster all;
	struct board *b = fill_cluster(&all, c) ? board_of(&all, c, n_nodes) : NULL;
	struct asked asked = {.solved = {.bound = NAN}};

	if (b != NULL)
		ask_solver(b, &by, &all, c->n, deadline_ms, &asked);
	board_free(b);
	free(all.counts);
	return asked.solved;
}
