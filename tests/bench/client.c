/*
 * bench/client.c: load where wrk has none to give. One thread, each connection
 * has one exchange under way at a time.
 *
 *	client [-m http|echo|bulk] [-c CONNECTIONS] [-d SECONDS | -n EXCHANGES]
 *	       [-r RATE] [-b BYTES] [-p PATH] [-x] [-w] [-g | -H] ADDRESS PORT
 *
 *	-m http	  GET PATH, kept alive (the answer must have Content-Length)
 *	-m echo	  BYTES out, the same number back
 *	-m bulk	  asks bench/backend's source for BYTES and drops them unread
 *	-r RATE	  begins RATE exchanges a second, as many clients that do not know of each
 *		  other would (Poisson, the same in each run), whatever the answers do; one
 *		  for which no connection is free waits for one. Connections are opened before
 *	-x	  a new connection for each exchange (http: Connection: close)
 *	-w	  with -x: the exchange ends when the other side closes
 *	-g	  opens, makes one exchange on each connection, says "ready" and
 *		  waits for a line on standard input; counts from there
 *	-H	  the same and no more: says "held" and holds until standard input ends
 *
 * At the end one line of JSON: exchanges, seconds, bytes, errors, and
 * percentiles of the time from the first byte sent to the last one received
 * (-x: from connect; -r: from when it was due, so that an answer which is late
 * does not hide those that should have begun meanwhile), in microseconds.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS           256
#define TURN_NS          100000000u
#define READ_BYTES       65536u
#define DROP_BYTES       (4u * 1024u * 1024u)
#define OPENING_MAX      64u /* exchanges at a time while opening for -H */
#define STEPS_PER_DOUBLE 32u /* of the histogram: within 3 % */
#define HISTOGRAM        (40u * STEPS_PER_DOUBLE)
#define SOURCES          16u /* source addresses 127.0.0.2 and on, for -x */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum mode { MODE_HTTP = 0, MODE_ECHO = 1, MODE_BULK = 2 };

struct peer {
	int fd;
	bool busy;
	bool in_body; /* what comes next is of the body */
	bool at_end;  /* -w: all is there but the end */
	char *head;   /* part of a head, when it came in pieces */
	size_t n_head;
	uint64_t left; /* bytes of the answer still to come */
	uint64_t began_ns;
};

static struct {
	enum mode mode;
	unsigned connections;
	double seconds;
	double rate;	    /* exchanges a second; 0: each connection begins as soon as it may */
	uint64_t exchanges; /* to make; 0: as many as `seconds` allow */
	uint64_t bytes;
	const char *path;
	bool is_new;
	bool waits_end;
	bool gated;
	bool holds;
	struct sockaddr_in to;
} want = {
	.connections = 64,
	.seconds = 1,
	.bytes = 256,
	.path = "/1k",
};

static struct {
	int epoll;
	struct peer *peers;
	char *request;
	size_t n_request;
	uint64_t begun;
	uint64_t done;
	uint64_t errors;
	uint64_t bytes;
	uint64_t limit; /* of `begun` */
	uint64_t until_ns;
	uint64_t due_ns; /* -r: when the next exchange is to begin */
	unsigned next;	 /* -r: the connection to look at first */
	unsigned busy;
	unsigned opened;
	uint64_t histogram[HISTOGRAM];
	char scratch[READ_BYTES];
} run;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* histogram: STEPS_PER_DOUBLE even steps between each power of two and the next */

static unsigned
step_of(uint64_t ns)
{
	unsigned shift = 0;

	while (ns >> shift >= 2u * STEPS_PER_DOUBLE)
		shift++;
	if (shift * STEPS_PER_DOUBLE + (ns >> shift) >= HISTOGRAM)
		return HISTOGRAM - 1;
	return shift * STEPS_PER_DOUBLE + (unsigned)(ns >> shift);
}

static double
step_us(unsigned step)
{
	unsigned shift = step < 2 * STEPS_PER_DOUBLE ? 0 : step / STEPS_PER_DOUBLE - 1;

	return (double)((uint64_t)(step - shift * STEPS_PER_DOUBLE) << shift) / 1000.0;
}

static double
percentile_us(double share)
{
	uint64_t below = (uint64_t)((double)run.done * share);
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < HISTOGRAM; i++) {
		sum += run.histogram[i];
		if (sum > below)
			return step_us(i);
	}
	return 0;
}

/* connections */

static bool
peer_open(struct peer *p)
{
	static const int one = 1;
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		err(1, "socket");
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (want.is_new) {
		/* Many ports would otherwise wait out the end of their last connection. */
		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(run.begun % SOURCES));
		setsockopt(p->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(p->fd, (struct sockaddr *)&from, sizeof(from)) != 0)
			err(1, "bind");
	}
	if (connect(p->fd, (struct sockaddr *)&want.to, sizeof(want.to)) != 0) {
		close(p->fd);
		p->fd = -1;
		return false;
	}
	if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, p->fd, &ev) != 0)
		err(1, "epoll_ctl");
	return true;
}

static void
peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	free(p->head);
	p->head = NULL;
	p->n_head = 0;
}

/* exchanges */

static void
exchange_failed(struct peer *p)
{
	run.errors++;
	run.busy -= p->busy;
	p->busy = false;
	peer_close(p);
}

static void
exchange_begin(struct peer *p, uint64_t began_ns)
{
	p->began_ns = began_ns;
	p->in_body = want.mode != MODE_HTTP;
	p->at_end = false;
	p->left = want.mode == MODE_HTTP ? 0 : want.bytes;
	if (p->fd < 0 && !peer_open(p)) {
		exchange_failed(p);
		return;
	}
	run.begun++;
	run.busy++;
	p->busy = true;
	if (send(p->fd, run.request, run.n_request, MSG_NOSIGNAL) != (ssize_t)run.n_request)
		exchange_failed(p);
}

static bool
may_begin(void)
{
	return run.begun < run.limit && (run.until_ns == 0 || now_ns() < run.until_ns);
}

static void
exchange_done(struct peer *p)
{
	run.histogram[step_of(now_ns() - p->began_ns)]++;
	run.done++;
	run.busy--;
	p->busy = false;
	if (want.is_new)
		peer_close(p);
	if (want.rate == 0 && may_begin())
		exchange_begin(p, now_ns());
}

/* The whole head is at `head`: the length of its body, or -1. */
static int64_t
body_length(const char *head, size_t n)
{
	static const char name[] = "content-length:";
	const char *at = head;

	if (n < 12 || memcmp(head, "HTTP/1.1 200", 12) != 0)
		return -1;
	while ((at = memchr(at, '\n', (size_t)(head + n - at))) != NULL) {
		at++;
		if ((size_t)(head + n - at) > sizeof(name) &&
		    strncasecmp(at, name, sizeof(name) - 1) == 0)
			return strtoll(at + sizeof(name) - 1, NULL, 10);
	}
	return -1;
}

/* Of `n` bytes, those after the head; -1: bad; -2: more is needed. */
static ssize_t
take_head(struct peer *p, const char *in, size_t n)
{
	const char *end = memmem(in, n, "\r\n\r\n", 4);
	int64_t length;

	if (end == NULL) {
		free(p->head);
		p->head = malloc(n);
		if (p->head == NULL || n > READ_BYTES / 2)
			return -1;
		memcpy(p->head, in, n);
		p->n_head = n;
		return -2;
	}
	length = body_length(in, (size_t)(end - in) + 2);
	if (length < 0)
		return -1;
	free(p->head);
	p->head = NULL;
	p->n_head = 0;
	p->in_body = true;
	p->left = (uint64_t)length;
	return in + n - (end + 4);
}

static void
on_bytes(struct peer *p, size_t n)
{
	ssize_t body = (ssize_t)n;

	run.bytes += n;
	if (!p->in_body)
		body = take_head(p, run.scratch, p->n_head + n);
	if (body == -2)
		return;
	if (body < 0 || (uint64_t)body > p->left) {
		exchange_failed(p);
		return;
	}
	p->left -= (uint64_t)body;
	if (p->left == 0 && p->in_body && want.waits_end)
		p->at_end = true;
	else if (p->left == 0 && p->in_body)
		exchange_done(p);
}

static void
peer_read(struct peer *p)
{
	ssize_t n;

	/* Bytes that nobody looks at are not copied either. */
	if (p->in_body && p->left > READ_BYTES) {
		size_t most = p->left < DROP_BYTES ? (size_t)p->left : DROP_BYTES;

		n = recv(p->fd, NULL, most, MSG_DONTWAIT | MSG_TRUNC);
	} else {
		memcpy(run.scratch, p->head != NULL ? p->head : "", p->n_head);
		n = recv(p->fd, run.scratch + p->n_head, READ_BYTES - p->n_head, MSG_DONTWAIT);
	}
	if (n > 0 && p->busy && !p->at_end)
		on_bytes(p, (size_t)n);
	else if (n == 0 && p->at_end)
		exchange_done(p);
	else if (n >= 0 || errno != EAGAIN)
		exchange_failed(p);
}

static void
turn(uint64_t timeout_ns)
{
	struct timespec timeout = {(time_t)(timeout_ns / 1000000000u),
				   (long)(timeout_ns % 1000000000u)};
	struct epoll_event events[EVENTS];
	int n = epoll_pwait2(run.epoll, events, EVENTS, &timeout, NULL);
	int i;

	for (i = 0; i < n; i++)
		peer_read(events[i].data.ptr);
}

/* One exchange on each connection; for -H few at a time. */
static void
open_all(void)
{
	unsigned most = want.holds ? OPENING_MAX : want.connections;

	run.limit = 0;
	while (run.opened < want.connections || run.busy > 0) {
		while (run.opened < want.connections && run.busy < most)
			exchange_begin(&run.peers[run.opened++], now_ns());
		turn(TURN_NS);
	}
}

static void
begin_all(void)
{
	unsigned i;

	for (i = 0; i < want.connections && may_begin(); i++)
		exchange_begin(&run.peers[i], now_ns());
}

/* -r: the next connection, around, that has nothing under way; NULL: none. */
static struct peer *
free_peer(void)
{
	unsigned i;

	for (i = 0; i < want.connections; i++) {
		struct peer *p = &run.peers[(run.next + i) % want.connections];

		if (p->busy)
			continue;
		run.next = (run.next + i + 1) % want.connections;
		return p;
	}
	return NULL;
}

/* -r: when the next one is due after this one. */
static void
next_due(void)
{
	run.due_ns += (uint64_t)(-log(1 - drand48()) / want.rate * 1e9);
}

/* -r: begins what is due by now. How long it is to the next. */
static uint64_t
begin_due(void)
{
	while (run.begun < run.limit && (run.until_ns == 0 || run.due_ns < run.until_ns)) {
		uint64_t now = now_ns();
		struct peer *p;

		if (run.due_ns > now)
			return run.due_ns - now;
		p = free_peer();
		if (p == NULL)
			break;
		exchange_begin(p, run.due_ns);
		next_due();
	}
	return TURN_NS;
}

static void
forget_counts(void)
{
	run.begun = run.done = run.bytes = 0;
	memset(run.histogram, 0, sizeof(run.histogram));
}

static void
wait_line(const char *say)
{
	char line[16];

	printf("%s\n", say);
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL && !want.holds)
		errx(1, "nobody said go");
}

/* What is under way at the end of time may end too, within as much again and a second. */
static double
make_exchanges(void)
{
	uint64_t began = now_ns();
	uint64_t span = (uint64_t)(want.seconds * 1e9);
	uint64_t last = began + (want.exchanges > 0 ? 600000000000u : 2 * span + 1000000000u);
	uint64_t counted = 0;
	uint64_t end = 0;

	run.until_ns = want.exchanges > 0 ? 0 : began + span;
	run.limit = want.exchanges > 0 ? want.exchanges : UINT64_MAX;
	run.due_ns = began;
	if (want.rate == 0)
		begin_all();
	for (;;) {
		uint64_t wait = want.rate > 0 ? begin_due() : TURN_NS;

		if ((run.busy == 0 && wait == TURN_NS) || now_ns() >= last)
			break;
		turn(wait);
		if (run.done > counted) {
			counted = run.done;
			end = now_ns();
		}
	}
	run.errors += run.busy;
	return (double)(end > began ? end - began : 1) / 1e9;
}

static void
report(double seconds)
{
	printf("{\"exchanges\": %llu, \"seconds\": %.6f, \"bytes\": %llu, \"errors\": %llu, "
	       "\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
	       (unsigned long long)run.done, seconds, (unsigned long long)run.bytes,
	       (unsigned long long)run.errors, percentile_us(0.5), percentile_us(0.9),
	       percentile_us(0.99), percentile_us(1 - 1e-9));
	fflush(stdout);
}

static void
make_request(void)
{
	uint64_t count = htole64(want.bytes);
	char text[512];
	int n;

	if (want.mode == MODE_HTTP) {
		n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: bench.test\r\n%s\r\n",
			     want.path, want.is_new ? "Connection: close\r\n" : "");
		if (n >= (int)sizeof(text))
			errx(2, "PATH is too long");
		run.n_request = (size_t)n;
	} else {
		run.n_request = want.mode == MODE_BULK ? sizeof(count) : want.bytes;
	}
	run.request = calloc(1, run.n_request);
	if (run.request == NULL)
		err(1, "request");
	if (want.mode == MODE_HTTP)
		memcpy(run.request, text, run.n_request);
	else if (want.mode == MODE_BULK)
		memcpy(run.request, &count, sizeof(count));
}

static void
set_mode(const char *name)
{
	static const char *const names[] = {"http", "echo", "bulk"};
	unsigned i;

	for (i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) == 0) {
			want.mode = (enum mode)i;
			return;
		}
	}
	errx(2, "-m: http, echo or bulk");
}

static void
set_option(int option, const char *value)
{
	switch (option) {
	case 'm':
		set_mode(value);
		break;
	case 'c':
		want.connections = (unsigned)strtoul(value, NULL, 10);
		break;
	case 'd':
		want.seconds = strtod(value, NULL);
		break;
	case 'n':
		want.exchanges = strtoull(value, NULL, 10);
		break;
	case 'r':
		want.rate = strtod(value, NULL);
		break;
	case 'b':
		want.bytes = strtoull(value, NULL, 10);
		break;
	case 'p':
		want.path = value;
		break;
	case 'x':
		want.is_new = true;
		break;
	case 'w':
		want.waits_end = true;
		break;
	case 'g':
		want.gated = true;
		break;
	case 'H':
		want.holds = true;
		break;
	default:
		exit(2);
	}
}

static void
set_up(int argc, char **argv)
{
	unsigned i;
	int option;

	while ((option = getopt(argc, argv, "m:c:d:n:r:b:p:xwgH")) != -1)
		set_option(option, optarg);
	want.to.sin_family = AF_INET;
	if (argc - optind != 2 || inet_pton(AF_INET, argv[optind], &want.to.sin_addr) != 1)
		errx(2, "usage: client [options] ADDRESS PORT");
	want.to.sin_port = htons((uint16_t)strtoul(argv[optind + 1], NULL, 10));
	if (want.waits_end && !want.is_new)
		errx(2, "-w goes with -x");
	if (want.rate < 0 || (want.rate > 0 && want.is_new))
		errx(2, "-r: more than 0, and not with -x");
	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	run.peers = calloc(want.connections, sizeof(*run.peers));
	if (run.epoll < 0 || run.peers == NULL)
		err(1, "connections");
	for (i = 0; i < want.connections; i++)
		run.peers[i].fd = -1;
	make_request();
}

int
main(int argc, char **argv)
{
	double seconds = 0;

	set_up(argc, argv);
	if (want.rate > 0)
		prctl(PR_SET_TIMERSLACK, 1u);
	if (want.gated || want.holds || want.rate > 0)
		open_all();
	if (want.gated || want.holds)
		wait_line(want.holds ? "held" : "ready");
	if (!want.holds) {
		forget_counts();
		seconds = make_exchanges();
	}
	report(seconds);
	/* The caller may look at the proxy while the connections are still there. */
	if (want.gated)
		while (fgetc(stdin) != EOF)
			continue;
	return 0;
}
