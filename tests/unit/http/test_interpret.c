#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/message.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define FIELDS_MAX 128

/* A head of lines "Name: value\n", as a parser would hand it over. */
struct message {
	struct http_head head;
	struct http_field fields[FIELDS_MAX];
};

static void
message_init(struct message *m, bool is_answer, unsigned minor, const char *lines)
{
	*m = (struct message){.head = {.is_answer = is_answer, .minor = (uint8_t)minor}};
	m->head.fields = m->fields;
	m->head.method = SLICE("GET");
	m->head.status = 200;
	while (*lines != '\0') {
		struct http_field *f = &m->fields[m->head.n_fields++];
		size_t n = strcspn(lines, "\n");
		size_t name = strcspn(lines, ":");

		assert_true(name < n && m->head.n_fields <= FIELDS_MAX);
		f->line = (struct slice){lines, n + 1};
		f->name = (struct slice){lines, name};
		f->value = (struct slice){lines + name + 1, n - name - 1};
		while (f->value.n > 0 && f->value.p[0] == ' ') {
			f->value.p++;
			f->value.n--;
		}
		f->id = http_field_id(f->name);
		lines += n + 1;
	}
}

/* The names of what is not forwarded, in order, with commas. */
static void
dropped_names(const struct message *m, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < m->head.n_fields; i++) {
		const struct http_field *f = &m->fields[i];

		if (f->dropped)
			used += (size_t)snprintf(text + used, size - used, "%s%.*s",
						 used > 0 ? "," : "", (int)f->name.n, f->name.p);
		assert_true(used < size);
	}
}

#define H      "Host: h\n"
#define SYNTAX HTTP_FAULT_SYNTAX

/* RFC section and what is wrong; HTTP/1.`minor`. */
static const struct {
	const char *name;
	unsigned minor;
	const char *lines;
	enum http_fault fault;
} refused_requests[] = {
	{"9112 3.2 no Host in 1.1", 1, "A: b\n", SYNTAX},
	{"9112 3.2 no field at all in 1.1", 1, "", SYNTAX},
	{"9112 3.2 two Hosts", 1, "Host: a\nHost: b\n", SYNTAX},
	{"9112 3.2 two equal Hosts", 1, "Host: a\nHost: a\n", SYNTAX},
	{"9112 3.2 two Hosts in 1.0", 0, "Host: a\nhost: a\n", SYNTAX},
	{"9112 6.3 two lengths", 1, H "Content-Length: 1\nContent-Length: 2\n", SYNTAX},
	{"9112 6.3 two equal lengths", 1, H "Content-Length: 1\nContent-Length: 1\n", SYNTAX},
	{"9110 8.6 list of equal lengths", 1, H "Content-Length: 5, 5\n", SYNTAX},
	{"9110 8.6 empty length", 1, H "Content-Length:\n", SYNTAX},
	{"9110 8.6 sign", 1, H "Content-Length: +5\n", SYNTAX},
	{"9110 8.6 minus", 1, H "Content-Length: -5\n", SYNTAX},
	{"9110 8.6 hex", 1, H "Content-Length: 0x5\n", SYNTAX},
	{"9110 8.6 letters after", 1, H "Content-Length: 5a\n", SYNTAX},
	{"9110 8.6 space inside", 1, H "Content-Length: 5 5\n", SYNTAX},
	{"9110 8.6 fraction", 1, H "Content-Length: 5.0\n", SYNTAX},
	{"9110 8.6 more than 64 bits", 1, H "Content-Length: 18446744073709551621\n", SYNTAX},
	{"9110 8.6 quoted", 1, H "Content-Length: \"5\"\n", SYNTAX},
	{"9112 6.1 length and coding", 1, H "Content-Length: 5\nTransfer-Encoding: chunked\n",
	 SYNTAX},
	{"9112 6.1 coding and length", 1, H "Transfer-Encoding: chunked\nContent-Length: 5\n",
	 SYNTAX},
	{"9112 6.1 coding in 1.0", 0, H "Transfer-Encoding: chunked\n", SYNTAX},
	{"9112 6.1 two fields", 1, H "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
	 SYNTAX},
	{"9112 6.1 chunked twice", 1, H "Transfer-Encoding: chunked, chunked\n", SYNTAX},
	{"9112 6.1 empty", 1, H "Transfer-Encoding:\n", SYNTAX},
	{"9112 6.1 only commas", 1, H "Transfer-Encoding: ,,\n", SYNTAX},
	{"9112 6.1 no token", 1,
	 H "Transfer-Encoding: \x0b"
	   "chunked\n",
	 SYNTAX},
	{"9112 6.1 quoted", 1, H "Transfer-Encoding: \"chunked\"\n", SYNTAX},
	{"9112 6.1 gzip", 1, H "Transfer-Encoding: gzip\n", HTTP_FAULT_CODING},
	{"9112 6.1 gzip and chunked", 1, H "Transfer-Encoding: gzip, chunked\n", HTTP_FAULT_CODING},
	{"9112 6.1 chunked not last", 1, H "Transfer-Encoding: chunked, gzip\n", HTTP_FAULT_CODING},
	{"9112 7 identity is gone", 1, H "Transfer-Encoding: identity\n", HTTP_FAULT_CODING},
	{"9112 7.1 no parameters", 1, H "Transfer-Encoding: chunked;a=b\n", HTTP_FAULT_CODING},
	{"9112 6.1 nearly", 1, H "Transfer-Encoding: xchunked\n", HTTP_FAULT_CODING},
	{"9110 10.1.1 unknown expectation", 1, H "Expect: 200-ok\n", HTTP_FAULT_EXPECTATION},
	{"9110 10.1.1 empty expectation", 1, H "Expect:\n", HTTP_FAULT_EXPECTATION},
	{"9110 10.1.1 two of them", 1, H "Expect: 100-continue\nExpect: 100-continue\n", SYNTAX},
	{"9110 7.8 two Upgrades", 1, H "Upgrade: a\nUpgrade: b\nConnection: upgrade\n", SYNTAX},
	{"9110 7.6.1 names Host", 1, H "Connection: host\n", SYNTAX},
	{"9110 7.6.1 names Content-Length", 1, H "Connection: Content-Length\n", SYNTAX},
	{"9110 7.6.1 names Transfer-Encoding", 1, H "Connection: close, transfer-encoding\n",
	 SYNTAX},
	{"9110 7.6.1 no token", 1, H "Connection: a b\n", SYNTAX},
	{"9110 7.6.1 no token, quoted", 1, H "Connection: \"close\"\n", SYNTAX},
	{"9110 7.6.1 17 names", 1, H "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n", SYNTAX},
	{"9110 7.6.1 17 names in two fields", 1,
	 H "Connection: a,b,c,d,e,f,g,h\nConnection: i,j,k,l,m,n,o,p,q\n", SYNTAX},
	{"9110 7.6.1 65 options in two fields", 1,
	 H "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n"
	   "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n",
	 SYNTAX},
	{"9110 7.6.1 65 options", 1,
	 H "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
	   "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a\n",
	 SYNTAX},
};

static void
wrong_requests_are_refused(void **state)
{
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(refused_requests); i++) {
		enum http_fault fault;

		message_init(&m, false, refused_requests[i].minor, refused_requests[i].lines);
		fault = http_head_interpret(&m.head, false);
		if (fault != refused_requests[i].fault)
			fail_msg("%s: fault %d, not %d", refused_requests[i].name, (int)fault,
				 (int)refused_requests[i].fault);
	}
}

#define TRACE   SLICE("TRACE")
#define OPTIONS SLICE("OPTIONS")

/* RFC 9110 7.6.2; -1: the field says nothing to us. */
static const struct {
	const char *name;
	struct slice method;
	const char *lines;
	enum http_fault fault;
	int64_t left;
} hops[] = {
	{"none", OPTIONS, H, HTTP_FAULT_NONE, -1},
	{"the last", TRACE, H "Max-Forwards: 0\n", HTTP_FAULT_NONE, 0},
	{"one more", OPTIONS, H "max-forwards: 1\n", HTTP_FAULT_NONE, 1},
	{"leading zeros", OPTIONS, H "Max-Forwards: 000012\n", HTTP_FAULT_NONE, 12},
	{"more than anybody counts", TRACE, H "Max-Forwards: 99999999999999999999999\n",
	 HTTP_FAULT_NONE, TG_MAX_FORWARDS},
	{"of another method", SLICE("GET"), H "Max-Forwards: 0\n", HTTP_FAULT_NONE, -1},
	{"nonsense of another method", SLICE("GET"), H "Max-Forwards: x\n", HTTP_FAULT_NONE, -1},
	{"empty", TRACE, H "Max-Forwards:\n", SYNTAX, 0},
	{"a word", OPTIONS, H "Max-Forwards: one\n", SYNTAX, 0},
	{"a sign", OPTIONS, H "Max-Forwards: +1\n", SYNTAX, 0},
	{"below zero", OPTIONS, H "Max-Forwards: -1\n", SYNTAX, 0},
	{"a list", OPTIONS, H "Max-Forwards: 1, 1\n", SYNTAX, 0},
	{"twice", OPTIONS, H "Max-Forwards: 1\nMax-Forwards: 1\n", SYNTAX, 0},
};

static void
hops_are_counted_where_they_are_limited(void **state)
{
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(hops); i++) {
		const char *name = hops[i].name;
		enum http_fault fault;

		message_init(&m, false, 1, hops[i].lines);
		m.head.method = hops[i].method;
		fault = http_head_interpret(&m.head, false);
		if (fault != hops[i].fault)
			fail_msg("%s: fault %d", name, (int)fault);
		if (fault != HTTP_FAULT_NONE)
			continue;
		if (m.head.has_max_forwards != (hops[i].left >= 0) ||
		    (hops[i].left >= 0 && m.head.max_forwards != (uint64_t)hops[i].left))
			fail_msg("%s: %u", name, (unsigned)m.head.max_forwards);
		/* It is written anew where it counts. */
		for (size_t k = 0; k < m.head.n_fields; k++) {
			bool is_it = m.fields[k].id == HTTP_FIELD_MAX_FORWARDS;

			if (m.fields[k].dropped != (is_it && hops[i].left >= 0))
				fail_msg("%s: field %zu", name, k);
		}
	}
}

/* What a good request says, in letters: k keep-alive, u upgrade, e expects 100. */
static const struct {
	const char *name;
	unsigned minor;
	const char *lines;
	enum http_body_kind body;
	uint64_t length;
	const char *says;
	const char *dropped;
} good_requests[] = {
	{"9112 9.3 1.1 lives", 1, H, HTTP_BODY_NONE, 0, "k", ""},
	{"9112 9.3 1.0 does not", 0, H, HTTP_BODY_NONE, 0, "", ""},
	{"9112 3.2 1.0 needs no Host", 0, "", HTTP_BODY_NONE, 0, "", ""},
	{"9112 9.3 1.0 asks to live", 0, "Connection: Keep-Alive\n", HTTP_BODY_NONE, 0, "k",
	 "Connection"},
	{"9112 9.6 close", 1, H "Connection: close\n", HTTP_BODY_NONE, 0, "", "Connection"},
	{"9112 9.6 close wins", 1, H "Connection: keep-alive, CLOSE\n", HTTP_BODY_NONE, 0, "",
	 "Connection"},
	{"9112 9.6 close in a second field", 1, H "Connection: a\nConnection: close\n",
	 HTTP_BODY_NONE, 0, "", "Connection,Connection"},
	{"9112 C.2.2 Proxy-Connection says nothing", 0, "Proxy-Connection: keep-alive\n",
	 HTTP_BODY_NONE, 0, "", "Proxy-Connection"},
	{"9110 8.6 length", 1, H "Content-Length: 5\n", HTTP_BODY_LENGTH, 5, "k", ""},
	{"9110 8.6 no bytes", 1, H "Content-Length: 0\n", HTTP_BODY_NONE, 0, "k", ""},
	{"9110 8.6 leading zeros", 1, H "Content-Length: 0005\n", HTTP_BODY_LENGTH, 5, "k", ""},
	{"9110 8.6 18 digits", 1, H "Content-Length: 999999999999999999\n", HTTP_BODY_LENGTH,
	 999999999999999999, "k", ""},
	{"9112 6.3 length in 1.0", 0, "Content-Length: 7\n", HTTP_BODY_LENGTH, 7, "", ""},
	{"9112 7.1 chunked", 1, H "Transfer-Encoding: chunked\n", HTTP_BODY_CHUNKED, 0, "k",
	 "Transfer-Encoding"},
	{"9112 7 codings in any case", 1, H "transfer-encoding: CHUNKED\n", HTTP_BODY_CHUNKED, 0,
	 "k", "transfer-encoding"},
	{"9110 5.6.1.2 empty list elements", 1, H "Transfer-Encoding: , chunked,\n",
	 HTTP_BODY_CHUNKED, 0, "k", "Transfer-Encoding"},
	{"9110 7.6.1 named fields go", 1, H "X-A: 1\nConnection: x-b, X-A\nx-B: 2\nX-C: 3\n",
	 HTTP_BODY_NONE, 0, "k", "X-A,Connection,x-B"},
	{"9110 7.6.1 each of them", 1, H "Connection: x\nX: 1\nX: 2\n", HTTP_BODY_NONE, 0, "k",
	 "Connection,X,X"},
	{"9110 7.6.1 named but not there", 1, H "Connection: nobody\n", HTTP_BODY_NONE, 0, "k",
	 "Connection"},
	{"9110 7.6.1 prefixes are not names", 1, H "Connection: x\nX-A: 1\nXA: 2\n", HTTP_BODY_NONE,
	 0, "k", "Connection"},
	{"9110 7.6.1 empty", 1, H "Connection:\n", HTTP_BODY_NONE, 0, "k", "Connection"},
	{"9110 7.6.1 empty elements", 1, H "Connection: , ,close,\t,\n", HTTP_BODY_NONE, 0, "",
	 "Connection"},
	{"9110 7.6.1 16 names, some twice", 1,
	 H "Connection: a,b,c,d,e,f,g,h,A,close,keep-alive\nConnection: i,j,k,l,m,n,o,p,P,p\n",
	 HTTP_BODY_NONE, 0, "", "Connection,Connection"},
	{"9110 7.6.1 64 options", 1,
	 H "Connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
	   "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,close\n",
	 HTTP_BODY_NONE, 0, "", "Connection"},
	{"9110 7.6.1 known hop-by-hop fields", 1, H "Keep-Alive: timeout=5\nTE: trailers\n",
	 HTTP_BODY_NONE, 0, "k", "Keep-Alive,TE"},
	{"9110 6.6.2 Trailer is end-to-end", 1, H "Trailer: x\n", HTTP_BODY_NONE, 0, "k", ""},
	{"9110 7.8 upgrade", 1, H "Upgrade: websocket\nConnection: Upgrade\n", HTTP_BODY_NONE, 0,
	 "ku", "Upgrade,Connection"},
	{"9110 7.8 not named by Connection", 1, H "Upgrade: websocket\n", HTTP_BODY_NONE, 0, "k",
	 "Upgrade"},
	{"9110 7.8 nothing to upgrade to", 1, H "Connection: upgrade\n", HTTP_BODY_NONE, 0, "k",
	 "Connection"},
	{"9110 7.8 upgrade to nothing", 1, H "Upgrade:\nConnection: Upgrade\n", HTTP_BODY_NONE, 0,
	 "k", "Upgrade,Connection"},
	{"9110 7.8 upgrade to an empty list", 1, H "Upgrade: ,\nConnection: Upgrade\n",
	 HTTP_BODY_NONE, 0, "k", "Upgrade,Connection"},
	{"9110 7.8 not in 1.0", 0, "Upgrade: websocket\nConnection: Upgrade\n", HTTP_BODY_NONE, 0,
	 "", "Upgrade,Connection"},
	{"9110 7.8 not with a body", 1,
	 H "Upgrade: websocket\nConnection: Upgrade\nContent-Length: 1\n", HTTP_BODY_LENGTH, 1, "k",
	 "Upgrade,Connection"},
	{"9113 3.1 no h2c behind our back", 1,
	 H "Upgrade: websocket, H2C\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AA\n",
	 HTTP_BODY_NONE, 0, "k", "Upgrade,Connection,HTTP2-Settings"},
	{"9113 3.1 settings alone", 1, H "HTTP2-Settings: AA\n", HTTP_BODY_NONE, 0, "k",
	 "HTTP2-Settings"},
	{"9110 10.1.1 expects", 1, H "Expect: 100-Continue\nContent-Length: 1\n", HTTP_BODY_LENGTH,
	 1, "ke", ""},
	{"9110 10.1.1 ignored in 1.0", 0, "Expect: 100-continue\nContent-Length: 1\n",
	 HTTP_BODY_LENGTH, 1, "", ""},
	{"names with underscore", 1, H "X_Real_IP: 1\n_: 2\nX-Real-IP: 3\n", HTTP_BODY_NONE, 0, "k",
	 "X_Real_IP,_"},
	{"underscore for the dash of a length", 1, H "Content_Length: 5\n", HTTP_BODY_NONE, 0, "k",
	 "Content_Length"},
	{"request id is read and written anew", 1, H "X-Request-Id: abc\n", HTTP_BODY_NONE, 0, "k",
	 "X-Request-Id"},
};

static void
good_requests_are_read(void **state)
{
	char dropped[1024];
	char says[4];
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(good_requests); i++) {
		const char *name = good_requests[i].name;
		enum http_fault fault;

		message_init(&m, false, good_requests[i].minor, good_requests[i].lines);
		fault = http_head_interpret(&m.head, false);
		if (fault != HTTP_FAULT_NONE)
			fail_msg("%s: fault %d", name, (int)fault);
		if (m.head.body != good_requests[i].body ||
		    m.head.content_length != good_requests[i].length)
			fail_msg("%s: body %d of %llu", name, (int)m.head.body,
				 (unsigned long long)m.head.content_length);
		snprintf(says, sizeof(says), "%s%s%s", m.head.keep_alive ? "k" : "",
			 m.head.wants_upgrade ? "u" : "", m.head.expects_continue ? "e" : "");
		if (strcmp(says, good_requests[i].says) != 0)
			fail_msg("%s: says \"%s\"", name, says);
		dropped_names(&m, dropped, sizeof(dropped));
		if (strcmp(dropped, good_requests[i].dropped) != 0)
			fail_msg("%s: drops \"%s\"", name, dropped);
	}
}

static void
values_the_proxy_needs_are_handed_out(void **state)
{
	struct message m;

	(void)state;
	message_init(&m, false, 1, "Host: a:1\nX-Request-ID: id7\nUpgrade: x, y\n");
	assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
	assert_true(slice_equal(m.head.host, SLICE("a:1")));
	assert_true(slice_equal(m.head.request_id, SLICE("id7")));
	assert_true(slice_equal(m.head.upgrade, SLICE("x, y")));
	assert_false(m.head.has_content_length);
	message_init(&m, false, 1, "Host:\nContent-Length: 0\n");
	assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
	assert_int_equal(m.head.host.n, 0);
	assert_true(m.head.has_content_length);
}

static const struct {
	const char *name;
	unsigned minor;
	unsigned status;
	const char *lines;
	enum http_fault fault;
} refused_answers[] = {
	{"9112 6.3 two lengths", 1, 200, "Content-Length: 1\nContent-Length: 2\n", SYNTAX},
	{"9112 6.3 two equal lengths", 1, 200, "Content-Length: 1\nContent-Length: 1\n", SYNTAX},
	{"9112 6.3 length and coding", 1, 200, "Content-Length: 1\nTransfer-Encoding: chunked\n",
	 SYNTAX},
	{"9112 6.1 coding in 1.0", 0, 200, "Transfer-Encoding: chunked\n", SYNTAX},
	{"9112 6.1 gzip", 1, 200, "Transfer-Encoding: gzip, chunked\n", HTTP_FAULT_CODING},
	{"9112 6.1 coding in a 204", 1, 204, "Transfer-Encoding: chunked\n", SYNTAX},
	{"9112 6.1 coding in a 1xx", 1, 103, "Transfer-Encoding: chunked\n", SYNTAX},
	{"9112 6.1 chunked twice", 1, 200, "Transfer-Encoding: chunked, chunked\n", SYNTAX},
	{"9110 8.6 bad length", 1, 200, "Content-Length: x\n", SYNTAX},
	{"9110 8.6 bad length without a body", 1, 304, "Content-Length: x\n", SYNTAX},
	{"9110 7.6.1 names Content-Length", 1, 200, "Connection: content-length\n", SYNTAX},
};

static void
wrong_answers_are_refused(void **state)
{
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(refused_answers); i++) {
		enum http_fault fault;

		message_init(&m, true, refused_answers[i].minor, refused_answers[i].lines);
		m.head.status = (uint16_t)refused_answers[i].status;
		fault = http_head_interpret(&m.head, false);
		if (fault != refused_answers[i].fault)
			fail_msg("%s: fault %d, not %d", refused_answers[i].name, (int)fault,
				 (int)refused_answers[i].fault);
	}
}

static const struct {
	const char *name;
	unsigned minor;
	unsigned status;
	bool to_head;
	const char *lines;
	enum http_body_kind body;
	bool keep_alive;
	const char *dropped;
} good_answers[] = {
	{"9112 6.3 length", 1, 200, false, "Content-Length: 5\n", HTTP_BODY_LENGTH, true, ""},
	{"9112 6.3 no bytes", 1, 200, false, "Content-Length: 0\n", HTTP_BODY_NONE, true, ""},
	{"9112 6.3 chunked", 1, 200, false, "Transfer-Encoding: chunked\n", HTTP_BODY_CHUNKED, true,
	 "Transfer-Encoding"},
	{"9112 6.3 until close", 1, 200, false, "", HTTP_BODY_UNTIL_CLOSE, false, ""},
	{"9112 6.3 until close whatever it says", 1, 200, false, "Connection: keep-alive\n",
	 HTTP_BODY_UNTIL_CLOSE, false, "Connection"},
	{"9112 6.3 until close in 1.0", 0, 200, false, "", HTTP_BODY_UNTIL_CLOSE, false, ""},
	{"9112 6.3 to HEAD", 1, 200, true, "Content-Length: 5\n", HTTP_BODY_NONE, true, ""},
	{"9112 6.3 to HEAD, chunked", 1, 200, true, "Transfer-Encoding: chunked\n", HTTP_BODY_NONE,
	 true, "Transfer-Encoding"},
	{"9112 6.3 to HEAD, no length", 1, 200, true, "", HTTP_BODY_NONE, true, ""},
	{"9110 15.3.5 204", 1, 204, false, "", HTTP_BODY_NONE, true, ""},
	{"9112 6.3 204 with a length", 1, 204, false, "Content-Length: 5\n", HTTP_BODY_NONE, true,
	 ""},
	{"9110 15.4.5 304", 1, 304, false, "Content-Length: 5\n", HTTP_BODY_NONE, true, ""},
	{"9110 15.2 100", 1, 100, false, "", HTTP_BODY_NONE, true, ""},
	{"9110 15.2 103", 1, 103, false, "Link: x\n", HTTP_BODY_NONE, true, ""},
	{"9112 9.3 1.0 closes", 0, 200, false, "Content-Length: 5\n", HTTP_BODY_LENGTH, false, ""},
	{"9112 9.3 1.0 that lives", 0, 200, false, "Content-Length: 5\nConnection: keep-alive\n",
	 HTTP_BODY_LENGTH, true, "Connection"},
	{"9112 9.6 close", 1, 200, false, "Content-Length: 5\nConnection: close\n",
	 HTTP_BODY_LENGTH, false, "Connection"},
	{"9110 7.6.1 hop-by-hop", 1, 200, false,
	 "Content-Length: 5\nKeep-Alive: a\nProxy-Connection: b\nUpgrade: c\nX-A: d\n"
	 "Connection: x-a\n",
	 HTTP_BODY_LENGTH, true, "Keep-Alive,Proxy-Connection,Upgrade,X-A,Connection"},
	{"an answer's names keep their underscore", 1, 204, false, "X_A: 1\n", HTTP_BODY_NONE, true,
	 ""},
	{"an answer's Host is any field", 1, 204, false, "Host: a\nHost: b\n", HTTP_BODY_NONE, true,
	 ""},
	{"an answer's Expect is any field", 1, 204, false, "Expect: b\n", HTTP_BODY_NONE, true, ""},
};

static void
good_answers_are_read(void **state)
{
	char dropped[1024];
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(good_answers); i++) {
		const char *name = good_answers[i].name;
		enum http_fault fault;

		message_init(&m, true, good_answers[i].minor, good_answers[i].lines);
		m.head.status = (uint16_t)good_answers[i].status;
		fault = http_head_interpret(&m.head, good_answers[i].to_head);
		if (fault != HTTP_FAULT_NONE)
			fail_msg("%s: fault %d", name, (int)fault);
		if (m.head.body != good_answers[i].body)
			fail_msg("%s: body %d", name, (int)m.head.body);
		if (m.head.keep_alive != good_answers[i].keep_alive)
			fail_msg("%s: keep-alive is %d", name, m.head.keep_alive);
		dropped_names(&m, dropped, sizeof(dropped));
		if (strcmp(dropped, good_answers[i].dropped) != 0)
			fail_msg("%s: drops \"%s\"", name, dropped);
	}
}

static void
switching_answer_names_its_protocol(void **state)
{
	struct message m;

	(void)state;
	message_init(&m, true, 1, "Upgrade: websocket\nConnection: upgrade\n");
	m.head.status = 101;
	assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
	assert_true(m.head.wants_upgrade);
	assert_true(slice_equal(m.head.upgrade, SLICE("websocket")));
	message_init(&m, true, 1, "Upgrade:\nConnection: upgrade\n");
	m.head.status = 101;
	assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
	assert_false(m.head.wants_upgrade);
	message_init(&m, true, 1, "Upgrade: websocket\n");
	m.head.status = 101;
	assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
	assert_false(m.head.wants_upgrade);
}

/* Of requests it is of no interest, and nobody drops it for being there. */
static void
answers_with_a_load_report_are_marked(void **state)
{
	static const char *const lines[] = {
		H "endpoint-load-metrics: TEXT cpu_utilization=1\n",
		H "Endpoint-Load-Metrics-Bin: CQ==\n",
		H "Connection: endpoint-load-metrics\nendpoint-load-metrics: x\n",
	};
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		message_init(&m, true, 1, lines[i]);
		assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
		assert_true(m.head.has_load_report);
		assert_int_equal(m.fields[1].dropped, i == 2);
		message_init(&m, false, 1, lines[i]);
		assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
		assert_false(m.head.has_load_report);
	}
	message_init(&m, true, 1, H "Content-Length: 1\n");
	assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
	assert_false(m.head.has_load_report);
}

/* Nobody may be told of one deadline while another one holds. */
static void
of_several_deadlines_the_shortest_holds(void **state)
{
	static const char *const lines[] = {
		H "grpc-timeout: 100m\ngrpc-timeout: 5S\n",
		H "grpc-timeout: 5S\ngrpc-timeout: 100m\n",
		H "grpc-timeout: 5S\ngrpc-timeout: soon\ngrpc-timeout: 100m\n",
	};
	struct message m;

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		message_init(&m, false, 1, lines[i]);
		assert_int_equal(http_head_interpret(&m.head, false), HTTP_FAULT_NONE);
		assert_int_equal(m.head.grpc_timeout_us, 100000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_requests_are_refused),
		cmocka_unit_test(hops_are_counted_where_they_are_limited),
		cmocka_unit_test(good_requests_are_read),
		cmocka_unit_test(values_the_proxy_needs_are_handed_out),
		cmocka_unit_test(wrong_answers_are_refused),
		cmocka_unit_test(good_answers_are_read),
		cmocka_unit_test(switching_answer_names_its_protocol),
		cmocka_unit_test(answers_with_a_load_report_are_marked),
		cmocka_unit_test(of_several_deadlines_the_shortest_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
