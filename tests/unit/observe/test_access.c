#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/ring.h"
#include "observe/access.h"
#include "observe/reason.h"

#define LINE_SIZE 49152

static char name_web[] = "web";
static char name_api[] = "api";
static char name_b1[] = "b1";
static struct conf_backend backends[] = {{.name = name_b1, .segment_slot = 3}};
static struct conf_service services[] = {
	{.name = name_api, .segment_slot = 2, .backends = backends, .n_backends = 1}};
static struct conf_listener listeners[] = {{.name = name_web, .segment_slot = 1}};
static const struct conf conf = {
	.listeners = listeners,
	.n_listeners = 1,
	.services = services,
	.n_services = 1,
};

/* A record in the largest storage a ring gives, and the line made of it. */
struct fixture {
	struct slot_names *names;
	struct access_record *record;
	size_t n;
	char line[LINE_SIZE + 1];
};

static void
record_set(struct fixture *f, const char *method, const char *id, const char *host,
	   const char *path)
{
	struct access_record *r = f->record;
	char *at = r->strings;

	memset(r, 0, offsetof(struct access_record, strings));
	r->end.us = 1795420800123456u;
	r->bytes_in = 120;
	r->bytes_out = 1523;
	r->response_us = 812;
	r->total_us = 903;
	assert_int_equal(ip_parse("10.0.0.9", 8, &r->client_ip), 0);
	r->listener = 1;
	r->service = 2;
	r->backend = 3;
	r->client_port = 51234;
	r->status = 200;
	r->http_version = 11;
	r->mode = TG_MODE_HTTP;
	r->reason = TG_END_DONE;
	r->choice = TG_CHOICE_BALANCE;
	r->method_len = (uint8_t)strlen(method);
	r->request_id_len = (uint8_t)strlen(id);
	r->host_len = (uint16_t)strlen(host);
	r->path_len = (uint16_t)strlen(path);
	memcpy(at, method, strlen(method));
	at += strlen(method);
	memcpy(at, id, strlen(id));
	at += strlen(id);
	memcpy(at, host, strlen(host));
	at += strlen(host);
	memcpy(at, path, strlen(path));
	at += strlen(path);
	f->n = (size_t)(at - (char *)r);
}

static size_t
render(struct fixture *f, enum conf_access format)
{
	size_t n = access_render(f->names, format, f->record, f->n, f->line, LINE_SIZE);

	f->line[n] = '\0';
	return n;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	f->record = calloc(1, TG_RING_RECORD_MAX);
	f->names = slot_names_new(4);
	assert_int_equal(slot_names_set(f->names, &conf), 0);
	*state = f;
	return f->record != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	free(f->record);
	slot_names_free(f->names);
	free(f);
	return 0;
}

static void
text_has_every_field_in_order(void **state)
{
	struct fixture *f = *state;

	record_set(f, "GET", "abc-1", "api.example.org", "/v1/x");
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_string_equal(
		f->line,
		"2026-11-23T08:00:00.123456Z client=10.0.0.9:51234 listener=web "
		"service=api backend=b1 method=GET host=api.example.org path=/v1/x "
		"version=1.1 status=200 bytes_in=120 bytes_out=1523 retries=0 "
		"failed=- choice=balance queue_us=0 connect_us=0 response_us=812 total_us=903 end=done "
		"id=abc-1\n");
}

static void
json_has_every_field_in_order(void **state)
{
	struct fixture *f = *state;

	record_set(f, "GET", "abc-1", "api.example.org", "/v1/x");
	assert_true(render(f, TG_ACCESS_JSON) > 0);
	assert_string_equal(
		f->line,
		"{\"time\":\"2026-11-23T08:00:00.123456Z\",\"client\":\"10.0.0.9:51234\","
		"\"listener\":\"web\",\"service\":\"api\",\"backend\":\"b1\",\"method\":\"GET\","
		"\"host\":\"api.example.org\",\"path\":\"/v1/x\",\"version\":\"1.1\","
		"\"status\":200,\"bytes_in\":120,\"bytes_out\":1523,\"retries\":0,"
		"\"failed\":[],\"choice\":\"balance\",\"queue_us\":0,"
		"\"connect_us\":0,\"response_us\":812,\"total_us\":903,\"end\":\"done\","
		"\"id\":\"abc-1\"}\n");
}

static void
what_was_not_reached_is_unset(void **state)
{
	struct fixture *f = *state;

	record_set(f, "", "", "", "");
	f->record->service = TG_ACCESS_NONE;
	f->record->backend = TG_ACCESS_NONE;
	f->record->queue_us = TG_ACCESS_UNSET;
	f->record->connect_us = TG_ACCESS_UNSET;
	f->record->response_us = TG_ACCESS_UNSET;
	f->record->status = 0;
	f->record->reason = TG_END_CLIENT_ABORT;
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " service=- backend=- method=- host=- path=- "));
	assert_non_null(strstr(f->line, " status=- "));
	assert_non_null(strstr(f->line, " queue_us=- connect_us=- response_us=- total_us=903 "));
	assert_non_null(strstr(f->line, " end=client-abort id=-\n"));
	assert_true(render(f, TG_ACCESS_JSON) > 0);
	assert_non_null(strstr(f->line, "\"service\":null,\"backend\":null,\"method\":null"));
	assert_non_null(strstr(f->line, "\"queue_us\":null"));
}

static void
tcp_has_no_http_fields(void **state)
{
	struct fixture *f = *state;

	record_set(f, "", "", "", "");
	f->record->mode = TG_MODE_TCP;
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_string_equal(f->line, "2026-11-23T08:00:00.123456Z client=10.0.0.9:51234 "
				     "listener=web service=api backend=b1 bytes_in=120 "
				     "bytes_out=1523 retries=0 failed=- choice=balance queue_us=0 "
				     "connect_us=0 total_us=903 end=done\n");
}

/* Puts failed tries in front of the strings. */
static void
record_fail(struct fixture *f, const struct access_try *failed, unsigned n)
{
	struct access_record *r = f->record;
	size_t size = n * sizeof(failed[0]);

	memmove(r->strings + size, r->strings, f->n - offsetof(struct access_record, strings));
	memcpy(r->strings, failed, size);
	r->n_failed = (uint8_t)n;
	f->n += size;
}

static void
failed_tries_are_told_in_order(void **state)
{
	static const struct access_try failed[] = {{3, TG_END_CONNECT_FAILED},
						   {3, TG_END_EMPTY_ANSWER}};
	struct fixture *f = *state;

	record_set(f, "GET", "abc-1", "api.example.org", "/v1/x");
	record_fail(f, failed, 2);
	f->record->choice = TG_CHOICE_QUEUE;
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " path=/v1/x "));
	assert_non_null(strstr(f->line, " failed=b1:connect-failed,b1:empty-answer choice=queue "));
	assert_true(render(f, TG_ACCESS_JSON) > 0);
	assert_non_null(strstr(f->line,
			       ",\"failed\":[{\"backend\":\"b1\",\"reason\":\"connect-failed\"},"
			       "{\"backend\":\"b1\",\"reason\":\"empty-answer\"}],"
			       "\"choice\":\"queue\","));
}

static void
why_no_other_try_was_made_is_told(void **state)
{
	static const struct access_try failed[] = {{3, TG_END_EMPTY_ANSWER}};
	struct fixture *f = *state;

	record_set(f, "PUT", "", "", "/");
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_null(strstr(f->line, "no_retry"));
	record_fail(f, failed, 1);
	f->record->denied = TG_DENIED_BODY;
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " failed=b1:empty-answer no_retry=unrepeatable-body choice="));
	assert_true(render(f, TG_ACCESS_JSON) > 0);
	assert_non_null(strstr(f->line, ",\"no_retry\":\"unrepeatable-body\",\"choice\":"));
	f->record->denied = TG_DENIED_COUNT;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
}

static void
a_lie_about_a_try_gives_nothing(void **state)
{
	static const struct access_try wrong[] = {{2, TG_END_DONE}, {3, TG_END_COUNT}};
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		record_set(f, "GET", "", "", "/");
		record_fail(f, &wrong[i], 1);
		assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	}
	record_set(f, "GET", "", "", "/");
	f->record->n_failed = 3;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "", "", "/");
	memset(f->record->strings, 0, 256);
	f->n = TG_RING_RECORD_MAX;
	f->record->n_failed = TG_ACCESS_TRIES_MAX + 1;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "", "", "/");
	f->record->choice = TG_CHOICE_COUNT;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
}

static void
clients_of_ipv6_and_unix_sockets(void **state)
{
	struct fixture *f = *state;

	record_set(f, "GET", "", "", "/");
	assert_int_equal(ip_parse("2001:db8::1", 11, &f->record->client_ip), 0);
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " client=[2001:db8::1]:51234 "));
	memset(&f->record->client_ip, 0, sizeof(f->record->client_ip));
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " client=unix "));
}

static void
foreign_bytes_are_escaped(void **state)
{
	struct fixture *f = *state;

	record_set(f, "GET", "", "a b", "/\"\n\x1b");
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " host=\"a b\" path=\"/\\\"\\x0a\\x1b\" "));
	assert_ptr_equal(strchr(f->line, '\n'), f->line + strlen(f->line) - 1);
	assert_true(render(f, TG_ACCESS_JSON) > 0);
	assert_non_null(strstr(f->line, "\"path\":\"/\\\"\\n\\u001b\""));
	assert_ptr_equal(strchr(f->line, '\n'), f->line + strlen(f->line) - 1);
}

static void
a_dash_sent_by_a_client_is_no_unset_field(void **state)
{
	struct fixture *f = *state;

	record_set(f, "-", "", "", "/");
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " method=\"-\" host=- "));
}

static void
a_lie_about_a_length_gives_nothing(void **state)
{
	struct fixture *f = *state;

	record_set(f, "GET", "abc", "host", "/path");
	f->record->path_len++;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "abc", "host", "/path");
	f->record->host_len = UINT16_MAX;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "abc", "host", "/path");
	f->n = offsetof(struct access_record, strings) - 1;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "abc", "host", "/path");
	f->record->path_len = TG_ACCESS_PATH_MAX + 1;
	f->n = TG_RING_RECORD_MAX;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
}

static void
a_lie_about_a_slot_gives_nothing(void **state)
{
	struct fixture *f = *state;

	record_set(f, "GET", "", "", "/");
	f->record->listener = 2;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "", "", "/");
	f->record->service = 3;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "", "", "/");
	f->record->backend = 4;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "", "", "/");
	f->record->service = TG_ACCESS_NONE;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "", "", "/");
	f->record->mode = TG_MODE_COUNT;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
	record_set(f, "GET", "", "", "/");
	f->record->reason = TG_END_COUNT;
	assert_int_equal(render(f, TG_ACCESS_TEXT), 0);
}

/* What a PROXY header told, in the order of enum access_proxy, behind the rest. */
static void
add_proxy(struct fixture *f, const char *const texts[TG_ACCESS_PROXY_COUNT])
{
	char *at = (char *)f->record + f->n;

	f->record->has_proxy = 1;
	for (unsigned i = 0; i < TG_ACCESS_PROXY_COUNT; i++)
		*at++ = (char)strlen(texts[i]);
	for (unsigned i = 0; i < TG_ACCESS_PROXY_COUNT; i++) {
		memcpy(at, texts[i], strlen(texts[i]));
		at += strlen(texts[i]);
	}
	f->n = (size_t)(at - (char *)f->record);
}

static void
what_a_proxy_header_told_is_there(void **state)
{
	static const char *const all[] = {"10.0.0.5:4", "a.org", "h2", "i d", "TLSv1.3", "AES", "bob"};
	static const char *const some[] = {"10.0.0.5:4", "", "", "", "", "", ""};
	struct fixture *f = *state;

	record_set(f, "GET", "", "", "/");
	add_proxy(f, all);
	assert_true(render(f, TG_ACCESS_TEXT) > 0);
	assert_non_null(strstr(f->line, " status=200 proxy=10.0.0.5:4 proxy_authority=a.org proxy_alpn=h2 "
					"proxy_id=\"i d\" proxy_tls=TLSv1.3 proxy_cipher=AES proxy_name=bob "
					"bytes_in=120 "));
	for (size_t n = f->n; n-- > offsetof(struct access_record, strings);)
		assert_int_equal(access_render(f->names, TG_ACCESS_TEXT, f->record, n, f->line, LINE_SIZE), 0);
	record_set(f, "GET", "", "", "/");
	add_proxy(f, some);
	assert_true(render(f, TG_ACCESS_JSON) > 0);
	assert_non_null(strstr(f->line, ",\"status\":200,\"proxy\":\"10.0.0.5:4\",\"bytes_in\":120,"));
}

/* The promise of the header: 49152 bytes hold any record. */
static void
the_longest_record_fits(void **state)
{
	struct fixture *f = *state;

	record_set(f, "", "", "", "");
	memset(f->record->strings, 1, TG_RING_RECORD_MAX - offsetof(struct access_record, strings));
	f->record->method_len = UINT8_MAX;
	f->record->request_id_len = UINT8_MAX;
	f->record->path_len = TG_ACCESS_PATH_MAX;
	f->record->cipher_len = UINT8_MAX;
	f->record->sni_len = UINT8_MAX;
	f->record->tls_version = 13;
	f->record->host_len =
		(uint16_t)(TG_RING_RECORD_MAX - TG_ACCESS_PATH_MAX - 4 * UINT8_MAX -
			   TG_ACCESS_PROXY_COUNT * (1 + UINT8_MAX) - offsetof(struct access_record, strings));
	f->n = TG_RING_RECORD_MAX;
	f->record->has_proxy = 1;
	memset((char *)f->record + f->n - TG_ACCESS_PROXY_COUNT * (1 + UINT8_MAX), UINT8_MAX,
	       TG_ACCESS_PROXY_COUNT);
	f->record->bytes_in = UINT64_MAX;
	f->record->bytes_out = UINT64_MAX;
	assert_true(render(f, TG_ACCESS_TEXT) > 4 * TG_ACCESS_PATH_MAX);
	assert_true(render(f, TG_ACCESS_JSON) > 6 * TG_ACCESS_PATH_MAX);
}

static void
too_small_a_buffer_gives_nothing(void **state)
{
	struct fixture *f = *state;
	size_t whole;

	record_set(f, "GET", "abc-1", "api.example.org", "/v1/x");
	whole = render(f, TG_ACCESS_TEXT);
	for (size_t size = 0; size < whole; size++)
		assert_int_equal(
			access_render(f->names, TG_ACCESS_TEXT, f->record, f->n, f->line, size), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(text_has_every_field_in_order),
		CASE(json_has_every_field_in_order),
		CASE(what_was_not_reached_is_unset),
		CASE(tcp_has_no_http_fields),
		CASE(failed_tries_are_told_in_order),
		CASE(why_no_other_try_was_made_is_told),
		CASE(a_lie_about_a_try_gives_nothing),
		CASE(clients_of_ipv6_and_unix_sockets),
		CASE(foreign_bytes_are_escaped),
		CASE(a_dash_sent_by_a_client_is_no_unset_field),
		CASE(a_lie_about_a_length_gives_nothing),
		CASE(a_lie_about_a_slot_gives_nothing),
		CASE(what_a_proxy_header_told_is_there),
		CASE(the_longest_record_fits),
		CASE(too_small_a_buffer_gives_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
