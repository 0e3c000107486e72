#include "fake/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"

static void
free_asker(struct deferred *d)
{
	free(TG_CONTAINER(d, struct fake_asker, deferred));
}

void
fake_asker_end(struct fake_asker *a)
{
	if (a->fd < 0)
		return;
	watch_stop(a->web->loop, &a->watch);
	close(a->fd);
	a->fd = -1;
	a->web->n_open--;
	LIST_REMOVE(a, link);
	loop_defer(a->web->loop, &a->deferred, free_asker);
}

static size_t
length_of(const char *head)
{
	const char *line = strcasestr(head, "\r\ncontent-length:");

	return line != NULL ? strtoul(line + 17, NULL, 10) : 0;
}

/* Whether a request is whole; it is taken then. */
static bool
take_request(struct fake_asker *a)
{
	char *end;

	a->bytes[a->n] = '\0';
	end = strstr(a->bytes, "\r\n\r\n");
	if (end == NULL || a->n < (size_t)(end + 4 - a->bytes) + length_of(a->bytes))
		return false;
	assert_int_equal(sscanf(a->bytes, "%15s %511s", a->method, a->path), 2);
	end[2] = '\0';
	a->head = a->bytes;
	a->body = end + 4;
	a->n = 0;
	return true;
}

static void
on_bytes(struct watch *w, unsigned what)
{
	struct fake_asker *a = TG_CONTAINER(w, struct fake_asker, watch);
	struct fake_web *web = a->web;
	ssize_t n = recv(a->fd, a->bytes + a->n, sizeof(a->bytes) - 1 - a->n, MSG_DONTWAIT);

	(void)what;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fake_asker_end(a);
		return;
	}
	a->n += (size_t)n;
	if (take_request(a)) {
		web->n_asked++;
		web->asked(web->user, a);
	}
}

static void
on_connection(struct watch *w, unsigned what)
{
	struct fake_web *web = TG_CONTAINER(w, struct fake_web, watch);
	struct fake_asker *a = calloc(1, sizeof(*a));

	(void)what;
	assert_non_null(a);
	a->web = web;
	a->fd = accept(web->fd, NULL, NULL);
	assert_true(a->fd >= 0);
	LIST_INSERT_HEAD(&web->askers, a, link);
	web->n_accepted++;
	web->n_open++;
	assert_int_equal(watch_start_level(web->loop, &a->watch, a->fd, on_bytes), 0);
}

void
fake_asker_say(struct fake_asker *a, const char *bytes, size_t n)
{
	assert_int_equal(send(a->fd, bytes, n, MSG_NOSIGNAL), n);
}

void
fake_asker_answer(struct fake_asker *a, unsigned status, const char *body)
{
	char head[128];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n\r\n", status,
			 strlen(body));

	fake_asker_say(a, head, (size_t)n);
	if (*body != '\0')
		fake_asker_say(a, body, strlen(body));
}

void
fake_web_start(struct fake_web *web, struct loop *loop,
	       void (*asked)(void *user, struct fake_asker *a), void *user)
{
	struct endpoint e;

	web->loop = loop;
	web->asked = asked;
	web->user = user;
	LIST_INIT(&web->askers);
	assert_int_equal(endpoint_parse("127.0.0.1:1", 0, &e, NULL), 0);
	addr_set_port(&e.addr, 0);
	web->at = e.addr;
	web->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(web->fd >= 0);
	assert_int_equal(bind(web->fd, &web->at.u.sa, web->at.len), 0);
	assert_int_equal(listen(web->fd, 64), 0);
	assert_int_equal(getsockname(web->fd, &web->at.u.sa, &web->at.len), 0);
	assert_int_equal(watch_start_level(loop, &web->watch, web->fd, on_connection), 0);
}

void
fake_web_stop(struct fake_web *web)
{
	struct fake_asker *a;

	while ((a = LIST_FIRST(&web->askers)) != NULL)
		fake_asker_end(a);
	watch_stop(web->loop, &web->watch);
	close(web->fd);
}
