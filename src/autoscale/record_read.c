/*
 * autoscale/record_read.c: from JSON, by anybody, to the input of a decision.
 */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/planning.h"
#include "autoscale/record.h"
#include "autoscale/record_priv.h"
#include "base/arena.h"

#define NAME_MAX_BYTES 256u

struct record {
	struct arena arena;
	struct decide_input in;
	struct tg_value values[TG_OPTIONS_MAX];
	uint32_t desired;
	struct tg_plan *plan; /* of the snapshot; NULL: none */
};

/* Where reading is; the first failure stays. */
struct reading {
	struct record *r;
	struct err *err;
	int rc;
};

static void fail(struct reading *g, enum tg_errno code, const char *fmt, ...) TG_PRINTF(3, 4);

static void
fail(struct reading *g, enum tg_errno code, const char *fmt, ...)
{
	struct err why;
	va_list ap;

	if (g->rc < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(why.text, sizeof(why.text), fmt, ap);
	va_end(ap);
	g->rc = err_set(g->err, code, "%s", why.text);
}

/*** Values ***/

static int64_t
take_integer(struct reading *g, const json_t *from, const char *key, int64_t min, int64_t max)
{
	const json_t *value = json_object_get(from, key);
	int64_t n = json_is_integer(value) ? json_integer_value(value) : min;

	if (!json_is_integer(value))
		fail(g, TG_EINVAL, "\"%s\" is missing, or no integer", key);
	else if (n < min || n > max)
		fail(g, TG_EINVAL, "\"%s\" is %lld; allowed: %lld to %lld", key, (long long)n,
		     (long long)min, (long long)max);
	else
		return n;
	return min;
}

static uint32_t
take_u32(struct reading *g, const json_t *from, const char *key)
{
	return (uint32_t)take_integer(g, from, key, 0, UINT32_MAX);
}

/* A number, or null. */
static double
take_number(struct reading *g, const json_t *value, const char *what)
{
	if (json_is_number(value))
		return json_number_value(value);
	if (!json_is_null(value))
		fail(g, TG_EINVAL, "%s is neither a number nor null", what);
	return NAN;
}

static const char *
take_text(struct reading *g, const json_t *value, const char *what)
{
	const char *text = json_string_value(value);
	char *copy;

	if (text == NULL || strlen(text) > NAME_MAX_BYTES) {
		fail(g, TG_EINVAL, "%s is no string of at most %u bytes", what, NAME_MAX_BYTES);
		return "";
	}
	copy = arena_copy(&g->r->arena, text, strlen(text));
	if (copy == NULL)
		fail(g, TG_ENOMEM, "no memory");
	return copy != NULL ? copy : "";
}

static void *
take_memory(struct reading *g, size_t n, size_t size)
{
	void *memory = arena_alloc(&g->r->arena, n, size);

	if (memory == NULL)
		fail(g, TG_ENOMEM, "no memory");
	return memory;
}

/*** Options ***/

static void
take_option(struct reading *g, const char *key, const json_t *value)
{
	const struct tg_module *module = g->r->in.module;

	for (size_t i = 0; i < module_n_options(module); i++) {
		const struct tg_option *o = &module->options[i];
		double n;

		if (strcmp(o->name, key) != 0)
			continue;
		n = take_number(g, value, key);
		g->r->values[i] = (struct tg_value){.number = isnan(n) ? 0 : n, .is_set = !isnan(n)};
		if (!isnan(n) && o->type != TG_OPTION_BOOLEAN && o->type != TG_OPTION_WORD &&
		    (n < o->min || n > o->max))
			fail(g, TG_EINVAL, "option \"%s\" is %g; allowed: %g to %g", key, n, o->min,
			     o->max);
		return;
	}
	fail(g, TG_EINVAL, "module \"%s\" has no option \"%.80s\"", module->name, key);
}

/* Words and truths are indexes: others would lead a module astray. */
static void
check_indexes(struct reading *g)
{
	const struct tg_module *module = g->r->in.module;

	for (size_t i = 0; i < module_n_options(module); i++) {
		const struct tg_option *o = &module->options[i];
		double n = g->r->values[i].number;
		size_t words = o->type == TG_OPTION_BOOLEAN ? 2 : 0;

		if (o->type != TG_OPTION_WORD && o->type != TG_OPTION_BOOLEAN)
			continue;
		while (o->type == TG_OPTION_WORD && o->words[words] != NULL)
			words++;
		if (!(n >= 0 && n < (double)words && floor(n) == n))
			fail(g, TG_EINVAL, "option \"%s\" is %g; allowed: 0 to %zu", o->name, n,
			     words - 1);
	}
}

/* Each option must be there: a module relies on its presets. */
static void
take_options(struct reading *g, json_t *from)
{
	const struct tg_module *module = g->r->in.module;
	const struct tg_autoscaler *ops = module->ops;
	char reason[TG_REASON_SIZE] = "";
	const char *key;
	json_t *value;

	if (!json_is_object(from)) {
		fail(g, TG_EINVAL, "\"options\" is missing, or no object");
		return;
	}
	json_object_foreach(from, key, value)
		take_option(g, key, value);
	check_indexes(g);
	for (size_t i = 0; i < module_n_options(module); i++) {
		if (module->options[i].preset != NULL && !g->r->values[i].is_set)
			fail(g, TG_EINVAL, "option \"%s\" is not set", module->options[i].name);
	}
	if (g->rc == 0 && ops->check != NULL && !ops->check(g->r->values, reason, sizeof(reason)))
		fail(g, TG_EINVAL, "options: %.*s", (int)sizeof(reason) - 1, reason);
}

/*** The snapshot ***/

static void
take_figure(struct reading *g, const json_t *from, struct tg_figure *ret)
{
	double *const members[] = {&ret->first, &ret->last, &ret->mean, &ret->min, &ret->max};
	const json_t *n = json_array_get(from, 0);

	if (!json_is_array(from) || json_array_size(from) != 6 || !json_is_integer(n) ||
	    json_integer_value(n) < 1 || json_integer_value(n) > UINT32_MAX) {
		fail(g, TG_EINVAL, "a metric is no [n, first, last, mean, min, max] with n > 0");
		return;
	}
	ret->n = (uint32_t)json_integer_value(n);
	for (size_t i = 0; i < 5; i++)
		*members[i] = take_number(g, json_array_get(from, i + 1), "a metric");
}

static unsigned
find_metric(const char *word)
{
	unsigned i = 0;

	while (i < TG_METRIC_COUNT && strcmp(tg_metric_str(i), word) != 0)
		i++;
	return i;
}

static void
take_window(struct reading *g, const json_t *from, struct tg_window *ret)
{
	json_t *metrics = json_object_get(from, "metrics");
	const char *key;
	json_t *value;

	*ret = (struct tg_window){
		.span_ms = take_u32(g, from, "span_ms"),
		.covered_ms = take_u32(g, from, "covered_ms"),
		.n = take_u32(g, from, "n"),
	};
	for (size_t i = 0; i < TG_METRIC_COUNT; i++)
		ret->metrics[i] = (struct tg_figure){
			.first = NAN, .last = NAN, .mean = NAN, .min = NAN, .max = NAN};
	if (!json_is_object(metrics)) {
		fail(g, TG_EINVAL, "\"metrics\" is missing, or no object");
		return;
	}
	json_object_foreach(metrics, key, value) {
		unsigned metric = find_metric(key);

		if (metric == TG_METRIC_COUNT)
			fail(g, TG_EINVAL, "unknown metric \"%.80s\"", key);
		else
			take_figure(g, value, &ret->metrics[metric]);
	}
}

static uint32_t
find_state(const char *word)
{
	uint32_t i = 0;

	while (i < TG_BACKEND_STATE_COUNT && strcmp(tg_backend_state_str(i), word) != 0)
		i++;
	return i;
}

static void
take_backend(struct reading *g, const json_t *from, struct tg_backend *ret)
{
	const json_t *since = json_array_get(from, 2);

	if (!json_is_array(from) || json_array_size(from) != 6 || !json_is_integer(since)) {
		fail(g, TG_EINVAL,
		     "a backend is no [name, state, since_ms, in_flight, cpu, memory]");
		return;
	}
	*ret = (struct tg_backend){
		.name = take_text(g, json_array_get(from, 0), "a backend's name"),
		.state = find_state(take_text(g, json_array_get(from, 1), "a backend's state")),
		.since_ms = json_integer_value(since),
		.in_flight = take_number(g, json_array_get(from, 3), "a backend's in_flight"),
		.cpu = take_number(g, json_array_get(from, 4), "a backend's cpu"),
		.memory = take_number(g, json_array_get(from, 5), "a backend's memory"),
	};
	if (ret->state == TG_BACKEND_STATE_COUNT)
		fail(g, TG_EINVAL, "a backend's state is unknown");
}

/* How many; 0 also where it is no list, which fails. */
static uint32_t
list_length(struct reading *g, const json_t *list, const char *key, size_t max)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > max)
		fail(g, TG_EINVAL, "\"%s\" is no list of at most %zu", key, max);
	return g->rc == 0 ? (uint32_t)n : 0;
}

static void
take_windows(struct reading *g, const json_t *from, struct tg_snapshot *s)
{
	uint32_t n = list_length(g, from, "windows", TG_WINDOWS_MAX);
	struct tg_window *windows = take_memory(g, n, sizeof(*windows));

	for (uint32_t i = 0; i < n && g->rc == 0; i++)
		take_window(g, json_array_get(from, i), &windows[i]);
	s->windows = windows;
	s->n_windows = n;
}

static void
take_backends(struct reading *g, const json_t *from, struct tg_snapshot *s)
{
	uint32_t n = list_length(g, from, "backends", TG_RECORD_BACKENDS_MAX);
	struct tg_backend *backends = take_memory(g, n, sizeof(*backends));

	for (uint32_t i = 0; i < n && g->rc == 0; i++)
		take_backend(g, json_array_get(from, i), &backends[i]);
	s->backends = backends;
	s->n_backends = n;
}

static void
take_snapshot(struct reading *g, const json_t *from, const json_t *service)
{
	struct tg_snapshot *s = &g->r->in.snapshot;

	*s = (struct tg_snapshot){
		.size = sizeof(*s),
		.now_ms = take_integer(g, from, "now_ms", INT64_MIN / 4, INT64_MAX / 4),
		.service = take_text(g, service, "\"service\""),
		.ready = take_u32(g, from, "ready"),
		.pending = take_u32(g, from, "pending"),
		.draining = take_u32(g, from, "draining"),
		.desired = take_u32(g, from, "desired"),
		.min = take_u32(g, from, "min"),
		.max = take_u32(g, from, "max"),
		.concurrency = take_u32(g, from, "concurrency"),
		.start_s = take_number(g, json_object_get(from, "start_s"), "\"start_s\""),
	};
	take_windows(g, json_object_get(from, "windows"), s);
	take_backends(g, json_object_get(from, "backends"), s);
}

/*** What was learned and planned ***/

static struct tg_estimate
take_estimate(struct reading *g, const json_t *from, const char *key)
{
	const json_t *value = json_object_get(from, key);

	if (!json_is_array(value) || json_array_size(value) != 3)
		fail(g, TG_EINVAL, "\"%s\" is no [value, error, n]", key);
	return (struct tg_estimate){
		.value = take_number(g, json_array_get(value, 0), key),
		.error = take_number(g, json_array_get(value, 1), key),
		.n = take_number(g, json_array_get(value, 2), key),
	};
}

static void
take_outlook(struct reading *g, const json_t *from)
{
	const json_t *signals = json_object_get(from, "signals");
	struct tg_outlook *o;

	if (from == NULL)
		return;
	o = take_memory(g, 1, sizeof(*o));
	if (o == NULL)
		return;
	*o = (struct tg_outlook){
		.size = sizeof(*o),
		.start_s = take_estimate(g, from, "start_s"),
		.service_s = take_estimate(g, from, "service_s"),
		.forecast = take_estimate(g, from, "forecast"),
	};
	for (unsigned i = 0; i < TG_SIGNAL_COUNT; i++)
		o->signals[i] = take_number(g, json_object_get(signals, tg_signal_str(i)),
					    "a signal of the outlook");
	g->r->in.snapshot.outlook = o;
}

/* Its table is made by record_plan(). */
static void
take_plan(struct reading *g, const json_t *from)
{
	struct tg_plan *plan;
	double *numbers;
	uint32_t n;

	if (from == NULL)
		return;
	n = list_length(g, from, "plan", TG_PLAN_NUMBERS_MAX);
	plan = take_memory(g, 1, sizeof(*plan));
	numbers = take_memory(g, n, sizeof(*numbers));
	if (plan == NULL || numbers == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
		numbers[i] = take_number(g, json_array_get(from, i), "a number of the plan");
	*plan = (struct tg_plan){.size = sizeof(*plan), .n = n, .numbers = numbers};
	g->r->plan = plan;
	g->r->in.snapshot.plan = plan;
}

/*** The state ***/

static void
take_field(struct reading *g, const json_t *from, const struct record_field *f)
{
	char *at = (char *)&g->r->in.state + f->offset;
	const json_t *value = json_object_get(from, f->key);
	uint32_t u32;
	uint64_t u64;
	int64_t i64;
	bool truth;

	switch (f->type) {
	case RECORD_BOOLEAN:
		truth = json_is_true(value);
		if (!json_is_boolean(value))
			fail(g, TG_EINVAL, "\"%s\" is missing, or neither true nor false", f->key);
		memcpy(at, &truth, sizeof(truth));
		break;
	case RECORD_U32:
		u32 = take_u32(g, from, f->key);
		memcpy(at, &u32, sizeof(u32));
		break;
	case RECORD_U64:
		u64 = (uint64_t)take_integer(g, from, f->key, 0, INT64_MAX);
		memcpy(at, &u64, sizeof(u64));
		break;
	case RECORD_I64:
		i64 = take_integer(g, from, f->key, INT64_MIN / 4, INT64_MAX / 4);
		memcpy(at, &i64, sizeof(i64));
		break;
	}
}

/*** The whole ***/

static void
take_module(struct reading *g, const json_t *from)
{
	const char *name = take_text(g, from, "\"module\"");

	g->r->in.module = module_find(TG_MODULE_AUTOSCALER, name);
	if (g->r->in.module == NULL)
		fail(g, TG_ENOENT, "there is no module \"%s\" here", name);
}

static void
take_all(struct reading *g, const json_t *all)
{
	if (take_integer(g, all, "v", 0, INT64_MAX) != TG_RECORD_VERSION)
		fail(g, TG_EINVAL, "\"v\" is not %d: no record of this version", TG_RECORD_VERSION);
	g->r->desired = take_u32(g, all, "desired");
	take_module(g, json_object_get(all, "module"));
	if (g->rc < 0)
		return;
	g->r->in.values = g->r->values;
	take_options(g, json_object_get(all, "options"));
	take_snapshot(g, json_object_get(all, "snapshot"), json_object_get(all, "service"));
	take_outlook(g, json_object_get(all, "outlook"));
	take_plan(g, json_object_get(all, "plan"));
	for (const struct record_field *f = record_state_fields; f->key != NULL; f++)
		take_field(g, json_object_get(all, "state"), f);
}

int
record_read(const char *text, size_t n, struct record **ret, struct err *err)
{
	struct reading g = {.err = err};
	json_error_t where;
	json_t *all;

	if (n > TG_RECORD_MAX)
		return err_set(err, TG_EINVAL, "longer than %u bytes", TG_RECORD_MAX);
	all = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	if (all == NULL)
		return err_set(err, TG_EINVAL, "no JSON: %.160s, at byte %d", where.text,
			       where.position);
	g.r = calloc(1, sizeof(*g.r));
	if (g.r == NULL)
		g.rc = err_no_memory(err);
	else
		take_all(&g, all);
	json_decref(all);
	if (g.rc == 0)
		*ret = g.r;
	else
		record_free(g.r);
	return g.rc;
}

void
record_free(struct record *r)
{
	if (r == NULL)
		return;
	arena_fini(&r->arena);
	free(r);
}

struct decide_input
record_input(const struct record *r)
{
	return r->in;
}

uint32_t
record_desired(const struct record *r)
{
	return r->desired;
}

static bool
is_kept(const struct record_plan *kept, const struct tg_module *module, const struct tg_plan *plan)
{
	return kept->table != NULL && kept->module == module && kept->n == plan->n &&
	       memcmp(kept->numbers, plan->numbers, plan->n * sizeof(plan->numbers[0])) == 0;
}

int
record_plan(struct record *r, struct record_plan *kept, struct err *err)
{
	struct tg_plan *plan = r->plan;

	if (plan == NULL)
		return 0;
	if (!is_kept(kept, r->in.module, plan)) {
		record_plan_fini(kept);
		kept->table = plan_table(r->in.module, plan->numbers, plan->n, &kept->bytes);
		if (kept->table == NULL)
			return err_set(err, TG_EINVAL, "\"plan\": module \"%s\" makes none of these numbers",
				       r->in.module->name);
		kept->module = r->in.module;
		kept->n = plan->n;
		memcpy(kept->numbers, plan->numbers, plan->n * sizeof(plan->numbers[0]));
	}
	plan->table = kept->table;
	plan->table_bytes = kept->bytes;
	return 0;
}

void
record_plan_fini(struct record_plan *kept)
{
	free(kept->table);
	*kept = (struct record_plan){.n = 0};
}
