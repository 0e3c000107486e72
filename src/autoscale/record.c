/*
 * autoscale/record.c: a decision to JSON, and its input back.
 */
#include "autoscale/record.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/record_priv.h"
#include "base/log.h"

#define DIGITS 17

/*** Writing ***/

json_t *
record_number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* Names of backends are ours; a module's text may be any bytes. */
static json_t *
text_of(const char *text)
{
	json_t *value = json_string(text != NULL ? text : "");

	return value != NULL ? value : json_string("?");
}

static json_t *
options_of(const struct decide_input *in)
{
	json_t *all = json_object();

	for (size_t i = 0; i < module_n_options(in->module); i++) {
		const struct tg_value *v = &in->values[i];

		if (json_object_set_new(all, in->module->options[i].name,
					v->is_set ? record_number(v->number) : json_null()) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *
figure_of(const struct tg_figure *f)
{
	return json_pack("[I,o,o,o,o,o]", (json_int_t)f->n, record_number(f->first), record_number(f->last),
			 record_number(f->mean), record_number(f->min), record_number(f->max));
}

static json_t *
window_of(const struct tg_window *w)
{
	json_t *metrics = json_object();
	bool is_whole = metrics != NULL;

	for (unsigned i = 0; i < TG_METRIC_COUNT && is_whole; i++) {
		if (w->metrics[i].n > 0)
			is_whole = json_object_set_new(metrics, tg_metric_str(i),
						       figure_of(&w->metrics[i])) == 0;
	}
	if (!is_whole) {
		json_decref(metrics);
		return NULL;
	}
	return json_pack("{s:I,s:I,s:I,s:o}", "span_ms", (json_int_t)w->span_ms, "covered_ms",
			 (json_int_t)w->covered_ms, "n", (json_int_t)w->n, "metrics", metrics);
}

static json_t *
backend_of(const struct tg_backend *b)
{
	return json_pack("[o,s,I,o,o,o]", text_of(b->name), tg_backend_state_str(b->state),
			 (json_int_t)b->since_ms, record_number(b->in_flight), record_number(b->cpu),
			 record_number(b->memory));
}

static json_t *
windows_of(const struct tg_snapshot *s)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < s->n_windows; i++) {
		if (json_array_append_new(all, window_of(&s->windows[i])) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *
backends_of(const struct tg_snapshot *s)
{
	uint32_t n = s->n_backends < TG_RECORD_BACKENDS_MAX ? s->n_backends : TG_RECORD_BACKENDS_MAX;
	json_t *all = json_array();

	for (uint32_t i = 0; i < n; i++) {
		if (json_array_append_new(all, backend_of(&s->backends[i])) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *
snapshot_of(const struct tg_snapshot *s)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "now_ms",
			 (json_int_t)s->now_ms, "ready", (json_int_t)s->ready, "pending",
			 (json_int_t)s->pending, "draining", (json_int_t)s->draining, "desired",
			 (json_int_t)s->desired, "min", (json_int_t)s->min, "max",
			 (json_int_t)s->max, "concurrency", (json_int_t)s->concurrency, "start_s",
			 record_number(s->start_s), "windows", windows_of(s), "backends", backends_of(s));
}

static json_t *
state_of(const struct decide_state *st)
{
	json_t *all = json_object();
	bool is_whole = all != NULL;

	for (const struct record_field *f = record_state_fields; f->key != NULL && is_whole; f++) {
		const char *at = (const char *)st + f->offset;
		json_t *value = f->type == RECORD_BOOLEAN ? json_boolean(*(const bool *)at)
							  : json_integer(record_load(f, at));

		is_whole = json_object_set_new(all, f->key, value) == 0;
	}
	if (is_whole)
		return all;
	json_decref(all);
	return NULL;
}

static json_t *
proposal_of(const struct tg_proposal *p)
{
	return json_pack("{s:I,s:I,s:b,s:o,s:o}", "desired", (json_int_t)p->desired, "raw",
			 (json_int_t)p->raw, "unsure", p->is_unsure, "load", record_number(p->load),
			 "reason", text_of(p->reason));
}

static json_t *
changes_of(const struct decision *d)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < d->n_changes; i++) {
		if (json_array_append_new(all, json_pack("[s,I,I]", guard_str(d->changes[i].by),
							 (json_int_t)d->changes[i].from,
							 (json_int_t)d->changes[i].to)) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *
places_of(const struct decision *d)
{
	json_t *all = json_array();

	for (size_t i = 0; i < d->n_places; i++) {
		const struct decision_place *p = &d->places[i];

		if (json_array_append_new(
			    all, json_pack("{s:s,s:o,s:b,s:o}", "backend", p->backend, "node",
					   text_of(p->node), "placed", p->is_placed, "why",
					   text_of(p->why))) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/*** For people ***/

static bool
has_times(const struct backend_sample *s)
{
	return !isnan(s->service_p50) || !isnan(s->service_p95) || !isnan(s->service_p99);
}

static json_t *
times_of(const struct decide_told *told)
{
	json_t *all = json_array();

	for (uint32_t i = 0; all != NULL && i < told->n_samples; i++) {
		const struct backend_sample *s = &told->samples[i];

		if (json_array_append_new(all, json_pack("[o,o,o]", record_number(s->service_p50),
							 record_number(s->service_p95),
							 record_number(s->service_p99))) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static bool
add_times(json_t *all, const struct decide_told *told)
{
	bool has_any = false;

	for (uint32_t i = 0; told->samples != NULL && i < told->n_samples; i++)
		has_any = has_any || has_times(&told->samples[i]);
	return !has_any || json_object_set_new(all, "service_times", times_of(told)) == 0;
}

static bool
add_unknown(json_t *all, const struct decide_told *told)
{
	json_t *unknown;

	if (told->cpu_unknown == NULL && told->memory_unknown == NULL)
		return true;
	unknown = json_object();
	if ((told->cpu_unknown == NULL ||
	     json_object_set_new(unknown, "cpu", text_of(told->cpu_unknown)) == 0) &&
	    (told->memory_unknown == NULL ||
	     json_object_set_new(unknown, "memory", text_of(told->memory_unknown)) == 0))
		return json_object_set_new(all, "unknown", unknown) == 0;
	json_decref(unknown);
	return false;
}

static bool
add_instance(json_t *all, const struct decide_told *told)
{
	if (told->instance == NULL || told->instance[0] == '\0')
		return true;
	return json_object_set_new(all, "instance", text_of(told->instance)) == 0 &&
	       json_object_set_new(all, "epoch", json_integer((json_int_t)told->epoch)) == 0;
}

static void
action_of(const struct decide_input *in, const struct decision *d, char *buf, size_t size)
{
	uint32_t have = in->snapshot.desired;
	const char *dry = in->state.is_dry_run ? " (dry run: nothing is done)" : "";

	if (d->desired > have)
		snprintf(buf, size, "add %" PRIu32 "%s", d->desired - have, dry);
	else if (d->desired < have)
		snprintf(buf, size, "remove %" PRIu32 "%s", have - d->desired, dry);
	else
		snprintf(buf, size, "none");
}

char *
record_text(const struct decide_input *in, const struct decision *d, uint64_t count,
	    struct wall when)
{
	char action[64];
	char at[32];
	json_t *all;
	char *text;

	log_time(at, sizeof(at), when);
	action_of(in, d, action, sizeof(action));
	all = json_pack("{s:i,s:I,s:s,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:I,s:s,s:o,s:b,s:I}", "v",
			TG_RECORD_VERSION, "number", (json_int_t)count, "at", at, "service",
			text_of(in->snapshot.service), "module", in->module->name, "options",
			options_of(in), "snapshot", snapshot_of(&in->snapshot), "state",
			state_of(&in->state), "proposal", proposal_of(&d->proposal), "changes",
			changes_of(d), "desired", (json_int_t)d->desired, "action", action,
			"placement", places_of(d), "blind", d->is_blind, "took_us", (json_int_t)d->took_us);
	text = all != NULL && record_add_outlook(all, &in->snapshot) && add_times(all, &in->told) && add_unknown(all, &in->told) &&
			       add_instance(all, &in->told)
		       ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS))
		       : NULL;
	json_decref(all);
	return text;
}

/*** The fields of decide_state ***/

#define FIELD(k, t, m) {.key = k, .type = t, .offset = offsetof(struct decide_state, m)}

const struct record_field record_state_fields[] = {
	FIELD("step_up", RECORD_U32, step_up),
	FIELD("step_down", RECORD_U32, step_down),
	FIELD("cooldown_up_ms", RECORD_U64, cooldown_up_ms),
	FIELD("cooldown_down_ms", RECORD_U64, cooldown_down_ms),
	FIELD("idle_ms", RECORD_U64, idle_ms),
	FIELD("has_manual", RECORD_BOOLEAN, has_manual),
	FIELD("manual", RECORD_U32, manual),
	FIELD("is_paused", RECORD_BOOLEAN, is_paused),
	FIELD("is_dry_run", RECORD_BOOLEAN, is_dry_run),
	FIELD("is_store_well", RECORD_BOOLEAN, is_store_well),
	FIELD("is_woken", RECORD_BOOLEAN, is_woken),
	FIELD("has_up", RECORD_BOOLEAN, has_up),
	FIELD("has_down", RECORD_BOOLEAN, has_down),
	FIELD("up_ms", RECORD_I64, up_ms),
	FIELD("down_ms", RECORD_I64, down_ms),
	FIELD("active_ms", RECORD_I64, active_ms),
	FIELD("retry_ms", RECORD_I64, retry_ms),
	{.key = NULL},
};

int64_t
record_load(const struct record_field *f, const void *at)
{
	uint32_t u32;
	uint64_t u64;
	int64_t i64;

	switch (f->type) {
	case RECORD_U32:
		memcpy(&u32, at, sizeof(u32));
		return u32;
	case RECORD_U64:
		memcpy(&u64, at, sizeof(u64));
		return u64 < INT64_MAX ? (int64_t)u64 : INT64_MAX;
	case RECORD_I64:
		memcpy(&i64, at, sizeof(i64));
		return i64;
	case RECORD_BOOLEAN:
		break;
	}
	return *(const bool *)at;
}
