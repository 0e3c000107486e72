/*
 * tidegate-demo: a small backend to try tidegate with.
 *
 * One thread, one epoll. HTTP/1.1 with keep-alive and pipelining; request bodies with
 * Content-Length or chunked are taken. With -t it is a TCP echo that says its name first. Not a
 * server for strangers: it trusts the proxy in front of it to refuse what is not valid HTTP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 65536u
#define PIECE    65536u
#define EVENTS   256

struct bytes {
	char *p;
	size_t pos; /* first byte not yet used */
	size_t len;
	size_t cap;
};

enum state {
	STATE_HEAD = 0,   /* reading a request head */
	STATE_BODY = 1,   /* taking its body */
	STATE_DELAY = 2,  /* /slow: waiting for delay_until_ms */
	STATE_ANSWER = 3, /* the answer can be written */
	STATE_ECHO = 4,   /* -t: sending back what comes */
	STATE_LAST = 5,   /* closing once all is written */
	STATE_COUNT
};

enum framing { FRAMING_NONE = 0, FRAMING_LENGTH = 1, FRAMING_CHUNKED = 2, FRAMING_COUNT };

enum chunk {
	CHUNK_SIZE = 0,
	CHUNK_DATA = 1,
	CHUNK_END = 2, /* the line end after the data */
	CHUNK_TRAILER = 3,
	CHUNK_COUNT
};

struct conn {
	LIST_ENTRY(conn) link;
	int fd;
	enum state state;
	struct bytes in;
	struct bytes out;
	uint64_t fill_left; /* bytes of a /bytes/N answer still to make */
	uint64_t fill_at;
	bool ended; /* the other side sends no more */

	/* the request */
	char line[2048]; /* "GET /path HTTP/1.1", cut */
	char *head;      /* copy for /headers; NULL otherwise */
	size_t head_len;
	bool is_head;
	bool keep_alive;
	bool wants_continue;
	bool echo;
	enum framing framing;
	enum chunk chunk;
	uint64_t body_left; /* of the body or of the chunk */
	uint64_t delay_until_ms;
};

struct demo {
	const char *name;
	bool tcp;
	int epoll;
	int listener;
	LIST_HEAD(, conn) conns;
	unsigned delayed; /* connections in STATE_DELAY */
};

static volatile sig_atomic_t stopping;

static void
on_signal(int signo)
{
	(void)signo;
	stopping = 1;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
die(const char *what)
{
	fprintf(stderr, "tidegate-demo: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Room for n more bytes; running out of memory ends the program. */
static char *
bytes_room(struct bytes *b, size_t n)
{
	if (b->pos == b->len)
		b->pos = b->len = 0;
	if (b->cap - b->len < n && b->pos > 0) {
		memmove(b->p, b->p + b->pos, b->len - b->pos);
		b->len -= b->pos;
		b->pos = 0;
	}
	if (b->cap - b->len < n) {
		char *p = realloc(b->p, b->len + n);

		if (p == NULL)
			die("memory");
		b->p = p;
		b->cap = b->len + n;
	}
	return b->p + b->len;
}

static size_t
bytes_left(const struct bytes *b)
{
	return b->len - b->pos;
}

static void
bytes_use(struct bytes *b, size_t n)
{
	b->pos += n;
}

/* An idle connection holds no buffer. */
static void
bytes_rest(struct bytes *b)
{
	if (bytes_left(b) > 0)
		return;
	free(b->p);
	memset(b, 0, sizeof *b);
}

static void
bytes_add(struct bytes *b, const char *p, size_t n)
{
	memcpy(bytes_room(b, n), p, n);
	b->len += n;
}

static void bytes_print(struct bytes *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
bytes_print(struct bytes *b, const char *format, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (n > 0)
		bytes_add(b, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static void
conn_close(struct demo *demo, struct conn *c)
{
	if (c->state == STATE_DELAY)
		demo->delayed--;
	LIST_REMOVE(c, link);
	close(c->fd);
	free(c->in.p);
	free(c->out.p);
	free(c->head);
	free(c);
}

/* 1 read some, 0 nothing now (c->ended when nothing ever), -1 broken. */
static int
conn_read(struct conn *c)
{
	ssize_t n;

	if (c->ended)
		return 0;
	n = read(c->fd, bytes_room(&c->in, PIECE), PIECE);
	if (n > 0) {
		c->in.len += (size_t)n;
		return 1;
	}
	if (n == 0) {
		c->ended = true;
		return 0;
	}
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* 1 all written, 0 the kernel is full, -1 broken. */
static int
conn_flush(struct conn *c)
{
	while (bytes_left(&c->out) > 0) {
		ssize_t n = send(c->fd, c->out.p + c->out.pos, bytes_left(&c->out), MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		bytes_use(&c->out, (size_t)n);
	}
	return 1;
}

/* The next piece of a generated body: byte i is 'a' + i % 26. */
static void
conn_fill(struct conn *c)
{
	size_t n = c->fill_left < PIECE ? (size_t)c->fill_left : PIECE;
	char *p = bytes_room(&c->out, n);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (c->fill_at + i) % 26);
	c->out.len += n;
	c->fill_at += n;
	c->fill_left -= n;
}

static const char *
status_reason(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 304:
		return "Not Modified";
	case 404:
		return "Not Found";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return "Status";
	}
}

static void
answer_head(const struct demo *demo, struct conn *c, unsigned status, uint64_t length)
{
	bytes_print(&c->out, "HTTP/1.1 %u %s\r\nX-Backend: %s\r\n", status, status_reason(status),
		    demo->name);
	if (status != 204 && status != 304)
		bytes_print(&c->out, "Content-Type: text/plain\r\nContent-Length: %" PRIu64 "\r\n",
			    length);
	bytes_print(&c->out, "%s\r\n", c->keep_alive ? "" : "Connection: close\r\n");
}

static void
answer_text(const struct demo *demo, struct conn *c, unsigned status, const char *p, size_t n)
{
	answer_head(demo, c, status, n);
	if (!c->is_head && status != 204 && status != 304)
		bytes_add(&c->out, p, n);
}

/* The path of the request line kept in c->line, after `prefix`; NULL when it is another path. */
static const char *
path_after(const struct conn *c, const char *prefix)
{
	const char *path = strchr(c->line, ' ');
	size_t n = strlen(prefix);

	return path != NULL && strncmp(path + 1, prefix, n) == 0 ? path + 1 + n : NULL;
}

static void
conn_answer(struct demo *demo, struct conn *c)
{
	char text[4096];
	const char *rest;
	int n;

	if ((rest = path_after(c, "/bytes/")) != NULL) {
		c->fill_at = 0;
		c->fill_left = strtoull(rest, NULL, 10);
		answer_head(demo, c, 200, c->fill_left);
		if (c->is_head)
			c->fill_left = 0;
	} else if (c->head != NULL) {
		answer_text(demo, c, 200, c->head, c->head_len);
	} else {
		unsigned status = 200;

		if ((rest = path_after(c, "/status/")) != NULL)
			status = (unsigned)strtoul(rest, NULL, 10);
		if (status < 200 || status > 599)
			status = 200;
		n = snprintf(text, sizeof text, "%s %s\n", demo->name, c->line);
		answer_text(demo, c, status, text, n < 0 ? 0 : (size_t)n);
	}
	free(c->head);
	c->head = NULL;
	c->state = c->keep_alive ? STATE_HEAD : STATE_LAST;
}

/* The request and its body are here: answer now, or after the delay it asks for. */
static void
request_is_complete(struct demo *demo, struct conn *c)
{
	const char *ms = path_after(c, "/slow?ms=");

	if (c->echo) {
		if (c->framing == FRAMING_CHUNKED)
			bytes_print(&c->out, "0\r\n\r\n");
		c->state = c->keep_alive ? STATE_HEAD : STATE_LAST;
	} else if (ms != NULL) {
		c->state = STATE_DELAY;
		c->delay_until_ms = now_ms() + strtoull(ms, NULL, 10);
		demo->delayed++;
	} else {
		c->state = STATE_ANSWER;
	}
}

/* An answer to /echo starts before its request body is complete. */
static void
echo_start(const struct demo *demo, struct conn *c)
{
	if (c->framing == FRAMING_CHUNKED)
		bytes_print(&c->out,
			    "HTTP/1.1 200 OK\r\nX-Backend: %s\r\n"
			    "Transfer-Encoding: chunked\r\n%s\r\n",
			    demo->name, c->keep_alive ? "" : "Connection: close\r\n");
	else
		answer_head(demo, c, 200, c->body_left);
}

static void
echo_piece(struct conn *c, const char *p, size_t n)
{
	if (c->framing == FRAMING_CHUNKED)
		bytes_print(&c->out, "%zx\r\n", n);
	bytes_add(&c->out, p, n);
	if (c->framing == FRAMING_CHUNKED)
		bytes_add(&c->out, "\r\n", 2);
}

/* Takes body bytes that are there; returns whether there were any. */
static bool
body_take(struct conn *c)
{
	size_t n = bytes_left(&c->in);

	if (n > c->body_left)
		n = (size_t)c->body_left;
	if (n == 0)
		return false;
	if (c->echo)
		echo_piece(c, c->in.p + c->in.pos, n);
	bytes_use(&c->in, n);
	c->body_left -= n;
	return true;
}

/* One step in a chunked body: 1 went on, 0 more bytes needed, 2 that was the end. */
static int
chunked_step(struct conn *c)
{
	const char *p = c->in.p + c->in.pos;
	const char *end;
	bool empty;

	if (c->chunk == CHUNK_DATA) {
		if (!body_take(c))
			return 0;
		if (c->body_left == 0)
			c->chunk = CHUNK_END;
		return 1;
	}
	if (bytes_left(&c->in) == 0 || (end = memchr(p, '\n', bytes_left(&c->in))) == NULL)
		return 0;
	empty = end - p <= 1;
	if (c->chunk == CHUNK_END) {
		c->chunk = CHUNK_SIZE;
	} else if (c->chunk == CHUNK_SIZE) {
		c->body_left = strtoull(p, NULL, 16);
		c->chunk = c->body_left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
		empty = false;
	}
	bytes_use(&c->in, (size_t)(end - p) + 1);
	return c->chunk == CHUNK_TRAILER && empty ? 2 : 1;
}

/* Returns whether it went on. */
static bool
body_step(struct demo *demo, struct conn *c)
{
	if (c->framing == FRAMING_CHUNKED) {
		int step = chunked_step(c);

		if (step == 2)
			request_is_complete(demo, c);
		return step != 0;
	}
	if (c->body_left > 0 && !body_take(c))
		return false;
	if (c->body_left == 0)
		request_is_complete(demo, c);
	return true;
}

/* The value when `line` is a field of this name, else NULL. */
static const char *
field_value(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	return line + strspn(line, " \t");
}

static void
head_field(struct conn *c, const char *line)
{
	const char *value;

	if ((value = field_value(line, "Content-Length")) != NULL) {
		c->framing = FRAMING_LENGTH;
		c->body_left = strtoull(value, NULL, 10);
	} else if (field_value(line, "Transfer-Encoding") != NULL) {
		c->framing = FRAMING_CHUNKED;
		c->chunk = CHUNK_SIZE;
	} else if ((value = field_value(line, "Connection")) != NULL) {
		if (strncasecmp(value, "close", 5) == 0)
			c->keep_alive = false;
		else if (strncasecmp(value, "keep-alive", 10) == 0)
			c->keep_alive = true;
	} else if ((value = field_value(line, "Expect")) != NULL) {
		c->wants_continue = strncasecmp(value, "100-continue", 12) == 0;
	}
}

/* Reads a head of n bytes whose last line end is followed by an empty line. */
static void
head_parse(struct conn *c, char *head, size_t n)
{
	char *next;

	head[n - 1] = '\0';
	c->framing = FRAMING_NONE;
	c->body_left = 0;
	c->wants_continue = false;
	next = strchr(head, '\n');
	snprintf(c->line, sizeof c->line, "%.*s", (int)strcspn(head, "\r\n"), head);
	c->is_head = strncmp(c->line, "HEAD ", 5) == 0;
	c->keep_alive = strstr(c->line, " HTTP/1.0") == NULL;
	c->echo = path_after(c, "/echo") != NULL && !c->is_head;
	for (char *line = next; line != NULL; line = strchr(line + 1, '\n'))
		head_field(c, line + 1);
}

/* 1 went on, 0 more bytes needed, -1 not a request for us. */
static int
head_step(struct demo *demo, struct conn *c)
{
	size_t left = bytes_left(&c->in);
	char *p = left > 0 ? c->in.p + c->in.pos : NULL;
	char *end = left > 0 ? memmem(p, left, "\r\n\r\n", 4) : NULL;
	size_t n;

	if (end == NULL)
		return left >= HEAD_MAX ? -1 : 0;
	n = (size_t)(end - p) + 4;
	bytes_use(&c->in, n);
	if (n < 16)
		return -1;
	head_parse(c, p, n);
	if (path_after(c, "/headers") != NULL) {
		p[n - 1] = '\n';
		c->head = malloc(n);
		if (c->head == NULL)
			return -1;
		memcpy(c->head, p, n);
		c->head_len = n;
	}
	c->state = STATE_BODY;
	if (c->wants_continue && c->framing != FRAMING_NONE)
		bytes_print(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	if (c->echo)
		echo_start(demo, c);
	return 1;
}

static void
tcp_step(struct conn *c)
{
	size_t n = bytes_left(&c->in);

	bytes_add(&c->out, c->in.p + c->in.pos, n);
	bytes_use(&c->in, n);
}

/* 1 went on, 0 needs bytes or time, -1 to be closed. */
static int
conn_advance(struct demo *demo, struct conn *c)
{
	switch (c->state) {
	case STATE_HEAD:
		return head_step(demo, c);
	case STATE_BODY:
		return body_step(demo, c) ? 1 : 0;
	case STATE_DELAY:
		if (now_ms() < c->delay_until_ms)
			return 0;
		demo->delayed--;
		c->state = STATE_ANSWER;
		return 1;
	case STATE_ANSWER:
		conn_answer(demo, c);
		return 1;
	case STATE_ECHO:
		if (bytes_left(&c->in) == 0)
			return 0;
		tcp_step(c);
		return 1;
	case STATE_LAST:
	case STATE_COUNT:
		break;
	}
	return -1;
}

/* Goes on until the kernel or the other side makes it wait; false: closed. */
static bool
conn_step(struct demo *demo, struct conn *c)
{
	for (;;) {
		int step = conn_flush(c);

		if (step == 0)
			return true;
		if (step > 0 && c->fill_left > 0) {
			conn_fill(c);
			continue;
		}
		if (step > 0)
			step = conn_advance(demo, c);
		if (step == 0 && c->state == STATE_DELAY)
			return true;
		if (step == 0)
			step = conn_read(c);
		if (step < 0 || (step == 0 && c->ended)) {
			conn_close(demo, c);
			return false;
		}
		if (step == 0) {
			bytes_rest(&c->in);
			bytes_rest(&c->out);
			return true;
		}
	}
}

static void
conn_open(struct demo *demo, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	struct conn *c = calloc(1, sizeof *c);
	int one = 1;

	if (c == NULL)
		die("memory");
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	ev.data.ptr = c;
	LIST_INSERT_HEAD(&demo->conns, c, link);
	if (epoll_ctl(demo->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		conn_close(demo, c);
		return;
	}
	if (demo->tcp) {
		c->state = STATE_ECHO;
		bytes_print(&c->out, "%s ready\r\n", demo->name);
		conn_step(demo, c);
	}
}

static void
accept_all(struct demo *demo)
{
	for (;;) {
		int fd = accept4(demo->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		conn_open(demo, fd);
	}
}

static void
wake_delayed(struct demo *demo)
{
	struct conn *next;

	for (struct conn *c = LIST_FIRST(&demo->conns); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c->state == STATE_DELAY && now_ms() >= c->delay_until_ms)
			conn_step(demo, c);
	}
}

static void
demo_run(struct demo *demo)
{
	struct epoll_event ev[EVENTS];
	sigset_t none;

	sigemptyset(&none); /* signals come in only while it waits */
	while (!stopping) {
		int n = epoll_pwait(demo->epoll, ev, EVENTS, demo->delayed > 0 ? 1 : -1, &none);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL)
				accept_all(demo);
			else
				conn_step(demo, ev[i].data.ptr);
		}
		if (demo->delayed > 0)
			wake_delayed(demo);
	}
}

/* "127.0.0.1:9101", "[::1]:9101" or ":9101"; exits on anything else. */
static socklen_t
parse_address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	const char *colon = strrchr(text, ':');
	unsigned long port = 65536;
	char host[64] = "";
	char *end = NULL;

	memset(ret, 0, sizeof *ret);
	if (colon != NULL && (size_t)(colon - text) < sizeof host && colon[1] != '\0') {
		memcpy(host, text, (size_t)(colon - text));
		port = strtoul(colon + 1, &end, 10);
	}
	if (end != NULL && *end == '\0' && port <= UINT16_MAX) {
		size_t n = strlen(host);

		if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
			host[n - 1] = '\0';
			in6->sin6_family = AF_INET6;
			in6->sin6_port = htons((uint16_t)port);
			if (inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1)
				return sizeof *in6;
		}
		in4->sin_family = AF_INET;
		in4->sin_port = htons((uint16_t)port);
		if (n == 0 || inet_pton(AF_INET, host, &in4->sin_addr) == 1)
			return sizeof *in4;
	}
	fprintf(stderr, "tidegate-demo: '%s' is not ADDRESS:PORT\n", text);
	exit(2);
}

static void
demo_listen(struct demo *demo, const char *text)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct sockaddr_storage addr;
	socklen_t len = parse_address(text, &addr);
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr;
	int one = 1;

	demo->listener = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (demo->listener < 0)
		die("socket");
	setsockopt(demo->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(demo->listener, (struct sockaddr *)&addr, len) < 0 ||
	    listen(demo->listener, SOMAXCONN) < 0)
		die(text);
	demo->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (demo->epoll < 0 || epoll_ctl(demo->epoll, EPOLL_CTL_ADD, demo->listener, &ev) < 0)
		die("epoll");
	if (getsockname(demo->listener, (struct sockaddr *)&addr, &len) < 0)
		die("getsockname");
	printf("%s: %s on port %u\n", demo->name, demo->tcp ? "tcp echo" : "http",
	       (unsigned)ntohs(in4->sin_port)); /* at the same place in IPv6 */
	fflush(stdout);
}

static void
usage(FILE *out)
{
	fputs("usage: tidegate-demo [-t] [-l ADDRESS:PORT] [-n NAME]\n"
	      "  -l ADDRESS:PORT  listen there (127.0.0.1:0; port 0: any, it is printed)\n"
	      "  -n NAME          what answers say they are from (demo)\n"
	      "  -t               TCP: say \"NAME ready\", then echo\n"
	      "  -h               this help\n"
	      "HTTP answers: /            NAME and the request line\n"
	      "              /bytes/N     N bytes\n"
	      "              /slow?ms=N   the same as /, after N milliseconds\n"
	      "              /status/N    with status N\n"
	      "              /echo        the request body\n"
	      "              /headers     the request head as it arrived\n",
	      out);
}

int
main(int argc, char **argv)
{
	struct demo demo = {.name = "demo", .epoll = -1, .listener = -1};
	struct sigaction stop = {.sa_handler = on_signal};
	const char *listen_text = "127.0.0.1:0";
	sigset_t signals;
	int option;

	while ((option = getopt(argc, argv, "l:n:th")) != -1) {
		switch (option) {
		case 'l':
			listen_text = optarg;
			break;
		case 'n':
			demo.name = optarg;
			break;
		case 't':
			demo.tcp = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return 2;
	}
	LIST_INIT(&demo.conns);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	demo_listen(&demo, listen_text);
	demo_run(&demo);
	while (!LIST_EMPTY(&demo.conns))
		conn_close(&demo, LIST_FIRST(&demo.conns));
	close(demo.epoll);
	close(demo.listener);
	return 0;
}
