#include "admin/exposition.h"

#include <string.h>

static const char *
type_str(enum metric_type type)
{
	static const char *const words[TG_METRIC_TYPE_COUNT] = {
		[TG_METRIC_COUNTER] = "counter",
		[TG_METRIC_GAUGE] = "gauge",
		[TG_METRIC_HISTOGRAM] = "histogram",
	};

	return words[type];
}

void
exposition_family(struct output *out, const char *name, enum metric_type type, const char *help)
{
	output_text(out, "# HELP ");
	output_text(out, name);
	output_text(out, " ");
	output_text(out, help);
	output_text(out, "\n# TYPE ");
	output_text(out, name);
	output_text(out, " ");
	output_text(out, type_str(type));
	output_text(out, "\n");
}

static bool
is_plain(char c)
{
	return c != '\0' && c != '\\' && c != '"' && c != '\n';
}

/* From the first byte on that is to be escaped. */
static void
label_rest(struct output *out, const char *value)
{
	for (;;) {
		size_t n = 0;

		while (is_plain(value[n]))
			n++;
		output_add(out, value, n);
		value += n;
		if (*value == '\0')
			return;
		output_text(out, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
		value++;
	}
}

/* Each line of thousands has some: put together in one piece. */
static void
label(struct output *out, char before, const char *name, const char *value)
{
	size_t name_n = strlen(name);
	size_t n = 0;
	char *p;

	while (is_plain(value[n]))
		n++;
	if (!output_reserve(out, name_n + n + sizeof("{=\"\"") - 1))
		return;
	p = out->bytes + out->n;
	*p++ = before;
	memcpy(p, name, name_n);
	p += name_n;
	*p++ = '=';
	*p++ = '"';
	memcpy(p, value, n);
	p += n;
	out->n = (size_t)(p - out->bytes);
	if (value[n] != '\0')
		label_rest(out, value + n);
	output_text(out, "\"");
}

/* The line up to its value. `extra` may be NULL. */
static void
begin_line(struct output *out, const struct series *series, const char *suffix,
	   const struct label *extra)
{
	output_text(out, series->name);
	output_text(out, suffix);
	for (size_t i = 0; i < series->n_labels; i++)
		label(out, i == 0 ? '{' : ',', series->labels[i].name, series->labels[i].value);
	if (extra != NULL)
		label(out, series->n_labels == 0 ? '{' : ',', extra->name, extra->value);
	output_text(out, series->n_labels > 0 || extra != NULL ? "} " : " ");
}

void
exposition_number(struct output *out, const struct series *series, uint64_t value)
{
	begin_line(out, series, "", NULL);
	output_number(out, value);
	output_text(out, "\n");
}

void
exposition_seconds(struct output *out, const struct series *series, uint64_t us)
{
	begin_line(out, series, "", NULL);
	output_seconds(out, us);
	output_text(out, "\n");
}

void
exposition_labelled(struct output *out, const struct series *series, const char *label_name,
		    const char *value, uint64_t number)
{
	begin_line(out, series, "", &(struct label){label_name, value});
	output_number(out, number);
	output_text(out, "\n");
}

void
exposition_histogram(struct output *out, const struct series *series, const struct histogram *h)
{
	char text[32];
	struct output bound = {.bytes = text, .cap = sizeof(text), .max = sizeof(text) - 1};

	for (size_t i = 0; i < TG_SEGMENT_BUCKETS; i++) {
		output_cut(&bound, 0);
		if (i < TG_SEGMENT_BUCKETS - 1)
			output_seconds(&bound, histogram_bounds_us[i]);
		else
			output_text(&bound, "+Inf");
		text[bound.n] = '\0';
		begin_line(out, series, "_bucket", &(struct label){"le", text});
		output_number(out, h->buckets[i]);
		output_text(out, "\n");
	}
	begin_line(out, series, "_sum", NULL);
	output_seconds(out, h->sum_us);
	output_text(out, "\n");
	begin_line(out, series, "_count", NULL);
	output_number(out, h->buckets[TG_SEGMENT_BUCKETS - 1]);
	output_text(out, "\n");
}

/* Without zeros at the end: bounds read as people write them. */
void
output_seconds(struct output *out, uint64_t us)
{
	char digits[8] = ".";
	uint64_t part = us % 1000000;
	size_t n = 7;

	output_number(out, us / 1000000);
	if (part == 0)
		return;
	for (size_t i = 6; i > 0; i--) {
		digits[i] = (char)('0' + part % 10);
		part /= 10;
	}
	while (digits[n - 1] == '0')
		n--;
	output_add(out, digits, n);
}
