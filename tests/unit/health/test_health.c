/* The probes against real sockets on loopback, all in one loop. */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/container.h"
#include "fake/turn.h"
#include "health/health.h"
#include "loop/process.h"

/* How many programs more find no place. */
static unsigned n_without_place;
int __real_process_start(struct process_pool *pool, char *const *argv, char *const *envp,
			 process_end_cb *end, void *user, struct process **ret);
int __wrap_process_start(struct process_pool *pool, char *const *argv, char *const *envp,
			 process_end_cb *end, void *user, struct process **ret);

int
__wrap_process_start(struct process_pool *pool, char *const *argv, char *const *envp,
		     process_end_cb *end, void *user, struct process **ret)
{
	if (n_without_place > 0) {
		n_without_place--;
		return -TG_ELIMIT;
	}
	return __real_process_start(pool, argv, envp, end, user, ret);
}

/* A backend that answers each connection with `answer`; NULL: never. */
struct server {
	struct watch watch;
	struct addr addr;
	int fd;
	const char *answer;
	char request[1024];
	unsigned n_connections;
	struct watch client; /* the newest connection */
	int client_fd;
};

struct fixture {
	struct loop *loop;
	struct timer deadline;
	struct server server;
	uint16_t expect[2][2];
	struct conf_backend backends[2];
	struct conf_service service;
	struct conf conf;
	struct health *health;
	enum backend_health wanted; /* the loop stops when the first backend is there */
	unsigned changes;
	bool too_late;
};

static char name_site[] = "site";
static char name_b1[] = "b1";
static char name_b2[] = "b2";
static char text_get[] = "GET";
static char text_path[] = "/healthz";
static char text_needle[] = "all well";

static void
on_deadline(struct timer *t)
{
	struct fixture *f =
		TG_CONTAINER(t, struct fixture, deadline);

	f->too_late = true;
	loop_stop(f->loop);
}

static void
on_change(void *user, unsigned service, unsigned backend)
{
	struct fixture *f = user;

	assert_int_equal(service, 0);
	f->changes++;
	if (backend == 0 && health_status(f->health, 0, 0)->verdict.state == f->wanted)
		loop_stop(f->loop);
}

static void
server_drop_client(struct fixture *f)
{
	if (f->server.client_fd < 0)
		return;
	watch_stop(f->loop, &f->server.client);
	close(f->server.client_fd);
	f->server.client_fd = -1;
}

static void
on_client(struct watch *w, unsigned what)
{
	struct fixture *f =
		TG_CONTAINER(w, struct fixture, server.client);
	struct server *s = &f->server;
	ssize_t n = recv(s->client_fd, s->request, sizeof(s->request) - 1, 0);

	(void)what;
	if (n > 0 && s->answer == NULL)
		return;
	s->request[n > 0 ? n : 0] = '\0';
	if (n > 0)
		assert_int_equal(send(s->client_fd, s->answer, strlen(s->answer), MSG_NOSIGNAL),
				 strlen(s->answer));
	server_drop_client(f);
}

static void
on_connection(struct watch *w, unsigned what)
{
	struct fixture *f =
		TG_CONTAINER(w, struct fixture, server.watch);
	struct server *s = &f->server;

	(void)what;
	server_drop_client(f);
	s->client_fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(s->client_fd >= 0);
	s->n_connections++;
	assert_int_equal(watch_start_level(f->loop, &s->client, s->client_fd, on_client), 0);
}

static void
server_listen(struct fixture *f, const char *address)
{
	struct server *s = &f->server;
	struct endpoint e;

	/* Port 9 stands for "any": the kernel chooses. */
	assert_int_equal(endpoint_parse(address, 0, &e, NULL), 0);
	if (e.addr.u.sa.sa_family == AF_INET)
		e.addr.u.in.sin_port = 0;
	s->addr = e.addr;
	s->fd = socket(e.addr.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, &s->addr.u.sa, s->addr.len), 0);
	assert_int_equal(listen(s->fd, 16), 0);
	if (e.addr.u.sa.sa_family == AF_INET)
		assert_int_equal(getsockname(s->fd, &s->addr.u.sa, &s->addr.len), 0);
	assert_int_equal(watch_start_level(f->loop, &s->watch, s->fd, on_connection), 0);
}

static void
server_close(struct fixture *f)
{
	if (f->server.fd < 0)
		return;
	watch_stop(f->loop, &f->server.watch);
	close(f->server.fd);
	f->server.fd = -1;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	f->loop = loop_new();
	timer_init(&f->deadline, on_deadline);
	f->server.fd = -1;
	f->server.client_fd = -1;
	f->wanted = TG_BACKEND_HEALTH_COUNT;
	f->expect[0][0] = 200;
	f->expect[0][1] = 399;
	f->backends[0] = (struct conf_backend){.name = name_b1, .index = 0};
	f->backends[1] = (struct conf_backend){.name = name_b2, .index = 1};
	f->service = (struct conf_service){
		.name = name_site,
		.backends = f->backends,
		.n_backends = 1,
		.health = {.type = TG_HEALTH_HTTP,
			   .interval_ms = 40,
			   .interval_fast_ms = 40,
			   .interval_down_ms = 40,
			   .timeout_ms = 2000,
			   .rise = 2,
			   .fall = 2,
			   .jitter_percent = 10,
			   .method = text_get,
			   .path = text_path,
			   .expect_ranges = f->expect,
			   .n_expect_ranges = 1},
	};
	f->conf.services = &f->service;
	f->conf.n_services = 1;
	*state = f;
	return f->loop != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	health_free(f->health);
	server_close(f);
	server_drop_client(f);
	timer_fini(&f->deadline);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void
start(struct fixture *f)
{
	f->health = health_new(f->loop, &f->conf, on_change, f);
	assert_non_null(f->health);
}

/* Turns until the first backend is `wanted`. */
static const struct health_status *
run_until(struct fixture *f, enum backend_health wanted)
{
	f->wanted = wanted;
	timer_set(f->loop, &f->deadline, mono_add_ms(loop_now_update(f->loop), fake_limit_ms()));
	if (health_status(f->health, 0, 0)->verdict.state != wanted)
		loop_run(f->loop);
	assert_false(f->too_late);
	f->wanted = TG_BACKEND_HEALTH_COUNT;
	timer_clear(&f->deadline);
	return health_status(f->health, 0, 0);
}

struct look {
	struct timer timer;
	struct fixture *f;
	uint64_t wanted; /* checks in all */
};

static void
on_look(struct timer *t)
{
	struct look *l = TG_CONTAINER(t, struct look, timer);
	const struct health_status *s = health_status(l->f->health, 0, 0);

	if (s->passes + s->failures >= l->wanted)
		loop_stop(l->f->loop);
	else
		timer_set(l->f->loop, t, mono_add_ms(loop_now(l->f->loop), 5));
}

/* Until the first backend was checked `n` times more. */
static void
run_checks(struct fixture *f, uint64_t n)
{
	const struct health_status *s = health_status(f->health, 0, 0);
	struct look l = {.f = f, .wanted = s->passes + s->failures + n};

	timer_init(&l.timer, on_look);
	timer_set(f->loop, &l.timer, loop_now_update(f->loop));
	timer_set(f->loop, &f->deadline, mono_add_ms(loop_now(f->loop), fake_limit_ms()));
	loop_run(f->loop);
	assert_false(f->too_late);
	timer_fini(&l.timer);
	timer_clear(&f->deadline);
}

static void
http_goes_up_with_the_first_pass(void **state)
{
	struct fixture *f = *state;
	const struct health_status *s;
	char host[TG_ADDR_STRLEN + 16];
	char addr[TG_ADDR_STRLEN];

	f->server.answer = "HTTP/1.1 204 No Content\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	s = health_status(f->health, 0, 0);
	assert_int_equal(s->verdict.state, TG_HEALTH_CHECKING);
	assert_int_equal(s->last.result, TG_CHECK_NONE);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	s = run_until(f, TG_HEALTH_UP);
	assert_int_equal(s->last.result, TG_CHECK_L7_OK);
	assert_int_equal(s->last.status, 204);
	assert_int_equal(s->passes, 1);
	assert_true(addr_equal(&s->addr, &f->server.addr));
	assert_memory_equal(f->server.request, "GET /healthz HTTP/1.1\r\n", 23);
	snprintf(host, sizeof(host), "\r\nHost: %s\r\n",
		 addr_format(&f->server.addr, addr, sizeof(addr)));
	assert_non_null(strstr(f->server.request, host));
	assert_non_null(strstr(f->server.request, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(f->server.request, "\r\nUser-Agent: tidegate/"));
}

static void
status_out_of_range_is_down(void **state)
{
	struct fixture *f = *state;
	const struct health_status *s;

	f->server.answer = "HTTP/1.1 503 Busy\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	s = run_until(f, TG_HEALTH_DOWN);
	assert_int_equal(s->last.result, TG_CHECK_L7_STATUS);
	assert_string_equal(s->last.text, "status 503");
	assert_int_equal(s->verdict.downs, 0);
}

static void
falls_and_rises_again(void **state)
{
	struct fixture *f = *state;
	const struct health_status *s;

	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	run_until(f, TG_HEALTH_UP);
	f->server.answer = "HTTP/1.1 500 Oops\r\n\r\n";
	s = run_until(f, TG_HEALTH_DOWN);
	assert_int_equal(s->failures, 2);
	assert_int_equal(s->verdict.downs, 1);
	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	s = run_until(f, TG_HEALTH_UP);
	assert_int_equal(s->passes, f->server.n_connections - 2);
	assert_true(s->verdict.down_us > 0);
}

static void
others_make_it_down_and_up(void **state)
{
	const struct quorum down = {.n_up = 1, .n_down = 1};
	const struct quorum none = {.n_up = 0};
	struct fixture *f = *state;
	const struct health_status *s;
	struct addr elsewhere;
	unsigned changes;

	f->service.health.share = TG_SHARE_ANY;
	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	assert_false(health_has_vote(f->health, 0, 0));
	health_set_addr(f->health, 0, 0, &f->server.addr);
	/* Not before its own checks. */
	health_set_others(f->health, 0, 0, &down);
	assert_int_equal(health_status(f->health, 0, 0)->state, TG_HEALTH_CHECKING);
	health_set_others(f->health, 0, 0, &none);
	s = run_until(f, TG_HEALTH_UP);
	assert_int_equal(s->state, TG_HEALTH_UP);
	assert_true(health_has_vote(f->health, 0, 0));
	/* What counts is another state; its own verdict, which is its vote, is not. */
	changes = f->changes;
	health_set_others(f->health, 0, 0, &down);
	assert_int_equal(s->state, TG_HEALTH_DOWN);
	assert_int_equal(s->verdict.state, TG_HEALTH_UP);
	assert_int_equal(s->verdict.downs, 0);
	assert_true(health_has_vote(f->health, 0, 0));
	assert_int_equal(f->changes, changes + 1);
	health_set_others(f->health, 0, 0, &down);
	assert_int_equal(f->changes, changes + 1);
	health_set_others(f->health, 0, 0, &none);
	assert_int_equal(s->state, TG_HEALTH_UP);
	assert_int_equal(f->changes, changes + 2);
	/* Both find it down: one change. */
	f->server.answer = "HTTP/1.1 500 Oops\r\n\r\n";
	run_until(f, TG_HEALTH_DOWN);
	assert_int_equal(s->state, TG_HEALTH_DOWN);
	health_set_others(f->health, 0, 0, &down);
	assert_int_equal(s->state, TG_HEALTH_DOWN);
	/* One that is not checked has no vote, and nobody has one on it. */
	health_set_checked(f->health, 0, 0, false);
	assert_false(health_has_vote(f->health, 0, 0));
	/* At another address all starts anew. */
	elsewhere = f->server.addr;
	addr_set_port(&elsewhere, 1);
	health_set_addr(f->health, 0, 0, &elsewhere);
	assert_int_equal(s->others.n_down, 0);
	assert_int_equal(s->state, TG_HEALTH_UP);
}

/* The ordinary interval is not waited for. */
static void
what_is_down_is_checked_at_an_interval_of_its_own(void **state)
{
	struct fixture *f = *state;

	f->service.health.interval_ms = 3600000;
	f->service.health.interval_fast_ms = 30;
	f->service.health.jitter_percent = 0;
	f->server.answer = "HTTP/1.1 500 Oops\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	run_until(f, TG_HEALTH_DOWN);
	run_checks(f, 2);
	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	assert_int_equal(run_until(f, TG_HEALTH_UP)->passes, 2);
}

static void
body_must_hold_the_substring(void **state)
{
	struct fixture *f = *state;

	f->service.health.body = text_needle;
	f->server.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "4\r\nall \r\n4\r\nwell\r\n0\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	run_until(f, TG_HEALTH_UP);
	f->server.answer = "HTTP/1.1 200 OK\r\n\r\nall ill";
	assert_string_equal(run_until(f, TG_HEALTH_DOWN)->last.text, "body does not match");
}

static void
what_is_not_http_is_down(void **state)
{
	struct fixture *f = *state;

	f->server.answer = "SSH-2.0-OpenSSH\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	assert_string_equal(run_until(f, TG_HEALTH_DOWN)->last.text, "answer is not valid");
}

static void
refused_connection_is_down(void **state)
{
	struct fixture *f = *state;
	const struct health_status *s;

	f->service.health.type = TG_HEALTH_TCP;
	server_listen(f, "127.0.0.1:9");
	server_close(f);
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	s = run_until(f, TG_HEALTH_DOWN);
	assert_int_equal(s->last.result, TG_CHECK_L4_REFUSED);
	assert_string_equal(s->last.text, "connection refused");
}

static void
silent_backend_times_out(void **state)
{
	struct fixture *f = *state;
	const struct health_status *s;

	f->service.health.timeout_ms = 100;
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	s = run_until(f, TG_HEALTH_DOWN);
	assert_int_equal(s->last.result, TG_CHECK_L7_TIMEOUT);
	assert_string_equal(s->last.text, "answer timeout");
	assert_true(s->last_us >= 100000);
}

static void
tcp_passes_when_the_connection_stands(void **state)
{
	struct fixture *f = *state;

	f->service.health.type = TG_HEALTH_TCP;
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	assert_int_equal(run_until(f, TG_HEALTH_UP)->last.result, TG_CHECK_L4_OK);
}

static void
unix_sockets_are_checked(void **state)
{
	struct fixture *f = *state;
	char folder[] = "/tmp/tg-health-XXXXXX";
	char address[64];
	struct endpoint e;

	assert_non_null(mkdtemp(folder));
	snprintf(address, sizeof(address), "unix:%s/s", folder);
	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, address);
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	run_until(f, TG_HEALTH_UP);
	assert_non_null(strstr(f->server.request, "\r\nHost: localhost\r\n"));
	server_close(f);
	assert_int_equal(unlink(address + 5), 0);
	assert_int_equal(rmdir(folder), 0);
	/* A path that is gone fails inside connect(). */
	assert_int_equal(endpoint_parse(address, 0, &e, NULL), 0);
	assert_string_equal(run_until(f, TG_HEALTH_DOWN)->last.text, "no such file or directory");
}

static void
check_port_is_another_one(void **state)
{
	struct fixture *f = *state;
	struct endpoint e;

	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	f->service.health.port = addr_port(&f->server.addr);
	start(f);
	assert_int_equal(endpoint_parse("127.0.0.1:1", 0, &e, NULL), 0);
	health_set_addr(f->health, 0, 0, &e.addr);
	assert_int_equal(addr_port(&run_until(f, TG_HEALTH_UP)->addr), 1);
}

static void
without_check_up_with_the_address(void **state)
{
	struct fixture *f = *state;
	struct endpoint e;

	f->service.health.type = TG_HEALTH_NONE;
	start(f);
	assert_int_equal(endpoint_parse("127.0.0.1:1", 0, &e, NULL), 0);
	health_set_addr(f->health, 0, 0, &e.addr);
	assert_int_equal(health_status(f->health, 0, 0)->verdict.state, TG_HEALTH_UP);
	assert_int_equal(f->changes, 1);
	health_set_addr(f->health, 0, 0, &e.addr);
	assert_int_equal(f->changes, 1);
}

static void
new_address_is_checked_anew(void **state)
{
	struct fixture *f = *state;
	struct addr old;

	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	old = f->server.addr;
	start(f);
	health_set_addr(f->health, 0, 0, &old);
	run_until(f, TG_HEALTH_UP);
	server_close(f);
	server_listen(f, "127.0.0.2:9");
	f->changes = 0;
	health_set_addr(f->health, 0, 0, &f->server.addr);
	/* It stays until the new one has passed. */
	assert_int_equal(f->changes, 0);
	assert_true(health_is_moving(f->health));
	assert_true(addr_equal(health_status(f->health, 0, 0)->next, &f->server.addr));
	assert_true(addr_equal(&health_status(f->health, 0, 0)->addr, &old));
	assert_true(addr_equal(&run_until(f, TG_HEALTH_CHECKING)->addr, &f->server.addr));
	assert_false(health_is_moving(f->health));
	assert_true(addr_equal(&run_until(f, TG_HEALTH_UP)->addr, &f->server.addr));
}

static struct addr
nowhere(void)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse("127.0.0.3:9", 0, &e, NULL), 0);
	return e.addr;
}

static void
new_address_that_fails_leaves_it_where_it_is(void **state)
{
	struct fixture *f = *state;
	struct addr old;
	struct addr other = nowhere();

	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	old = f->server.addr;
	start(f);
	health_set_addr(f->health, 0, 0, &old);
	run_until(f, TG_HEALTH_UP);
	health_set_addr(f->health, 0, 0, &other);
	health_set_addr(f->health, 0, 0, &other); /* said again is nothing new */
	run_checks(f, 5);
	assert_true(addr_equal(&health_status(f->health, 0, 0)->addr, &old));
	assert_int_equal(health_status(f->health, 0, 0)->verdict.state, TG_HEALTH_UP);
	/* Taken back. */
	health_set_addr(f->health, 0, 0, &old);
	assert_false(health_is_moving(f->health));
	/* Where it was is down too: it goes. */
	health_set_addr(f->health, 0, 0, &other);
	server_close(f);
	assert_true(addr_equal(&run_until(f, TG_HEALTH_CHECKING)->addr, &other));
	run_until(f, TG_HEALTH_DOWN);
}

static void
move_without_a_check_is_at_once(void **state)
{
	struct fixture *f = *state;
	struct addr other = nowhere();

	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	run_until(f, TG_HEALTH_UP);
	health_set_addr(f->health, 0, 0, &other);
	health_move(f->health, 0, 0);
	assert_true(addr_equal(&health_status(f->health, 0, 0)->addr, &other));
	health_set_addr(f->health, 0, 0, &f->server.addr);
	run_until(f, TG_HEALTH_UP);
	/* With checks at rest there is nothing to wait for. */
	health_set_checked(f->health, 0, 0, false);
	health_set_addr(f->health, 0, 0, &other);
	assert_true(addr_equal(&health_status(f->health, 0, 0)->addr, &other));
	assert_int_equal(health_status(f->health, 0, 0)->verdict.state, TG_HEALTH_UP);
}

static void
no_address_is_down_until_there_is_one(void **state)
{
	struct fixture *f = *state;
	const struct health_status *s;

	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_no_addr(f->health, 0, 0, "name not found");
	s = health_status(f->health, 0, 0);
	assert_int_equal(s->verdict.state, TG_HEALTH_DOWN);
	assert_false(s->has_addr);
	assert_int_equal(s->last.result, TG_CHECK_RESOLVE);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	assert_int_equal(run_until(f, TG_HEALTH_UP)->passes, 1);
}

/* An address that is taken away: down at once, not checked, and checked first when it is back. */
static void
without_its_address_it_is_down_and_not_checked(void **state)
{
	struct fixture *f = *state;
	const struct health_status *s;
	unsigned checks;

	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	s = run_until(f, TG_HEALTH_UP);
	health_set_no_addr(f->health, 0, 0, "it left");
	assert_int_equal(s->verdict.state, TG_HEALTH_DOWN);
	assert_false(s->has_addr);
	assert_string_equal(s->last.text, "it left");
	checks = f->server.n_connections;
	f->wanted = TG_HEALTH_UP;
	timer_set(f->loop, &f->deadline, mono_add_ms(loop_now_update(f->loop), 300));
	loop_run(f->loop);
	assert_int_equal(f->server.n_connections, checks);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	assert_int_equal(s->verdict.state, TG_HEALTH_CHECKING);
	f->too_late = false;
	run_until(f, TG_HEALTH_UP);
	assert_true(f->server.n_connections > checks);
}

/* Nothing may stop the others: a check that hangs, one that fails inside its start. */
static void
probes_do_not_wait_for_each_other(void **state)
{
	struct fixture *f = *state;
	struct endpoint e;

	f->service.n_backends = 2;
	f->server.answer = "HTTP/1.1 200 OK\r\n\r\n";
	server_listen(f, "127.0.0.1:9");
	start(f);
	assert_int_equal(endpoint_parse("unix:/nowhere/at/all", 0, &e, NULL), 0);
	health_set_addr(f->health, 0, 1, &e.addr);
	assert_int_equal(health_status(f->health, 0, 1)->verdict.state, TG_HEALTH_DOWN);
	health_set_addr(f->health, 0, 0, &f->server.addr);
	run_until(f, TG_HEALTH_UP);
}

static void
a_program_without_a_place_is_no_failed_check(void **state)
{
	static char path[] = "/bin/true";
	char *command[] = {path};
	struct fixture *f = *state;
	const struct health_status *s;

	f->service.health.type = TG_HEALTH_EXEC;
	f->service.health.command = command;
	f->service.health.n_command = 1;
	f->service.health.concurrency = 1;
	server_listen(f, "127.0.0.1:9");
	start(f);
	n_without_place = 3;
	health_set_addr(f->health, 0, 0, &f->server.addr);
	assert_int_equal(n_without_place, 2);
	s = run_until(f, TG_HEALTH_UP);
	assert_int_equal(s->failures, 0);
	n_without_place = f->service.health.fall;
	run_checks(f, 1);
	assert_int_equal(n_without_place, 0);
	assert_int_equal(s->failures, 0);
	assert_int_equal(s->verdict.state, TG_HEALTH_UP);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(http_goes_up_with_the_first_pass),
		CASE(status_out_of_range_is_down),
		CASE(falls_and_rises_again),
		CASE(others_make_it_down_and_up),
		CASE(what_is_down_is_checked_at_an_interval_of_its_own),
		CASE(body_must_hold_the_substring),
		CASE(what_is_not_http_is_down),
		CASE(refused_connection_is_down),
		CASE(silent_backend_times_out),
		CASE(tcp_passes_when_the_connection_stands),
		CASE(unix_sockets_are_checked),
		CASE(check_port_is_another_one),
		CASE(without_check_up_with_the_address),
		CASE(new_address_is_checked_anew),
		CASE(new_address_that_fails_leaves_it_where_it_is),
		CASE(move_without_a_check_is_at_once),
		CASE(no_address_is_down_until_there_is_one),
		CASE(without_its_address_it_is_down_and_not_checked),
		CASE(probes_do_not_wait_for_each_other),
		CASE(a_program_without_a_place_is_no_failed_check),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
