/*
 * conf/report.c: errors gathered in any order, told in file order.
 */
#include "conf/report_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/source_priv.h"

void
conf_report_fini(struct conf_report *report)
{
	for (size_t i = 0; i < report->n; i++)
		free(report->list[i].text);
	free(report->list);
	*report = (struct conf_report){.n = 0};
}

void
conf_report_no_memory(struct conf_report *report)
{
	report->no_memory = true;
}

size_t
conf_report_count(const struct conf_report *report)
{
	return report->n - report->n_warnings + report->dropped;
}

bool
conf_report_is_clean(const struct conf_report *report)
{
	return conf_report_count(report) == 0 && !report->no_memory;
}

static bool
grow(struct conf_report *report)
{
	size_t size = report->size ? report->size * 2 : 16;
	struct conf_report_entry *list;

	if (report->n < report->size)
		return true;
	list = realloc(report->list, size * sizeof(*list));
	if (!list)
		return false;
	report->list = list;
	report->size = size;
	return true;
}

static void add(struct conf_report *report, bool is_warning, unsigned line, const char *fmt,
		va_list ap) TG_PRINTF(4, 0);

static void
add(struct conf_report *report, bool is_warning, unsigned line, const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0) {
		report->no_memory = true;
		return;
	}
	if (!grow(report)) {
		free(text);
		report->no_memory = true;
		return;
	}
	report->list[report->n] = (struct conf_report_entry){
		.line = line,
		.order = (unsigned)report->n,
		.is_warning = is_warning,
		.text = text,
	};
	report->n++;
	report->n_warnings += is_warning;
}

void
conf_report_add(struct conf_report *report, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (report->n - report->n_warnings >= TG_CONF_REPORT_MAX) {
		report->dropped++;
		return;
	}
	va_start(ap, fmt);
	add(report, false, line, fmt, ap);
	va_end(ap);
}

void
conf_report_warn(struct conf_report *report, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (report->n_warnings >= TG_CONF_REPORT_MAX)
		return;
	va_start(ap, fmt);
	add(report, true, line, fmt, ap);
	va_end(ap);
}

static int
compare(const void *a, const void *b)
{
	const struct conf_report_entry *x = a;
	const struct conf_report_entry *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Values are shown as they are written: an error is one line. NULL: no memory. */
static char *
escape_controls(const char *text)
{
	char *escaped = NULL;
	size_t n;
	FILE *out = open_memstream(&escaped, &n);

	if (!out)
		return NULL;
	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			fputs("\\n", out);
		else if ((unsigned char)*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\x%02x", (unsigned)*p);
		else
			fputc(*p, out);
	}
	if (fclose(out) == 0)
		return escaped;
	free(escaped);
	return NULL;
}

void
conf_errors_add(struct conf_errors *errors, const char *fmt, ...)
{
	struct conf_error *list = realloc(errors->list, (errors->n + 1) * sizeof(*list));
	va_list ap;
	char *text;
	int n;

	if (!list)
		return;
	errors->list = list;
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	list[errors->n] = (struct conf_error){.text = escape_controls(text)};
	free(text);
	if (list[errors->n].text)
		errors->n++;
}

void
conf_report_finish(struct conf_report *report, const struct conf_source *source,
		   struct conf_errors *ret)
{
	struct conf_place place;
	const char *kind;

	if (report->n > 1)
		qsort(report->list, report->n, sizeof(report->list[0]), compare);
	for (size_t i = 0; i < report->n; i++) {
		size_t before = ret->n;

		place = conf_source_place(source, report->list[i].line);
		kind = report->list[i].is_warning ? "warning: " : "";
		if (report->list[i].line == TG_CONF_REPORT_NO_LINE)
			conf_errors_add(ret, "%s: %s%s", place.file, kind, report->list[i].text);
		else
			conf_errors_add(ret, "%s:%u: %s%s", place.file, place.line, kind,
					report->list[i].text);
		if (ret->n > before)
			ret->list[before].is_warning = report->list[i].is_warning;
	}
	if (report->dropped > 0)
		conf_errors_add(ret, "%s: %zu more errors", conf_source_place(source, 1).file,
				report->dropped);
	if (report->no_memory)
		conf_errors_add(ret, "%s: no memory", conf_source_place(source, 1).file);
	conf_report_fini(report);
}

void
conf_errors_fini(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		free(errors->list[i].text);
	free(errors->list);
	*errors = (struct conf_errors){.n = 0};
}
