#include "proc/next.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/overlay.h"
#include "proc/secrets.h"

#define BY_PROCESSES "by new processes: "

/* One byte may be four in the text, of an order or of what it gives up; and there are words around them. */
#define ORDER_TEXT_MAX (8 * (size_t)TG_RELOAD_ORDER_MAX)

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
		rc = conf_draft_leave_nodes(d, present->nodes, present->n_nodes, mono_read());
	if (rc == 0)
		rc = conf_draft_leave_nodes(d, present->left_nodes, present->n_left_nodes, mono_read());
	if (rc == 0)
		return conf_draft_finish(d);
	conf_draft_drop(d);
	h->told(h->user, "no memory");
	return NULL;
}

int
next_read(const struct conf *present, const char *path, struct conf **ret, next_told *told,
	  void *user)
{
	struct hearer h = {.told = told, .user = user};
	struct conf_errors errors = {.n = 0};
	struct conf *conf = NULL;
	int rc = conf_load_file(path, &conf, &errors);

	/* Or warnings. */
	if (rc < 0 || errors.n > 0)
		tell_errors(&h, &errors);
	conf_errors_fini(&errors);
	if (rc < 0)
		return rc;
	conf = lay_over(present, conf, &h);
	if (conf == NULL)
		return -TG_ENOMEM;
	*ret = conf;
	return 0;
}

/* What only other processes can take over, as a line more. False: nothing. */
static bool
print_fixed(const struct conf *present, const struct conf *conf, FILE *out)
{
	if (!conf_compare_fixed(present, conf, NULL))
		return false;
	fputs(BY_PROCESSES, out);
	(void)conf_compare_fixed(present, conf, out);
	fputc('\n', out);
	return true;
}

/* The same of groups that files have by now. */
static bool
print_secrets(const struct privileges *privileges, const struct conf *conf, FILE *out)
{
	char *text = NULL;
	size_t n;
	FILE *line = open_memstream(&text, &n);
	bool is_any = line != NULL && secrets_are_out_of_reach(privileges, conf, line);

	if (line != NULL && fclose(line) == 0 && is_any)
		fprintf(out, BY_PROCESSES "%s\n", text);
	free(text);
	return is_any;
}

int
next_compare(const struct present *now, const struct conf *conf, struct next_difference *ret,
	     struct err *err)
{
	struct next_difference d = {.text = NULL};
	size_t n;
	FILE *out = open_memstream(&d.text, &n);
	int rc;

	if (out == NULL)
		return err_no_memory(err);
	rc = conf_compare(*now->conf, conf, out, &d.changes);
	d.needs_processes = print_fixed(*now->conf, conf, out);
	d.needs_processes |= print_secrets(now->privileges, conf, out);
	if (fclose(out) != 0 || rc < 0) {
		next_difference_fini(&d);
		return err_no_memory(err);
	}
	*ret = d;
	return 0;
}

void
next_difference_fini(struct next_difference *d)
{
	free(d->text);
	d->text = NULL;
}

/* making */

static int
bytes_of(int fd, size_t *ret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, "measuring the configuration");
	*ret = (size_t)st.st_size;
	return 0;
}

int
next_measure(const struct conf *conf, size_t *ret, struct err *err)
{
	int fd;
	int rc = conf_save_fd(conf, &fd, err);

	if (rc < 0)
		return rc;
	rc = bytes_of(fd, ret, err);
	close(fd);
	return rc;
}

/* What is kept is told by its name: the whole, for a child that starts, has at most what the present one has besides. */
static int
bound_text(const struct present *now, struct next *n, struct err *err)
{
	size_t proxy_bytes = 0;
	int rc = bytes_of(n->fd, &n->text_max, err);

	if (rc == 0)
		rc = bytes_of(n->proxy_fd, &proxy_bytes, err);
	if (rc < 0)
		return rc;
	if (n->text_max < proxy_bytes)
		n->text_max = proxy_bytes;
	n->text_max += now->text_max;
	return n->text_max <= TG_CONF_TEXT_FOR_CHILDREN_MAX
		       ? 0
		       : next_measure(n->conf, &n->text_max, err);
}

static int
save_texts(const struct present *now, struct next *n, struct err *err)
{
	bool *is_kept = NULL;
	int rc;

	if (conf_kept(*now->conf, n->conf, &is_kept) < 0)
		return err_no_memory(err);
	rc = conf_save_next_fd(n->conf, is_kept, &n->fd, err);
	if (rc == 0)
		rc = conf_save_next_proxy_fd(n->conf, is_kept, &n->proxy_fd, err);
	free(is_kept);
	return rc == 0 ? bound_text(now, n, err) : rc;
}

int
next_open(const struct present *now, struct conf *conf, struct next *ret, struct err *err)
{
	struct next n = {.conf = conf, .fd = -1, .proxy_fd = -1};
	int rc = slots_assign(now->slots, conf, mono_read(), err);

	if (rc == 0)
		rc = sockets_open_next(now->sockets, conf, now->privileges, &n.sockets, err);
	n.has_sockets = rc == 0;
	if (rc == 0)
		rc = save_texts(now, &n, err);
	if (rc == 0 && now->signing != NULL) {
		n.has_keys = true;
		rc = signing_change(now->signing, conf, err);
	}
	if (rc == 0)
		*ret = n;
	else
		next_close(now, &n);
	return rc;
}

/* The text is made when a child starts, and has to be one that it takes. */
static int
check_text(const struct present *now, struct next *n, size_t n_orders, struct err *err)
{
	n->text_max = now->text_max + n_orders * ORDER_TEXT_MAX;
	return n->text_max <= TG_CONF_TEXT_FOR_CHILDREN_MAX
		       ? 0
		       : next_measure(n->conf, &n->text_max, err);
}

/* What was added is the last of its service. 0: it is gone again. */
static uint32_t
find_slot(const struct conf *conf, const struct reload_order *o)
{
	const struct conf_service *service = conf_find_service(conf, o->service);
	size_t i;

	for (i = service->n_backends; i > 0; i--) {
		const struct conf_backend *b = &service->backends[i - 1];

		if (b->slot == 0 && b->added.who != NULL && strcmp(b->entry_name, o->backend) == 0)
			return b->segment_slot;
	}
	return 0;
}

int
next_open_edit(const struct present *now, struct conf *conf, struct reload_order *orders, size_t n,
	       struct next *ret, struct err *err)
{
	struct next next = {.conf = conf, .fd = -1, .proxy_fd = -1, .is_edit = true};
	int rc = slots_extend(now->slots, conf, mono_read(), err);
	size_t i;

	for (i = 0; rc == 0 && i < n; i++)
		orders[i].slot =
			orders[i].what == RELOAD_ADD ? find_slot(conf, &orders[i]) : 0;
	if (rc == 0)
		rc = check_text(now, &next, n, err);
	if (rc == 0)
		rc = reload_edit_save_fd(orders, n, &next.fd, err);
	if (rc == 0)
		*ret = next;
	else
		next_close(now, &next);
	return rc;
}

int
next_fd(const struct next *n, enum child_role role)
{
	return role == CHILD_PROXY && !n->is_edit ? n->proxy_fd : n->fd;
}

void
next_go_over(struct present *now, struct next *n, struct mono at)
{
	struct conf *conf = *now->conf;

	if (n->has_sockets)
		sockets_go_over(now->sockets, &n->sockets, n->conf);
	slots_commit(now->slots, at);
	*now->conf = n->conf;
	now->text_max = n->text_max;
	n->conf = conf;
	n->is_decided = true;
}

/* A signer that does not take them is started again, and given them then. */
static void
give_keys_back(const struct present *now)
{
	struct err err;

	(void)!signing_change(now->signing, *now->conf, &err);
}

void
next_close(const struct present *now, struct next *n)
{
	if (n->conf == NULL)
		return;
	if (!n->is_decided && n->has_keys)
		give_keys_back(now);
	if (!n->is_decided)
		slots_abort(now->slots);
	if (n->has_sockets)
		sockets_close(&n->sockets);
	if (n->fd >= 0)
		close(n->fd);
	if (n->proxy_fd >= 0)
		close(n->proxy_fd);
	conf_unref(n->conf);
	next_difference_fini(&n->difference);
	*n = (struct next){.conf = NULL};
}
