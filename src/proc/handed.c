#include "proc/handed.h"

#include <stdlib.h>
#include <unistd.h>

int
handed_add(struct handed *h, unsigned n_workers, struct message *m)
{
	struct handed_socket *list;

	if (m->u.listen.worker >= n_workers)
		return -TG_EPROTO;
	list = realloc(h->list, (h->n + 1) * sizeof(list[0]));
	if (list == NULL)
		return -TG_ENOMEM;
	h->list = list;
	list[h->n++] = (struct handed_socket){.of = m->u.listen, .fd = m->fd};
	m->fd = -1;
	return 0;
}

int
handed_give(struct handed *h, int (*give)(void *arg, const struct msg_listen *of, int fd),
	    void *arg)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < h->n; i++) {
		int fd = h->list[i].fd;

		h->list[i].fd = -1;
		rc = give(arg, &h->list[i].of, fd);
	}
	return rc;
}

void
handed_fini(struct handed *h)
{
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (h->list[i].fd >= 0)
			close(h->list[i].fd);
	}
	free(h->list);
	*h = (struct handed){.n = 0};
}
