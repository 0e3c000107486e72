#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/channel.h"
#include "proc/sockets_priv.h"

#define CONTROL_SOCKET_MODE 0660
#define LOG_FILE_MODE       0640

bool
sockets_is_unix(const struct conf_listener *l)
{
	return l->bind.addr.u.sa.sa_family == AF_UNIX;
}

enum listen_family
sockets_family_of(const struct conf_listener *l)
{
	return l->bind_text[0] == '*' ? TG_LISTEN_BOTH : TG_LISTEN_AS_GIVEN;
}

int
sockets_fail_listener(const struct conf_listener *l, const struct err *why, int rc, struct err *err)
{
	return err_set(err, (enum tg_errno) - rc, "listener \"%s\": %s: %s", l->name, l->bind_text,
		       why->text);
}

int
sockets_check_unlike(const struct conf *conf, size_t i, struct err *err)
{
	const struct conf_listener *l = &conf->listeners[i];
	size_t j;

	for (j = 0; j < i; j++) {
		if (!addr_equal(&l->bind.addr, &conf->listeners[j].bind.addr))
			continue;
		return err_set(err, TG_EEXIST,
			       "listener \"%s\": %s: listener \"%s\" has this address", l->name,
			       l->bind_text, conf->listeners[j].name);
	}
	return 0;
}

/* Every TCP address is free or was ours before, and no two listeners have the same: SO_REUSEPORT
 * would hide both. */
static int
probe_listeners(const struct conf *conf, const struct inherited *in, struct err *err)
{
	struct err why;
	size_t i;
	int rc;

	for (i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		rc = sockets_check_unlike(conf, i, err);
		if (rc < 0)
			return rc;
		if (sockets_is_unix(l) ||
		    inherited_count(in, &l->bind.addr, sockets_family_of(l), TG_GIVE_LISTENER) > 0)
			continue;
		rc = listen_probe(&l->bind.addr, sockets_family_of(l), &why);
		if (rc < 0)
			return sockets_fail_listener(l, &why, rc, err);
	}
	return 0;
}

int
listening_init(struct listening *at, size_t n, struct err *err)
{
	at->fds = calloc(n + 1, sizeof(at->fds[0]));
	return at->fds != NULL ? 0 : err_set(err, TG_ENOMEM, "no memory for sockets");
}

/* The inherited sockets of this address, if any. */
static void
take_inherited(struct listening *at, struct inherited *in, const struct addr *a,
	       enum listen_family family, enum give_use use)
{
	struct inherited_socket s;

	while (inherited_take(in, a, family, use, &s)) {
		at->fds[at->n++] = s.fd;
		at->file = s.file;
		at->is_lent = true;
	}
}

int
listening_open_file(struct listening *at, const struct addr *a, unsigned backlog, mode_t mode,
	  struct err *err)
{
	int rc = listen_open_unix(a, backlog, mode, &at->fds[0], err);

	if (rc < 0)
		return rc;
	at->n = 1;
	at->file = listen_file_of(a);
	return 0;
}

/* A socket more for each worker that has none. The inherited ones go on alone where that cannot be:
 * one that a service manager opened, a port that is privileged now. */
static void
bind_beside(struct listening *at, const struct conf_listener *l, unsigned workers)
{
	struct err why;

	while (at->n < workers &&
	       listen_bind(&l->bind.addr, sockets_family_of(l), &at->fds[at->n], &why) == 0)
		at->n++;
	if (at->n < workers)
		log_write(TG_LOG_INFO, "workers share sockets",
			  "listener=%s sockets=%zu workers=%u reason=%s", l->name, at->n, workers,
			  why.text);
}

static int
open_tcp(struct listening *at, const struct conf_listener *l, unsigned workers, struct err *err)
{
	int rc = 0;

	if (at->n > 0)
		bind_beside(at, l, workers);
	for (; rc == 0 && at->n < workers && !at->is_lent; at->n += rc == 0)
		rc = listen_open(&l->bind.addr, sockets_family_of(l), l->backlog, &l->tcp, &at->fds[at->n],
				 err);
	return rc;
}

static int
open_listener(struct listening *at, const struct conf_listener *l, unsigned workers,
	      struct inherited *in, struct err *err)
{
	const struct addr *a = &l->bind.addr;
	int rc = listening_init(
		at, workers + inherited_count(in, a, sockets_family_of(l), TG_GIVE_LISTENER), err);

	if (rc < 0)
		return rc;
	take_inherited(at, in, a, sockets_family_of(l), TG_GIVE_LISTENER);
	if (!sockets_is_unix(l))
		return open_tcp(at, l, workers, err);
	return at->n > 0 ? 0
			 : listening_open_file(at, a, l->backlog, TG_LISTENER_SOCKET_MODE, err);
}

static int
open_listeners(struct sockets *s, const struct conf *conf, struct inherited *in, struct err *err)
{
	struct err why;
	size_t i;

	for (i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		int rc = open_listener(&s->listeners[i], l, conf->workers, in, &why);

		s->listeners[i].segment_slot = l->segment_slot;
		if (rc < 0)
			return sockets_fail_listener(l, &why, rc, err);
	}
	return 0;
}

int
listening_open_control_file(struct listening *at, const struct addr *a, const struct privileges *p,
		  struct err *err)
{
	int rc = at->n > 0 ? 0
			   : listening_open_file(at, a, TG_CONTROL_BACKLOG, CONTROL_SOCKET_MODE,
						 err);

	if (rc == 0 && p->drop && !at->is_lent && lchown(a->u.un.sun_path, p->uid, p->gid) < 0)
		rc = err_set_errno(err, "cannot give it to the user");
	return rc;
}

/* The probe finds our own listeners too: one at the same address would get half of the clients. */
static int
open_control_port(struct listening *at, const struct addr *a, enum listen_family family,
		  struct err *err)
{
	static const struct conf_tcp as_is;
	int rc;

	if (at->n > 0)
		return 0;
	rc = listen_probe(a, family, err);
	if (rc == 0)
		rc = listen_open(a, family, TG_CONTROL_BACKLOG, &as_is, &at->fds[0], err);
	at->n = rc == 0;
	return rc;
}

enum listen_family
sockets_control_family(const struct conf_control *control)
{
	return control->text[0] == '*' ? TG_LISTEN_BOTH : TG_LISTEN_AS_GIVEN;
}

static int
open_control(struct listening *at, const struct conf_control *control, const struct privileges *p,
	     struct inherited *in, struct err *err)
{
	enum listen_family family = sockets_control_family(control);
	const struct addr *a = &control->addr;
	int rc = listening_init(at, 1 + inherited_count(in, a, family, TG_GIVE_CONTROL), err);

	if (rc < 0)
		return rc;
	take_inherited(at, in, a, family, TG_GIVE_CONTROL);
	if (a->u.sa.sa_family == AF_UNIX)
		return listening_open_control_file(at, a, p, err);
	return open_control_port(at, a, family, err);
}

static int
open_controls(struct sockets *s, const struct conf *conf, const struct privileges *p,
	      struct inherited *in, struct err *err)
{
	struct err why;
	size_t i;

	for (i = 0; i < conf->admin.n_controls; i++) {
		const struct conf_control *control = &conf->admin.controls[i];
		int rc = open_control(&s->controls[i], control, p, in, &why);

		if (rc < 0)
			return err_set(err, (enum tg_errno) - rc, "%s: %s: %s", control->key,
				       control->text, why.text);
	}
	return 0;
}

int
sockets_open_to_append(const char *path, int more)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | more,
		      LOG_FILE_MODE);

	if (fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
sockets_fail_log(const char *path, struct err *err)
{
	int saved = errno;
	struct stat st;

	if (saved == ENXIO && stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		return err_set(err, TG_EIO,
			       "log.file: %s: nobody reads this pipe; start its reader first",
			       path);
	errno = saved;
	return err_set_errno(err, "log.file: %s: cannot open", path);
}

int
sockets_open_log(struct sockets *s, const struct conf *conf, struct err *err)
{
	const char *path = conf->log.file;

	if (path == NULL || conf->log.access == TG_ACCESS_OFF)
		return 0;
	s->log_fd = sockets_open_to_append(path, O_CREAT);
	if (s->log_fd < 0)
		return sockets_fail_log(path, err);
	if (s->log_path == NULL)
		s->log_path = strdup(path);
	return s->log_path != NULL ? 0 : err_no_memory(err);
}

int
sockets_allocate(struct sockets *s, const struct conf *conf, struct err *err)
{
	*s = (struct sockets){.log_fd = -1};
	s->listeners = calloc(conf->n_listeners + 1, sizeof(s->listeners[0]));
	s->controls = calloc(conf->admin.n_controls + 1, sizeof(s->controls[0]));
	if (s->listeners == NULL || s->controls == NULL)
		return err_set(err, TG_ENOMEM, "no memory for the listening sockets");
	s->n_listeners = conf->n_listeners;
	s->n_controls = conf->admin.n_controls;
	s->workers = conf->workers;
	return 0;
}

int
sockets_open(const struct conf *conf, const struct privileges *p, struct inherited *in,
	     struct sockets *ret, struct err *err)
{
	struct sockets s;
	int rc = sockets_allocate(&s, conf, err);

	if (rc == 0)
		rc = probe_listeners(conf, in, err);
	if (rc == 0)
		rc = open_listeners(&s, conf, in, err);
	if (rc == 0)
		rc = open_controls(&s, conf, p, in, err);
	if (rc == 0)
		rc = sockets_open_log(&s, conf, err);
	if (rc == 0)
		*ret = s;
	else
		sockets_close(&s);
	return rc;
}

int
sockets_reopen_log(struct sockets *s, const struct conf *conf, struct err *err)
{
	int before = s->log_fd;
	int rc = sockets_open_log(s, conf, err);

	if (rc < 0)
		s->log_fd = before;
	else if (before >= 0)
		close(before);
	return rc;
}

void
sockets_each(struct sockets *s, void (*fn)(struct listening *at))
{
	size_t i;

	for (i = 0; i < s->n_listeners; i++)
		fn(&s->listeners[i]);
	for (i = 0; i < s->n_controls; i++)
		fn(&s->controls[i]);
}

/* handing on */

/* Each socket to one worker, and each worker at least one socket. */
static int
send_listener(int channel, const struct sockets *s, size_t listener)
{
	const struct listening *at = &s->listeners[listener];
	size_t n = at->n > s->workers ? at->n : s->workers;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		struct msg_listen m = {.listener = at->segment_slot,
				       .worker = (uint32_t)(i % s->workers)};

		rc = channel_send(channel, MSG_LISTEN, &m, sizeof(m), at->fds[i % at->n]);
	}
	return rc;
}

int
sockets_equip_proxy(const struct sockets *s, int channel)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < s->n_listeners; i++)
		rc = send_listener(channel, s, i);
	return rc;
}

int
sockets_tell_proxy_next(const struct sockets *next, int channel)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < next->n_listeners; i++) {
		const struct listening *at = &next->listeners[i];

		if (at->before == NULL || at->before->segment_slot != at->segment_slot)
			rc = send_listener(channel, next, i);
	}
	return rc;
}

int
sockets_tell_keeper_next(const struct sockets *next, int channel)
{
	struct msg_admin m;
	int rc = 0;

	for (m.control = 0; rc == 0 && m.control < next->n_controls; m.control++)
		if (next->controls[m.control].before == NULL)
			rc = channel_send(channel, MSG_ADMIN, &m, sizeof(m),
					  next->controls[m.control].fds[0]);
	if (rc == 0 && next->has_new_log)
		rc = channel_send(channel, MSG_LOG_FILE, NULL, 0, next->log_fd);
	return rc;
}

int
sockets_equip_keeper(const struct sockets *s, int channel)
{
	struct msg_admin m;
	int rc = 0;

	for (m.control = 0; rc == 0 && m.control < s->n_controls; m.control++)
		rc = channel_send(channel, MSG_ADMIN, &m, sizeof(m), s->controls[m.control].fds[0]);
	if (rc == 0 && s->log_fd >= 0)
		rc = channel_send(channel, MSG_LOG_FILE, NULL, 0, s->log_fd);
	return rc;
}

/* Bound ones that do not listen yet have nobody waiting: those stay here. */
static bool
listens(int fd)
{
	int value = 0;
	socklen_t n = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &n) == 0 && value != 0;
}

static int
give(int channel, const struct listening *list, size_t n, enum give_use use)
{
	size_t i;
	size_t j;
	int rc = 0;

	for (i = 0; i < n; i++) {
		struct msg_give m = {.use = (uint32_t)use,
				     .device = (uint64_t)list[i].file.device,
				     .inode = (uint64_t)list[i].file.inode};

		for (j = 0; rc == 0 && j < list[i].n; j++)
			if (listens(list[i].fds[j]))
				rc = channel_send(channel, MSG_GIVE, &m, sizeof(m), list[i].fds[j]);
	}
	return rc;
}

int
sockets_give(const struct sockets *s, int channel)
{
	int rc = give(channel, s->listeners, s->n_listeners, TG_GIVE_LISTENER);

	if (rc == 0)
		rc = give(channel, s->controls, s->n_controls, TG_GIVE_CONTROL);
	return rc == 0 ? channel_send(channel, MSG_GIVEN, NULL, 0, -1) : rc;
}

static void
own(struct listening *at)
{
	at->is_lent = false;
}

/* Until now it was that of the user before. */
static void
give_file(const struct listening *at, const struct privileges *p)
{
	const struct addr *a = &at->file.addr;

	if (a->len != 0 && lchown(a->u.un.sun_path, p->uid, p->gid) < 0)
		log_write(TG_LOG_ERROR, "cannot give a control socket to the user",
			  "path=%s reason=%s", a->u.un.sun_path, strerror(errno));
}

void
sockets_own(struct sockets *s, const struct privileges *p)
{
	sockets_each(s, own);
	for (size_t i = 0; i < s->n_controls; i++)
		give_file(&s->controls[i], p);
}

static void
disown(struct listening *at)
{
	at->is_lent = true;
}

void
sockets_disown(struct sockets *s)
{
	sockets_each(s, disown);
}

/* the end */

static void
stop_listening(struct listening *at)
{
	size_t i;

	for (i = 0; i < at->n; i++)
		close(at->fds[i]);
	at->n = 0;
}

void
sockets_stop_listening(struct sockets *s)
{
	sockets_each(s, stop_listening);
}

static void
listening_close(struct listening *at)
{
	stop_listening(at);
	if (!at->is_lent)
		listen_file_remove(&at->file);
	free(at->fds);
}

void
sockets_close(struct sockets *s)
{
	sockets_each(s, listening_close);
	if (s->listeners != NULL && s->log_fd >= 0)
		close(s->log_fd);
	free(s->listeners);
	free(s->controls);
	free(s->log_path);
	*s = (struct sockets){.log_fd = -1};
}
