/*
 * bench/floor.c: the least a proxy can do, as a yardstick.
 *
 *	floor [-p] [-s] ADDRESS TARGET-ADDRESS TARGET-PORT
 *
 * Copies bytes between each client connection and a connection of its own to
 * the target, and reads nothing of them: one thread, one edge-triggered
 * registration per descriptor, one recv and one send per piece. Listens on a
 * port the kernel chooses: "ready port=P". Ends on SIGTERM or SIGINT.
 *
 *	-p	when a client closes, its connection to the target is kept and
 *		given to the next client: right only where clients close after a
 *		whole answer
 *	-s	moves bytes with splice through a pipe
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS     256
#define READ_BYTES 65536u
#define PIPE_BYTES (256u * 1024u)

struct pair;

/* One descriptor and what came from it that the other side has not taken. */
struct side {
	struct pair *pair; /* NULL: the listener, or kept for the next client */
	int fd;
	bool readable;
	bool writable;
	bool hung_up;
	bool ended;
	char *held;
	size_t n_held;
	size_t n_piped;
	int pipe[2]; /* with -s */
	SLIST_ENTRY(side) link;
};

SLIST_HEAD(side_list, side);

struct pair {
	struct side *client;
	struct side *target;
	bool dead;
	SLIST_ENTRY(pair) link; /* of those that ended in this turn */
};

SLIST_HEAD(pair_list, pair);

static struct {
	int epoll;
	bool keeps;
	bool splices;
	struct sockaddr_in target;
	struct side_list kept;
	struct side_list closed;
	struct pair_list ended;
	char scratch[READ_BYTES];
} relay;

static volatile sig_atomic_t stopped;

static void
on_stop(int signo)
{
	(void)signo;
	stopped = 1;
}

static struct side *
side_new(int fd)
{
	static const int one = 1;
	struct side *s = calloc(1, sizeof(*s));
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = s};

	if (s == NULL)
		err(1, "connection");
	s->fd = fd;
	s->pipe[0] = s->pipe[1] = -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		err(1, "epoll_ctl");
	return s;
}

static void
side_close(struct side *s)
{
	close(s->fd);
	s->pair = NULL;
	s->fd = -1;
	if (s->pipe[0] >= 0) {
		close(s->pipe[0]);
		close(s->pipe[1]);
	}
	free(s->held);
	SLIST_INSERT_HEAD(&relay.closed, s, link);
}

static void
pair_end(struct pair *p, bool clean)
{
	if (p->dead)
		return;
	p->dead = true;
	SLIST_INSERT_HEAD(&relay.ended, p, link);
	side_close(p->client);
	if (relay.keeps && clean && !p->target->ended && !p->target->hung_up) {
		p->target->pair = NULL;
		SLIST_INSERT_HEAD(&relay.kept, p->target, link);
	} else {
		side_close(p->target);
	}
}

/* What a turn ended is freed after it: later reports of the turn may name it. */
static void
release(void)
{
	struct side *s;
	struct pair *p;

	while ((s = SLIST_FIRST(&relay.closed)) != NULL) {
		SLIST_REMOVE_HEAD(&relay.closed, link);
		free(s);
	}
	while ((p = SLIST_FIRST(&relay.ended)) != NULL) {
		SLIST_REMOVE_HEAD(&relay.ended, link);
		free(p);
	}
}

enum moved {
	MOVED_ALL = 0,
	MOVED_WAIT = 1, /* nothing to read, or no room */
	MOVED_FAILED = 2
};

static enum moved
send_held(struct side *from, struct side *to)
{
	ssize_t took;

	if (from->n_held == 0)
		return MOVED_ALL;
	took = send(to->fd, from->held, from->n_held, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (took < 0 && errno != EAGAIN)
		return MOVED_FAILED;
	if (took > 0) {
		from->n_held -= (size_t)took;
		memmove(from->held, from->held + took, from->n_held);
	}
	if (from->n_held > 0) {
		to->writable = false;
		return MOVED_WAIT;
	}
	free(from->held);
	from->held = NULL;
	return MOVED_ALL;
}

static enum moved
on_end(struct side *from, struct side *to)
{
	from->ended = true;
	from->readable = false;
	if (!relay.keeps)
		shutdown(to->fd, SHUT_WR);
	return MOVED_WAIT;
}

static enum moved
copy_piece(struct side *from, struct side *to)
{
	ssize_t n = recv(from->fd, relay.scratch, READ_BYTES, MSG_DONTWAIT);
	ssize_t took;

	if (n == 0)
		return on_end(from, to);
	if (n < 0) {
		from->readable = false;
		return errno == EAGAIN ? MOVED_WAIT : MOVED_FAILED;
	}
	if ((size_t)n < READ_BYTES && !from->hung_up)
		from->readable = false;
	took = send(to->fd, relay.scratch, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (took < 0 && errno != EAGAIN)
		return MOVED_FAILED;
	if (took == n)
		return from->readable ? MOVED_ALL : MOVED_WAIT;
	took = took < 0 ? 0 : took;
	to->writable = false;
	from->n_held = (size_t)(n - took);
	from->held = malloc(from->n_held);
	if (from->held == NULL)
		return MOVED_FAILED;
	memcpy(from->held, relay.scratch + took, from->n_held);
	return MOVED_WAIT;
}

static enum moved
empty_pipe(struct side *from, struct side *to)
{
	while (from->n_piped > 0) {
		ssize_t n = splice(from->pipe[0], NULL, to->fd, NULL, from->n_piped,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EAGAIN) {
			to->writable = false;
			return MOVED_WAIT;
		}
		if (n <= 0)
			return MOVED_FAILED;
		from->n_piped -= (size_t)n;
	}
	return MOVED_ALL;
}

static enum moved
splice_piece(struct side *from, struct side *to)
{
	enum moved moved;
	ssize_t n;

	if (from->pipe[0] < 0) {
		if (pipe2(from->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
			return MOVED_FAILED;
		(void)fcntl(from->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	}
	moved = empty_pipe(from, to);
	if (moved != MOVED_ALL)
		return moved;
	n = splice(from->fd, NULL, from->pipe[1], NULL, PIPE_BYTES,
		   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n == 0)
		return on_end(from, to);
	if (n < 0) {
		from->readable = false;
		return errno == EAGAIN ? MOVED_WAIT : MOVED_FAILED;
	}
	from->n_piped = (size_t)n;
	return empty_pipe(from, to);
}

/* False: the pair is over. */
static bool
move(struct side *from, struct side *to)
{
	enum moved moved = MOVED_ALL;

	while (moved == MOVED_ALL && to->writable &&
	       (from->readable || from->n_held > 0 || from->n_piped > 0)) {
		moved = send_held(from, to);
		if (moved != MOVED_ALL || !(from->readable || from->n_piped > 0))
			break;
		moved = relay.splices ? splice_piece(from, to) : copy_piece(from, to);
	}
	return moved != MOVED_FAILED;
}

static void
pair_step(struct pair *p)
{
	bool alive = move(p->client, p->target) && move(p->target, p->client);

	if (!alive)
		pair_end(p, false);
	else if (relay.keeps ? p->client->ended || p->target->ended
			     : p->client->ended && p->target->ended)
		pair_end(p, true);
}

static void
target_lost(struct side *s)
{
	SLIST_REMOVE(&relay.kept, s, side, link);
	side_close(s);
}

static void
on_report(struct side *s, uint32_t events)
{
	if (s->fd < 0)
		return;
	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		s->readable = true;
	if ((events & EPOLLOUT) != 0)
		s->writable = true;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		s->hung_up = true;
	if (s->pair != NULL)
		pair_step(s->pair);
	else if (s->hung_up)
		target_lost(s);
}

static struct side *
target_take(void)
{
	struct side *s = SLIST_FIRST(&relay.kept);
	int fd;

	if (s != NULL) {
		SLIST_REMOVE_HEAD(&relay.kept, link);
		return s;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	if (connect(fd, (struct sockaddr *)&relay.target, sizeof(relay.target)) != 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return NULL;
	}
	return side_new(fd);
}

static void
accept_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct pair *p = calloc(1, sizeof(*p));

		if (p == NULL)
			err(1, "connection");
		p->target = target_take();
		if (p->target == NULL) {
			close(fd);
			free(p);
			continue;
		}
		p->client = side_new(fd);
		p->client->pair = p;
		p->client->readable = true;
		p->client->writable = true;
		p->target->pair = p;
		pair_step(p);
	}
}

static int
listen_on(const char *address)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0 ||
	    epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		err(1, "listen on %s", address);
	printf("ready port=%u\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static void
serve(int listener)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(relay.epoll, events, EVENTS, -1);
	int i;

	for (i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			accept_all(listener);
		else
			on_report(events[i].data.ptr, events[i].events);
	}
	release();
}

int
main(int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = on_stop};
	int listener;
	int option;

	while ((option = getopt(argc, argv, "ps")) != -1) {
		relay.keeps |= option == 'p';
		relay.splices |= option == 's';
		if (option == '?')
			return 2;
	}
	relay.target.sin_family = AF_INET;
	if (argc - optind != 3 || inet_pton(AF_INET, argv[optind + 1], &relay.target.sin_addr) != 1)
		errx(2, "usage: floor [-p] [-s] ADDRESS TARGET-ADDRESS TARGET-PORT");
	relay.target.sin_port = htons((uint16_t)strtoul(argv[optind + 2], NULL, 10));
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (relay.epoll < 0)
		err(1, "epoll");
	listener = listen_on(argv[optind]);
	while (!stopped)
		serve(listener);
	return 0;
}
