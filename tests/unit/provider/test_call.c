/* provider/call.c: requests to a server of the test, which answers, cuts, talks too much, or says nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/tls.h"
#include "fake/turn.h"
#include "fake/web.h"
#include "provider/call.h"

#define ASKED_MAX 16

/* What came of one request. */
struct result {
	bool has_ended;
	unsigned n_pieces;
	int rc;
	unsigned status;
	char body[64];
	char why[256];
	char pieces[64];
	/* In its callbacks: */
	struct call *self;
	struct call *victim;       /* is cancelled */
	struct result *successor;  /* is started */
	bool ends_itself;          /* at its first piece */
};

static struct {
	struct loop *loop;
	struct fake_web web;
	struct caller *caller;
	struct fake_asker *held[ASKED_MAX]; /* those that asked for /held, in order */
	unsigned n_held;
} world;

static void
repeat(struct fake_asker *a, const char *line, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fake_asker_say(a, line, strlen(line));
}

static void
on_asked(void *user, struct fake_asker *a)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
	static const char chunk[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";

	(void)user;
	if (strncmp(a->path, "/held", 5) == 0) {
		assert_true(world.n_held < ASKED_MAX);
		world.held[world.n_held++] = a;
	} else if (strcmp(a->path, "/cut") == 0) {
		fake_asker_say(a, half, sizeof(half) - 1);
		fake_asker_end(a);
	} else if (strcmp(a->path, "/close") == 0) {
		fake_asker_end(a);
	} else if (strcmp(a->path, "/head") == 0) {
		fake_asker_say(a, "HTTP/1.1 200 OK\r\n", 17);
		repeat(a, "X-Fill: 0123456789012345678901234567890123456789012345678901234567890123\r\n", 900);
		fake_asker_say(a, "Content-Length: 0\r\n\r\n", 21);
	} else if (strcmp(a->path, "/stream") == 0) {
		fake_asker_say(a, chunk, sizeof(chunk) - 1);
		world.held[world.n_held++] = a;
	} else if (strcmp(a->path, "/words") == 0) {
		fake_asker_answer(a, 200, strstr(a->head, "X-Word: yes") != NULL &&
						  strstr(a->head, "Expect") == NULL &&
						  strstr(a->head, "Content-Type: application/json") != NULL
					  ? a->method
					  : "?");
	} else if (strcmp(a->path, "/echo") == 0) {
		fake_asker_answer(a, 201, a->body);
	} else {
		fake_asker_answer(a, strcmp(a->path, "/500") == 0 ? 500 : 200, a->path);
	}
}

static int
setup(void **state)
{
	struct call_place place = {.host = "127.0.0.1", .running_max = 2};

	(void)state;
	fake_limit_start();
	memset(&world, 0, sizeof(world));
	world.loop = loop_new();
	assert_non_null(world.loop);
	fake_web_start(&world.web, world.loop, on_asked, NULL);
	place.at = world.web.at;
	world.caller = caller_new(world.loop, &place);
	return world.caller == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	caller_free(world.caller);
	fake_web_stop(&world.web);
	loop_free(world.loop);
	return 0;
}

static void begin(struct result *r, struct call_order order);

static void
act(struct result *r)
{
	call_cancel(r->victim);
	r->victim = NULL;
	if (r->successor != NULL)
		begin(r->successor, (struct call_order){.path = "/next"});
}

static void
on_ended(void *user, const struct call_end *end)
{
	struct result *r = user;

	assert_false(r->has_ended);
	r->has_ended = true;
	r->rc = end->rc;
	r->status = end->status;
	snprintf(r->body, sizeof(r->body), "%s", end->body);
	snprintf(r->why, sizeof(r->why), "%s", end->why);
	act(r);
}

static void
on_piece(void *user, const char *bytes, size_t n)
{
	struct result *r = user;
	size_t has = strlen(r->pieces);

	assert_true(has + n < sizeof(r->pieces));
	memcpy(r->pieces + has, bytes, n);
	r->n_pieces++;
	if (r->ends_itself)
		call_cancel(r->self);
	act(r);
}

static int
try_begin(struct result *r, struct call_order order)
{
	if (order.method == NULL)
		order.method = "GET";
	if (order.answer_max == 0)
		order.answer_max = 1000;
	order.ended = on_ended;
	order.user = r;
	return call_start(world.caller, &order, &r->self);
}

static void
begin(struct result *r, struct call_order order)
{
	assert_int_equal(try_begin(r, order), 0);
	assert_false(r->has_ended); /* not inside */
}

static struct result
ask(struct call_order order)
{
	struct result r = {.rc = 1};

	begin(&r, order);
	fake_turn_until(world.loop, &r.has_ended);
	return r;
}

static void
turn_until_held(unsigned n)
{
	while (world.n_held < n)
		fake_turn(world.loop);
}

static void
assert_failed(const struct result *r, int rc, const char *why)
{
	assert_int_equal(r->rc, rc);
	assert_int_equal(r->status, 0);
	assert_string_equal(r->body, "");
	if (strstr(r->why, why) == NULL)
		fail_msg("%s", r->why);
}

/*** Answers ***/

static void
requests_of_one_server_share_a_connection(void **state)
{
	struct result r;

	(void)state;
	r = ask((struct call_order){.path = "/one?a=b"});
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "/one?a=b");
	r = ask((struct call_order){.method = "POST", .path = "/echo", .body = "{\"a\":1}"});
	assert_int_equal(r.status, 201);
	assert_string_equal(r.body, "{\"a\":1}");
	r = ask((struct call_order){.method = "POST", .path = "/echo"});
	assert_string_equal(r.body, "");
	r = ask((struct call_order){.method = "DELETE", .path = "/words", .header = "X-Word: yes"});
	assert_string_equal(r.body, "DELETE");
	r = ask((struct call_order){.path = "/500"});
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.status, 500);
	assert_int_equal(world.web.n_accepted, 1);
}

static void
an_answer_that_is_cut_is_none(void **state)
{
	struct result r = ask((struct call_order){.path = "/cut"});

	(void)state;
	assert_failed(&r, -TG_EIO, "transfer closed");
	r = ask((struct call_order){.path = "/close"});
	assert_failed(&r, -TG_EIO, "Empty reply");
	r = ask((struct call_order){.path = "/after"});
	assert_int_equal(r.rc, 0);
}

static void
an_answer_has_a_bound(void **state)
{
	struct result r = ask((struct call_order){.path = "/12345", .answer_max = 6});

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.body, "/12345");
	r = ask((struct call_order){.path = "/123456", .answer_max = 6});
	assert_failed(&r, -TG_ELIMIT, "its answer is too long");
	r = ask((struct call_order){.path = "/head"});
	assert_failed(&r, -TG_ELIMIT, "its answer is too long");
}

static void
one_that_says_nothing_is_left(void **state)
{
	struct result r = ask((struct call_order){.path = "/held", .timeout_ms = 50});
	struct call_place place = {.host = "127.0.0.1", .running_max = 1, .at = world.web.at};

	(void)state;
	assert_failed(&r, -TG_EIO, "timed out");
	fake_web_stop(&world.web);
	caller_free(world.caller);
	world.caller = caller_new(world.loop, &place);
	assert_non_null(world.caller);
	r = ask((struct call_order){.path = "/nobody"});
	assert_failed(&r, -TG_EIO, "connect");
	memset(&world.web, 0, sizeof(world.web));
	fake_web_start(&world.web, world.loop, on_asked, NULL);
}

/*** How many ***/

static void
so_many_at_a_time_and_the_others_in_order(void **state)
{
	struct result r[4] = {{.rc = 1}};
	struct result apart = {.rc = 1};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		begin(&r[i], (struct call_order){.path = i == 2 ? "/held2" : "/held"});
	begin(&apart, (struct call_order){.path = "/apart", .is_apart = true});
	fake_turn_until(world.loop, &apart.has_ended); /* it waits for none of them */
	turn_until_held(2);
	assert_int_equal(world.web.n_asked, 3);
	fake_asker_answer(world.held[0], 200, "0");
	turn_until_held(3);
	assert_string_equal(world.held[2]->path, "/held2");
	assert_int_equal(world.web.n_asked, 4);
	for (unsigned i = 1; i < 4; i++) {
		turn_until_held(i + 1);
		fake_asker_answer(world.held[i], 200, "x");
	}
	for (unsigned i = 0; i < 4; i++)
		fake_turn_until(world.loop, &r[i].has_ended);
	assert_int_equal(world.web.n_accepted, 3);
}

static void
no_more_wait_than_may(void **state)
{
	static struct result r[TG_CALLS_WAITING_MAX];
	struct result last = {.rc = 1};

	(void)state;
	memset(r, 0, sizeof(r));
	for (unsigned i = 0; i < TG_CALLS_WAITING_MAX; i++)
		begin(&r[i], (struct call_order){.path = "/x"});
	assert_int_equal(try_begin(&last, (struct call_order){.path = "/x"}), -TG_ELIMIT);
	call_cancel(r[7].self);
	begin(&last, (struct call_order){.path = "/x"});
}

/*** Streams ***/

static void
a_stream_is_told_as_it_comes(void **state)
{
	struct result r = {.rc = 1};

	(void)state;
	begin(&r, (struct call_order){.path = "/stream", .is_apart = true, .piece = on_piece});
	while (strcmp(r.pieces, "one") != 0)
		fake_turn(world.loop);
	fake_asker_say(world.held[0], "3\r\ntwo\r\n", 8);
	while (strcmp(r.pieces, "onetwo") != 0)
		fake_turn(world.loop);
	fake_asker_say(world.held[0], "0\r\n\r\n", 5);
	fake_turn_until(world.loop, &r.has_ended);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "");
}

static void
a_refused_stream_has_a_body(void **state)
{
	struct result r = ask((struct call_order){.path = "/500", .is_apart = true, .piece = on_piece});

	(void)state;
	assert_int_equal(r.status, 500);
	assert_int_equal(r.n_pieces, 0);
	assert_string_equal(r.body, "/500");
}

/*** Cancelled ***/

static void
one_may_end_itself_in_its_callback(void **state)
{
	struct result r = {.rc = 1, .ends_itself = true};
	struct result other = {.rc = 1};

	(void)state;
	begin(&r, (struct call_order){.path = "/stream", .is_apart = true, .piece = on_piece});
	while (r.n_pieces == 0)
		fake_turn(world.loop);
	begin(&other, (struct call_order){.path = "/other"});
	fake_turn_until(world.loop, &other.has_ended);
	assert_false(r.has_ended);
	assert_int_equal(r.n_pieces, 1);
}

static void
callbacks_end_and_begin_others(void **state)
{
	struct result next = {.rc = 1};
	struct result first = {.rc = 1, .successor = &next};
	struct result running = {.rc = 1};
	struct result waiting = {.rc = 1};
	struct result second = {.rc = 1};

	(void)state;
	begin(&running, (struct call_order){.path = "/held"});
	begin(&first, (struct call_order){.path = "/held/first"});
	begin(&waiting, (struct call_order){.path = "/held"});
	begin(&second, (struct call_order){.path = "/second"});
	turn_until_held(2);
	first.victim = waiting.self;
	second.victim = running.self;
	for (unsigned i = 0; i < 2; i++) {
		if (strcmp(world.held[i]->path, "/held/first") == 0)
			fake_asker_answer(world.held[i], 200, "");
	}
	fake_turn_until(world.loop, &next.has_ended);
	fake_turn_until(world.loop, &second.has_ended);
	assert_true(first.has_ended);
	assert_false(running.has_ended);
	assert_false(waiting.has_ended);
}

static void
what_is_under_way_at_the_end_is_not_told(void **state)
{
	struct result r[4] = {{.rc = 1}};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		begin(&r[i], (struct call_order){.path = "/held"});
	turn_until_held(2);
	caller_free(world.caller);
	world.caller = NULL;
	while (world.web.n_open > 0)
		fake_turn(world.loop);
	for (unsigned i = 0; i < 4; i++)
		assert_false(r[i].has_ended);
	caller_free(NULL);
	call_cancel(NULL);
}

/*** Keys ***/

/* In a process of its own, whose terminal this is. */
static void __attribute__((noreturn))
call_with_key(const char *terminal, const char *certificate, const char *key)
{
	struct call_place place = {.host = "127.0.0.1", .running_max = 1, .at = world.web.at,
				   .is_secure = true, .certificate = certificate, .key = key};
	struct result r = {.rc = 1};

	if (setsid() < 0 || ioctl(open(terminal, O_RDWR), TIOCSCTTY, 0) < 0)
		_exit(2);
	world.loop = loop_new();
	world.caller = caller_new(world.loop, &place);
	begin(&r, (struct call_order){.path = "/"});
	fake_turn_until(world.loop, &r.has_ended);
	_exit(r.rc == -TG_EIO && strstr(r.why, "private key") != NULL ? 0 : 1);
}

static void
a_passphrase_is_asked_of_nobody(void **state)
{
	const struct fake_certificate wanted = {.common_name = "a"};
	struct conf_pem pem = fake_certificate(&wanted);
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	char certificate[FAKE_FILE_SIZE];
	char key[FAKE_FILE_SIZE];
	char said[256] = "";
	int status = -1;
	pid_t pid;

	(void)state;
	assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	fake_file(pem.chain, pem.chain_n, certificate);
	fake_locked_key(&pem, key);
	fake_pem_free(&pem);
	pid = fork();
	if (pid == 0)
		call_with_key(ptsname(terminal), certificate, key);
	/* Its words, or an error when its last user has ended. */
	if (read(terminal, said, sizeof(said) - 1) > 0)
		kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(said, "");
	assert_int_equal(status, 0);
	close(terminal);
}

/*** Texts ***/

static void
texts_are_escaped_or_refused(void **state)
{
	char text[16] = "/";

	(void)state;
	assert_true(call_escape(text, sizeof(text), "a-._~/ %"));
	assert_string_equal(text, "/a-._~%2F%20%25");
	assert_false(call_escape(text, sizeof(text), "b"));
	text[1] = '\0';
	assert_true(call_escape(text, sizeof(text), "\xc3\xa9"));
	assert_string_equal(text, "/%C3%A9");
}

int
main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(requests_of_one_server_share_a_connection),
		TEST(an_answer_that_is_cut_is_none),
		TEST(an_answer_has_a_bound),
		TEST(one_that_says_nothing_is_left),
		TEST(so_many_at_a_time_and_the_others_in_order),
		TEST(no_more_wait_than_may),
		TEST(a_stream_is_told_as_it_comes),
		TEST(a_refused_stream_has_a_body),
		TEST(one_may_end_itself_in_its_callback),
		TEST(callbacks_end_and_begin_others),
		TEST(what_is_under_way_at_the_end_is_not_told),
		TEST(a_passphrase_is_asked_of_nobody),
		cmocka_unit_test(texts_are_escaped_or_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
