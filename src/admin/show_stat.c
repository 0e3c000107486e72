/* admin/show_stat.c: one row per listener, backend and service, as CSV or JSON. */
#include <stdlib.h>
#include <string.h>

#include "admin/cleared.h"
#include "admin/command.h"
#include "admin/stat.h"
#include "observe/counters.h"

static void
print_csv_head(struct output *out)
{
	output_text(out, "# ");
	for (unsigned i = 0; i < TG_STAT_COUNT; i++) {
		output_text(out, stat_column_str((enum stat_column)i));
		output_text(out, ",");
	}
	output_text(out, "\n");
}

static void
print_csv(struct output *out, const struct stat_row *row)
{
	for (unsigned i = 0; i < TG_STAT_COUNT; i++) {
		const struct stat_cell *cell = &row->cells[i];

		if (cell->kind == TG_CELL_NUMBER)
			output_number(out, cell->number);
		else if (cell->kind == TG_CELL_TEXT)
			output_csv(out, cell->text);
		output_text(out, ",");
	}
	output_text(out, "\n");
}

/* The end reasons that are not zero. */
static void
print_ends(struct output *out, const struct admin_source *s, uint32_t slot)
{
	const char *before = "";

	output_text(out, ",\"end\":{");
	for (unsigned i = 0; i < TG_END_COUNT; i++) {
		uint64_t count = cleared_sum(s, slot, TG_COUNTER_OF_END(i));

		if (count == 0)
			continue;
		output_text(out, before);
		before = ",";
		output_json(out, end_reason_str(i));
		output_text(out, ":");
		output_number(out, count);
	}
	output_text(out, "}");
}

/* One object, without the cells that are empty; its end is not written yet. */
static void
print_json(struct output *out, const struct stat_row *row, bool is_first)
{
	const char *before = is_first ? "[{" : ",\n{";

	for (unsigned i = 0; i < TG_STAT_COUNT; i++) {
		const struct stat_cell *cell = &row->cells[i];

		if (cell->kind == TG_CELL_EMPTY || i == TG_STAT_SEPARATOR)
			continue;
		output_text(out, before);
		before = ",";
		output_json(out, stat_column_str((enum stat_column)i));
		output_text(out, ":");
		if (cell->kind == TG_CELL_NUMBER)
			output_number(out, cell->number);
		else
			output_json(out, cell->text);
	}
}

/* Which rows are shown. */
enum filter_status {
	FILTER_NONE,
	FILTER_UP,
	FILTER_NO_MAINT,
};

/* HAProxy's numbers: types are bits, -1 is all. */
#define SHOW_FRONTENDS 1
#define SHOW_BACKENDS  2
#define SHOW_SERVERS   4

struct filter {
	enum filter_status status; /* of servers */
	long id;
	long types;
	long server;
};

struct printer {
	const struct admin_source *s;
	struct output *out;
	bool json;
	bool has_some;
	struct filter filter;
};

/* `added`: who added it, of a backend. */
static void
print(struct printer *p, const struct stat_row *row, uint32_t slot, const struct conf_note *added)
{
	if (p->json) {
		print_json(p->out, row, !p->has_some);
		print_ends(p->out, p->s, slot);
		if (added != NULL && added->who != NULL) {
			output_text(p->out, ",\"added\":");
			command_print_note(p->out, added);
		}
		output_text(p->out, "}");
	} else {
		print_csv(p->out, row);
	}
	p->has_some = true;
}

static bool
begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* By its status, as HAProxy's filters do. */
static bool
is_of_status(const struct filter *f, const struct stat_row *row)
{
	const char *status = row->cells[TG_STAT_STATUS].text;

	switch (f->status) {
	case FILTER_UP:
		return begins_with(status, "UP") || strcmp(status, "no check") == 0;
	case FILTER_NO_MAINT:
		return !begins_with(status, "MAINT");
	case FILTER_NONE:
		break;
	}
	return true;
}

static bool
is_shown(const struct filter *f, long type, uint64_t id, uint64_t server)
{
	return (f->types == -1 || (f->types & type) != 0) &&
	       (f->id == -1 || (uint64_t)f->id == id) &&
	       (f->server == -1 || type != SHOW_SERVERS || (uint64_t)f->server == server);
}

static void
print_listener(struct printer *p, size_t listener)
{
	struct stat_row row;

	if (!is_shown(&p->filter, SHOW_FRONTENDS, TG_SOURCE_FIRST_ID + listener, 0))
		return;
	stat_listener(p->s, listener, &row);
	print(p, &row, source_listener_slot(p->s, listener), NULL);
}

static void
print_service(struct printer *p, size_t service)
{
	uint64_t id = source_service_id(p->s, service);
	struct stat_row row;

	for (size_t j = 0; j < p->s->conf->services[service].n_backends; j++) {
		if (!is_shown(&p->filter, SHOW_SERVERS, id, j + 1))
			continue;
		stat_backend(p->s, service, j, &row);
		if (is_of_status(&p->filter, &row))
			print(p, &row, source_backend_slot(p->s, service, j),
			      &p->s->conf->services[service].backends[j].added);
	}
	if (!is_shown(&p->filter, SHOW_BACKENDS, id, 0))
		return;
	stat_service(p->s, service, &row);
	print(p, &row, source_service_slot(p->s, service), NULL);
}

static bool
read_number(const char *text, long *ret)
{
	char *end;

	*ret = strtol(text, &end, 10);
	return end != text && *end == '\0' && *ret >= -1;
}

static bool
read_filter(const struct command *c, struct command_call *call, struct filter *ret)
{
	const char *const *words = call->arguments;

	*ret = (struct filter){.id = -1, .types = -1, .server = -1};
	if (call->n == 0)
		return true;
	if (call->n == 1 && strcmp(words[0], "up") == 0) {
		ret->status = FILTER_UP;
		return true;
	}
	if (call->n == 1 && strcmp(words[0], "no-maint") == 0) {
		ret->status = FILTER_NO_MAINT;
		return true;
	}
	if (call->n == 3 && read_number(words[0], &ret->id) && read_number(words[1], &ret->types) &&
	    read_number(words[2], &ret->server))
		return true;
	command_fail_usage(c, call);
	return false;
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct admin_source *s = call->source;
	struct printer p = {.s = s, .out = call->out, .json = call->json};

	if (!read_filter(c, call, &p.filter))
		return;
	if (!p.json)
		print_csv_head(p.out);
	for (size_t i = 0; i < s->conf->n_listeners; i++)
		print_listener(&p, i);
	for (size_t i = 0; i < s->conf->n_services; i++)
		print_service(&p, i);
	if (p.json)
		output_text(p.out, p.has_some ? "]\n" : "[]\n");
}

const struct command command_show_stat = {
	.name = "show stat",
	.usage = "[up|no-maint|ID TYPES SERVER]",
	.help = "a row per listener, backend and service, in HAProxy's columns",
	.run = run,
};
