#include "proc/next.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/overlay.h"

struct hearer {
	next_told *told;
	void *user;
};

/* reading */

static void
tell_errors(const struct hearer *h, const struct conf_errors *errors)
{
	size_t i;

	for (i = 0; i < errors->n; i++)
		h->told(h->user, errors->list[i].text);
	if (errors->n == 0)
		h->told(h->user, "no memory");
}

static void
on_lost(void *user, const char *service, const char *backend, const char *what)
{
	const struct hearer *h = user;
	char line[512];

	snprintf(line, sizeof(line), "service %s backend %s: not kept: %s", service, backend, what);
	h->told(h->user, line);
}

/* Takes `file` over. NULL: no memory. */
static struct conf *
lay_over(const struct conf *present, struct conf *file, const struct hearer *h)
{
	struct hearer hearer = *h;
	struct conf_draft *d = NULL;
	int rc = conf_keep_secrets(file, present);

	if (rc == 0)
		rc = conf_draft_open(file, &d);
	conf_unref(file);
	if (rc == 0)
		rc = conf_draft_carry(d, present, on_lost, &hearer);
	if (rc == 0)
		return conf_draft_finish(d);
	conf_draft_drop(d);
	h->told(h->user, "no memory");
	return NULL;
}

/* False: something differs that cannot. */
static bool
check_fixed(const struct conf *present, const struct conf *conf, const struct hearer *h)
{
	char *text = NULL;
	char *line = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	bool differs = out != NULL && conf_compare_fixed(present, conf, out);
	bool is_written = out != NULL && fclose(out) == 0;

	if (differs && is_written &&
	    asprintf(&line,
		     "%s: cannot change while tidegate runs; an upgrade (SIGUSR2) takes it over",
		     text) < 0)
		line = NULL;
	if (differs || !is_written)
		h->told(h->user, line != NULL ? line : "no memory");
	free(text);
	free(line);
	return is_written && !differs;
}

int
next_read(const struct conf *present, const char *path, struct conf **ret, next_told *told,
	  void *user)
{
	struct hearer h = {.told = told, .user = user};
	struct conf_errors errors = {.n = 0};
	struct conf *conf = NULL;
	int rc = conf_load_file(path, &conf, &errors);

	if (rc < 0)
		tell_errors(&h, &errors);
	conf_errors_fini(&errors);
	if (rc < 0)
		return rc;
	conf = lay_over(present, conf, &h);
	if (conf == NULL)
		return -TG_ENOMEM;
	if (!check_fixed(present, conf, &h)) {
		conf_unref(conf);
		return -TG_ENOTSUP;
	}
	*ret = conf;
	return 0;
}

int
next_compare(const struct conf *present, const struct conf *conf, char **ret,
	     struct conf_changes *ret_changes, struct err *err)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	int rc;

	if (out == NULL)
		return err_set(err, TG_ENOMEM, "no memory");
	rc = conf_compare(present, conf, out, ret_changes);
	if (fclose(out) != 0 || rc < 0) {
		free(text);
		return err_set(err, TG_ENOMEM, "no memory");
	}
	*ret = text;
	return 0;
}

/* making */

int
next_open(const struct present *now, struct conf *conf, bool has_sockets, struct next *ret,
	  struct err *err)
{
	struct next n = {.conf = conf, .conf_fd = -1};
	int rc = slots_assign(now->slots, conf, mono_read(), err);

	if (rc == 0 && has_sockets) {
		rc = sockets_open_next(now->sockets, conf, now->privileges, &n.sockets, err);
		n.has_sockets = rc == 0;
	}
	if (rc == 0)
		rc = conf_save_fd(conf, &n.conf_fd, err);
	if (rc == 0)
		*ret = n;
	else
		next_close(now, &n);
	return rc;
}

void
next_go_over(const struct present *now, struct next *n, struct mono at)
{
	struct conf *conf = *now->conf;
	int conf_fd = *now->conf_fd;

	if (n->has_sockets)
		sockets_go_over(now->sockets, &n->sockets, n->conf);
	slots_commit(now->slots, at);
	*now->conf = n->conf;
	*now->conf_fd = n->conf_fd;
	n->conf = conf;
	n->conf_fd = conf_fd;
	n->is_decided = true;
}

void
next_close(const struct present *now, struct next *n)
{
	if (n->conf == NULL)
		return;
	if (!n->is_decided)
		slots_abort(now->slots);
	if (n->has_sockets)
		sockets_close(&n->sockets);
	if (n->conf_fd >= 0)
		close(n->conf_fd);
	conf_unref(n->conf);
	free(n->text);
	*n = (struct next){.conf = NULL};
}
