#include "ctl/changes.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static size_t
count_lines(const char *bytes, size_t n)
{
	size_t lines = n > 0 && bytes[n - 1] != '\n' ? 1 : 0;

	for (size_t i = 0; i < n; i++)
		lines += bytes[i] == '\n';
	return lines;
}

int
lines_set(struct lines *l, const char *bytes, size_t n)
{
	size_t n_lines = count_lines(bytes, n);
	struct lines made = {
		.bytes = malloc(n + 1),
		.starts = calloc(n_lines + 1, sizeof(*made.starts)),
		.n = n_lines,
	};
	size_t line = 0;

	if (made.bytes == NULL || made.starts == NULL) {
		lines_fini(&made);
		return -TG_ENOMEM;
	}
	if (n > 0)
		memcpy(made.bytes, bytes, n);
	/* As if the last line had a newline, too. */
	made.bytes[n] = '\n';
	for (size_t i = 0; i < n && line < n_lines; i++) {
		if (made.bytes[i] == '\n')
			made.starts[++line] = i + 1;
	}
	if (n_lines > 0 && made.bytes[n - 1] != '\n')
		made.starts[n_lines] = n + 1;
	lines_fini(l);
	*l = made;
	return 0;
}

void
lines_fini(struct lines *l)
{
	free(l->bytes);
	free(l->starts);
	*l = (struct lines){.bytes = NULL};
}

const char *
lines_get(const struct lines *l, size_t i, size_t *ret_n)
{
	if (i >= l->n) {
		*ret_n = 0;
		return "";
	}
	*ret_n = l->starts[i + 1] - l->starts[i] - 1;
	return l->bytes + l->starts[i];
}

static void
compare(const struct lines *before, size_t i, unsigned from, unsigned width,
	const struct text_cell *cells, bool *changed)
{
	struct text_cell old[TG_CHANGES_WIDTH_MAX];
	size_t n;
	const char *line = lines_get(before, i, &n);

	text_cells(line, n, from, width, old);
	for (unsigned k = 0; k < width; k++)
		changed[k] = !text_cell_equal(&cells[k], &old[k]);
}

void
changes_line(const struct lines *now, const struct lines *before, size_t i, unsigned from,
	     unsigned width, struct text_cell *cells, bool *changed)
{
	size_t n;
	const char *line = lines_get(now, i, &n);

	text_cells(line, n, from, width, cells);
	memset(changed, 0, width * sizeof(*changed));
	if (before != NULL)
		compare(before, i, from, width, cells, changed);
}
