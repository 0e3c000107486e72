#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http1/body.h"
#include "unit/sanitized.h"

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define MAX_TOTAL     1000
#define MAX_EXTENSION 16
#define MAX_TRAILER   64

/* What reading a body came to. */
struct outcome {
	enum http_fault fault;
	size_t n; /* bytes that belong to it, or good ones before the fault */
	bool done;
	uint64_t total;
	char packed[MAX_TOTAL]; /* the body's own bytes */
	size_t packed_n;
};

static void
body_init(struct http1_body *b, enum http_body_kind kind, uint64_t length, bool is_answer)
{
	struct http_head head = {.body = kind, .content_length = length, .is_answer = is_answer};

	http1_body_init(b, &head, MAX_TOTAL, MAX_EXTENSION, MAX_TRAILER);
}

/* Reads text[n] in pieces: the first of `cut` bytes, then `step` each; unpacks when `unchunk`. */
static struct outcome
read_body(const char *text, size_t n, size_t cut, size_t step, bool unchunk, bool is_answer)
{
	struct outcome o = {.fault = HTTP_FAULT_NONE};
	struct http1_body b;

	body_init(&b, HTTP_BODY_CHUNKED, 0, is_answer);
	while (o.fault == HTTP_FAULT_NONE && o.n < n && !b.done) {
		size_t piece = n - o.n < cut ? n - o.n : cut;
		/* Exactly the bytes that are there, for the sanitizer. */
		char *copy = malloc(piece > 0 ? piece : 1);
		size_t used = 0;
		size_t packed = 0;

		assert_non_null(copy);
		memcpy(copy, text + o.n, piece);
		if (unchunk)
			o.fault = http1_body_unchunk(&b, copy, piece, &used, &packed);
		else
			o.fault = http1_body_scan(&b, copy, piece, &used);
		assert_true(used <= piece && packed <= used);
		assert_true(o.fault != HTTP_FAULT_NONE || b.done || used == piece);
		assert_true(!unchunk || o.fault != HTTP_FAULT_NONE ||
			    http1_body_received(&b) == o.packed_n + packed);
		assert_true(unchunk || memcmp(copy, text + o.n, piece) == 0);
		memcpy(o.packed + o.packed_n, copy, packed);
		o.packed_n += packed;
		o.n += used;
		free(copy);
		cut = step;
	}
	o.done = b.done;
	o.total = b.total;
	return o;
}

static void
assert_same(const struct outcome *a, const struct outcome *b, const char *name, size_t cut)
{
	if (a->fault != b->fault || a->n != b->n || a->done != b->done || a->total != b->total ||
	    a->packed_n != b->packed_n || memcmp(a->packed, b->packed, a->packed_n) != 0)
		fail_msg("%s: cut at %zu: fault %d after %zu bytes, not %d after %zu", name, cut,
			 (int)b->fault, b->n, (int)a->fault, a->n);
}

/*
 * Every place within the framing at either end; of long data between, where one place is as good as another,
 * some.
 */
static size_t
next_cut(size_t cut, size_t n)
{
	return cut < 100 || n - cut < 100 ? cut + 1 : cut + 17;
}

/* `good`: how many bytes belong to the body, or are right before the fault. */
static void
check_text(const char *name, const char *text, size_t n, enum http_fault fault, size_t good,
	   const char *packed, bool is_answer)
{
	for (int unchunk = 0; unchunk < 2; unchunk++) {
		struct outcome whole = read_body(text, n, n, n, unchunk, is_answer);

		if (whole.fault != fault || whole.n != good)
			fail_msg("%s: fault %d after %zu bytes", name, (int)whole.fault, whole.n);
		if (whole.done != (packed != NULL))
			fail_msg("%s: done is %d", name, whole.done);
		if (packed != NULL && unchunk &&
		    (whole.packed_n != strlen(packed) ||
		     memcmp(whole.packed, packed, whole.packed_n) != 0))
			fail_msg("%s: unpacked \"%.*s\"", name, (int)whole.packed_n, whole.packed);
		if (packed != NULL)
			assert_int_equal(whole.total, strlen(packed));
		for (size_t cut = 1; cut < n; cut = next_cut(cut, n)) {
			struct outcome two = read_body(text, n, cut, n, unchunk, is_answer);
			struct outcome many = read_body(text, n, cut, 1, unchunk, is_answer);

			assert_same(&whole, &two, name, cut);
			assert_same(&whole, &many, name, cut);
		}
	}
}

#define LAST "0\r\n\r\n"

/* RFC 9112, section by section; all of the text belongs to the body. */
static const struct {
	const char *name;
	const char *text;
	const char *packed;
} good[] = {
	{"7.1 no data", LAST, ""},
	{"7.1 one chunk", "5\r\nhello\r\n" LAST, "hello"},
	{"7.1 three chunks", "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n" LAST, "abcdef"},
	{"7.1 hex digits", "A\r\n0123456789\r\nb\r\n0123456789a\r\n" LAST, "01234567890123456789a"},
	{"7.1 leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello"},
	{"7.1 data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n" LAST, "\r\n0\r\n\r\n"},
	{"7.1.1 extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello"},
	{"7.1.1 quoted extension", "1;a=\"b; c\"\r\nx\r\n" LAST, "x"},
	{"7.1.1 extension at the limit", "1;2345678901234567\r\nx\r\n" LAST, "x"},
	{"7.1.1 limit is per chunk", "1;2345678901234567\r\nx\r\n1;2345678901234567\r\ny\r\n" LAST,
	 "xy"},
	{"7.1.1 empty extension", "1;\r\nx\r\n" LAST, "x"},
	{"7.1.2 trailer", "1\r\nx\r\n0\r\nA: b\r\nC:d\r\n\r\n", "x"},
	{"7.1.2 empty trailer value", "0\r\nA:\r\n\r\n", ""},
	{"7.1.2 load reports as trailers",
	 "0\r\nendpoint-load-metrics: x\r\nEndpoint-Load-Metrics-Bin: x\r\n\r\n", ""},
	{"7.1.2 trailer of another name", "0\r\nHostess: b\r\n\r\n", ""},
	{"7.1.2 trailer name of 31 bytes", "0\r\nabcdefghijklmnopqrstuvwxyz01234: b\r\n\r\n", ""},
	{"7.1.2 trailer name of 33 bytes", "0\r\nabcdefghijklmnopqrstuvwxyz0123456: b\r\n\r\n", ""},
	{"9110 5.5 tab and obs-text in a trailer", "0\r\nA: b\tc\xe4\r\n\r\n", ""},
	{"7.1 the body limit itself", "3e8\r\n%\r\n" LAST, "%"},
};

/* `text` with each '%' as MAX_TOTAL letters. */
static char *
expand(const char *text)
{
	char *out = malloc(strlen(text) + MAX_TOTAL + 1);
	char *p = out;

	assert_non_null(out);
	for (; *text != '\0'; text++) {
		if (*text == '%') {
			memset(p, 'x', MAX_TOTAL);
			p += MAX_TOTAL;
		} else {
			*p++ = *text;
		}
	}
	*p = '\0';
	return out;
}

static void
good_bodies_are_the_same_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		char *text = expand(good[i].text);
		char *packed = expand(good[i].packed);
		char *followed = malloc(strlen(text) + 5);

		for (int answer = 0; answer < 2; answer++) {
			check_text(good[i].name, text, strlen(text), HTTP_FAULT_NONE, strlen(text),
				   packed, answer);
			/* The next message stays where it is. */
			assert_non_null(followed);
			memcpy(followed, text, strlen(text));
			memcpy(followed + strlen(text), "GET /", 5);
			check_text(good[i].name, followed, strlen(text) + 5, HTTP_FAULT_NONE,
				   strlen(text), packed, answer);
		}
		free(followed);
		free(packed);
		free(text);
	}
}

/* `good`: bytes before the one that is wrong. */
static const struct {
	const char *name;
	const char *text;
	size_t good;
	enum http_fault fault;
} wrong[] = {
	{"7.1 no size", "\r\n", 0, HTTP_FAULT_SYNTAX},
	{"7.1 no digit", "x\r\n", 0, HTTP_FAULT_SYNTAX},
	{"7.1 sign", "+5\r\nhello\r\n", 0, HTTP_FAULT_SYNTAX},
	{"7.1 minus", "-1\r\n", 0, HTTP_FAULT_SYNTAX},
	{"7.1 hex prefix", "0x5\r\nhello\r\n", 1, HTTP_FAULT_SYNTAX},
	{"7.1 leading space", " 5\r\nhello\r\n", 0, HTTP_FAULT_SYNTAX},
	{"7.1 space after the size", "5 \r\nhello\r\n", 1, HTTP_FAULT_SYNTAX},
	{"7.1 underscore in the size", "1_0\r\n", 1, HTTP_FAULT_SYNTAX},
	{"7.1 bare LF after the size", "5\nhello\r\n", 1, HTTP_FAULT_SYNTAX},
	{"7.1 bare CR after the size", "5\rhello\r\n", 2, HTTP_FAULT_SYNTAX},
	{"7.1 extension without semicolon", "5 a\r\n", 1, HTTP_FAULT_SYNTAX},
	{"7.1 16 digits that say much", "1000000000000000\r\n", 15, HTTP_FAULT_SYNTAX},
	{"7.1 wraps 64 bits", "10000000000000005\r\nhello\r\n", 15, HTTP_FAULT_SYNTAX},
	{"7.1 endless zeros", "00000000000000005\r\nhello\r\n", 16, HTTP_FAULT_SYNTAX},
	{"7.1.1 bare LF in an extension", "5;a\nhello\r\n", 3, HTTP_FAULT_SYNTAX},
	{"7.1.1 bare CR in an extension", "5;a\rb\r\nhello\r\n", 4, HTTP_FAULT_SYNTAX},
	{"7.1.1 control in an extension", "5;\x01\r\n", 2, HTTP_FAULT_SYNTAX},
	{"7.1.1 DEL is a control", "5;\x7f\r\n", 2, HTTP_FAULT_SYNTAX},
	{"7.1.1 extension too long", "1;23456789012345678\r\nx\r\n", 18, HTTP_FAULT_SYNTAX},
	{"7.1 data longer than its size", "5\r\nhello!\r\n" LAST, 8, HTTP_FAULT_SYNTAX},
	{"7.1 bare LF after data", "5\r\nhello\n" LAST, 8, HTTP_FAULT_SYNTAX},
	{"7.1 bare CR after data", "5\r\nhello\r0\r\n\r\n", 9, HTTP_FAULT_SYNTAX},
	{"7.1 nothing after data", "5\r\nhello0\r\n\r\n", 8, HTTP_FAULT_SYNTAX},
	{"7.1 bare LF at the end", "0\r\n\n", 3, HTTP_FAULT_SYNTAX},
	{"7.1 bare CR at the end is no end", "0\r\n\rx", 4, HTTP_FAULT_SYNTAX},
	{"7.1.2 trailer without colon", "0\r\nA\r\n\r\n", 4, HTTP_FAULT_SYNTAX},
	{"7.1.2 trailer without a name", "0\r\n: b\r\n\r\n", 3, HTTP_FAULT_SYNTAX},
	{"5.1 space before the colon", "0\r\nA : b\r\n\r\n", 4, HTTP_FAULT_SYNTAX},
	{"5.2 obs-fold", "0\r\nA: b\r\n c\r\n\r\n", 9, HTTP_FAULT_SYNTAX},
	{"2.2 bare LF in a trailer", "0\r\nA: b\n\r\n", 7, HTTP_FAULT_SYNTAX},
	{"2.2 bare CR in a trailer", "0\r\nA: b\rc\r\n\r\n", 8, HTTP_FAULT_SYNTAX},
	{"9110 5.5 control in a trailer", "0\r\nA: \x02\r\n\r\n", 6, HTTP_FAULT_SYNTAX},
	{"9110 6.5.1 Content-Length", "0\r\nContent-Length: 5\r\n\r\n", 17, HTTP_FAULT_SYNTAX},
	{"9110 6.5.1 Transfer-Encoding", "0\r\ntransfer-encoding: x\r\n\r\n", 20,
	 HTTP_FAULT_SYNTAX},
	{"9110 6.5.1 Host", "0\r\nHOST: x\r\n\r\n", 7, HTTP_FAULT_SYNTAX},
	{"9110 6.5.1 Connection", "0\r\nConnection: x\r\n\r\n", 13, HTTP_FAULT_SYNTAX},
	{"9110 6.5.1 Forwarded", "0\r\nForwarded: x\r\n\r\n", 12, HTTP_FAULT_SYNTAX},
	{"9110 6.5.1 X-Forwarded-For", "0\r\nX-Forwarded-For: x\r\n\r\n", 18, HTTP_FAULT_SYNTAX},
	{"9110 6.5.1 any X-Forwarded", "0\r\nX-Forwarded-abcdefghijklmnopqrstuvwxyz: x\r\n\r\n", 41,
	 HTTP_FAULT_SYNTAX},
	{"7.1.2 trailers too long",
	 "0\r\nA: 2345678901234567890123456789012345678901234567890123456789012\r\n\r\n", 67,
	 HTTP_FAULT_SYNTAX},
	{"7.1 body too long", "3e9\r\n%x\r\n" LAST, 5, HTTP_FAULT_BODY_LENGTH},
	{"7.1 body too long by its second chunk", "3e8\r\n%\r\n1\r\nx\r\n" LAST, 1010,
	 HTTP_FAULT_BODY_LENGTH},
	{"7.1 body too long by far", "fffffffffffffff\r\n", 17, HTTP_FAULT_BODY_LENGTH},
};

static void
wrong_bodies_fault_at_the_same_byte_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		char *text = expand(wrong[i].text);

		for (int answer = 0; answer < 2; answer++)
			check_text(wrong[i].name, text, strlen(text), wrong[i].fault, wrong[i].good,
				   NULL, answer);
		free(text);
	}
}

/* Names with an underscore are dropped from a request's head; from trailers nothing can be. */
static void
trailer_names_with_underscore_are_refused_in_requests(void **state)
{
	static const char text[] = "0\r\nContent_Length: 5\r\n\r\n";

	(void)state;
	check_text("request", text, sizeof(text) - 1, HTTP_FAULT_SYNTAX, 17, NULL, false);
	check_text("answer", text, sizeof(text) - 1, HTTP_FAULT_NONE, sizeof(text) - 1, "", true);
}

/* RFC 9110 7.6.1: what Connection nominates may not come through at the end either. */
static void
nominated_trailers_are_refused(void **state)
{
	static const char *const names[] = {"x-a", "keep-me-from-them"};
	static const char refused[] = "0\r\nX-B: 1\r\nKeep-Me-From-THEM: 1\r\n\r\n";
	static const char passed[] = "0\r\nX-AA: 1\r\nX-: 2\r\nKeep-Me-From: 3\r\n\r\n";
	struct http_head head = {.body = HTTP_BODY_CHUNKED, .is_answer = true};
	struct http1_body b;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		uint32_t hash = HTTP_NAME_HASH;

		for (const char *p = names[i]; *p != '\0'; p++)
			hash = http_name_hash(hash, (unsigned char)*p);
		head.nominated[head.n_nominated++] = hash;
	}
	http1_body_init(&b, &head, 0, 0, 100);
	assert_int_equal(http1_body_scan(&b, refused, sizeof(refused) - 1, &n), HTTP_FAULT_SYNTAX);
	assert_int_equal(n, strcspn(refused + 12, ":") + 12);
	http1_body_init(&b, &head, 0, 0, 100);
	assert_int_equal(http1_body_scan(&b, passed, sizeof(passed) - 1, &n), HTTP_FAULT_NONE);
	assert_true(b.done);
}

/* A body that is cut is never done. */
static void
every_beginning_of_a_body_is_unfinished(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		char *text = expand(good[i].text);

		for (size_t n = 0; n < strlen(text); n++) {
			struct outcome o = read_body(text, n, n > 0 ? n : 1, 1, false, false);

			assert_int_equal(o.fault, HTTP_FAULT_NONE);
			assert_int_equal(o.n, n);
			assert_false(o.done);
		}
		free(text);
	}
}

/* Random chunks, random extensions, random pieces: what was packed comes out. */
static void
random_chunks_come_out_as_they_went_in(void **state)
{
	(void)state;
	srandom(2);
	for (int round = 0; round < TURNS(2000); round++) {
		char plain[MAX_TOTAL];
		char text[4096];
		size_t n = 0;
		size_t plain_n = 0;
		struct outcome o;

		for (long k = random() % 8; k > 0; k--) {
			size_t size = 1 + (size_t)random() % 100;

			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      random() % 2 ? "%zx%s\r\n" : "%04zX%s\r\n", size,
					      random() % 3 ? "" : ";ext=\"1\"");
			for (size_t i = 0; i < size; i++)
				text[n++] = plain[plain_n++] = "\r\n0;a"[random() % 5];
			text[n++] = '\r';
			text[n++] = '\n';
		}
		memcpy(text + n, LAST, 5);
		n += 5;
		o = read_body(text, n, 1 + (size_t)random() % n, 1 + (size_t)random() % 50, true,
			      false);
		assert_int_equal(o.fault, HTTP_FAULT_NONE);
		assert_true(o.done);
		assert_int_equal(o.n, n);
		assert_int_equal(o.packed_n, plain_n);
		assert_memory_equal(o.packed, plain, plain_n);
	}
}

static void
limits_of_zero_mean_none_but_for_the_body(void **state)
{
	static const char text[] = "400\r\n";
	struct http_head head = {.body = HTTP_BODY_CHUNKED};
	struct http1_body b;
	size_t n = 0;

	(void)state;
	http1_body_init(&b, &head, 0, 0, 0);
	assert_int_equal(http1_body_scan(&b, text, 5, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 5);
	http1_body_init(&b, &head, 0, 0, 0);
	assert_int_equal(http1_body_scan(&b, "1;a", 3, &n), HTTP_FAULT_SYNTAX);
	assert_int_equal(n, 2);
}

/* length, until close, none */

static void
length_ends_to_the_byte(void **state)
{
	struct http1_body b;
	size_t n = 7;

	(void)state;
	body_init(&b, HTTP_BODY_LENGTH, 10, false);
	assert_int_equal(http1_body_scan(&b, "0123", 4, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 4);
	assert_false(b.done);
	assert_int_equal(http1_body_scan(&b, "", 0, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 0);
	assert_false(b.done);
	assert_int_equal(http1_body_scan(&b, "456789next", 10, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 6);
	assert_true(b.done);
	assert_int_equal(b.total, 10);
	assert_int_equal(http1_body_scan(&b, "next", 4, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 0);
}

static void
large_lengths_do_not_wrap(void **state)
{
	struct http1_body b;
	size_t n = 0;

	(void)state;
	body_init(&b, HTTP_BODY_LENGTH, 999999999999999999, false);
	assert_int_equal(http1_body_scan(&b, "0123", 4, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 4);
	assert_int_equal(b.left, UINT64_C(999999999999999995));
	assert_false(b.done);
}

static void
until_close_takes_everything(void **state)
{
	struct http1_body b;
	size_t n = 0;

	(void)state;
	body_init(&b, HTTP_BODY_UNTIL_CLOSE, 0, true);
	for (int i = 1; i <= 1000; i++) {
		assert_int_equal(http1_body_scan(&b, "0\r\n\r\n", 5, &n), HTTP_FAULT_NONE);
		assert_int_equal(n, 5);
		assert_int_equal(b.total, 5 * i);
		assert_false(b.done);
	}
}

static void
no_body_is_done_at_once(void **state)
{
	struct http1_body b;
	size_t n = 7;
	size_t packed = 7;
	char text[] = "GET /";

	(void)state;
	body_init(&b, HTTP_BODY_NONE, 0, false);
	assert_true(b.done);
	assert_int_equal(http1_body_scan(&b, text, 5, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 0);
	assert_int_equal(http1_body_unchunk(&b, text, 5, &n, &packed), HTTP_FAULT_NONE);
	assert_int_equal(n, 0);
	assert_int_equal(packed, 0);
	assert_string_equal(text, "GET /");
}

/* Without framing inside it may pass unseen; behind it the same byte ends the body. */
static void
what_passes_unseen_is_counted(void **state)
{
	static const char tail[] = "cd\r\n0\r\n\r\n";
	struct http1_body b;
	char chunk[] = "64\r\nab";
	size_t n;

	(void)state;
	body_init(&b, HTTP_BODY_LENGTH, 100, false);
	assert_int_equal(http1_body_run(&b), 100);
	http1_body_skip(&b, 99);
	assert_int_equal(http1_body_run(&b), 1);
	assert_int_equal(http1_body_scan(&b, "xy", 2, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, 1);
	assert_true(b.done);
	assert_int_equal(b.total, 100);
	assert_int_equal(http1_body_run(&b), 0);

	body_init(&b, HTTP_BODY_CHUNKED, 0, false);
	assert_int_equal(http1_body_run(&b), 0);
	assert_int_equal(http1_body_scan(&b, chunk, 6, &n), HTTP_FAULT_NONE);
	assert_int_equal(http1_body_run(&b), 98);
	http1_body_skip(&b, 96);
	assert_int_equal(http1_body_received(&b), 98);
	assert_int_equal(http1_body_scan(&b, tail, sizeof(tail) - 1, &n), HTTP_FAULT_NONE);
	assert_int_equal(n, sizeof(tail) - 1);
	assert_true(b.done);
	assert_int_equal(b.total, 100);

	body_init(&b, HTTP_BODY_UNTIL_CLOSE, 0, false);
	assert_true(http1_body_run(&b) == UINT64_MAX);
	http1_body_skip(&b, 7);
	assert_true(http1_body_run(&b) == UINT64_MAX);
	assert_int_equal(http1_body_received(&b), 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_bodies_are_the_same_cut_anywhere),
		cmocka_unit_test(wrong_bodies_fault_at_the_same_byte_cut_anywhere),
		cmocka_unit_test(trailer_names_with_underscore_are_refused_in_requests),
		cmocka_unit_test(nominated_trailers_are_refused),
		cmocka_unit_test(every_beginning_of_a_body_is_unfinished),
		cmocka_unit_test(random_chunks_come_out_as_they_went_in),
		cmocka_unit_test(limits_of_zero_mean_none_but_for_the_body),
		cmocka_unit_test(length_ends_to_the_byte),
		cmocka_unit_test(large_lengths_do_not_wrap),
		cmocka_unit_test(until_close_takes_everything),
		cmocka_unit_test(no_body_is_done_at_once),
		cmocka_unit_test(what_passes_unseen_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
