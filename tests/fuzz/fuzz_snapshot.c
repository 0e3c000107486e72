/* What tidectl makes of any answers, twice: the first is what there was before. */
#include <stdlib.h>
#include <string.h>

#include "ctl/page.h"
#include "fuzz/fuzz.h"

static struct snapshot *
parse(const uint8_t *bytes, size_t n, uint64_t us)
{
	struct snapshot *s = NULL;

	if (snapshot_parse((const char *)bytes, n, (struct mono){.us = us}, &s, NULL) < 0)
		return NULL;
	return s;
}

static void
show(const struct snapshot *now, const struct snapshot *before, const struct table_order *order)
{
	struct table table = {.n = 0};
	char line[TG_PAGE_LINE];
	struct page p;

	if (table_build(&table, now, before, order) < 0)
		abort();
	p = page_fit(&table, order, 80);
	page_titles(&p, line);
	for (unsigned i = 0; i < TG_PAGE_HEADS; i++)
		page_head(&p, &table, now, order, (struct wall){.us = 0}, i, line);
	for (size_t i = 0; i < table.n; i++) {
		page_row(&p, &table.rows[i], line);
		if (text_width(line) != 80 || strpbrk(line, "\033\n") != NULL)
			abort();
	}
	table_fini(&table);
}

/* Two sets of answers with a byte 0 between them. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
	size_t n = end != NULL ? (size_t)(end - data) : size;
	struct snapshot *before = parse(data, n, 1000000);
	struct snapshot *now =
		end != NULL ? parse(end + 1, size - n - 1, 2000000) : parse(data, n, 2000000);

	if (now != NULL) {
		for (unsigned i = 0; i < TG_SORT_COUNT * TG_VIEW_COUNT; i++) {
			struct table_order order = {.sort = i % TG_SORT_COUNT,
						    .view = i / TG_SORT_COUNT,
						    .time = i % TG_TIME_KIND_COUNT,
						    .is_reversed = i % 2};

			show(now, before, &order);
		}
	}
	snapshot_free(before);
	snapshot_free(now);
	return 0;
}
