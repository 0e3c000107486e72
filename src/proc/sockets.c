#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/sockets.h"

/* Anybody may connect, as to a port; the folder can say otherwise. */
#define LISTENER_SOCKET_MODE 0666
#define ADMIN_SOCKET_MODE    0660
#define ADMIN_BACKLOG        64
#define LOG_FILE_MODE        0640

static bool
is_unix(const struct conf_listener *l)
{
	return l->bind.addr.u.sa.sa_family == AF_UNIX;
}

static enum listen_family
family_of(const struct conf_listener *l)
{
	return l->bind_text[0] == '*' ? TG_LISTEN_BOTH : TG_LISTEN_AS_GIVEN;
}

static int
fail_listener(const struct conf_listener *l, const struct err *why, int rc, struct err *err)
{
	return err_set(err, (enum tg_errno) - rc, "listener \"%s\": %s: %s", l->name, l->bind_text,
		       why->text);
}

/* Every TCP address is free, and no two listeners have the same: SO_REUSEPORT would hide both. */
static int
probe_listeners(const struct conf *conf, struct err *err)
{
	struct err why;
	size_t i;
	size_t j;
	int rc;

	for (i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		for (j = 0; j < i; j++) {
			if (!addr_equal(&l->bind.addr, &conf->listeners[j].bind.addr))
				continue;
			return err_set(err, TG_EEXIST,
				       "listener \"%s\": %s: listener \"%s\" has this address",
				       l->name, l->bind_text, conf->listeners[j].name);
		}
		if (is_unix(l))
			continue;
		rc = listen_probe(&l->bind.addr, family_of(l), &why);
		if (rc < 0)
			return fail_listener(l, &why, rc, err);
	}
	return 0;
}

static int
open_unix(struct sockets *s, const struct conf_listener *l, struct err *err)
{
	int *fd = &s->fd[l->index * s->workers];
	unsigned worker;
	int rc = listen_open_unix(&l->bind.addr, l->backlog, LISTENER_SOCKET_MODE, &fd[0], err);

	if (rc < 0)
		return rc;
	s->files[l->index] = listen_file_of(&l->bind.addr);
	for (worker = 1; worker < s->workers; worker++)
		fd[worker] = fd[0];
	return 0;
}

static int
open_tcp(struct sockets *s, const struct conf_listener *l, struct err *err)
{
	int *fd = &s->fd[l->index * s->workers];
	unsigned worker;
	int rc = 0;

	for (worker = 0; rc == 0 && worker < s->workers; worker++)
		rc = listen_open(&l->bind.addr, family_of(l), l->backlog, &l->tcp, &fd[worker],
				 err);
	return rc;
}

static int
open_listeners(struct sockets *s, const struct conf *conf, struct err *err)
{
	struct err why;
	size_t i;

	for (i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		int rc = is_unix(l) ? open_unix(s, l, &why) : open_tcp(s, l, &why);

		if (rc < 0)
			return fail_listener(l, &why, rc, err);
	}
	return 0;
}

static int
admin_addr(const char *path, struct addr *ret, struct err *err)
{
	size_t n = strlen(path);

	*ret = (struct addr){.len = sizeof(ret->u.un)};
	if (n >= sizeof(ret->u.un.sun_path))
		return err_set(err, TG_ERANGE, "admin.socket: %s: path is too long, at most %zu",
			       path, sizeof(ret->u.un.sun_path) - 1);
	ret->u.un.sun_family = AF_UNIX;
	memcpy(ret->u.un.sun_path, path, n + 1);
	return 0;
}

static int
open_admin(struct sockets *s, const char *path, const struct privileges *p, struct err *err)
{
	struct err why;
	struct addr a;
	int rc;

	if (path == NULL)
		return 0;
	rc = admin_addr(path, &a, err);
	if (rc < 0)
		return rc;
	rc = listen_open_unix(&a, ADMIN_BACKLOG, ADMIN_SOCKET_MODE, &s->admin_fd, &why);
	if (rc < 0)
		return err_set(err, (enum tg_errno) - rc, "admin.socket: %s: %s", path, why.text);
	s->admin_file = listen_file_of(&a);
	if (p->drop && lchown(path, p->uid, p->gid) < 0)
		return err_set_errno(err, "admin.socket: %s: cannot give it to the user", path);
	return 0;
}

static int
open_log(struct sockets *s, const struct conf *conf, struct err *err)
{
	const char *path = conf->log.file;

	if (path == NULL || conf->log.access == TG_ACCESS_OFF)
		return 0;
	s->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, LOG_FILE_MODE);
	if (s->log_fd < 0)
		return err_set_errno(err, "log.file: %s: cannot open", path);
	return 0;
}

static int
allocate(struct sockets *s, const struct conf *conf, struct err *err)
{
	size_t n = conf->n_listeners * conf->workers;
	size_t i;

	*s = (struct sockets){.admin_fd = -1, .log_fd = -1};
	s->fd = calloc(n + 1, sizeof(s->fd[0]));
	s->files = calloc(conf->n_listeners + 1, sizeof(s->files[0]));
	if (s->fd == NULL || s->files == NULL)
		return err_set(err, TG_ENOMEM, "no memory for the listening sockets");
	s->n_listeners = conf->n_listeners;
	s->workers = conf->workers;
	for (i = 0; i < n; i++)
		s->fd[i] = -1;
	return 0;
}

int
sockets_open(const struct conf *conf, const struct privileges *p, struct sockets *ret,
	     struct err *err)
{
	struct sockets s;
	int rc = allocate(&s, conf, err);

	if (rc == 0)
		rc = probe_listeners(conf, err);
	if (rc == 0)
		rc = open_listeners(&s, conf, err);
	if (rc == 0)
		rc = open_admin(&s, conf->admin.socket, p, err);
	if (rc == 0)
		rc = open_log(&s, conf, err);
	if (rc == 0)
		*ret = s;
	else
		sockets_close(&s);
	return rc;
}

int
sockets_listener_fd(const struct sockets *s, size_t listener, unsigned worker)
{
	return s->fd[listener * s->workers + worker];
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
sockets_stop_listening(struct sockets *s)
{
	size_t i;
	unsigned worker;

	for (i = 0; i < s->n_listeners; i++) {
		int *fd = &s->fd[i * s->workers];

		for (worker = 1; worker < s->workers; worker++) {
			if (fd[worker] == fd[0])
				fd[worker] = -1; /* a shared unix socket: one number */
			close_fd(&fd[worker]);
		}
		close_fd(&fd[0]);
	}
	if (s->fd != NULL)
		close_fd(&s->admin_fd);
}

void
sockets_close(struct sockets *s)
{
	size_t i;

	sockets_stop_listening(s);
	if (s->fd != NULL)
		close_fd(&s->log_fd);
	for (i = 0; i < s->n_listeners; i++)
		listen_file_remove(&s->files[i]);
	listen_file_remove(&s->admin_file);
	free(s->fd);
	free(s->files);
	*s = (struct sockets){.admin_fd = -1, .log_fd = -1};
}
