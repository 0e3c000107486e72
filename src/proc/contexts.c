#include "proc/contexts.h"

#include <stdlib.h>

static struct contexts *
contexts_new(size_t n)
{
	struct contexts *c = calloc(1, sizeof(*c) + n * sizeof(c->list[0]));

	if (c != NULL)
		c->n = n;
	return c;
}

int
contexts_make(const struct conf *conf, struct tickets *tickets, struct contexts **ret,
	      struct err *err)
{
	struct contexts *c = contexts_new(conf->n_listeners);
	int rc = 0;

	if (c == NULL)
		return err_no_memory(err);
	for (size_t i = 0; i < c->n && rc == 0; i++) {
		if (conf_has_tls(&conf->listeners[i]))
			rc = tls_context_new(&conf->listeners[i], tickets, &c->list[i], err);
	}
	if (rc == 0)
		*ret = c;
	else
		contexts_free(c);
	return rc;
}

struct contexts *
contexts_again(const struct contexts *of)
{
	struct contexts *c = contexts_new(of->n);

	for (size_t i = 0; c != NULL && i < c->n; i++)
		c->list[i] = tls_context_ref(of->list[i]);
	return c;
}

void
contexts_free(struct contexts *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++)
		tls_context_unref(c->list[i]);
	free(c);
}
