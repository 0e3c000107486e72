#include "proc/told.h"

#include <stdbool.h>

#include "base/err.h"

static int
begin(struct told *told, const struct msg_challenge *m)
{
	bool is_some = m->n > 0 || m->is_awaited != 0;

	told_fini(told);
	told->n = m->n;
	told->set = is_some ? challenges_new(m->n) : NULL;
	if (told->set == NULL && is_some)
		return -TG_ENOMEM;
	if (told->set != NULL)
		told->set->is_awaited = m->is_awaited != 0;
	return 0;
}

int
told_hear(struct told *told, const struct msg_challenge *m, struct challenges **ret)
{
	int rc = m->at == 0 ? begin(told, m) : 0;

	if (rc < 0)
		return rc;
	if (m->n > 0) {
		struct challenges *set = told->set;

		if (set == NULL || set->n != m->at || told->n != m->n)
			return -TG_EPROTO;
		set->list[set->n++] = m->one;
	}
	if (m->at + 1 < m->n)
		return 0;
	*ret = told->set;
	told->set = NULL;
	return 1;
}

void
told_fini(struct told *told)
{
	challenges_unref(told->set);
	*told = (struct told){.n = 0};
}
