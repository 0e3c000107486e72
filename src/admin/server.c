#include "admin/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/command.h"
#include "base/container.h"
#include "base/log.h"
#include "net/conn.h"

#define ACCEPT_PER_TURN 16u
#define ACCEPT_PAUSE_MS 200u
#define LEAST_ANSWER    4096u

enum client_state {
	CLIENT_READING = 0, /* its line */
	CLIENT_WRITING = 1, /* its answers */
	CLIENT_CLOSED = 2,  /* waits for the end of the turn */
	CLIENT_STATE_COUNT
};

struct client {
	struct admin_server *server;
	LIST_ENTRY(client) link;
	enum client_state state;
	struct conn conn;
	struct timer timer; /* to finish the line, or to take some of the answer */
	struct output out;
	size_t sent;
	size_t line_n;
	struct deferred deferred;
	char line[TG_ADMIN_LINE_MAX + 1];
};

struct admin_server {
	struct loop *loop;
	struct admin_source *source;
	int fd;
	struct watch watch;
	struct timer pause; /* runs while accepting is stopped for want of descriptors */
	LIST_HEAD(, client) clients;
	unsigned n_clients;
	size_t queued; /* bytes of all answers not yet taken */
	struct log_limit refused;
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
	struct admin_server *s = c->server;

	c->state = CLIENT_CLOSED;
	discard_input(c);
	conn_close(&c->conn);
	timer_fini(&c->timer);
	s->queued -= c->out.n;
	output_fini(&c->out);
	LIST_REMOVE(c, link);
	s->n_clients--;
	loop_defer(s->loop, &c->deferred, client_free);
}

static void
arm(struct client *c)
{
	timer_set(c->server->loop, &c->timer,
		  mono_add_ms(loop_now(c->server->loop), TG_ADMIN_IDLE_MS));
}

static void
on_timeout(struct timer *t)
{
	client_close(TG_CONTAINER(t, struct client, timer));
}

/* Sends what the kernel takes; closes after the last byte. */
static void
client_write(struct client *c)
{
	while (c->sent < c->out.n) {
		ssize_t n = conn_send(&c->conn, c->out.bytes + c->sent, c->out.n - c->sent);

		if (n == -TG_EAGAIN)
			return;
		if (n < 0)
			break;
		c->sent += (size_t)n;
		arm(c);
	}
	client_close(c);
}

static void
client_answer(struct client *c)
{
	struct admin_server *s = c->server;
	size_t left = s->queued < TG_ADMIN_ANSWERS_MAX ? TG_ADMIN_ANSWERS_MAX - s->queued : 0;

	/* Enough to say why there is no more. */
	if (left < LEAST_ANSWER)
		left = LEAST_ANSWER;
	c->state = CLIENT_WRITING;
	c->line[c->line_n] = '\0';
	output_init(&c->out, left < TG_ADMIN_ANSWER_MAX ? left : TG_ADMIN_ANSWER_MAX);
	s->source->now = loop_now(s->loop);
	command_run_line(s->source, c->line, &c->out);
	s->queued += c->out.n;
	arm(c);
	client_write(c);
}

/* The line did not end within its room. */
static void
client_refuse_line(struct client *c)
{
	c->state = CLIENT_WRITING;
	command_fail(&c->out, TG_COMMAND_LIMIT, "the line is longer than %u bytes",
		     TG_ADMIN_LINE_MAX);
	output_text(&c->out, "\n");
	c->server->queued += c->out.n;
	client_write(c);
}

static void
client_read(struct client *c)
{
	for (;;) {
		size_t room = TG_ADMIN_LINE_MAX - c->line_n;
		char *at = c->line + c->line_n;
		char *lf;
		ssize_t n;

		if (room == 0) {
			client_refuse_line(c);
			return;
		}
		conn_recheck(&c->conn);
		n = conn_recv(&c->conn, at, room);
		if (n == -TG_EAGAIN)
			return;
		if (n < 0 || (n == 0 && c->line_n == 0)) {
			client_close(c);
			return;
		}
		lf = memchr(at, '\n', (size_t)n);
		c->line_n = lf != NULL ? (size_t)(lf - c->line) : c->line_n + (size_t)n;
		if (lf != NULL || n == 0) {
			client_answer(c);
			return;
		}
	}
}

static void
on_event(struct watch *w, unsigned what)
{
	struct client *c = TG_CONTAINER(w, struct client, conn.watch);

	conn_note(&c->conn, what);
	switch (c->state) {
	case CLIENT_READING:
		client_read(c);
		break;
	case CLIENT_WRITING:
		client_write(c);
		break;
	case CLIENT_CLOSED:
	case CLIENT_STATE_COUNT:
		break;
	}
}

static void
client_new(struct admin_server *s, int fd)
{
	struct client *c = s->n_clients < TG_ADMIN_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c == NULL) {
		unsigned suppressed;

		if (log_limit_pass(&s->refused, 1, loop_now(s->loop), &suppressed))
			log_write(TG_LOG_WARN, "too many clients of the admin socket, refusing",
				  "max=%u more=%u", TG_ADMIN_CLIENTS_MAX, suppressed);
		close(fd);
		return;
	}
	c->server = s;
	timer_init(&c->timer, on_timeout);
	output_init(&c->out, TG_ADMIN_ANSWER_MAX);
	if (conn_open(&c->conn, s->loop, fd, on_event) != 0) {
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->n_clients++;
	arm(c);
}

static void on_connection(struct watch *w, unsigned what);

static void
on_pause_end(struct timer *t)
{
	struct admin_server *s = TG_CONTAINER(t, struct admin_server, pause);

	if (watch_start_level(s->loop, &s->watch, s->fd, on_connection) != 0)
		timer_set(s->loop, &s->pause, mono_add_ms(loop_now(s->loop), ACCEPT_PAUSE_MS));
}

static void
on_connection(struct watch *w, unsigned what)
{
	struct admin_server *s = TG_CONTAINER(w, struct admin_server, watch);

	(void)what;
	for (unsigned i = 0; i < ACCEPT_PER_TURN; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			client_new(s, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		/* No descriptors or memory: trying at once would only spin. */
		watch_stop(s->loop, &s->watch);
		timer_set(s->loop, &s->pause, mono_add_ms(loop_now(s->loop), ACCEPT_PAUSE_MS));
		return;
	}
}

int
admin_server_start(struct loop *loop, int fd, struct admin_source *source,
		   struct admin_server **ret)
{
	struct admin_server *s = calloc(1, sizeof(*s));
	int flags = fcntl(fd, F_GETFL);

	if (s == NULL) {
		close(fd);
		return -TG_ENOMEM;
	}
	s->loop = loop;
	s->fd = fd;
	s->source = source;
	LIST_INIT(&s->clients);
	timer_init(&s->pause, on_pause_end);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    watch_start_level(loop, &s->watch, fd, on_connection) != 0) {
		close(fd);
		free(s);
		return -TG_EIO;
	}
	*ret = s;
	return 0;
}

void
admin_server_stop(struct admin_server *s)
{
	struct client *c;

	if (s == NULL)
		return;
	while ((c = LIST_FIRST(&s->clients)) != NULL)
		client_close(c);
	watch_stop(s->loop, &s->watch);
	timer_fini(&s->pause);
	close(s->fd);
	free(s);
}
