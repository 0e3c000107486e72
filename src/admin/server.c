#include "admin/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/command.h"
#include "base/container.h"
#include "base/log.h"
#include "net/conn.h"

#define ACCEPT_PER_TURN 16u
#define ACCEPT_PAUSE_MS 200u
#define LEAST_ANSWER    4096u
#define LINES_PER_TURN  16u

enum client_state {
	CLIENT_READING = 0, /* its line */
	CLIENT_WRITING = 1, /* its answers */
	CLIENT_CLOSED = 2,  /* waits for the end of the turn */
	CLIENT_STATE_COUNT
};

/* One socket that is listened on, and its clients. */
struct door {
	struct admin_server *server;
	LIST_ENTRY(door) link;
	enum conf_rights rights;
	int fd;
	struct watch watch;
	struct timer pause; /* runs while accepting is stopped for want of descriptors */
	LIST_HEAD(, client) clients;
	unsigned n_clients;
	size_t queued; /* bytes of all answers not yet taken */
	struct log_limit refused;
};

struct client {
	struct door *door;
	LIST_ENTRY(client) link;
	enum client_state state;
	struct conn conn;
	struct timer timer; /* to finish the line, or to take some of the answer */
	struct timer again; /* more lines are there, for the next turn */
	struct command_session session;
	struct output out;
	size_t sent;
	size_t line_n;
	bool has_ended; /* nothing more comes */
	struct deferred deferred;
	char line[TG_ADMIN_LINE_MAX + 1];
};

struct admin_server {
	struct loop *loop;
	struct admin_source *source;
	LIST_HEAD(, door) doors;
};

static void
client_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct client, deferred));
}

/* What the client sent beyond its line must be read, or closing would tell it of an error. */
static void
discard_input(struct client *c)
{
	char bytes[4096];

	for (int i = 0; i < 64; i++) {
		conn_recheck(&c->conn);
		if (conn_recv(&c->conn, bytes, sizeof(bytes)) <= 0)
			return;
	}
}

static void
client_close(struct client *c)
{
	struct door *d = c->door;

	c->state = CLIENT_CLOSED;
	discard_input(c);
	conn_close(&c->conn);
	timer_fini(&c->timer);
	timer_fini(&c->again);
	d->queued -= c->out.n;
	output_fini(&c->out);
	LIST_REMOVE(c, link);
	d->n_clients--;
	loop_defer(d->server->loop, &c->deferred, client_free);
}

static void
arm(struct client *c)
{
	struct loop *loop = c->door->server->loop;
	uint64_t ms = TG_ADMIN_IDLE_MS;

	if (c->state == CLIENT_READING && c->session.is_interactive)
		ms = c->session.timeout_s != 0 ? c->session.timeout_s * UINT64_C(1000)
					       : TG_ADMIN_PROMPT_MS;
	timer_set(loop, &c->timer, mono_add_ms(loop_now(loop), ms));
}

static void
on_timeout(struct timer *t)
{
	client_close(TG_CONTAINER(t, struct client, timer));
}

/* All is sent. True: another line may come. */
static bool
client_stays(struct client *c)
{
	if (!c->session.is_interactive || c->session.is_over || c->has_ended)
		return false;
	c->door->queued -= c->out.n;
	output_fini(&c->out);
	output_init(&c->out, TG_ADMIN_ANSWER_MAX);
	c->sent = 0;
	c->state = CLIENT_READING;
	arm(c);
	return true;
}

/* Sends what the kernel takes. False: closed, or not all is taken. */
static bool
client_write(struct client *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = conn_send(&c->conn, c->out.bytes + c->sent, c->out.n - c->sent);

		if (n == -TG_EAGAIN)
			return false;
		if (n < 0) {
			client_close(c);
			return false;
		}
		c->sent += (size_t)n;
		arm(c);
	}
	if (client_stays(c))
		return true;
	client_close(c);
	return false;
}

/* The first `n` bytes are a line. */
static void
client_answer(struct client *c, size_t n)
{
	struct door *d = c->door;
	size_t left = d->queued < TG_ADMIN_ANSWERS_MAX ? TG_ADMIN_ANSWERS_MAX - d->queued : 0;

	/* Enough to say why there is no more. */
	if (left < LEAST_ANSWER)
		left = LEAST_ANSWER;
	c->state = CLIENT_WRITING;
	c->line[n] = '\0';
	output_fini(&c->out);
	output_init(&c->out, left < TG_ADMIN_ANSWER_MAX ? left : TG_ADMIN_ANSWER_MAX);
	d->server->source->now = loop_now(d->server->loop);
	d->server->source->wall = wall_read();
	command_run_line(d->server->source, &c->session, c->line, &c->out);
	if (c->session.is_interactive && !c->session.is_over)
		output_text(&c->out, "> ");
	d->queued += c->out.n;
	arm(c);
}

/* The line did not end within its room. */
static void
client_refuse_line(struct client *c)
{
	char text[64];

	snprintf(text, sizeof(text), "the line is longer than %u bytes", TG_ADMIN_LINE_MAX);
	c->state = CLIENT_WRITING;
	c->session.is_over = true;
	command_refuse(&c->out, TG_COMMAND_LIMIT, text);
	c->door->queued += c->out.n;
	client_write(c);
}

/* A line is there, or all of what was the last one: answers it. False: more is needed. */
static bool
take_line(struct client *c)
{
	char *lf = memchr(c->line, '\n', c->line_n);
	size_t n = lf != NULL ? (size_t)(lf - c->line) : c->line_n;
	size_t taken = lf != NULL ? n + 1 : n;

	if (lf == NULL && !c->has_ended)
		return false;
	client_answer(c, n);
	c->line_n -= taken;
	memmove(c->line, c->line + taken, c->line_n);
	return true;
}

/* Lines as long as they are there and their answers are taken. */
static void
client_read(struct client *c)
{
	unsigned lines = 0;

	while (c->state == CLIENT_READING) {
		size_t room = TG_ADMIN_LINE_MAX - c->line_n;
		ssize_t n;

		if (lines == LINES_PER_TURN) {
			timer_set(c->door->server->loop, &c->again,
				  loop_now(c->door->server->loop));
			return;
		}
		if (take_line(c)) {
			lines++;
			if (!client_write(c))
				return;
			continue;
		}
		if (room == 0) {
			client_refuse_line(c);
			return;
		}
		conn_recheck(&c->conn);
		n = conn_recv(&c->conn, c->line + c->line_n, room);
		if (n == -TG_EAGAIN)
			return;
		if (n < 0 || (n == 0 && c->line_n == 0)) {
			client_close(c);
			return;
		}
		c->line_n += (size_t)n;
		c->has_ended = n == 0;
	}
}

static void
on_again(struct timer *t)
{
	struct client *c = TG_CONTAINER(t, struct client, again);

	if (c->state == CLIENT_READING)
		client_read(c);
}

static void
on_event(struct watch *w, unsigned what)
{
	struct client *c = TG_CONTAINER(w, struct client, conn.watch);

	conn_note(&c->conn, what);
	switch (c->state) {
	case CLIENT_WRITING:
		if (client_write(c))
			client_read(c);
		break;
	case CLIENT_READING:
		client_read(c);
		break;
	case CLIENT_CLOSED:
	case CLIENT_STATE_COUNT:
		break;
	}
}

/* For the record of what is ordered. */
static void
name_client(struct command_session *session, int fd)
{
	struct addr peer = {.len = sizeof(peer.u)};
	struct ucred cred;
	socklen_t n = sizeof(cred);
	char text[TG_ADDR_STRLEN];

	if (getpeername(fd, &peer.u.sa, &peer.len) == 0 && peer.u.sa.sa_family != AF_UNIX) {
		snprintf(session->who, sizeof(session->who), "%.*s", (int)sizeof(session->who) - 1,
			 addr_format(&peer, text, sizeof(text)));
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0)
		snprintf(session->who, sizeof(session->who), "uid %u pid %d", (unsigned)cred.uid,
			 (int)cred.pid);
	else
		snprintf(session->who, sizeof(session->who), "somebody");
}

static void
client_new(struct door *d, int fd)
{
	struct loop *loop = d->server->loop;
	struct client *c = d->n_clients < TG_ADMIN_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c == NULL) {
		unsigned suppressed;

		if (log_limit_pass(&d->refused, 1, loop_now(loop), &suppressed))
			log_write(TG_LOG_WARN, "too many clients of the admin socket, refusing",
				  "max=%u more=%u", TG_ADMIN_CLIENTS_MAX, suppressed);
		close(fd);
		return;
	}
	c->door = d;
	c->session.rights = d->rights;
	name_client(&c->session, fd);
	timer_init(&c->timer, on_timeout);
	timer_init(&c->again, on_again);
	output_init(&c->out, TG_ADMIN_ANSWER_MAX);
	if (conn_open(&c->conn, loop, fd, on_event) != 0) {
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&d->clients, c, link);
	d->n_clients++;
	arm(c);
}

static void on_connection(struct watch *w, unsigned what);

static void
pause_accepting(struct door *d)
{
	struct loop *loop = d->server->loop;

	timer_set(loop, &d->pause, mono_add_ms(loop_now(loop), ACCEPT_PAUSE_MS));
}

static void
on_pause_end(struct timer *t)
{
	struct door *d = TG_CONTAINER(t, struct door, pause);

	if (watch_start_level(d->server->loop, &d->watch, d->fd, on_connection) != 0)
		pause_accepting(d);
}

static void
on_connection(struct watch *w, unsigned what)
{
	struct door *d = TG_CONTAINER(w, struct door, watch);

	(void)what;
	for (unsigned i = 0; i < ACCEPT_PER_TURN; i++) {
		int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			client_new(d, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		/* No descriptors or memory: trying at once would only spin. */
		watch_stop(d->server->loop, &d->watch);
		pause_accepting(d);
		return;
	}
}

struct admin_server *
admin_server_new(struct loop *loop, struct admin_source *source)
{
	struct admin_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->source = source;
	LIST_INIT(&s->doors);
	return s;
}

int
admin_server_listen(struct admin_server *s, int fd, enum conf_rights rights)
{
	struct door *d = calloc(1, sizeof(*d));
	int flags = fcntl(fd, F_GETFL);

	if (d == NULL) {
		close(fd);
		return -TG_ENOMEM;
	}
	d->server = s;
	d->rights = rights;
	d->fd = fd;
	LIST_INIT(&d->clients);
	timer_init(&d->pause, on_pause_end);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    watch_start_level(s->loop, &d->watch, fd, on_connection) != 0) {
		close(fd);
		free(d);
		return -TG_EIO;
	}
	LIST_INSERT_HEAD(&s->doors, d, link);
	return 0;
}

static void
door_free(struct door *d)
{
	struct client *c;

	while ((c = LIST_FIRST(&d->clients)) != NULL)
		client_close(c);
	watch_stop(d->server->loop, &d->watch);
	timer_fini(&d->pause);
	close(d->fd);
	LIST_REMOVE(d, link);
	free(d);
}

void
admin_server_free(struct admin_server *s)
{
	struct door *d;

	if (s == NULL)
		return;
	while ((d = LIST_FIRST(&s->doors)) != NULL)
		door_free(d);
	free(s);
}
