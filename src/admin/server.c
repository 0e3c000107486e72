#include "admin/server.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/command.h"
#include "admin/door.h"
#include "admin/framing.h"
#include "base/container.h"
#include "base/log.h"
#include "net/conn.h"

#define LEAST_ANSWER   4096u
#define LINES_PER_TURN 16u
#define STREAM_MAX     ((size_t)1 << 20) /* events that a client has not taken */

enum client_state {
	CLIENT_READING = 0, /* its line */
	CLIENT_WRITING = 1, /* its answers */
	CLIENT_CLOSED = 2,  /* waits for the end of the turn */
	CLIENT_WAITING = 3, /* for what a command of its line waits for, or its next turn */
	CLIENT_STATE_COUNT
};

/* One socket that is listened on, and its clients. */
struct control {
	struct admin_server *server;
	LIST_ENTRY(control) link;
	enum conf_rights rights;
	struct door door;
	bool is_closed; /* the door, and its clients are to go */
	struct deferred deferred;
	LIST_HEAD(, client) clients;
	unsigned n_clients;
	size_t queued; /* bytes of all answers not yet taken */
	struct log_limit refused;
};

struct client {
	struct control *control;
	LIST_ENTRY(client) link;
	enum client_state state;
	struct conn conn;
	struct timer timer; /* to finish the line, or to take some of the answer */
	struct timer again; /* more lines are there, for the next turn */
	struct command_session session;
	struct output out;
	size_t counted; /* of it, in control->queued */
	size_t sent;
	bool has_ended; /* nothing more comes */
	bool is_stream; /* its events are sent */
	bool is_late;	/* its time is up, unless a line is there already */
	struct deferred deferred;
	struct framing framing;
};

struct admin_server {
	struct loop *loop;
	struct admin_source *source;
	LIST_HEAD(, control) controls;
	unsigned n_streams; /* clients that listen to events */
	struct timer news;  /* events came, for the next turn */
};

static void
client_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct client, deferred));
}

static void
control_free(struct deferred *d)
{
	free(TG_CONTAINER(d, struct control, deferred));
}

/* Closed, and without clients. */
static void
control_leave(struct control *control)
{
	LIST_REMOVE(control, link);
	loop_defer(control->server->loop, &control->deferred, control_free);
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
	struct control *control = c->control;

	command_stop_asking(control->server->source, &c->session);
	control->queued -= c->counted;
	c->state = CLIENT_CLOSED;
	control->server->n_streams -= c->is_stream;
	discard_input(c);
	conn_close(&c->conn);
	timer_fini(&c->timer);
	timer_fini(&c->again);
	output_fini(&c->out);
	framing_fini(&c->framing);
	LIST_REMOVE(c, link);
	control->n_clients--;
	loop_defer(control->server->loop, &c->deferred, client_free);
	if (control->is_closed && control->n_clients == 0)
		control_leave(control);
}

static void
arm(struct client *c)
{
	struct loop *loop = c->control->server->loop;
	uint64_t ms = TG_ADMIN_IDLE_MS;

	/* Who listens may be quiet for as long as we are. */
	if (c->session.events_from != 0 && c->sent == c->out.n) {
		timer_clear(&c->timer);
		return;
	}
	if (c->state == CLIENT_READING && c->session.is_interactive)
		ms = c->session.timeout_s != 0 ? c->session.timeout_s * UINT64_C(1000)
					       : TG_ADMIN_PROMPT_MS;
	timer_set(loop, &c->timer, mono_add_ms(loop_now(loop), ms));
}

static void client_read(struct client *c);
static void client_go_on(struct client *c);

/* What it sent in time may lie there unread, when others kept us busy. */
static void
on_timeout(struct timer *t)
{
	struct client *c = TG_CONTAINER(t, struct client, timer);

	if (c->state == CLIENT_WAITING) {
		client_go_on(c);
		return;
	}
	c->is_late = true;
	if (c->state == CLIENT_READING)
		client_read(c);
	else
		client_close(c);
}

/* What was added to its answers since. */
static void
count_output(struct client *c)
{
	c->control->queued += c->out.n - c->counted;
	c->counted = c->out.n;
}

static void
forget_sent(struct client *c)
{
	c->control->queued -= c->counted;
	c->counted = 0;
	output_fini(&c->out);
	output_init(&c->out, TG_ADMIN_ANSWER_MAX);
	c->sent = 0;
}

/* All is sent. True: another line may come. */
static bool
client_stays(struct client *c)
{
	if (!c->session.is_interactive || c->session.is_over || c->has_ended || c->control->is_closed)
		return false;
	forget_sent(c);
	c->state = CLIENT_READING;
	arm(c);
	return true;
}

/* Sends what the kernel takes. False: closed, or not all is taken. */
static bool
client_write(struct client *c)
{
	size_t before = c->sent;
	int rc = output_send(&c->out, &c->conn, &c->sent);

	if (rc == -TG_EIO) {
		client_close(c);
		return false;
	}
	if (c->sent > before)
		arm(c);
	if (rc == -TG_EAGAIN)
		return false;
	if (c->session.events_from != 0 && !c->has_ended) {
		forget_sent(c);
		arm(c);
		return false;
	}
	if (client_stays(c))
		return true;
	client_close(c);
	return false;
}

static void
arm_wait(struct client *c)
{
	const struct command_wait *wait = &c->session.wait;
	struct loop *loop = c->control->server->loop;
	struct mono at = mono_add_ms(loop_now(loop), TG_ADMIN_LOOK_MS);

	if (wait->is_paused)
		at = loop_now(loop);
	else if (!wait->is_looking || at.us > wait->until.us)
		at = wait->until;
	timer_set(loop, &c->timer, at);
}

static void
set_now(const struct admin_server *s)
{
	s->source->now = loop_now(s->loop);
	s->source->turn_end = mono_add_ms(s->source->now, TG_ADMIN_TURN_MS);
	s->source->wall = wall_read();
}

/* What it has is held to all bounds before the rest of its line adds to it. */
static void
client_pause(struct client *c)
{
	count_output(c);
	if (c->control->queued > TG_ADMIN_ANSWERS_MAX)
		c->out.is_full = true;
	c->state = CLIENT_WAITING;
	arm_wait(c);
}

/* All of its line is run, or as much as can be before what it waits for. */
static void
client_answered(struct client *c)
{
	if (c->session.wait.is_paused) {
		client_pause(c);
		return;
	}
	if (c->session.wait.go_on != NULL) {
		c->state = CLIENT_WAITING;
		arm_wait(c);
		return;
	}
	c->state = CLIENT_WRITING;
	if (c->session.events_from != 0) {
		c->is_stream = true;
		c->control->server->n_streams++;
		c->session.is_interactive = false;
	}
	if (c->session.is_interactive && !c->session.is_over)
		output_text(&c->out, "> ");
	count_output(c);
	arm(c);
}

static void
client_go_on(struct client *c)
{
	set_now(c->control->server);
	command_go_on(c->control->server->source, &c->session, &c->out);
	client_answered(c);
	if (c->state == CLIENT_WRITING && client_write(c))
		client_read(c);
}

static struct client *
client_of(struct asking *a)
{
	return TG_CONTAINER(a, struct client, session.asking);
}

/* A part of the answer came: it is held to all bounds before the next one. */
static void
client_heard(struct client *c)
{
	count_output(c);
	if (c->control->queued > TG_ADMIN_ANSWERS_MAX)
		c->out.is_full = true;
	if (c->out.is_full)
		client_go_on(c);
}

static void
on_session(struct asking *a, const struct msg_session *m)
{
	struct client *c = client_of(a);

	command_hear_session(c->control->server->source, &c->session, &c->out, m);
	client_heard(c);
}

static void
on_capture(struct asking *a, const struct msg_capture *m)
{
	struct client *c = client_of(a);

	command_hear_capture(c->control->server->source, &c->session, &c->out, m);
	client_heard(c);
}

static void
on_asking_end(struct asking *a, enum asking_end why, uint32_t n)
{
	struct client *c = client_of(a);

	command_hear_end(&c->session, why, n);
	client_go_on(c);
}

static void
client_answer(struct client *c, const struct framing_line *line)
{
	struct control *control = c->control;
	size_t left =
		control->queued < TG_ADMIN_ANSWERS_MAX ? TG_ADMIN_ANSWERS_MAX - control->queued : 0;

	/* Enough to say why there is no more. */
	if (left < LEAST_ANSWER)
		left = LEAST_ANSWER;
	output_fini(&c->out);
	output_init(&c->out, left < TG_ADMIN_ANSWER_MAX ? left : TG_ADMIN_ANSWER_MAX);
	set_now(control->server);
	c->session.payload = line->payload;
	c->session.payload_n = line->payload_n;
	command_run_line(control->server->source, &c->session, line->text, &c->out);
	client_answered(c);
}

/* What came is no line, and where the next begins cannot be known. */
static void
client_refuse_line(struct client *c, enum framing_result why)
{
	char text[80] = "";

	switch (why) {
	case FRAMING_LINE_MAX:
		snprintf(text, sizeof(text), "the line is longer than %u bytes", TG_ADMIN_LINE_MAX);
		break;
	case FRAMING_PAYLOAD_MAX:
		snprintf(text, sizeof(text), "the payload is longer than %zu bytes",
			 TG_ADMIN_PAYLOAD_MAX);
		break;
	case FRAMING_MARK_MAX:
		snprintf(text, sizeof(text), "what ends a payload has %u bytes at most",
			 TG_ADMIN_MARK_MAX);
		break;
	case FRAMING_CUT:
		snprintf(text, sizeof(text), "the payload has no end");
		break;
	case FRAMING_NO_MEMORY:
		snprintf(text, sizeof(text), "no memory for the line");
		break;
	case FRAMING_MORE:
	case FRAMING_LINE:
		break;
	}
	c->state = CLIENT_WRITING;
	c->session.is_over = true;
	command_refuse(&c->out, TG_COMMAND_LIMIT, text);
	count_output(c);
	client_write(c);
}

/* Reads once. False: nothing came, or it is closed. */
static bool
client_receive(struct client *c)
{
	size_t room;
	char *to = framing_room(&c->framing, &room);
	ssize_t n;

	conn_recheck(&c->conn);
	n = conn_recv(&c->conn, to, room);
	if (n == -TG_EAGAIN && !c->is_late)
		return false;
	if (n < 0 || (n == 0 && framing_is_empty(&c->framing))) {
		client_close(c);
		return false;
	}
	framing_add(&c->framing, (size_t)n);
	c->has_ended = n == 0;
	return true;
}

/* Lines as long as they are there and their answers are taken. */
static void
client_read(struct client *c)
{
	unsigned lines = 0;

	while (c->state == CLIENT_READING) {
		struct framing_line line;
		enum framing_result result;

		if (lines == LINES_PER_TURN || (lines > 0 && source_turn_is_over(c->control->server->source))) {
			timer_set(c->control->server->loop, &c->again,
				  loop_now(c->control->server->loop));
			return;
		}
		result = framing_next(&c->framing, c->has_ended, &line);
		if (result == FRAMING_LINE) {
			lines++;
			c->is_late = false;
			client_answer(c, &line);
			if (c->state == CLIENT_WAITING || !client_write(c))
				return;
		} else if (result != FRAMING_MORE) {
			client_refuse_line(c, result);
			return;
		} else if (!client_receive(c)) {
			return;
		}
	}
}

static void
on_again(struct timer *t)
{
	struct client *c = TG_CONTAINER(t, struct client, again);

	if (c->state == CLIENT_READING)
		client_read(c);
}

/* What came since. */
static void
client_hear(struct client *c)
{
	const struct events *events = c->control->server->source->events;
	uint64_t number = c->session.events_from;
	size_t before = c->out.n;

	for (; number < events_next(events); number++) {
		size_t n;
		const char *line = events_line(events, number, &n);

		if (line != NULL)
			output_add(&c->out, line, n);
	}
	c->session.events_from = number;
	count_output(c);
	if (c->out.n - c->sent > STREAM_MAX) {
		client_close(c);
		return;
	}
	if (before == 0)
		arm(c);
	(void)client_write(c);
}

static void
on_news(struct timer *t)
{
	struct admin_server *s = TG_CONTAINER(t, struct admin_server, news);
	struct control *control;
	struct client *c;
	struct client *next;

	LIST_FOREACH (control, &s->controls, link) {
		for (c = LIST_FIRST(&control->clients); c != NULL; c = next) {
			next = LIST_NEXT(c, link);
			if (c->is_stream)
				client_hear(c);
		}
	}
}

static void
on_event_added(void *user)
{
	struct admin_server *s = user;

	if (s->n_streams > 0)
		timer_set(s->loop, &s->news, loop_now(s->loop));
}

/* It says nothing any more: only its end is of interest. */
static void
client_watch_end(struct client *c)
{
	char bytes[4096];
	ssize_t n;

	do {
		conn_recheck(&c->conn);
		n = conn_recv(&c->conn, bytes, sizeof(bytes));
	} while (n > 0);
	if (n != -TG_EAGAIN)
		client_close(c);
}

/* Not only has it sent all that it will. What it waits for goes on without it. */
static bool
is_gone(const struct client *c)
{
	struct pollfd p = {.fd = c->conn.fd};

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
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
		else if (c->state != CLIENT_CLOSED && c->session.events_from != 0)
			client_watch_end(c);
		break;
	case CLIENT_READING:
		client_read(c);
		break;
	case CLIENT_WAITING:
		if (is_gone(c))
			client_close(c);
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
on_client(struct door *door, int fd)
{
	struct control *control = TG_CONTAINER(door, struct control, door);
	struct loop *loop = control->server->loop;
	struct client *c = control->n_clients < TG_ADMIN_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c == NULL) {
		unsigned suppressed;

		if (log_limit_pass(&control->refused, 1, loop_now(loop), &suppressed))
			log_write(TG_LOG_WARN, "too many clients of the admin socket, refusing",
				  "max=%u more=%u", TG_ADMIN_CLIENTS_MAX, suppressed);
		close(fd);
		return;
	}
	c->control = control;
	c->session.rights = control->rights;
	c->session.asking = (struct asking){
		.on_session = on_session, .on_capture = on_capture, .on_end = on_asking_end};
	name_client(&c->session, fd);
	timer_init(&c->timer, on_timeout);
	timer_init(&c->again, on_again);
	output_init(&c->out, TG_ADMIN_ANSWER_MAX);
	framing_init(&c->framing);
	if (conn_open(&c->conn, loop, fd, on_event) != 0) {
		free(c);
		return;
	}
	LIST_INSERT_HEAD(&control->clients, c, link);
	control->n_clients++;
	arm(c);
}

struct admin_server *
admin_server_new(struct loop *loop, struct admin_source *source)
{
	struct admin_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->source = source;
	LIST_INIT(&s->controls);
	timer_init(&s->news, on_news);
	events_tell(source->events, on_event_added, s);
	return s;
}

int
admin_server_listen(struct admin_server *s, int fd, enum conf_rights rights)
{
	struct control *control = calloc(1, sizeof(*control));
	int rc;

	if (control == NULL) {
		close(fd);
		return -TG_ENOMEM;
	}
	control->server = s;
	control->rights = rights;
	LIST_INIT(&control->clients);
	rc = door_open(&control->door, s->loop, fd, on_client);
	if (rc != 0) {
		free(control);
		return rc;
	}
	LIST_INSERT_HEAD(&s->controls, control, link);
	return 0;
}

static void
control_close(struct control *control)
{
	if (control->is_closed)
		return;
	control->is_closed = true;
	door_close(&control->door);
	if (control->n_clients == 0)
		control_leave(control);
}

/* Its clients with it; the last takes it along. */
static void
control_end(struct control *control)
{
	struct client *c;
	struct client *next;

	for (c = LIST_FIRST(&control->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (!control->is_closed && next == NULL)
			control_close(control);
		client_close(c);
	}
	control_close(control);
}

void
admin_server_free(struct admin_server *s)
{
	struct control *control;

	if (s == NULL)
		return;
	while ((control = LIST_FIRST(&s->controls)) != NULL)
		control_end(control);
	events_tell(s->source->events, NULL, NULL);
	timer_fini(&s->news);
	free(s);
}

/* NULL: it went away, or gave up. */
static struct client *
find_waiting(const struct admin_server *s, uint32_t id)
{
	struct control *control;
	struct client *c;

	LIST_FOREACH (control, &s->controls, link) {
		LIST_FOREACH (c, &control->clients, link) {
			if (c->state == CLIENT_WAITING && c->session.wait.reload == id)
				return c;
		}
	}
	return NULL;
}

void
admin_server_reloaded(struct admin_server *s, uint32_t id, bool is_done, const char *text, size_t n)
{
	struct client *c = id != 0 ? find_waiting(s, id) : NULL;

	if (c == NULL)
		return;
	c->session.wait.is_answered = true;
	c->session.wait.is_done = is_done;
	c->session.wait.text = text;
	c->session.wait.text_n = n;
	client_go_on(c);
}

void
admin_server_hold(struct admin_server *s)
{
	struct control *control;

	LIST_FOREACH (control, &s->controls, link) {
		if (!control->is_closed)
			door_hold(&control->door);
	}
}

void
admin_server_resume(struct admin_server *s)
{
	struct control *control;

	LIST_FOREACH (control, &s->controls, link) {
		if (!control->is_closed)
			door_resume(&control->door);
	}
}

/* NULL: it is none, or none any more. */
static struct control *
find_control(const struct admin_server *s, int fd)
{
	struct control *control;

	LIST_FOREACH (control, &s->controls, link) {
		if (!control->is_closed && control->door.fd == fd)
			return control;
	}
	return NULL;
}

void
admin_server_hold_one(struct admin_server *s, int fd)
{
	struct control *control = find_control(s, fd);

	if (control != NULL)
		door_hold(&control->door);
}

void
admin_server_resume_one(struct admin_server *s, int fd)
{
	struct control *control = find_control(s, fd);

	if (control != NULL)
		door_resume(&control->door);
}

void
admin_server_set_rights(struct admin_server *s, int fd, enum conf_rights rights)
{
	struct control *control = find_control(s, fd);
	struct client *c;

	if (control == NULL)
		return;
	control->rights = rights;
	LIST_FOREACH (c, &control->clients, link)
		c->session.rights = rights;
}

/* Who waits behind a prompt has its answer; events have no end of their own. */
static void
client_retire(struct client *c)
{
	if (c->is_stream) {
		c->has_ended = true;
		(void)client_write(c);
	} else if (c->state == CLIENT_READING && c->session.is_interactive) {
		client_close(c);
	}
}

void
admin_server_close(struct admin_server *s, int fd)
{
	struct control *control = find_control(s, fd);
	struct client *c;
	struct client *next;

	if (control == NULL)
		return;
	for (c = LIST_FIRST(&control->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		client_retire(c);
	}
	control_close(control);
}
