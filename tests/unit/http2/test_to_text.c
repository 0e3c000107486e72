#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http2/to_text.h"

#define KEY      "AAECAwQFBgcICQoLDA0ODw=="
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct slice
text(const char *s)
{
	return (struct slice){s, strlen(s)};
}

struct made {
	struct buf_pool pool;
	struct buf *buf;
	struct h2_to_text t;
	bool is_good;
	bool is_chunked;
};

static void
begin(struct made *m, enum h2_head_kind kind, bool to_head)
{
	buf_pool_init(&m->pool, NULL);
	m->buf = buf_get(&m->pool, TG_BUF_LARGE);
	m->is_good = true;
	h2_to_text_begin(&m->t, kind, to_head, m->buf);
}

/* "name=value|name=value" */
static void
fields(struct made *m, const char *all)
{
	char *copy = strdup(all);
	char *save = NULL;

	for (char *one = strtok_r(copy, "|", &save); one != NULL && m->is_good;
	     one = strtok_r(NULL, "|", &save)) {
		char *equals = strchr(one, '=');

		*equals = '\0';
		m->is_good = h2_to_text_field(&m->t, text(one), text(equals + 1));
	}
	free(copy);
}

static void
end(struct made *m, bool is_end)
{
	m->is_good = m->is_good && h2_to_text_end(&m->t, is_end, KEY, &m->is_chunked);
}

static void
made_free(struct made *m)
{
	buf_put(&m->pool, &m->buf);
	buf_pool_fini(&m->pool);
}

static void
gives(enum h2_head_kind kind, bool is_end, const char *all, const char *expected)
{
	struct made m;

	begin(&m, kind, false);
	fields(&m, all);
	end(&m, is_end);
	if (expected == NULL) {
		assert_false(m.is_good);
	} else {
		assert_true(m.is_good);
		buf_data(m.buf)[buf_len(m.buf)] = '\0';
		assert_string_equal((const char *)buf_data(m.buf), expected);
		assert_int_equal(m.is_chunked, strstr(expected, "chunked") != NULL);
	}
	made_free(&m);
}

#define GET ":method=GET|:scheme=https|:authority=example.org|:path=/a?b"

static void
requests_become_text(void **state)
{
	(void)state;
	gives(H2_HEAD_REQUEST, true, GET, "GET /a?b HTTP/1.1\r\nhost: example.org\r\n\r\n");
	/* Pseudo fields in any order; other fields stay in theirs. */
	gives(H2_HEAD_REQUEST, true,
	      ":path=/|:authority=x|:method=HEAD|:scheme=http|accept=*/*|x-a=",
	      "HEAD / HTTP/1.1\r\nhost: x\r\naccept: */*\r\nx-a: \r\n\r\n");
	gives(H2_HEAD_REQUEST, false, ":method=POST|:scheme=http|:authority=x|:path=/|te=trailers",
	      "POST / HTTP/1.1\r\nhost: x\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n");
	gives(H2_HEAD_REQUEST, false,
	      ":method=PUT|:scheme=http|:authority=x|:path=/|content-length=3",
	      "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n");
	gives(H2_HEAD_REQUEST, true, ":method=OPTIONS|:scheme=http|:authority=x|:path=*",
	      "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n");
	/* Refused further on, as in HTTP/1.1. */
	gives(H2_HEAD_REQUEST, false, ":method=CONNECT|:authority=x:443",
	      "CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\ntransfer-encoding: chunked\r\n\r\n");
}

static void
the_host_has_one_name(void **state)
{
	(void)state;
	gives(H2_HEAD_REQUEST, true, GET "|host=Example.ORG",
	      "GET /a?b HTTP/1.1\r\nhost: example.org\r\n\r\n");
	gives(H2_HEAD_REQUEST, true, ":method=GET|:scheme=http|:path=/|host=b",
	      "GET / HTTP/1.1\r\nhost: b\r\n\r\n");
	gives(H2_HEAD_REQUEST, true, ":method=GET|:scheme=http|:path=/|:authority=|host=b",
	      "GET / HTTP/1.1\r\nhost: b\r\n\r\n");
	gives(H2_HEAD_REQUEST, true,
	      ":method=GET|:scheme=http|:path=/|a=b|cookie=a|host=b|cookie=c|host=b",
	      "GET / HTTP/1.1\r\na: b\r\ncookie: a; c\r\nhost: b\r\n\r\n");
	gives(H2_HEAD_REQUEST, true, GET "|host=other.org", NULL);
	gives(H2_HEAD_REQUEST, true, GET "|host=example.or", NULL);
	gives(H2_HEAD_REQUEST, true, GET "|host=example.org.", NULL);
	gives(H2_HEAD_REQUEST, true, GET "|host=example\x4eorg", NULL);
	gives(H2_HEAD_REQUEST, true, ":method=GET|:scheme=http|:path=/|host=b|host=c", NULL);
}

/* RFC 9113 8.2.3 */
static void
cookies_become_one_line(void **state)
{
	(void)state;
	gives(H2_HEAD_REQUEST, true, GET "|cookie=a=1|x=y|cookie=b=2|cookie=c=3",
	      "GET /a?b HTTP/1.1\r\nhost: example.org\r\ncookie: a=1; b=2; c=3\r\nx: y\r\n\r\n");
	gives(H2_HEAD_REQUEST, false, GET "|cookie=a|cookie=|cookie=b",
	      "GET /a?b HTTP/1.1\r\nhost: example.org\r\ncookie: a; ; b\r\n"
	      "transfer-encoding: chunked\r\n\r\n");
}

/* However many there are behind however much: to the last byte of the buffer, and one more. */
static void
cookies_fill_a_buffer(void **state)
{
	static char value[20000];
	struct made m;
	uint32_t left;

	(void)state;
	memset(value, 'v', sizeof(value));
	for (uint32_t more = 0; more < 2; more++) {
		begin(&m, H2_HEAD_REQUEST, false);
		fields(&m, GET "|cookie=first");
		m.is_good = h2_to_text_field(&m.t, text("x"), (struct slice){value, sizeof(value)});
		left = buf_room(m.buf) - 2;
		for (; left > 6; left -= 3)
			m.is_good &= h2_to_text_field(&m.t, text("cookie"), text("c"));
		m.is_good &= h2_to_text_field(&m.t, text("cookie"),
					      (struct slice){"last", left - 2 + more});
		end(&m, true);
		assert_true(m.is_good);
		assert_int_equal(m.t.is_full, more == 1);
		assert_int_equal(buf_room(m.buf), 0);
		if (more == 0) {
			assert_non_null(memmem(buf_data(m.buf), 60, "cookie: first; c; c; c", 22));
			assert_memory_equal(buf_data(m.buf) + buf_len(m.buf) - 8, "vvvv\r\n\r\n",
					    8);
		}
		made_free(&m);
	}
}

/* Nothing is looked at behind that, not even whether it is well formed. */
static void
what_is_longer_than_it_may_be_has_no_end(void **state)
{
	struct made m;

	(void)state;
	begin(&m, H2_HEAD_REQUEST, false);
	m.t.most = 60;
	fields(&m, GET "|x=0123456789012345678901234567890123456789|A=b");
	assert_int_equal(m.t.n_fields, 1);
	end(&m, true);
	assert_true(m.is_good);
	assert_int_equal(buf_room(m.buf), 0);
	made_free(&m);
}

#define ASKS ":method=CONNECT|:scheme=http|:path=/|:authority=x|:protocol="

/* RFC 8441 */
static void
connect_for_a_protocol_becomes_an_upgrade(void **state)
{
	(void)state;
	gives(H2_HEAD_REQUEST, false,
	      ":method=CONNECT|:protocol=websocket|:scheme=https|:path=/chat|:authority=x|"
	      "sec-websocket-version=13",
	      "GET /chat HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nhost: x\r\n"
	      "sec-websocket-version: 13\r\nsec-websocket-key: " KEY "\r\n\r\n");
	gives(H2_HEAD_REQUEST, false,
	      ":method=CONNECT|:protocol=connect-udp|:scheme=https|:path=/u|:authority=x",
	      "GET /u HTTP/1.1\r\nconnection: upgrade\r\nupgrade: connect-udp\r\nhost: x\r\n\r\n");
	gives(H2_HEAD_REQUEST, false,
	      ":method=GET|:protocol=websocket|:scheme=https|:path=/|:authority=x", NULL);
	gives(H2_HEAD_REQUEST, false, ":method=CONNECT|:protocol=websocket|:authority=x", NULL);
	/* There is one key, of ours. */
	gives(H2_HEAD_REQUEST, false, ASKS "websocket|sec-websocket-key=AAAA|a=b",
	      "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nhost: x\r\n"
	      "a: b\r\nsec-websocket-key: " KEY "\r\n\r\n");
	/* What would be no upgrade in HTTP/1.1 is none, and no plain GET either. */
	gives(H2_HEAD_REQUEST, false, ASKS "H2C|http2-settings=AAMA",
	      "CONNECT x HTTP/1.1\r\nhost: x\r\nhttp2-settings: AAMA\r\n"
	      "transfer-encoding: chunked\r\n\r\n");
	gives(H2_HEAD_REQUEST, false, ASKS "foo,h2c", NULL);
	gives(H2_HEAD_REQUEST, false, ASKS "foo/1", NULL);
	gives(H2_HEAD_REQUEST, false, ASKS "foo|content-length=5", NULL);
}

/* An answer to CONNECT for a WebSocket, with 7 bytes behind it where that can be. */
static void
answers_connect(const char *status, uint16_t told, const char *expected)
{
	struct made m;

	begin(&m, H2_HEAD_ANSWER, false);
	m.t.is_upgrade = true;
	m.t.accept = "code";
	m.is_good = h2_to_text_field(&m.t, text(":status"), text(status)) &&
		    h2_to_text_field(&m.t, text("content-length"), text("7"));
	end(&m, false);
	assert_true(m.is_good);
	assert_false(m.is_chunked);
	assert_int_equal(m.t.status, told);
	buf_data(m.buf)[buf_len(m.buf)] = '\0';
	assert_string_equal((const char *)buf_data(m.buf), expected);
	made_free(&m);
}

static void
answers_become_text(void **state)
{
	struct made m;

	(void)state;
	gives(H2_HEAD_ANSWER, false, ":status=200|a=b",
	      "HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n");
	gives(H2_HEAD_ANSWER, false, ":status=200|content-length=7",
	      "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
	gives(H2_HEAD_ANSWER, true, ":status=404",
	      "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
	gives(H2_HEAD_ANSWER, true, ":status=204", "HTTP/1.1 204 No Content\r\n\r\n");
	gives(H2_HEAD_ANSWER, true, ":status=304|content-length=9",
	      "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n");
	gives(H2_HEAD_ANSWER, false, ":status=100", "HTTP/1.1 100 Continue\r\n\r\n");
	gives(H2_HEAD_ANSWER, true, ":status=101", NULL);
	answers_connect("100", 100, "HTTP/1.1 100 Continue\r\ncontent-length: 7\r\n\r\n");
	answers_connect("204", 101,
			"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
			"upgrade: websocket\r\nsec-websocket-accept: code\r\n\r\n");
	answers_connect("403", 403, "HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\n");
	gives(H2_HEAD_ANSWER, true, ":status=20", NULL);
	gives(H2_HEAD_ANSWER, true, ":status=2000", NULL);
	gives(H2_HEAD_ANSWER, true, ":status=2x0", NULL);
	gives(H2_HEAD_ANSWER, true, "a=b", NULL);
	gives(H2_HEAD_ANSWER, true, ":status=200|:path=/", NULL);
	begin(&m, H2_HEAD_ANSWER, true);
	fields(&m, ":status=200");
	end(&m, true);
	assert_true(m.is_good);
	assert_int_equal(buf_len(m.buf), strlen("HTTP/1.1 200 OK\r\n\r\n"));
	made_free(&m);
}

static void
trailers_are_lines(void **state)
{
	(void)state;
	gives(H2_HEAD_TRAILERS, true,
	      "grpc-status=0|grpc-message=", "grpc-status: 0\r\ngrpc-message: \r\n");
	gives(H2_HEAD_TRAILERS, true, ":status=200", NULL);
	gives(H2_HEAD_TRAILERS, true, "connection=x", NULL);
}

static void
what_is_malformed_is_refused(void **state)
{
	static const char *const more[] = {
		"A=b",          "a b=c",
		"=c",           "a:=c",
		"connection=x", "keep-alive=5",
		"te=gzip",      "transfer-encoding=chunked",
		"upgrade=h2c",  "proxy-connection=x",
		"a= b",         "a=b ",
		"a=b\rc: d",    "a=b\r\nc: d",
		"a=b\nc",       "a=\tb",
		"a\r\nb=c",     ":path=/other",
		":method=PUT",  ":x=y",
		":status=200",  "a=b|:authority=x",
		"a=b\x01",      "a=\x7f",
	};
	static const char *const heads[] = {
		"a=b",
		":method=GET|:scheme=http|:authority=x",
		":method=GET|:path=/|:authority=x",
		":scheme=http|:path=/|:authority=x",
		":method=GET|:scheme=ftp|:authority=x|:path=/",
		":method=GET|:scheme=http|:authority=x|:path=",
		":method=GET|:scheme=http|:authority=x|:path=a",
		":method=GET|:scheme=http|:authority=x|:path=http://x/",
		":method=GET|:scheme=http|:authority=x|:path=**",
		":method=GET|:scheme=http|:authority=x|:path=/ HTTP/1.1\r\nx: y",
		":method=G T|:scheme=http|:authority=x|:path=/",
		":method=|:scheme=http|:authority=x|:path=/",
		":method=GET|:scheme=http|:authority=x y|:path=/",
		":method=GET|:method=GET|:scheme=http|:authority=x|:path=/",
		":method=CONNECT|:authority=x|:path=/",
		":method=CONNECT|:authority=",
		":method=CONNECT",
	};
	char all[256];

	(void)state;
	for (size_t i = 0; i < COUNT(more); i++) {
		snprintf(all, sizeof(all), GET "|%s", more[i]);
		gives(H2_HEAD_REQUEST, true, all, NULL);
	}
	for (size_t i = 0; i < COUNT(heads); i++)
		gives(H2_HEAD_REQUEST, true, heads[i], NULL);
}

/* Whatever is too long: all of the buffer is text without an end, more than any limit allows. */
static void
long_heads_have_no_end(void **state)
{
	char *value = malloc(TG_BUF_LARGE_BYTES);
	struct made m;

	(void)state;
	assert_non_null(value);
	memset(value, 'v', TG_BUF_LARGE_BYTES);
	for (int which = 0; which < 4; which++) {
		begin(&m, H2_HEAD_REQUEST, false);
		fields(&m, ":method=GET|:scheme=http|:authority=x");
		value[0] = which == 0 ? '/' : 'v';
		if (which == 0)
			m.is_good =
				h2_to_text_field(&m.t, text(":path"), (struct slice){value, 60000});
		else
			fields(&m, ":path=/");
		for (int i = 0; which == 1 && i < 3; i++)
			m.is_good &=
				h2_to_text_field(&m.t, text("a"), (struct slice){value, 30000});
		for (int i = 0; which == 2 && i < 3; i++)
			m.is_good &= h2_to_text_field(&m.t, text("cookie"),
						      (struct slice){value, 30000});
		for (int i = 0; which == 3 && i < 20000; i++)
			m.is_good &= h2_to_text_field(&m.t, text("a"), text("b"));
		end(&m, true);
		assert_true(m.is_good);
		assert_int_equal(buf_room(m.buf), 0);
		assert_null(memmem(buf_data(m.buf), buf_len(m.buf), "\r\n\r\n", 4));
		assert_memory_equal(buf_data(m.buf), "GET /", 5);
		made_free(&m);
	}
	free(value);
}

static void
told(const char *all, const char *name, const char *value, const char *method, const char *target,
     const char *taken, const char *rest)
{
	struct h2_malformed what;
	struct made m;

	begin(&m, H2_HEAD_REQUEST, false);
	fields(&m, all);
	h2_to_text_refuse(&m.t, text(name), text(value), &what);
	assert_true(slice_equal(what.method, text(method)));
	assert_true(slice_equal(what.target, text(target)));
	assert_int_equal(what.position, strlen(taken));
	assert_true(slice_equal((struct slice){what.text.p, what.position}, text(taken)));
	assert_true(slice_equal(
		(struct slice){what.text.p + what.position, what.text.n - what.position},
		text(rest)));
	made_free(&m);
}

static void
what_is_refused_can_be_told(void **state)
{
	char *longer = calloc(1, 90000);

	(void)state;
	told(":method=GET|:scheme=http|:path=/a|accept=x", "A", "b", "GET", "/a",
	     "GET /a HTTP/1.1\r\naccept: x\r\n", "A: b\r\n");
	/* It has no first line. */
	told(":method=GET|:path=/a|accept=x", "", "why", "GET", "/a",
	     ":method: GET\r\n:path: /a\r\n", "why");
	told(":method=G(T|:path=/a", "", "", "", "/a", ":method: G(T\r\n:path: /a\r\n", "");
	told(":scheme=ftp", ":x", "y", "", "", ":scheme: ftp\r\n", ":x: y\r\n");
	/* However long. */
	memset(longer, 'v', 89999);
	told(":method=GET|:scheme=http|:path=/a|accept=x", "", longer, "GET", "/a",
	     "GET /a HTTP/1.1\r\naccept: x\r\n", longer + 89999 - 512);
	free(longer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_become_text),
		cmocka_unit_test(the_host_has_one_name),
		cmocka_unit_test(cookies_become_one_line),
		cmocka_unit_test(cookies_fill_a_buffer),
		cmocka_unit_test(what_is_longer_than_it_may_be_has_no_end),
		cmocka_unit_test(connect_for_a_protocol_becomes_an_upgrade),
		cmocka_unit_test(answers_become_text),
		cmocka_unit_test(trailers_are_lines),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(long_heads_have_no_end),
		cmocka_unit_test(what_is_refused_can_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
