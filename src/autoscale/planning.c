#include "autoscale/planning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Its numbers, and what was made of them. */
struct kept {
	double numbers[TG_PLAN_NUMBERS_MAX];
	uint32_t n;
	void *table; /* owned; NULL: none */
	size_t bytes;
};

struct planning {
	struct outlook *outlook;
	struct tg_outlook now;
	struct tg_plan plan;
	struct kept present;
	struct kept next;     /* has come since the last decision */
	struct kept wanted;   /* without a table */
	bool is_wanted;
	bool has_look;
	int64_t look_ms;
};

struct planning *
planning_new(void)
{
	struct planning *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->outlook = outlook_new();
	if (p->outlook != NULL)
		return p;
	free(p);
	return NULL;
}

void
planning_free(struct planning *p)
{
	if (p == NULL)
		return;
	outlook_free(p->outlook);
	free(p->present.table);
	free(p->next.table);
	free(p);
}

struct outlook *
planning_outlook(struct planning *p)
{
	return p->outlook;
}

static void
drop(struct kept *k)
{
	free(k->table);
	*k = (struct kept){.n = 0};
}

void
planning_forget(struct planning *p)
{
	drop(&p->present);
	drop(&p->next);
	p->is_wanted = false;
	p->has_look = false;
}

static const struct tg_autoscaler *
ops_of(const struct tg_module *module)
{
	return module->ops;
}

bool
module_plans(const struct tg_module *module)
{
	const struct tg_autoscaler *ops = ops_of(module);

	return ops->size >= sizeof(*ops) && ops->plan_numbers != NULL && ops->plan_bytes != NULL &&
	       ops->plan != NULL;
}

void
planning_fill(struct planning *p, const struct tg_module *module, struct tg_snapshot *snapshot)
{
	if (!module_plans(module))
		return;
	outlook_now(p->outlook, &p->now);
	snapshot->outlook = &p->now;
	if (p->next.table != NULL) {
		free(p->present.table);
		p->present = p->next;
		p->next = (struct kept){.n = 0};
	}
	if (p->present.table == NULL)
		return;
	p->plan = (struct tg_plan){
		.size = sizeof(p->plan),
		.n = p->present.n,
		.numbers = p->present.numbers,
		.table = p->present.table,
		.table_bytes = p->present.bytes,
	};
	snapshot->plan = &p->plan;
}

static bool
are_finite(const double *numbers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!isfinite(numbers[i]))
			return false;
	}
	return true;
}

/* How large its table is; 0: the numbers are not sound. */
static size_t
bytes_of(const struct tg_module *module, const double *numbers, uint32_t n)
{
	size_t bytes;

	if (n == 0 || n > TG_PLAN_NUMBERS_MAX || !are_finite(numbers, n))
		return 0;
	bytes = ops_of(module)->plan_bytes(numbers, n);
	return bytes <= TG_PLANNING_TABLE_MAX ? bytes : 0;
}

bool
planning_wants(struct planning *p, const struct tg_module *module, const struct tg_value *values,
	       const struct tg_snapshot *snapshot)
{
	struct tg_history history;

	if (!module_plans(module) || p->is_wanted ||
	    (p->has_look && snapshot->now_ms - p->look_ms < TG_PLANNING_LOOK_MS))
		return false;
	outlook_history(p->outlook, &history);
	p->wanted.n = ops_of(module)->plan_numbers(values, snapshot, &history, p->wanted.numbers);
	/* Before anything is known it is asked at each look. */
	p->has_look = p->present.table != NULL || p->wanted.n > 0;
	p->look_ms = snapshot->now_ms;
	p->wanted.bytes = bytes_of(module, p->wanted.numbers, p->wanted.n);
	p->is_wanted = p->wanted.bytes > 0;
	return p->is_wanted;
}

const double *
planning_numbers(const struct planning *p, uint32_t *ret_n)
{
	*ret_n = p->wanted.n;
	return p->wanted.numbers;
}

size_t
planning_bytes(const struct planning *p)
{
	return p->wanted.bytes;
}

void
planning_take(struct planning *p, void **table)
{
	if (p->is_wanted && *table != NULL) {
		free(p->next.table);
		p->next = p->wanted;
		p->next.table = *table;
		*table = NULL;
	}
	p->is_wanted = false;
}

void *
plan_table(const struct tg_module *module, const double *numbers, uint32_t n, size_t *ret_bytes)
{
	size_t bytes = module_plans(module) ? bytes_of(module, numbers, n) : 0;
	void *table = bytes > 0 ? calloc(1, bytes) : NULL;

	if (table == NULL)
		return NULL;
	ops_of(module)->plan(numbers, n, table);
	*ret_bytes = bytes;
	return table;
}

int
planning_solve(struct planning *p, const struct tg_module *module)
{
	size_t bytes;
	void *table = plan_table(module, p->wanted.numbers, p->wanted.n, &bytes);

	if (table == NULL)
		return -TG_ENOMEM;
	planning_take(p, &table);
	return 0;
}
