/*
 * sched/optimal.c: as many as can be placed, on as few nodes as can be: an integer program.
 *
 *	least  sum(used[j]) + (nodes + 1) * sum(left[g])
 *	where  sum over j of x[g,j] + left[g] = how many of g
 *	       sum over g of need[g] * x[g,j] <= free[j] * used[j], processor and memory
 *	       x[g,j] <= most[g,j] * used[j]
 *	       affinity: x[g,j] <= n[g] * x[h,j]; anti-affinity: is[g,j] + is[h,j] <= 1, x[g,j] <= n[g] * is[g,j]
 *	       used[j] >= used[j + 1] of nodes that are alike
 *
 * dot-product answers first; from there coinor-cbc goes on until it has proved what is best, or has no time left. Its
 * library is opened when it is needed: in the process that solves, and in no other.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <coin/Cbc_C_Interface.h>

#include "sched/board_priv.h"
#include "sched/builtin.h"
#include "sched/share_priv.h"

#define LIBRARY     "libCbcSolver.so.3"
#define COLUMNS_MAX 200000u
#define SHARE       0.7 /* of the deadline: what is left is for its answer */
#define ALMOST      1e-6

enum option { DEADLINE = 0 };

static const struct tg_option options[] = {
	[DEADLINE] = {.name = "deadline",
		      .type = TG_OPTION_DURATION,
		      .preset = "2s",
		      .min = 0.1,
		      .max = 60,
		      .help = "How long it may look for fewer nodes. What it has by then is its answer."},
	{.name = NULL},
};

/*** The library ***/

#define FUNCTIONS(X)                                                                               \
	X(Cbc_newModel)                                                                            \
	X(Cbc_deleteModel)                                                                         \
	X(Cbc_addCol)                                                                              \
	X(Cbc_addRow)                                                                              \
	X(Cbc_setObjSense)                                                                         \
	X(Cbc_setParameter)                                                                        \
	X(Cbc_setMIPStartI)                                                                        \
	X(Cbc_solve)                                                                               \
	X(Cbc_getColSolution)                                                                      \
	X(Cbc_getBestPossibleObjValue)

struct library {
#define FUNCTION_MEMBER(f) __typeof__(&f) f;
	FUNCTIONS(FUNCTION_MEMBER)
#undef FUNCTION_MEMBER
};

/* POSIX: a function's address has room in a void pointer. */
static bool
find_function(void *object, const char *name, void *ret)
{
	*(void **)ret = dlsym(object, name);
	return *(void **)ret != NULL;
}

static bool
open_library(struct library *ret)
{
	void *object = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

#define FUNCTION_FIND(f) &&find_function(object, #f, &ret->f)
	return object != NULL FUNCTIONS(FUNCTION_FIND);
#undef FUNCTION_FIND
}

/*** The program ***/

struct program {
	struct library lib;
	Cbc_Model *model;
	struct tg_packing *p;
	const struct tg_cluster *c;
	uint32_t n_nodes;
	uint32_t *groups;   /* those of the list, each once */
	uint32_t *n_of;     /* the same: how many */
	uint32_t *index_of; /* by group of the cluster; n_groups: not in the list */
	uint32_t n_groups;
	int n_columns;
	int *is; /* by group of the list and node: the column of is[g,j], -1: none */
};

static int
used_column(uint32_t node)
{
	return (int)node;
}

static int
x_column(const struct program *m, uint32_t g, uint32_t node)
{
	return (int)(m->n_nodes + g * m->n_nodes + node);
}

static int
left_column(const struct program *m, uint32_t g)
{
	return (int)(m->n_nodes + m->n_groups * m->n_nodes + g);
}

static uint32_t
count_at(const struct program *m, uint32_t node, uint32_t group)
{
	return m->c->counts[(size_t)node * m->c->n_groups + group];
}

static const struct tg_group *
group_at(const struct program *m, uint32_t g)
{
	return &m->c->groups[m->groups[g]];
}

static bool
is_among(const uint32_t *list, uint32_t n, uint32_t group)
{
	for (uint32_t i = 0; i < n; i++) {
		if (list[i] == group)
			return true;
	}
	return false;
}

static bool
are_enemies(const struct program *m, uint32_t a, uint32_t b)
{
	const struct tg_group *x = &m->c->groups[a];
	const struct tg_group *y = &m->c->groups[b];

	return is_among(x->anti_affinity, x->n_anti_affinity, b) ||
	       is_among(y->anti_affinity, y->n_anti_affinity, a);
}

static bool
is_anywhere(const struct program *m, uint32_t group)
{
	for (uint32_t i = 0; i < m->n_nodes; i++) {
		if (count_at(m, i, group) > 0)
			return true;
	}
	return false;
}

/* Something that is there keeps it away, or what it likes is not there and will not come. */
static bool
is_kept_away(const struct program *m, uint32_t group, uint32_t node)
{
	const struct tg_group *g = &m->c->groups[group];

	for (uint32_t i = 0; i < m->c->n_groups; i++) {
		if (count_at(m, node, i) > 0 && are_enemies(m, group, i))
			return true;
	}
	for (uint32_t i = 0; i < g->n_affinity; i++) {
		uint32_t friend = g->affinity[i];

		if (count_at(m, node, friend) == 0 &&
		    (friend == group ? is_anywhere(m, group)
				     : m->index_of[friend] == m->n_groups))
			return true;
	}
	return false;
}

static uint32_t
fit_times(int64_t capacity, int64_t free, int64_t need, uint32_t most)
{
	if (capacity == 0 || need <= 0)
		return most;
	if (free < need)
		return 0;
	return free / need < most ? (uint32_t)(free / need) : most;
}

/* How many of it, were nothing else to come. */
static uint32_t
most_at(const struct program *m, uint32_t g, uint32_t node)
{
	const struct tg_node *n = &m->c->nodes[node];
	const struct tg_group *group = group_at(m, g);
	uint32_t most = m->n_of[g];

	if (n->closed != NULL || !sched_has_labels(n, group) || is_kept_away(m, m->groups[g], node))
		return 0;
	if (are_enemies(m, m->groups[g], m->groups[g]))
		most = 1;
	most = fit_times(n->cpu_milli, n->free_cpu_milli, group->cpu_milli, most);
	return fit_times(n->memory_bytes, n->free_memory_bytes, group->memory_bytes, most);
}

static int
add_column(struct program *m, double least, double most, double cost, bool is_whole)
{
	char name[16];

	snprintf(name, sizeof(name), "c%d", m->n_columns);
	m->lib.Cbc_addCol(m->model, name, least, most, cost, is_whole, 0, NULL, NULL);
	return m->n_columns++;
}

static void
add_row(struct program *m, int n, const int *columns, const double *values, char sense, double right)
{
	m->lib.Cbc_addRow(m->model, "r", n, columns, values, sense, right);
}

/* a - times * b <= 0 */
static void
add_at_most(struct program *m, int a, double times, int b)
{
	const int columns[2] = {a, b};
	const double values[2] = {1, -times};

	add_row(m, 2, columns, values, 'L', 0);
}

static void
add_columns(struct program *m)
{
	for (uint32_t j = 0; j < m->n_nodes; j++)
		(void)add_column(m, node_is_used(m->c, j) ? 1 : 0, 1, 1, true);
	for (uint32_t g = 0; g < m->n_groups; g++) {
		for (uint32_t j = 0; j < m->n_nodes; j++)
			(void)add_column(m, 0, most_at(m, g, j), 0, true);
	}
	for (uint32_t g = 0; g < m->n_groups; g++)
		(void)add_column(m, 0, m->n_of[g], m->n_nodes + 1.0, false);
}

/* sum over g of need * x <= free * used. Columns and values have room for all groups and one. */
static void
add_capacity(struct program *m, uint32_t node, bool is_cpu, int *columns, double *values)
{
	const struct tg_node *n = &m->c->nodes[node];
	int64_t capacity = is_cpu ? n->cpu_milli : n->memory_bytes;
	int64_t free = is_cpu ? n->free_cpu_milli : n->free_memory_bytes;
	double scale = free > 0 ? (double)free : 1;

	if (capacity == 0)
		return;
	for (uint32_t g = 0; g < m->n_groups; g++) {
		const struct tg_group *group = group_at(m, g);

		columns[g] = x_column(m, g, node);
		values[g] = (double)(is_cpu ? group->cpu_milli : group->memory_bytes) / scale;
	}
	columns[m->n_groups] = used_column(node);
	values[m->n_groups] = free > 0 ? -1 : 0;
	add_row(m, (int)m->n_groups + 1, columns, values, 'L', 0);
}

static void
add_demand(struct program *m, uint32_t g, int *columns, double *values)
{
	for (uint32_t j = 0; j < m->n_nodes; j++) {
		columns[j] = x_column(m, g, j);
		values[j] = 1;
	}
	columns[m->n_nodes] = left_column(m, g);
	values[m->n_nodes] = 1;
	add_row(m, (int)m->n_nodes + 1, columns, values, 'E', m->n_of[g]);
}

/* is[g,j]: whether there is any. */
static int
is_column(struct program *m, uint32_t g, uint32_t node)
{
	int *at = &m->is[g * m->n_nodes + node];

	if (*at < 0) {
		*at = add_column(m, 0, 1, 0, true);
		add_at_most(m, x_column(m, g, node), m->n_of[g], *at);
	}
	return *at;
}

static void
add_rules(struct program *m, uint32_t g, uint32_t node)
{
	const struct tg_group *group = group_at(m, g);
	const double ones[2] = {1, 1};

	for (uint32_t i = 0; i < group->n_affinity; i++) {
		uint32_t friend = group->affinity[i];

		if (friend != m->groups[g] && count_at(m, node, friend) == 0 &&
		    m->index_of[friend] < m->n_groups)
			add_at_most(m, x_column(m, g, node), m->n_of[g],
				    x_column(m, m->index_of[friend], node));
	}
	for (uint32_t h = 0; h < g; h++) {
		if (are_enemies(m, m->groups[g], m->groups[h])) {
			const int both[2] = {is_column(m, g, node), is_column(m, h, node)};

			add_row(m, 2, both, ones, 'L', 1);
		}
	}
}

/* One that likes its own and is nowhere yet: all on one node. */
static void
add_own(struct program *m, uint32_t g, int *columns, double *values)
{
	const struct tg_group *group = group_at(m, g);

	if (!is_among(group->affinity, group->n_affinity, m->groups[g]) ||
	    is_anywhere(m, m->groups[g]))
		return;
	for (uint32_t j = 0; j < m->n_nodes; j++) {
		columns[j] = is_column(m, g, j);
		values[j] = 1;
	}
	add_row(m, (int)m->n_nodes, columns, values, 'L', 1);
}

static bool
are_alike(const struct program *m, uint32_t a, uint32_t b)
{
	const struct tg_node *x = &m->c->nodes[a];
	const struct tg_node *y = &m->c->nodes[b];

	for (uint32_t g = 0; g < m->n_groups; g++) {
		if (most_at(m, g, a) != most_at(m, g, b))
			return false;
	}
	return !node_is_used(m->c, a) && !node_is_used(m->c, b) &&
	       x->free_cpu_milli == y->free_cpu_milli &&
	       x->free_memory_bytes == y->free_memory_bytes;
}

static void
add_rows(struct program *m, int *columns, double *values)
{
	for (uint32_t g = 0; g < m->n_groups; g++)
		add_demand(m, g, columns, values);
	for (uint32_t j = 0; j < m->n_nodes; j++) {
		add_capacity(m, j, true, columns, values);
		add_capacity(m, j, false, columns, values);
		for (uint32_t g = 0; g < m->n_groups; g++) {
			add_at_most(m, x_column(m, g, j), most_at(m, g, j), used_column(j));
			add_rules(m, g, j);
		}
		if (j > 0 && are_alike(m, j - 1, j))
			add_at_most(m, used_column(j), 1, used_column(j - 1));
	}
	for (uint32_t g = 0; g < m->n_groups; g++)
		add_own(m, g, columns, values);
}

/*** Lists ***/

static void
list_groups(struct program *m)
{
	m->n_groups = 0;
	for (uint32_t i = 0; i < m->c->n_groups; i++)
		m->index_of[i] = UINT32_MAX;
	for (uint32_t i = 0; i < m->p->n; i++) {
		uint32_t group = m->p->demands[i];

		if (m->index_of[group] == UINT32_MAX) {
			m->index_of[group] = m->n_groups;
			m->groups[m->n_groups++] = group;
		}
		m->n_of[m->index_of[group]]++;
	}
	for (uint32_t i = 0; i < m->c->n_groups; i++) {
		if (m->index_of[i] == UINT32_MAX)
			m->index_of[i] = m->n_groups;
	}
}

/* What the list makes of it: all that is left of one, by nodes beyond. */
static double
cost(const struct program *m)
{
	double all = 0;

	for (uint32_t j = 0; j < m->n_nodes; j++)
		all += node_is_used(m->c, j);
	for (uint32_t i = 0; i < m->p->n; i++)
		all += m->p->nodes[i] < 0 ? m->n_nodes + 1.0 : 0;
	return all;
}

static void
take_all(struct program *m, int32_t *before)
{
	for (uint32_t i = 0; i < m->p->n; i++) {
		before[i] = m->p->nodes[i];
		m->p->take(m->p, i);
	}
}

/* In any order: what one likes may come after it. */
static void
put_all(struct program *m, const int32_t *nodes)
{
	bool is_changed = true;

	while (is_changed) {
		is_changed = false;
		for (uint32_t i = 0; i < m->p->n; i++) {
			if (m->p->nodes[i] < 0 && nodes[i] >= 0)
				is_changed |= m->p->put(m->p, i, (uint32_t)nodes[i]);
		}
	}
}

/* Where the solution has each. */
static void
read_solution(const struct program *m, const double *solution, int32_t *ret)
{
	for (uint32_t i = 0; i < m->p->n; i++)
		ret[i] = -1;
	for (uint32_t g = 0; g < m->n_groups; g++) {
		uint32_t i = 0;

		for (uint32_t j = 0; j < m->n_nodes; j++) {
			uint32_t n = (uint32_t)lround(solution[x_column(m, g, j)]);

			for (; n > 0 && i < m->p->n; i++) {
				if (m->p->demands[i] != m->groups[g])
					continue;
				ret[i] = (int32_t)j;
				n--;
			}
		}
	}
}

/*** Solving ***/

static void
build(struct program *m)
{
	size_t room = (size_t)(m->n_groups > m->n_nodes ? m->n_groups : m->n_nodes) + 2;
	int *columns = calloc(room, sizeof(*columns));
	double *values = calloc(room, sizeof(*values));

	m->is = calloc((size_t)m->n_groups * m->n_nodes + 1, sizeof(*m->is));
	m->model = columns != NULL && values != NULL && m->is != NULL ? m->lib.Cbc_newModel() : NULL;
	if (m->model != NULL) {
		for (size_t i = 0; i < (size_t)m->n_groups * m->n_nodes; i++)
			m->is[i] = -1;
		m->lib.Cbc_setObjSense(m->model, 1);
		add_columns(m);
		add_rows(m, columns, values);
	}
	free(columns);
	free(values);
}

/* From what dot-product found, as far as it is known by the columns of nodes and counts. */
static void
start_from(struct program *m, const int32_t *nodes)
{
	int n = left_column(m, 0);
	double *values = calloc((size_t)n + 1, sizeof(*values));
	int *columns = calloc((size_t)n + 1, sizeof(*columns));

	for (int i = 0; i < n && columns != NULL; i++)
		columns[i] = i;
	for (uint32_t i = 0; i < m->p->n && values != NULL; i++) {
		if (nodes[i] < 0)
			continue;
		values[x_column(m, m->index_of[m->p->demands[i]], (uint32_t)nodes[i])]++;
		values[used_column((uint32_t)nodes[i])] = 1;
	}
	for (uint32_t j = 0; j < m->n_nodes && values != NULL; j++) {
		if (node_is_used(m->c, j))
			values[used_column(j)] = 1;
	}
	if (columns != NULL && values != NULL)
		m->lib.Cbc_setMIPStartI(m->model, n, columns, values);
	free(columns);
	free(values);
}

static void
solve(struct program *m, double seconds, int32_t *first, int32_t *found)
{
	char limit[32];
	const double *solution;
	double before = cost(m);
	double bound;

	take_all(m, first);
	build(m);
	if (m->model != NULL) {
		start_from(m, first);
		snprintf(limit, sizeof(limit), "%.2f", seconds);
		m->lib.Cbc_setParameter(m->model, "timeMode", "elapsed");
		/* Where its time is over within that, Cbc 2.10 crashes. */
		m->lib.Cbc_setParameter(m->model, "preprocess", "off");
		m->lib.Cbc_setParameter(m->model, "seconds", limit);
		m->lib.Cbc_setParameter(m->model, "log", "0");
		(void)m->lib.Cbc_solve(m->model);
		solution = m->lib.Cbc_getColSolution(m->model);
		bound = m->lib.Cbc_getBestPossibleObjValue(m->model);
		if (solution != NULL)
			read_solution(m, solution, found);
		/* While some must be left it is no number of nodes. */
		if (solution != NULL && bound <= m->n_nodes)
			m->p->bound = ceil(bound - ALMOST);
		put_all(m, solution != NULL ? found : first);
	}
	if (m->model == NULL || cost(m) > before) {
		take_all(m, found);
		put_all(m, first);
	}
}

static bool
make_program(struct program *m, struct tg_packing *p)
{
	*m = (struct program){
		.p = p,
		.c = p->cluster,
		.n_nodes = p->cluster->n_nodes,
		.groups = calloc((size_t)p->n + 1, sizeof(*m->groups)),
		.n_of = calloc((size_t)p->n + 1, sizeof(*m->n_of)),
		.index_of = calloc((size_t)p->cluster->n_groups + 1, sizeof(*m->index_of)),
	};
	if (m->groups == NULL || m->n_of == NULL || m->index_of == NULL)
		return false;
	list_groups(m);
	return m->n_groups > 0 && m->n_nodes > 0 &&
	       (uint64_t)m->n_groups * m->n_nodes <= COLUMNS_MAX && open_library(&m->lib);
}

static void
optimal_pack(const struct tg_value *values, struct tg_packing *packing)
{
	const struct tg_scheduler *first = sched_dot_product.ops;
	int32_t *before = calloc((size_t)packing->n + 1, sizeof(*before));
	int32_t *found = calloc((size_t)packing->n + 1, sizeof(*found));
	struct program m;

	first->pack(values, packing);
	if (make_program(&m, packing) && before != NULL && found != NULL)
		solve(&m, values[DEADLINE].number * SHARE, before, found);
	if (m.model != NULL)
		m.lib.Cbc_deleteModel(m.model);
	free(m.groups);
	free(m.n_of);
	free(m.index_of);
	free(m.is);
	free(before);
	free(found);
}

static void
optimal_score(const struct tg_value *values, const struct tg_cluster *cluster, uint32_t group,
	      const bool *fits, double *ret_scores)
{
	const struct tg_scheduler *first = sched_dot_product.ops;

	first->score(values, cluster, group, fits, ret_scores);
}

static uint32_t
optimal_deadline_ms(const struct tg_value *values)
{
	return (uint32_t)(values[DEADLINE].number * 1000);
}

static const struct tg_scheduler ops = {
	.size = sizeof(ops),
	.score = optimal_score,
	.pack = optimal_pack,
	.deadline_ms = optimal_deadline_ms,
};

const struct tg_module sched_optimal = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(struct tg_module),
	.kind = TG_MODULE_SCHEDULER,
	.name = "optimal",
	.help = "As dot-product, and for plans the fewest nodes there can be, by an integer program.",
	.options = options,
	.ops = &ops,
};
