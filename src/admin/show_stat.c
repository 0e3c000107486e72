/* admin/show_stat.c: one row per listener, backend and service, as CSV or JSON. */
#include "admin/command.h"
#include "admin/stat.h"

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

/* One object, without the cells that are empty. */
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
	output_text(out, "}");
}

struct printer {
	struct output *out;
	bool json;
	bool has_some;
};

static void
print(struct printer *p, const struct stat_row *row)
{
	if (p->json)
		print_json(p->out, row, !p->has_some);
	else
		print_csv(p->out, row);
	p->has_some = true;
}

static void
run(const struct command *c, const struct admin_source *s, struct output *out, size_t n,
    const char *const *arguments)
{
	struct printer p = {.out = out};
	struct stat_row row;

	if (!command_wants_json(c, out, n, arguments, &p.json))
		return;
	if (!p.json)
		print_csv_head(out);
	for (size_t i = 0; i < s->conf->n_listeners; i++) {
		stat_listener(s, i, &row);
		print(&p, &row);
	}
	for (size_t i = 0; i < s->conf->n_services; i++) {
		for (size_t j = 0; j < s->conf->services[i].n_backends; j++) {
			stat_backend(s, i, j, &row);
			print(&p, &row);
		}
		stat_service(s, i, &row);
		print(&p, &row);
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
