/*
 * bench/backend.c: what stands behind the proxies in a measurement.
 *
 *	backend ADDRESS
 *
 * Listens on three ports the kernel chooses and says which on standard output:
 * "ready http=P echo=P source=P". One thread, level-triggered, no work that is
 * not needed: answers are made once and chosen by the path.
 *
 *	http	GET /0 /1k /1m: 200 with so many bytes, kept alive, pipelining
 *		allowed, request bodies not; any other path: 404
 *	echo	gives back what it gets
 *	source	each 8 bytes are a count, little-endian: answers so many bytes
 *
 * Ends on SIGTERM or SIGINT.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS       256
#define READ_BYTES   65536u
#define SOURCE_BYTES (256u * 1024u)

enum kind { KIND_HTTP = 0, KIND_ECHO = 1, KIND_SOURCE = 2, KIND_COUNT };

struct answer {
	const char *path;
	size_t body_bytes;
	unsigned status;
	char *bytes;
	size_t n;
};

static struct answer answers[] = {
	{.path = "/1k ", .body_bytes = 1024, .status = 200},
	{.path = "/0 ", .body_bytes = 0, .status = 200},
	{.path = "/1m ", .body_bytes = 1024 * 1024, .status = 200},
	{.path = "", .body_bytes = 10, .status = 404},
};

/* A connection, or a listener when `listens`. */
struct peer {
	int fd;
	enum kind kind;
	bool listens;
	bool is_full;    /* waits for room instead of bytes */
	const char *out; /* what goes out next */
	uint64_t left;   /* of it; of a source: in all, from a block that repeats */
	char *held;      /* bytes read and not yet dealt with, or an echo not yet sent */
	size_t n_held;
};

static char scratch[READ_BYTES];
static char source_block[SOURCE_BYTES];
static volatile sig_atomic_t stopped;

static void
on_stop(int signo)
{
	(void)signo;
	stopped = 1;
}

static void
make_answer(struct answer *a)
{
	char head[512];
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 %u %s\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\n"
			 "Server: bench\r\nContent-Type: text/plain\r\n"
			 "Content-Length: %zu\r\n\r\n",
			 a->status, a->status == 200 ? "OK" : "Not Found", a->body_bytes);

	a->n = (size_t)n + a->body_bytes;
	a->bytes = malloc(a->n);
	if (a->bytes == NULL)
		err(1, "answer");
	memcpy(a->bytes, head, (size_t)n);
	memset(a->bytes + n, 'x', a->body_bytes);
}

static void
peer_watch(int epoll, struct peer *p, int how, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = p};

	if (epoll_ctl(epoll, how, p->fd, &ev) != 0)
		err(1, "epoll_ctl");
}

static void
peer_close(struct peer *p)
{
	close(p->fd);
	free(p->held);
	free(p);
}

static void
set_full(int epoll, struct peer *p, bool is_full)
{
	if (p->is_full == is_full)
		return;
	p->is_full = is_full;
	peer_watch(epoll, p, EPOLL_CTL_MOD, is_full ? EPOLLOUT : EPOLLIN);
}

static bool
hold(struct peer *p, const char *bytes, size_t n)
{
	char *copy = n > 0 ? malloc(n) : NULL;

	if (n > 0 && copy == NULL)
		return false;
	if (n > 0)
		memcpy(copy, bytes, n);
	free(p->held);
	p->held = copy;
	p->n_held = n;
	return true;
}

/* Sends of `out`; false: the connection is of no more use. */
static bool
peer_send(struct peer *p)
{
	while (p->left > 0) {
		size_t n = p->left;
		ssize_t took;

		if (p->kind == KIND_SOURCE && n > SOURCE_BYTES)
			n = SOURCE_BYTES;
		took = send(p->fd, p->out, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (took < 0)
			return errno == EAGAIN;
		p->left -= (uint64_t)took;
		if (p->kind != KIND_SOURCE)
			p->out += took;
	}
	return true;
}

/* Bytes of `in` that were dealt with; stops where an answer does not fit the kernel. -1: failed. */
static ssize_t
take_http(struct peer *p, const char *in, size_t n)
{
	const char *at = in;
	const char *end = in + n;

	while (p->left == 0) {
		const char *head_end = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		const struct answer *a = answers;

		if (head_end == NULL)
			break;
		if (memcmp(at, "GET ", 4) != 0)
			return -1;
		while (strncmp(at + 4, a->path, strlen(a->path)) != 0)
			a++;
		p->out = a->bytes;
		p->left = a->n;
		if (!peer_send(p))
			return -1;
		at = head_end + 4;
	}
	return at - in;
}

static ssize_t
take_echo(struct peer *p, const char *in, size_t n)
{
	size_t sent;

	p->out = in;
	p->left = n;
	if (!peer_send(p))
		return -1;
	sent = n - p->left;
	p->left = 0;
	return (ssize_t)sent;
}

static ssize_t
take_source(struct peer *p, const char *in, size_t n)
{
	size_t used = 0;

	while (p->left == 0 && n - used >= sizeof(uint64_t)) {
		uint64_t count;

		memcpy(&count, in + used, sizeof(count));
		used += sizeof(count);
		p->out = source_block;
		p->left = le64toh(count);
		if (!peer_send(p))
			return -1;
	}
	return (ssize_t)used;
}

/* Deals with `n` bytes and holds what is left over. */
static bool
peer_take(int epoll, struct peer *p, const char *in, size_t n)
{
	ssize_t used = 0;

	switch (p->kind) {
	case KIND_HTTP:
		used = take_http(p, in, n);
		break;
	case KIND_ECHO:
		used = take_echo(p, in, n);
		break;
	case KIND_SOURCE:
		used = take_source(p, in, n);
		break;
	case KIND_COUNT:
		break;
	}
	if (used < 0)
		return false;
	if (((size_t)used < n || p->n_held > 0) && !hold(p, in + used, n - (size_t)used))
		return false;
	set_full(epoll, p, p->left > 0 || (p->kind == KIND_ECHO && p->n_held > 0));
	return true;
}

static bool
peer_read(int epoll, struct peer *p)
{
	ssize_t n;

	if (p->n_held >= READ_BYTES)
		return false;
	memcpy(scratch, p->held != NULL ? p->held : "", p->n_held);
	n = recv(p->fd, scratch + p->n_held, READ_BYTES - p->n_held, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	return peer_take(epoll, p, scratch, p->n_held + (size_t)n);
}

/* Room again: what was left of an answer, then what was held. */
static bool
peer_resume(int epoll, struct peer *p)
{
	size_t n = p->n_held;

	if (!peer_send(p))
		return false;
	if (p->left > 0)
		return true;
	memcpy(scratch, p->held != NULL ? p->held : "", n);
	return peer_take(epoll, p, scratch, n);
}

static void
accept_all(int epoll, struct peer *listener)
{
	static const int one = 1;
	int fd;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct peer *p = calloc(1, sizeof(*p));

		if (p == NULL)
			err(1, "connection");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		p->fd = fd;
		p->kind = listener->kind;
		peer_watch(epoll, p, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static unsigned
listen_on(int epoll, struct peer *p, const char *address)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);

	p->listens = true;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
	    bind(p->fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(p->fd, 4096) != 0 ||
	    getsockname(p->fd, (struct sockaddr *)&at, &len) != 0)
		err(1, "listen on %s", address);
	peer_watch(epoll, p, EPOLL_CTL_ADD, EPOLLIN);
	return ntohs(at.sin_port);
}

static void
serve(int epoll)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll, events, EVENTS, -1);
	int i;

	for (i = 0; i < n; i++) {
		struct peer *p = events[i].data.ptr;

		if (p->listens)
			accept_all(epoll, p);
		else if (!(p->is_full ? peer_resume(epoll, p) : peer_read(epoll, p)))
			peer_close(p);
	}
}

int
main(int argc, char **argv)
{
	struct sigaction stop = {.sa_handler = on_stop};
	static struct peer listeners[KIND_COUNT];
	unsigned ports[KIND_COUNT];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned i;

	if (argc != 2 || epoll < 0)
		errx(2, "usage: backend ADDRESS");
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		make_answer(&answers[i]);
	for (i = 0; i < KIND_COUNT; i++) {
		listeners[i].kind = (enum kind)i;
		ports[i] = listen_on(epoll, &listeners[i], argv[1]);
	}
	printf("ready http=%u echo=%u source=%u\n", ports[KIND_HTTP], ports[KIND_ECHO],
	       ports[KIND_SOURCE]);
	fflush(stdout);
	while (!stopped)
		serve(epoll);
	return 0;
}
