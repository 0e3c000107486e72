/*
 * conf/load.c: from a file, a text or a descriptor to a counted configuration, and back.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "conf/box_priv.h"
#include "conf/conf.h"
#include "conf/print_priv.h"
#include "conf/reader_priv.h"
#include "conf/report_priv.h"
#include "conf/schema_priv.h"
#include "conf/source_priv.h"

#define CONF_MEMORY_NAME "tidegate-conf"

#define BOX_MAGIC 0x7c0f1630u

struct conf_box *
conf_box_of(struct conf *conf)
{
	struct conf_box *box = (struct conf_box *)conf;

	assert(box->magic == BOX_MAGIC);
	return box;
}

struct conf_box *
conf_box_new(void)
{
	struct conf_box *box = calloc(1, sizeof(*box));

	if (!box)
		return NULL;
	box->magic = BOX_MAGIC;
	atomic_init(&box->conf.refs, 1);
	return box;
}

struct conf_part *
conf_part_new(struct conf_part *under)
{
	struct conf_part *part = calloc(1, sizeof(*part));

	if (!part)
		return NULL;
	atomic_init(&part->refs, 1);
	/* It makes backends and what was deleted anew, and all else was read. */
	part->under = conf_part_ref(under && under->under ? under->under : under);
	return part;
}

struct conf_part *
conf_part_ref(struct conf_part *part)
{
	if (part)
		atomic_fetch_add_explicit(&part->refs, 1, memory_order_relaxed);
	return part;
}

void
conf_part_unref(struct conf_part *part)
{
	if (!part || atomic_fetch_sub_explicit(&part->refs, 1, memory_order_acq_rel) != 1)
		return;
	conf_part_unref(part->under);
	arena_wipe(&part->arena);
	free(part);
}

static void
box_free(struct conf_box *box)
{
	struct conf *file = box->file;

	for (size_t i = 0; box->parts && i < box->conf.n_services; i++)
		conf_part_unref(box->parts[i]);
	free(box->parts);
	conf_part_unref(box->certificates);
	arena_wipe(&box->arena);
	box->magic = 0;
	free(box);
	conf_unref(file);
}

/*** Match order of routes ***/

/* 0: the host itself, 1: wildcard, 2: any. */
static int
host_rank(const struct conf_route *route)
{
	if (!route->host)
		return 2;
	return route->host[0] == '*';
}

static int
compare_routes(const void *a, const void *b)
{
	const struct conf_route *x = a;
	const struct conf_route *y = b;
	size_t x_len = x->host ? strlen(x->host) : 0;
	size_t y_len = y->host ? strlen(y->host) : 0;
	int c = host_rank(x) - host_rank(y);

	if (c != 0)
		return c;
	if (host_rank(x) == 1 && x_len != y_len)
		return x_len > y_len ? -1 : 1;
	c = x->host ? strcmp(x->host, y->host) : 0;
	if (c != 0)
		return c;
	x_len = x->path ? strlen(x->path) : 0;
	y_len = y->path ? strlen(y->path) : 0;
	if (x_len != y_len)
		return x_len > y_len ? -1 : 1;
	c = x->path ? strcmp(x->path, y->path) : 0;
	if (c == 0)
		c = (y->alpn != NULL) - (x->alpn != NULL);
	return c != 0 || x->index == y->index ? c : x->index < y->index ? -1 : 1;
}

static void
sort_routes(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		struct conf_listener *listener = &conf->listeners[i];

		for (size_t n = 0; n < listener->n_routes; n++)
			listener->routes[n].index = (unsigned)n;
		if (listener->n_routes > 1)
			qsort(listener->routes, listener->n_routes, sizeof(listener->routes[0]),
			      compare_routes);
	}
}

/*** Loading ***/

/* Takes the source. */
static int
load(struct conf_source *source, bool internal, struct conf *present, struct conf_report *report,
     struct conf **ret, struct conf_errors *errors)
{
	struct conf_box *box = conf_box_new();

	if (!box)
		conf_report_no_memory(report);
	else if (conf_report_is_clean(report))
		conf_read(source, internal, &box->arena, report, &conf_schema_top, &box->conf,
			  &box->conf, present);
	if (box && conf_report_is_clean(report)) {
		sort_routes(&box->conf);
		*ret = &box->conf;
		conf_report_finish(report, source, errors);
		conf_source_close(source);
		return 0;
	}
	if (box)
		box_free(box);
	conf_report_finish(report, source, errors);
	conf_source_close(source);
	return -TG_EINVAL;
}

/* Not even a source: memory is out. */
static int
load_nothing(const char *name, struct conf_report *report, struct conf_errors *errors)
{
	conf_report_fini(report);
	conf_errors_add(errors, "%s: no memory", name);
	return -TG_ENOMEM;
}

/* Where `path` is now. False: no memory. */
static bool
set_origin(struct conf *conf, const char *path)
{
	struct conf_box *box = conf_box_of(conf);
	char folder[PATH_MAX] = "";
	char text[TG_CONF_ORIGIN_MAX];

	if (path[0] != '/' && getcwd(folder, sizeof(folder)) == NULL)
		folder[0] = '\0';
	if ((size_t)snprintf(text, sizeof(text), "%s%s%s", folder, path[0] == '/' ? "" : "/",
			     path) >= sizeof(text))
		return true; /* it is of no file that could be named */
	conf->origin = arena_copy(&box->arena, text, strlen(text));
	return conf->origin != NULL;
}

int
conf_load_file(const char *path, struct conf **ret, struct conf_errors *errors)
{
	struct conf_report report = {.n = 0};
	struct conf_source *source;
	int rc;

	*errors = (struct conf_errors){.n = 0};
	if (conf_source_open(path, &report, &source) < 0)
		return load_nothing(path, &report, errors);
	rc = load(source, false, NULL, &report, ret, errors);
	if (rc < 0 || set_origin(*ret, path))
		return rc;
	conf_unref(*ret);
	return load_nothing(path, &report, errors);
}

int
conf_load_text(const char *text, size_t n, const char *name, struct conf **ret,
	       struct conf_errors *errors)
{
	struct conf_report report = {.n = 0};
	struct conf_source *source;

	*errors = (struct conf_errors){.n = 0};
	if (conf_source_memory(text, n, TG_CONF_TEXT_MAX, name, &report, &source) < 0)
		return load_nothing(name, &report, errors);
	return load(source, false, NULL, &report, ret, errors);
}

/*** Between our own processes ***/

static int
write_text(const struct conf *conf, enum conf_reader reader, const bool *is_kept, int fd,
	   struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
	struct stat st;
	bool failed;

	if (!out) {
		if (copy >= 0)
			close(copy);
		return err_set_errno(err, "writing the configuration");
	}
	conf_print_all(conf, reader, is_kept, out);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed)
		return err_set_errno(err, "writing the configuration");
	if (fstat(fd, &st) < 0)
		return err_set_errno(err, "writing the configuration");
	if (st.st_size > (off_t)TG_CONF_TEXT_FOR_CHILDREN_MAX)
		return err_set(err, TG_ELIMIT,
			       "the configuration with its error pages is larger "
			       "than %u bytes",
			       TG_CONF_TEXT_FOR_CHILDREN_MAX);
	return 0;
}

static int
save(const struct conf *conf, enum conf_reader reader, const bool *is_kept, int *ret_fd,
     struct err *err)
{
	int fd = memfd_create(CONF_MEMORY_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return err_set_errno(err, "memfd_create");
	r = write_text(conf, reader, is_kept, fd, err);
	if (r == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = err_set_errno(err, "sealing the configuration");
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int
conf_save_fd(const struct conf *conf, int *ret_fd, struct err *err)
{
	return save(conf, CONF_FOR_KEEPER, NULL, ret_fd, err);
}

int
conf_save_proxy_fd(const struct conf *conf, int *ret_fd, struct err *err)
{
	return save(conf, CONF_FOR_PROXY, NULL, ret_fd, err);
}

int
conf_save_next_fd(const struct conf *conf, const bool *is_kept, int *ret_fd, struct err *err)
{
	return save(conf, CONF_FOR_KEEPER, is_kept, ret_fd, err);
}

int
conf_save_next_proxy_fd(const struct conf *conf, const bool *is_kept, int *ret_fd, struct err *err)
{
	return save(conf, CONF_FOR_PROXY, is_kept, ret_fd, err);
}

/* From its beginning, without moving the offset that processes share. */
static int
read_fd(int fd, char **ret, size_t *ret_n, struct err *err)
{
	struct stat st;
	size_t n = 0;
	ssize_t got;
	char *text;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, "reading the configuration");
	if (st.st_size < 0 || st.st_size > (off_t)TG_CONF_TEXT_FOR_CHILDREN_MAX)
		return err_set(err, TG_ELIMIT, "reading the configuration: it is too large");
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return err_set(err, TG_ENOMEM, "reading the configuration: no memory");
	while (n < (size_t)st.st_size) {
		got = pread(fd, text + n, (size_t)st.st_size - n, (off_t)n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(text);
			return err_set_errno(err, "reading the configuration");
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret = text;
	*ret_n = n;
	return 0;
}

static int
load_internal(const char *text, size_t n, struct conf *present, struct conf **ret, struct err *err)
{
	struct conf_report report = {.n = 0};
	struct conf_errors errors = {.n = 0};
	struct conf_source *source;
	int r = conf_source_memory(text, n, TG_CONF_TEXT_FOR_CHILDREN_MAX, CONF_MEMORY_NAME,
				   &report, &source);

	if (r < 0)
		r = load_nothing(CONF_MEMORY_NAME, &report, &errors);
	else
		r = load(source, true, present, &report, ret, &errors);
	if (r < 0)
		err_set(err, (enum tg_errno) - r, "%s",
			errors.n > 0 ? errors.list[0].text : "no memory");
	conf_errors_fini(&errors);
	return r;
}

int
conf_load_internal(const char *text, size_t n, struct conf **ret, struct err *err)
{
	return load_internal(text, n, NULL, ret, err);
}

int
conf_load_fd(int fd, struct conf **ret, struct err *err)
{
	return conf_load_next_fd(fd, NULL, ret, err);
}

int
conf_load_next_fd(int fd, struct conf *present, struct conf **ret, struct err *err)
{
	char *text = NULL;
	size_t n = 0;
	int r = read_fd(fd, &text, &n, err);

	if (r < 0)
		return r;
	r = load_internal(text, n, present, ret, err);
	explicit_bzero(text, n);
	free(text);
	return r;
}

/*** References ***/

struct conf *
conf_ref(struct conf *conf)
{
	atomic_fetch_add_explicit(&conf_box_of(conf)->conf.refs, 1, memory_order_relaxed);
	return conf;
}

void
conf_unref(struct conf *conf)
{
	if (conf &&
	    atomic_fetch_sub_explicit(&conf_box_of(conf)->conf.refs, 1, memory_order_acq_rel) == 1)
		box_free(conf_box_of(conf));
}
