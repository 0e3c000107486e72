#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/sockets.h"

/* Anybody may connect, as to a port; the folder can say otherwise. */
#define LISTENER_SOCKET_MODE 0666
#define CONTROL_SOCKET_MODE  0660
#define CONTROL_BACKLOG      64
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
open_control_file(struct control_socket *socket, const struct addr *a, const struct privileges *p,
		  struct err *err)
{
	int rc = listen_open_unix(a, CONTROL_BACKLOG, CONTROL_SOCKET_MODE, &socket->fd, err);

	if (rc < 0)
		return rc;
	socket->file = listen_file_of(a);
	if (p->drop && lchown(a->u.un.sun_path, p->uid, p->gid) < 0)
		return err_set_errno(err, "cannot give it to the user");
	return 0;
}

/* The probe finds our own listeners too: one at the same address would get half of the clients. */
static int
open_control_port(struct control_socket *socket, const struct conf_control *control,
		  struct err *err)
{
	static const struct conf_tcp as_is;
	enum listen_family family = control->text[0] == '*' ? TG_LISTEN_BOTH : TG_LISTEN_AS_GIVEN;
	int rc = listen_probe(&control->addr, family, err);

	if (rc < 0)
		return rc;
	return listen_open(&control->addr, family, CONTROL_BACKLOG, &as_is, &socket->fd, err);
}

static int
open_controls(struct sockets *s, const struct conf *conf, const struct privileges *p,
	      struct err *err)
{
	struct err why;
	size_t i;

	for (i = 0; i < conf->admin.n_controls; i++) {
		const struct conf_control *control = &conf->admin.controls[i];
		int rc = control->addr.u.sa.sa_family == AF_UNIX
				 ? open_control_file(&s->controls[i], &control->addr, p, &why)
				 : open_control_port(&s->controls[i], control, &why);

		if (rc < 0)
			return err_set(err, (enum tg_errno) - rc, "%s: %s: %s", control->key,
				       control->text, why.text);
	}
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

	*s = (struct sockets){.log_fd = -1};
	s->fd = calloc(n + 1, sizeof(s->fd[0]));
	s->files = calloc(conf->n_listeners + 1, sizeof(s->files[0]));
	s->controls = calloc(conf->admin.n_controls + 1, sizeof(s->controls[0]));
	if (s->fd == NULL || s->files == NULL || s->controls == NULL)
		return err_set(err, TG_ENOMEM, "no memory for the listening sockets");
	s->n_controls = conf->admin.n_controls;
	for (i = 0; i < s->n_controls; i++)
		s->controls[i].fd = -1;
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
		rc = open_controls(&s, conf, p, err);
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
	for (i = 0; i < s->n_controls; i++)
		close_fd(&s->controls[i].fd);
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
	for (i = 0; i < s->n_controls; i++)
		listen_file_remove(&s->controls[i].file);
	free(s->fd);
	free(s->files);
	free(s->controls);
	*s = (struct sockets){.log_fd = -1};
}
