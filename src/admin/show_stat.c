/* admin/show_stat.c: one row per listener, backend and service, as CSV or JSON. */
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
		uint64_t count = segment_sum(s->segment, slot, TG_COUNTER_OF_END(i));

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

struct printer {
	const struct admin_source *s;
	struct output *out;
	bool json;
	bool has_some;
};

static void
print(struct printer *p, const struct stat_row *row, uint32_t slot)
{
	if (p->json) {
		print_json(p->out, row, !p->has_some);
		print_ends(p->out, p->s, slot);
		output_text(p->out, "}");
	} else {
		print_csv(p->out, row);
	}
	p->has_some = true;
}

static void
run(const struct command *c, const struct admin_source *s, struct output *out, size_t n,
    const char *const *arguments)
{
	struct printer p = {.s = s, .out = out};
	struct stat_row row;

	if (!command_wants_json(c, out, n, arguments, &p.json))
		return;
	if (!p.json)
		print_csv_head(out);
	for (size_t i = 0; i < s->conf->n_listeners; i++) {
		stat_listener(s, i, &row);
		print(&p, &row, source_listener_slot(s, i));
	}
	for (size_t i = 0; i < s->conf->n_services; i++) {
		for (size_t j = 0; j < s->conf->services[i].n_backends; j++) {
			stat_backend(s, i, j, &row);
			print(&p, &row, source_backend_slot(s, i, j));
		}
		stat_service(s, i, &row);
		print(&p, &row, source_service_slot(s, i));
	}
	if (p.json)
		output_text(out, p.has_some ? "]\n" : "[]\n");
}

const struct command command_show_stat = {
	.name = "show stat",
	.usage = "[json]",
	.help = "a row per listener, backend and service, in HAProxy's columns",
	.run = run,
};
