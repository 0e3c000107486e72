/* proc/sockets_next.c: the sockets of the next configuration beside those of now, until it is decided. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/sockets_priv.h"

static struct listening *
find_same(struct listening *list, size_t n, const struct addr *a, enum listen_family family)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].n > 0 && listen_is_at(list[i].fds[0], a, family))
			return &list[i];
	return NULL;
}

/* Other descriptors of the same sockets. */
static int
take_same(struct listening *at, struct listening *before, struct err *err)
{
	int rc = listening_init(at, before->n, err);

	if (rc < 0)
		return rc;
	at->before = before;
	at->file = before->file;
	at->is_lent = true;
	for (; at->n < before->n; at->n++) {
		at->fds[at->n] = fcntl(before->fds[at->n], F_DUPFD_CLOEXEC, 0);
		if (at->fds[at->n] < 0)
			return err_set_errno(err, "cannot keep a socket");
	}
	return 0;
}

static bool
is_any(const struct addr *a)
{
	if (a->u.sa.sa_family == AF_INET)
		return a->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr);
}

static bool
meets(const struct listening *list, size_t n, const struct addr *a)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct addr ours = {.len = sizeof(ours.u)};

		if (list[i].n > 0 && getsockname(list[i].fds[0], &ours.u.sa, &ours.len) == 0 &&
		    ours.u.sa.sa_family != AF_UNIX && addr_port(&ours) == addr_port(a) &&
		    (is_any(&ours) || is_any(a) || addr_equal(&ours, a)))
			return true;
	}
	return false;
}

/* Where one of ours has the port at all addresses, or at one of those that are wanted, the probe
 * cannot tell it from a stranger. */
static int
probe_next(const struct sockets *now, const struct addr *a, enum listen_family family,
	   struct err *err)
{
	int rc = listen_probe(a, family, err);

	if (rc < 0 && (meets(now->listeners, now->n_listeners, a) ||
		       meets(now->controls, now->n_controls, a)))
		return 0;
	return rc;
}

/* Nobody gets there before it is decided. */
static int
bind_ports(struct listening *at, const struct sockets *now, const struct addr *a,
	   enum listen_family family, unsigned n, struct err *err)
{
	int rc = probe_next(now, a, family, err);

	for (; rc == 0 && at->n < n; at->n += rc == 0)
		rc = listen_bind(a, family, &at->fds[at->n], err);
	return rc;
}

static int
open_listener_next(struct listening *at, struct sockets *now, const struct conf_listener *l,
		   struct err *err)
{
	const struct addr *a = &l->bind.addr;
	struct listening *before =
		find_same(now->listeners, now->n_listeners, a, sockets_family_of(l));
	int rc;

	if (before != NULL)
		return take_same(at, before, err);
	rc = listening_init(at, now->workers, err);
	if (rc < 0)
		return rc;
	if (sockets_is_unix(l))
		return listening_open_file(at, a, l->backlog, TG_LISTENER_SOCKET_MODE, err);
	return bind_ports(at, now, a, sockets_family_of(l), now->workers, err);
}

static int
open_listeners_next(struct sockets *s, struct sockets *now, const struct conf *conf,
		    struct err *err)
{
	struct err why;
	size_t i;

	for (i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		int rc = sockets_check_unlike(conf, i, err);

		if (rc < 0)
			return rc;
		rc = open_listener_next(&s->listeners[i], now, l, &why);
		s->listeners[i].segment_slot = l->segment_slot;
		if (rc < 0)
			return sockets_fail_listener(l, &why, rc, err);
	}
	return 0;
}

static int
open_control_next(struct listening *at, struct sockets *now, const struct sockets *next,
		  const struct conf_control *control, const struct privileges *p, struct err *err)
{
	enum listen_family family = sockets_control_family(control);
	const struct addr *a = &control->addr;
	struct listening *before = find_same(now->controls, now->n_controls, a, family);
	int rc;

	if (before != NULL)
		return take_same(at, before, err);
	rc = listening_init(at, 1, err);
	if (rc < 0)
		return rc;
	if (a->u.sa.sa_family == AF_UNIX)
		return listening_open_control_file(at, a, p, err);
	if (find_same(next->listeners, next->n_listeners, a, family) != NULL)
		return err_set(err, TG_EEXIST, "a listener has this address");
	return bind_ports(at, now, a, family, 1, err);
}

static int
open_controls_next(struct sockets *s, struct sockets *now, const struct conf *conf,
		   const struct privileges *p, struct err *err)
{
	struct err why;
	size_t i;

	for (i = 0; i < conf->admin.n_controls; i++) {
		const struct conf_control *control = &conf->admin.controls[i];
		int rc = open_control_next(&s->controls[i], now, s, control, p, &why);

		if (rc < 0)
			return err_set(err, (enum tg_errno) - rc, "%s: %s: %s", control->key,
				       control->text, why.text);
	}
	return 0;
}

/* Under the same name it goes on, even if the file was moved away. */
static int
open_log_next(struct sockets *s, const struct sockets *now, const struct conf *conf,
	      struct err *err)
{
	const char *path = conf->log.access == TG_ACCESS_OFF ? NULL : conf->log.file;

	if (path == NULL)
		return 0;
	s->has_new_log = now->log_path == NULL || strcmp(now->log_path, path) != 0;
	if (s->has_new_log)
		return sockets_open_log(s, conf, err);
	s->log_path = strdup(path);
	s->log_fd = fcntl(now->log_fd, F_DUPFD_CLOEXEC, 0);
	if (s->log_path == NULL || s->log_fd < 0)
		return err_set(err, TG_EIO, "log.file: %s: cannot be kept", path);
	return 0;
}

/* All but the log. To be closed either way. */
static int
open_listening_next(struct sockets *s, struct sockets *now, const struct conf *conf,
		    const struct privileges *p, struct err *err)
{
	int rc = sockets_allocate(s, conf, err);

	if (rc == 0)
		rc = open_listeners_next(s, now, conf, err);
	if (rc == 0)
		rc = open_controls_next(s, now, conf, p, err);
	return rc;
}

int
sockets_open_next(struct sockets *now, const struct conf *conf, const struct privileges *p,
		  struct sockets *ret, struct err *err)
{
	struct sockets s;
	int rc = open_listening_next(&s, now, conf, p, err);

	if (rc == 0)
		rc = open_log_next(&s, now, conf, err);
	if (rc == 0)
		*ret = s;
	else
		sockets_close(&s);
	return rc;
}

/* One that this makes goes again. */
static int
try_log(const struct sockets *now, const struct conf *conf, struct err *err)
{
	const char *path = conf->log.access == TG_ACCESS_OFF ? NULL : conf->log.file;
	bool is_made;
	int fd;

	if (path == NULL || (now->log_path != NULL && strcmp(now->log_path, path) == 0))
		return 0;
	fd = sockets_open_to_append(path, O_CREAT | O_EXCL);
	is_made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = sockets_open_to_append(path, 0);
	if (fd < 0)
		return sockets_fail_log(path, err);
	if (is_made)
		unlink(path);
	close(fd);
	return 0;
}

int
sockets_try_next(struct sockets *now, const struct conf *conf, const struct privileges *p,
		 struct err *err)
{
	struct sockets s;
	int rc = open_listening_next(&s, now, conf, p, err);

	if (rc == 0)
		rc = try_log(now, conf, err);
	sockets_close(&s);
	return rc;
}

static void
begin_ports(const struct listening *at, unsigned backlog, const struct conf_tcp *tcp,
	    const char *what)
{
	size_t i;

	for (i = 0; i < at->n; i++)
		if (listen_begin(at->fds[i], backlog, tcp) < 0)
			log_write(TG_LOG_ERROR, "a socket does not listen as it should",
				  "of=%s reason=%s", what, strerror(errno));
}

static void
begin_all(const struct sockets *s, const struct conf *conf)
{
	static const struct conf_tcp as_is;
	size_t i;

	for (i = 0; i < s->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		begin_ports(&s->listeners[i], l->backlog, sockets_is_unix(l) ? NULL : &l->tcp, l->name);
	}
	for (i = 0; i < s->n_controls; i++) {
		const struct conf_control *control = &conf->admin.controls[i];

		if (s->controls[i].before == NULL && control->addr.u.sa.sa_family != AF_UNIX)
			begin_ports(&s->controls[i], TG_CONTROL_BACKLOG, &as_is, control->key);
	}
}

/* The file of what stays is the next one's to remove. */
static void
take_file(struct listening *at)
{
	if (at->before == NULL)
		return;
	at->is_lent = at->before->is_lent;
	at->before->is_lent = true;
	at->before = NULL;
}

void
sockets_go_over(struct sockets *s, struct sockets *next, const struct conf *conf)
{
	struct sockets before = *s;

	if (!next->has_new_log && next->log_fd >= 0) { /* opened anew meanwhile, it may be another */
		before.log_fd = next->log_fd;
		next->log_fd = s->log_fd;
	}
	begin_all(next, conf);
	sockets_each(next, take_file);
	*s = *next;
	*next = before;
}
