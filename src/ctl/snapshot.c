#include "ctl/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
/* The default one warns in clang. */
#define HASH_FUNCTION(s, len, hash) HASH_FNV(s, len, hash)
#define HASH_NONFATAL_OOM           1
#include <uthash.h>

#include "ctl/client.h"

/* An object by its kind and names. */
struct object_index {
	const char *key;
	struct object *object;
	UT_hash_handle hh;
};

const char *
time_kind_str(enum time_kind kind)
{
	static const char *const words[TG_TIME_KIND_COUNT] = {
		[TG_TIME_TOTAL] = "total",
		[TG_TIME_RESPONSE] = "response",
		[TG_TIME_CONNECT] = "connect",
		[TG_TIME_QUEUE] = "queue",
	};

	return words[kind];
}

/* Members of an object. */

static uint64_t
number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) && json_integer_value(value) > 0
		       ? (uint64_t)json_integer_value(value)
		       : 0;
}

static const char *
text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value != NULL ? value : "";
}

/* NULL: no memory. */
static const char *
keep(struct snapshot *s, const char *value)
{
	return arena_copy(&s->arena, value, strlen(value));
}

static int
no_memory(struct err *err)
{
	return err_set(err, TG_ENOMEM, "no memory for the answer");
}

static int
not_understood(struct err *err, const char *what)
{
	return err_set(err, TG_EPROTO, "the answer to \"%s\" is not understood", what);
}

/* show info */

static int
read_info(struct snapshot *s, const json_t *root, struct err *err)
{
	if (!json_is_object(root) || !json_is_string(json_object_get(root, "Version")))
		return not_understood(err, "show info");
	s->version = keep(s, text(root, "Version"));
	s->node = keep(s, text(root, "node"));
	s->pid = number(root, "Pid");
	s->uptime_s = number(root, "Uptime_sec");
	s->connections = number(root, "CurrConns");
	s->connections_all = number(root, "CumConns");
	s->requests = number(root, "CumReq");
	return s->version != NULL && s->node != NULL ? 0 : no_memory(err);
}

/* show stat */

static enum object_kind
kind_of(const json_t *row)
{
	const char *name = text(row, "svname");

	if (strcmp(name, "FRONTEND") == 0)
		return TG_OBJECT_LISTENER;
	return strcmp(name, "BACKEND") == 0 ? TG_OBJECT_SERVICE : TG_OBJECT_BACKEND;
}

static uint64_t
sum(const json_t *object, const char *const *names, size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += number(object, names[i]);
	return all;
}

#define SUM(object, names) sum(object, names, sizeof(names) / sizeof((names)[0]))

/* A service: what its clients did not get. A backend: what is to its blame. */
static uint64_t
errors_of(const json_t *row, enum object_kind kind)
{
	static const char *const of_http[] = {"answer-cut", "back-idle-timeout"};
	static const char *const of_tcp[] = {"no-backend",      "queue-full",     "queue-timeout",
					     "queue-shed",      "connect-failed", "no-resource",
					     "connect-timeout", "back-abort"};
	const json_t *ends = json_object_get(row, "end");

	if (kind == TG_OBJECT_BACKEND)
		return number(row, "econ") + number(row, "eresp") + number(row, "hrsp_5xx");
	if (strcmp(text(row, "mode"), "tcp") == 0)
		return SUM(ends, of_tcp);
	return number(row, "hrsp_5xx") + SUM(ends, of_http);
}

static uint64_t
answers_of(const json_t *row)
{
	static const char *const classes[] = {"hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx"};

	return SUM(row, classes);
}

/* The key of an object: no byte of a name is a unit separator. NULL: no memory. */
static char *
make_key(enum object_kind kind, const char *service, const char *backend)
{
	char *key;

	return asprintf(&key, "%d\x1f%s\x1f%s", (int)kind, service, backend) >= 0 ? key : NULL;
}

/* The first of a name counts. */
static int
add_to_index(struct snapshot *s, struct object *object)
{
	char *made = make_key(object->kind, object->service, object->backend);
	struct object_index *entry = arena_alloc(&s->arena, 1, sizeof(*entry));
	struct object_index *found = NULL;

	if (made != NULL && entry != NULL)
		entry->key = keep(s, made);
	free(made);
	if (made == NULL || entry == NULL || entry->key == NULL)
		return -TG_ENOMEM;
	entry->object = object;
	HASH_FIND_STR(s->index, entry->key, found);
	if (found != NULL)
		return 0;
	HASH_ADD_KEYPTR(hh, s->index, entry->key, strlen(entry->key), entry);
	return entry->hh.tbl != NULL ? 0 : -TG_ENOMEM;
}

static int
read_row(struct snapshot *s, const json_t *row, struct object *o)
{
	const char *backend = text(row, "svname");
	const char *state = text(row, "status");

	o->kind = kind_of(row);
	o->service = keep(s, text(row, "pxname"));
	o->backend = keep(s, o->kind == TG_OBJECT_BACKEND ? backend : "");
	if (o->service == NULL || o->backend == NULL)
		return -TG_ENOMEM;
	snprintf(o->state, sizeof(o->state), "%s", state);
	o->is_up = strncmp(state, "UP", 2) == 0 || strcmp(state, "no check") == 0;
	o->in_flight = number(row, "scur");
	o->queued = number(row, "qcur");
	o->streams = number(row, o->kind == TG_OBJECT_LISTENER ? "req_tot" : "stot");
	o->bytes_in = number(row, "bin");
	o->bytes_out = number(row, "bout");
	o->errors = errors_of(row, o->kind);
	o->retries = number(row, "wretr");
	return add_to_index(s, o);
}

static int
read_stat(struct snapshot *s, const json_t *root, struct err *err)
{
	size_t n = json_array_size(root);

	if (!json_is_array(root))
		return not_understood(err, "show stat");
	s->objects = arena_alloc(&s->arena, n, sizeof(*s->objects));
	if (s->objects == NULL)
		return no_memory(err);
	for (size_t i = 0; i < n; i++) {
		const json_t *row = json_array_get(root, i);

		if (!json_is_object(row) || *text(row, "pxname") == '\0' ||
		    *text(row, "svname") == '\0')
			return not_understood(err, "show stat");
		if (read_row(s, row, &s->objects[i]) < 0)
			return no_memory(err);
		s->objects[i].answers = answers_of(row);
		s->n_objects++;
	}
	return 0;
}

/* show latency */

static int
read_bounds(struct snapshot *s, const json_t *bounds, struct err *err)
{
	size_t n = json_array_size(bounds);

	if (!json_is_array(bounds) || n >= TG_SNAPSHOT_BUCKETS_MAX)
		return not_understood(err, "show latency");
	for (size_t i = 0; i < n; i++) {
		const json_t *bound = json_array_get(bounds, i);
		uint64_t before = i > 0 ? s->bounds_us[i - 1] : 0;

		if (!json_is_integer(bound) || json_integer_value(bound) <= 0 ||
		    (uint64_t)json_integer_value(bound) <= before)
			return not_understood(err, "show latency");
		s->bounds_us[i] = (uint64_t)json_integer_value(bound);
	}
	s->bounds_us[n] = UINT64_MAX;
	s->n_buckets = (unsigned)n + 1;
	return 0;
}

/* Added, so that those of several workers are one. */
static void
add_times(const struct snapshot *s, const json_t *row, struct times *to)
{
	const json_t *buckets = json_object_get(row, "buckets");

	to->count += number(row, "count");
	to->sum_us += number(row, "sum_us");
	for (unsigned i = 0; i < s->n_buckets; i++) {
		json_int_t n = json_integer_value(json_array_get(buckets, i));

		to->buckets[i] += n > 0 ? (uint64_t)n : 0;
	}
}

static struct object *
find(const struct snapshot *s, enum object_kind kind, const char *service, const char *backend)
{
	char *key = make_key(kind, service, backend);
	struct object_index *found = NULL;

	if (key != NULL)
		HASH_FIND_STR(s->index, key, found);
	free(key);
	return found != NULL ? found->object : NULL;
}

/* One of a service; others than those known are left out. */
static int
read_service_times(struct snapshot *s, const json_t *row)
{
	struct object *o = find(s, TG_OBJECT_SERVICE, text(row, "service"), "");

	if (o == NULL)
		return 0;
	if (o->times == NULL)
		o->times = arena_alloc(&s->arena, TG_TIME_KIND_COUNT, sizeof(*o->times));
	if (o->times == NULL)
		return -TG_ENOMEM;
	for (unsigned i = 0; i < TG_TIME_KIND_COUNT; i++) {
		if (strcmp(text(row, "what"), time_kind_str(i)) == 0)
			add_times(s, row, &o->times[i]);
	}
	return 0;
}

static void
read_backend_times(struct snapshot *s, const json_t *row)
{
	struct object *o = find(s, TG_OBJECT_BACKEND, text(row, "service"), text(row, "backend"));

	if (o == NULL || strcmp(text(row, "what"), "response") != 0)
		return;
	o->answers = number(row, "count");
	o->answers_us = number(row, "sum_us");
}

static int
read_latency(struct snapshot *s, const json_t *root, struct err *err)
{
	const json_t *list = json_object_get(root, "times");
	int rc = read_bounds(s, json_object_get(root, "bounds_us"), err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i);
		const char *kind = text(row, "object");

		if (strcmp(kind, "worker") == 0)
			add_times(s, row, &s->lag);
		else if (strcmp(kind, "backend") == 0)
			read_backend_times(s, row);
		else if (strcmp(kind, "service") == 0 && read_service_times(s, row) < 0)
			return no_memory(err);
	}
	return 0;
}

/* show autoscale */

static int
read_scaled(struct snapshot *s, const json_t *root, struct err *err)
{
	if (!json_is_array(root))
		return not_understood(err, "show autoscale");
	for (size_t i = 0; i < json_array_size(root); i++) {
		const json_t *row = json_array_get(root, i);
		struct object *o = find(s, TG_OBJECT_SERVICE, text(row, "service"), "");

		if (o == NULL)
			continue;
		o->is_scaled = true;
		o->scaled_ready = number(row, "ready");
		o->scaled_desired = number(row, "desired");
	}
	return 0;
}

/* The answers, in their order. A failure is one when it must not be. */
static const struct part {
	const char *command;
	int (*read)(struct snapshot *s, const json_t *root, struct err *err);
	bool may_fail;
} parts[] = {
	{"show info", read_info, false},
	{"show stat", read_stat, false},
	{"show latency", read_latency, true},
	{"show autoscale", read_scaled, true},
};

static int
read_part(struct snapshot *s, const struct part *part, const struct answer *answer, struct err *err)
{
	json_error_t where;
	json_t *root = json_loadb(answer->bytes, answer->n, 0, &where);
	int rc = 0;

	if (root == NULL)
		rc = not_understood(err, part->command);
	else if (!json_is_object(root) || json_object_get(root, "error") == NULL)
		rc = part->read(s, root, err);
	else if (!part->may_fail)
		rc = err_set(err, TG_EPROTO, "\"%s\": %.128s: %.256s", part->command,
			     text(root, "error"), text(root, "text"));
	json_decref(root);
	return rc;
}

int
snapshot_parse(const char *bytes, size_t n, struct mono when, struct snapshot **ret,
	       struct err *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	size_t at = 0;
	int rc = 0;

	if (s == NULL)
		return no_memory(err);
	s->when = when;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && rc == 0; i++) {
		struct answer answer;

		if (answer_next(bytes, n, &at, &answer))
			rc = read_part(s, &parts[i], &answer, err);
		else
			rc = err_set(err, TG_EPROTO, "the answer to \"%s\" is cut",
				     parts[i].command);
	}
	if (rc < 0)
		snapshot_free(s);
	else
		*ret = s;
	return rc;
}

void
snapshot_free(struct snapshot *s)
{
	if (s == NULL)
		return;
	HASH_CLEAR(hh, s->index);
	arena_fini(&s->arena);
	free(s);
}

const struct object *
snapshot_find(const struct snapshot *s, enum object_kind kind, const char *service,
	      const char *backend)
{
	return find(s, kind, service, backend);
}
