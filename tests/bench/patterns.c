#include "bench/patterns.h"

#include <coin/Clp_C_Interface.h>
#include <math.h>
#include <stdlib.h>

#define ALMOST 1e-6

/* Columns of the program, one behind the other. */
struct patterns {
	const struct packing_case *c;
	int *starts; /* [PATTERNS_MAX + 1]: of each pattern, and behind the last */
	int *things;
	size_t room; /* of things */
	int n;
	int n_things;
	bool is_over; /* too many, or no memory */
	/* The one that is made: */
	int of[PACKING_MAX];
	bool has[PACKING_MAX];
	int n_of;
	int64_t sizes[2];
};

static bool
has_room(const struct patterns *p, int i)
{
	const struct packing_case *c = p->c;

	return p->sizes[0] + c->sizes[i][0] <= c->capacity[0] &&
	       p->sizes[1] + c->sizes[i][1] <= c->capacity[1];
}

static bool
is_full(const struct patterns *p)
{
	for (int i = 0; i < (int)p->c->n; i++) {
		if (!p->has[i] && has_room(p, i))
			return false;
	}
	return true;
}

static void
keep(struct patterns *p)
{
	if (p->n_things + (size_t)p->n_of > p->room) {
		size_t room = 2 * p->room + PACKING_MAX;
		int *things = realloc(p->things, room * sizeof(things[0]));

		p->is_over = things == NULL;
		if (p->is_over)
			return;
		p->things = things;
		p->room = room;
	}
	for (int i = 0; i < p->n_of; i++)
		p->things[p->n_things++] = p->of[i];
	p->starts[++p->n] = p->n_things;
	p->is_over = p->n == PATTERNS_MAX;
}

static void
add(struct patterns *p, int i, int sign)
{
	p->sizes[0] += sign * p->c->sizes[i][0];
	p->sizes[1] += sign * p->c->sizes[i][1];
	p->has[i] = sign > 0;
	if (sign > 0)
		p->of[p->n_of++] = i;
	else
		p->n_of--;
}

/* All that go on with things from this one on. */
static void
make(struct patterns *p, int from)
{
	if (p->n_of > 0 && is_full(p))
		keep(p);
	for (int i = from; i < (int)p->c->n && !p->is_over; i++) {
		if (!has_room(p, i))
			continue;
		add(p, i, 1);
		make(p, i + 1);
		add(p, i, -1);
	}
}

/* Each column is a pattern, each row a thing that some pattern is to hold. */
static double
solve(const struct patterns *p, const double *ones, const double *none, const double *most)
{
	Clp_Simplex *model = Clp_newModel();
	double least;

	Clp_setLogLevel(model, 0);
	Clp_loadProblem(model, p->n, (int)p->c->n, p->starts, p->things, ones, none, most, ones,
			ones, most);
	least = Clp_initialSolve(model) == 0 ? Clp_objectiveValue(model) : 0;
	Clp_deleteModel(model);
	return least;
}

static double
solve_all(const struct patterns *p)
{
	size_t n = (size_t)(p->n_things > p->n ? p->n_things : p->n) + p->c->n;
	double *ones = calloc(n, sizeof(ones[0]));
	double *none = calloc(n, sizeof(none[0]));
	double *most = calloc(n, sizeof(most[0]));
	double least = 0;

	for (size_t i = 0; i < n && ones != NULL && most != NULL; i++) {
		ones[i] = 1;
		most[i] = INFINITY;
	}
	if (ones != NULL && none != NULL && most != NULL)
		least = solve(p, ones, none, most);
	free(ones);
	free(none);
	free(most);
	return least;
}

uint32_t
patterns_bound(const struct packing_case *c)
{
	struct patterns p = {
		.c = c,
		.starts = calloc(PATTERNS_MAX + 1, sizeof(p.starts[0])),
	};
	double least = 0;

	if (p.starts != NULL) {
		make(&p, 0);
		if (!p.is_over)
			least = solve_all(&p);
	}
	free(p.starts);
	free(p.things);
	return (uint32_t)ceil(least - ALMOST);
}
