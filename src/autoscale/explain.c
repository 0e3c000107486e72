/*
 * autoscale/explain.c: a record in words.
 */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale/record.h"

static const char *
text_at(const json_t *from, const char *key)
{
	const char *text = json_string_value(json_object_get(from, key));

	return text != NULL ? text : "?";
}

static long long
integer_at(const json_t *from, const char *key)
{
	return (long long)json_integer_value(json_object_get(from, key));
}

/* What is between the lines of others must not look like ours. */
static void
print_text(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void
print_counts(const json_t *s, FILE *out)
{
	fprintf(out, "  backends: %lld ready, %lld pending, %lld draining; decided before: %lld, allowed: %lld to %lld\n",
		integer_at(s, "ready"), integer_at(s, "pending"), integer_at(s, "draining"),
		integer_at(s, "desired"), integer_at(s, "min"), integer_at(s, "max"));
}

/* The shortest window tells what is now. */
static const json_t *
shortest(const json_t *windows)
{
	const json_t *best = NULL;
	const json_t *w;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)windows, i, w) {
		if (best == NULL || integer_at(w, "span_ms") < integer_at(best, "span_ms"))
			best = w;
	}
	return best;
}

static void
print_figures(const json_t *s, FILE *out)
{
	const json_t *w = shortest(json_object_get(s, "windows"));
	json_t *metrics = json_object_get(w, "metrics");
	const char *key;
	json_t *figure;

	if (w == NULL)
		return;
	fprintf(out, "  mean of %gs:", (double)integer_at(w, "span_ms") / 1000);
	if (json_object_size(metrics) == 0)
		fputs(" nothing is known", out);
	json_object_foreach(metrics, key, figure) {
		fputc(' ', out);
		print_text(key, out);
		fprintf(out, "=%.4g", json_number_value(json_array_get(figure, 3)));
	}
	fputc('\n', out);
}

/* Its name is not printed here. */
static const json_t *
slowest_of(const json_t *all, size_t *ret_i)
{
	const json_t *slowest = NULL;
	const json_t *times;
	size_t i;

	json_array_foreach(json_object_get(all, "service_times"), i, times) {
		const json_t *p95 = json_array_get(times, 1);

		if (!json_is_number(p95) ||
		    (slowest != NULL && json_number_value(p95) <= json_number_value(slowest)))
			continue;
		slowest = p95;
		*ret_i = i;
	}
	return slowest;
}

static void
print_slowest(const json_t *all, FILE *out)
{
	const json_t *backends = json_object_get(json_object_get(all, "snapshot"), "backends");
	size_t i = 0;
	const json_t *p95 = slowest_of(all, &i);
	const char *name = json_string_value(json_array_get(json_array_get(backends, i), 0));

	if (p95 == NULL || name == NULL)
		return;
	fputs("  slowest backend: ", out);
	print_text(name, out);
	fprintf(out, ", 95 of 100 answers within %.3gs\n", json_number_value(p95));
}

static void
print_unknown(const json_t *all, FILE *out)
{
	const char *key;
	json_t *why;

	json_object_foreach(json_object_get(all, "unknown"), key, why) {
		fputs("  ", out);
		print_text(key, out);
		fputs(" unknown: ", out);
		print_text(json_is_string(why) ? json_string_value(why) : "?", out);
		fputc('\n', out);
	}
}

static void
print_proposal(const json_t *all, FILE *out)
{
	const json_t *p = json_object_get(all, "proposal");
	const json_t *load = json_object_get(p, "load");

	fputs("  ", out);
	print_text(text_at(all, "module"), out);
	fprintf(out, " proposes %lld%s", integer_at(p, "desired"),
		json_is_true(json_object_get(p, "unsure")) ? ", and is unsure" : "");
	if (json_is_number(load))
		fprintf(out, ", load %.3g of what is allowed", json_number_value(load));
	fputs(": ", out);
	print_text(text_at(p, "reason"), out);
	fputc('\n', out);
}

static const char *
help_of(const char *guard)
{
	static const char *const helps[] = {
#define GUARD_HELP(id, word, help) [TG_GUARD_##id] = help,
		TG_GUARDS(GUARD_HELP)
#undef GUARD_HELP
	};

	for (unsigned i = 0; i < TG_GUARD_COUNT; i++) {
		if (strcmp(guard_str(i), guard) == 0)
			return helps[i];
	}
	return "?";
}

static void
print_changes(const json_t *all, FILE *out)
{
	json_t *changes = json_object_get(all, "changes");
	json_t *change;
	size_t i;

	json_array_foreach(changes, i, change) {
		const char *by = json_string_value(json_array_get(change, 0));

		fprintf(out, "  %lld -> %lld by ",
			(long long)json_integer_value(json_array_get(change, 1)),
			(long long)json_integer_value(json_array_get(change, 2)));
		print_text(by != NULL ? by : "?", out);
		fprintf(out, ": %s\n", help_of(by != NULL ? by : ""));
	}
}

static void
print_places(const json_t *all, FILE *out)
{
	json_t *places = json_object_get(all, "placement");
	json_t *place;
	size_t i;

	json_array_foreach(places, i, place) {
		const char *node = text_at(place, "node");

		fputs("  ", out);
		print_text(text_at(place, "backend"), out);
		if (!json_is_true(json_object_get(place, "placed"))) {
			fputs(" waits: ", out);
		} else if (node[0] != '\0') {
			fputs(" goes to ", out);
			print_text(node, out);
			fputs(": ", out);
		} else {
			fputs(" is started", out);
		}
		print_text(text_at(place, "why"), out);
		fputc('\n', out);
	}
}

static void
print_all(const json_t *all, FILE *out)
{
	const json_t *s = json_object_get(all, "snapshot");

	print_text(text_at(all, "service"), out);
	fprintf(out, ": decision %lld at ", integer_at(all, "number"));
	print_text(text_at(all, "at"), out);
	fputc('\n', out);
	print_counts(s, out);
	print_figures(s, out);
	print_slowest(all, out);
	print_unknown(all, out);
	print_proposal(all, out);
	print_changes(all, out);
	fprintf(out, "  decided: %lld, action: ", integer_at(all, "desired"));
	print_text(text_at(all, "action"), out);
	fputc('\n', out);
	print_places(all, out);
}

char *
record_explain(const char *text, size_t n)
{
	json_t *all = n <= TG_RECORD_MAX ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	char *words = NULL;
	size_t size;
	FILE *out;

	out = json_is_object(all) && json_is_object(json_object_get(all, "proposal"))
		      ? open_memstream(&words, &size)
		      : NULL;
	if (out != NULL) {
		print_all(all, out);
		if (fclose(out) != 0) {
			free(words);
			words = NULL;
		}
	}
	json_decref(all);
	return words;
}
