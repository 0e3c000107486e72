#include "admin/events.h"

#include <stdlib.h>
#include <string.h>

struct event {
	char *line; /* NULL: none, or no memory for it */
	size_t n;
};

struct events {
	struct event list[TG_EVENTS_KEPT]; /* by number, modulo */
	uint64_t next;
	events_cb *told;
	void *user;
};

struct events *
events_new(void)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e != NULL)
		e->next = 1;
	return e;
}

void
events_free(struct events *e)
{
	if (e == NULL)
		return;
	for (unsigned i = 0; i < TG_EVENTS_KEPT; i++)
		free(e->list[i].line);
	free(e);
}

void
events_add(struct events *e, const char *line, size_t n)
{
	struct event *at = &e->list[e->next % TG_EVENTS_KEPT];
	char *copy = malloc(n);

	free(at->line);
	if (copy != NULL)
		memcpy(copy, line, n);
	*at = (struct event){.line = copy, .n = n};
	e->next++;
	if (e->told != NULL)
		e->told(e->user);
}

void
events_tell(struct events *e, events_cb *told, void *user)
{
	e->told = told;
	e->user = user;
}

uint64_t
events_next(const struct events *e)
{
	return e->next;
}

const char *
events_line(const struct events *e, uint64_t number, size_t *ret_n)
{
	const struct event *at = &e->list[number % TG_EVENTS_KEPT];

	if (number == 0 || number >= e->next || number + TG_EVENTS_KEPT < e->next)
		return NULL;
	*ret_n = at->n;
	return at->line;
}
