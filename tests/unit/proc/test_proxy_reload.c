/*
 * Two real workers that go over to one configuration after another while clients ask them: nobody is
 * refused, and, under the thread sanitizer, nothing is touched by two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "ipc/reload_order.h"
#include "proc/proxy_reload.h"
#include "unit/backend/next.h"
#include "unit/sanitized.h"

#define CHANGES TURNS(200u)
#define CONNS   64u
#define CLIENTS 2u

static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";

static struct world world;
static struct loop *control;
static struct worker_thread threads[2];
static struct proxy_reload reload;
static struct contexts *contexts;
static struct conf *present;
static bool is_changed;
static atomic_bool is_over;
static atomic_bool is_closed; /* the backend, after the clients */
static struct addr front;
static struct addr backend;
static int front_fd;
static int other_fd; /* of the listener that comes and goes */
static int backend_fd;

/* the backend: one answer for each request */

static bool
serve_one(int fd)
{
	char bytes[2048];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n <= 0)
		return false;
	if (memmem(bytes, (size_t)n, "\r\n\r\n", 4) == NULL)
		return true;
	return send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(answer) - 1;
}

static void *
backend_main(void *arg)
{
	struct pollfd fds[CONNS] = {{.fd = backend_fd, .events = POLLIN}};
	unsigned n = 1;

	(void)arg;
	while (!atomic_load(&is_closed)) {
		if (poll(fds, n, 20) <= 0)
			continue;
		for (unsigned i = n - 1; i > 0; i--) {
			if (fds[i].revents != 0 && !serve_one(fds[i].fd)) {
				close(fds[i].fd);
				fds[i] = fds[--n];
			}
		}
		if ((fds[0].revents & POLLIN) != 0 && n < CONNS)
			fds[n++] = (struct pollfd){.fd = accept(backend_fd, NULL, NULL),
						   .events = POLLIN};
	}
	while (n > 1)
		close(fds[--n].fd);
	return NULL;
}

/* clients: a connection for each request */

struct client {
	pthread_t thread;
	unsigned asked;
	unsigned failed;
};

/* What came until its body, or the end. */
static bool
ask(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char bytes[2048];
	size_t n = 0;
	ssize_t got = 1;
	bool is_whole = false;

	if (connect(fd, &front.u.sa, front.len) == 0 &&
	    send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0) {
		while (!is_whole && got > 0) {
			got = recv(fd, bytes + n, sizeof(bytes) - n, 0);
			n += got > 0 ? (size_t)got : 0;
			is_whole = n > 5 && memcmp(bytes + n - 5, "\r\n\r\nx", 5) == 0;
		}
	}
	close(fd);
	return is_whole && memcmp(bytes, "HTTP/1.1 200", 12) == 0;
}

static void *
client_main(void *arg)
{
	struct client *c = arg;

	while (!atomic_load(&is_over)) {
		c->asked++;
		c->failed += !ask();
	}
	return NULL;
}

/* configurations */

static void
make_text(unsigned i, char *ret, size_t n)
{
	static const char *const balances[] = {"\"round-robin\"", "\"least-conn\"", "\"ewma\"",
					       "\"hash\"; hash_bound = 1.25", "\"p2c\""};
	static const char *const limits[] = {"", "max_connections_per_backend = 1; ", "",
					     "max_connections_per_backend = 3; queue = 9; "};
	unsigned port = addr_port(&backend);

	/* y stays, x and z change places, or come and go; t is there now and then. */
	snprintf(
		ret, n,
		"workers = 2; listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; mode = \"%s\"; "
		"service = \"s\"; max_connections = %u; }%s ); services = ( { name = \"s\"; "
		"balance = %s; %sbackends = ( %s{ name = \"y\"; address = \"127.0.0.1:%u\"; }%s ); }%s );",
		i / 4 % 2 == 0 ? "tcp" : "http", 100 + i % 3,
		i % 7 == 3 ? ", { name = \"m\"; bind = \"127.0.0.1:2\"; mode = \"tcp\"; "
			     "service = \"t\"; }"
			   : "",
		balances[i / 2 % 5], limits[i % 4],
		i % 3 == 0 ? "{ name = \"x\"; address = \"127.0.0.1:1\"; }, " : "", port,
		i % 3 == 1 ? ", { name = \"x\"; address = \"127.0.0.1:1\"; }" : "",
		i % 7 == 3 ? ", { name = \"t\"; backends = ( \"127.0.0.1:1\" ); }" : "");
}

/* the control thread */

static void
on_changed(struct proxy_reload *r, struct conf *conf)
{
	(void)r;
	conf_unref(present);
	present = conf;
	is_changed = true;
}

static void
hand_out(void *arg, struct view *view)
{
	(void)arg;
	assert_int_equal(worker_thread_set_view(&threads[0], view_ref(view)), 0);
	assert_int_equal(worker_thread_set_view(&threads[1], view), 0);
}

static void
publish(void)
{
	assert_int_equal(registry_publish(world.registry, loop_now_update(control), hand_out, NULL),
			 0);
}

/* All of the first service. */
static void
observe_all(const struct conf *conf)
{
	for (size_t i = 0; i < conf->services[0].n_backends; i++) {
		struct msg_backend msg = {.backend = conf->services[0].backends[i].segment_slot,
					  .health = TG_HEALTH_UP,
					  .has_addr = 1,
					  .addr = backend};

		assert_int_equal(registry_observe(world.registry, &msg), 0);
	}
	publish();
}

static void
on_alarm(void *arg)
{
	(void)arg;
}

static int
open_proxy(void)
{
	static char text[2048];
	struct err err;

	make_text(0, text, sizeof(text));
	if (world_open(&world, text) != 0)
		return -1;
	if (contexts_make(world.conf, NULL, &contexts, &err) != 0)
		return -1;
	control = loop_new();
	present = conf_ref(world.conf);
	registry_watch(world.registry, control, on_alarm, NULL);
	for (unsigned i = 0; i < 2; i++) {
		threads[i] = (struct worker_thread){.user = NULL};
		if (worker_thread_init(&threads[i], i, world.conf, world.segment, world.registry,
				       contexts) != 0 ||
		    worker_thread_add_socket(&threads[i], world.conf->listeners[0].segment_slot,
					     fcntl(front_fd, F_DUPFD_CLOEXEC, 3)) != 0)
			return -1;
	}
	reload = (struct proxy_reload){.registry = world.registry,
				       .present = &present,
				       .contexts = &contexts,
				       .threads = threads,
				       .n_threads = 2,
				       .loop = control,
				       .on_changed = on_changed};
	return 0;
}

static int
setup(void **state)
{
	struct addr other;

	(void)state;
	setenv("TG_TEST_TIMEOUT", "120", 0);
	fake_limit_start();
	signal(SIGPIPE, SIG_IGN);
	atomic_store(&is_over, false);
	atomic_store(&is_closed, false);
	front_fd = fake_listen(&front);
	other_fd = fake_listen(&other);
	backend_fd = fake_listen(&backend);
	if (fcntl(front_fd, F_SETFL, O_NONBLOCK) != 0 || fcntl(other_fd, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	return open_proxy();
}

static int
teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		worker_thread_join(&threads[i]);
	proxy_reload_fini(&reload);
	contexts_free(contexts);
	conf_unref(present);
	world_close(&world);
	loop_free(control);
	close(front_fd);
	close(other_fd);
	close(backend_fd);
	return 0;
}

static void
give_socket(const struct conf_listener *l, int from)
{
	for (uint32_t w = 0; w < 2; w++) {
		struct message m = {.type = MSG_LISTEN,
				    .fd = fcntl(from, F_DUPFD_CLOEXEC, 3),
				    .u.listen = {.listener = l->segment_slot, .worker = w}};

		proxy_reload_listen(&reload, &m);
		assert_int_equal(m.fd, -1);
	}
}

/* Told up to the question whether it can be built. Slots are those of the names. */
static struct conf *
tell(unsigned i, bool has_sockets)
{
	char text[2048];
	struct conf *conf;
	struct err err;
	int fd;

	make_text(i, text, sizeof(text));
	conf = next_conf(&world, text);
	assert_int_equal(conf_save_fd(conf, &fd, &err), 0);
	proxy_reload_conf(&reload, fd);
	close(fd);
	if (has_sockets) {
		give_socket(&conf->listeners[0], front_fd);
		if (conf->n_listeners > 1)
			give_socket(&conf->listeners[1], other_fd);
	}
	return conf;
}

static void
prepare(void)
{
	struct err err = {""};

	if (proxy_reload_prepare(&reload, &err) != 0)
		fail_msg("%s", err.text);
}

static void
change(unsigned i)
{
	struct msg_limit limit = {.n = 50 + i};
	struct conf *conf = tell(i, i % 7 == 3 || i % 5 == 0);

	prepare();
	/* Everything else goes on meanwhile. */
	observe_all(conf);
	is_changed = false;
	assert_int_equal(proxy_reload_commit(&reload), 0);
	worker_set_limit(&threads[0].worker, &limit);
	assert_int_equal(worker_thread_retry(&threads[0]), 0);
	if (i % 9 == 0)
		assert_int_equal(worker_thread_cut(&threads[1], conf->listeners[0].segment_slot),
				 0);
	observe_all(conf);
	fake_turn_until(control, &is_changed);
	publish();
	conf_unref(conf);
}

static void
clients_see_nothing_of_changes(void **state)
{
	struct client clients[CLIENTS] = {{.asked = 0}};
	pthread_t server;
	unsigned asked = 0;
	unsigned failed = 0;

	(void)state;
	observe_all(world.conf);
	for (unsigned i = 0; i < 2; i++) {
		worker_thread_accept(&threads[i]);
		assert_int_equal(worker_thread_start(&threads[i]), 0);
	}
	assert_int_equal(pthread_create(&server, NULL, backend_main, NULL), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main, &clients[i]),
				 0);
	for (unsigned i = 1; i <= CHANGES; i++) {
		change(i);
		if (i % 8 == 0)
			usleep(2000);
	}
	atomic_store(&is_over, true);
	for (unsigned i = 0; i < CLIENTS; i++) {
		pthread_join(clients[i].thread, NULL);
		asked += clients[i].asked;
		failed += clients[i].failed;
	}
	atomic_store(&is_closed, true);
	pthread_join(server, NULL);
	for (unsigned i = 0; i < 2; i++)
		worker_thread_drain(&threads[i], 1000);
	print_message("%u asked, %u failed\n", asked, failed);
	assert_true(asked > CHANGES / 4);
	assert_int_equal(failed, 0);
}

/* without threads */

static void
turn_all(void)
{
	for (int i = 0; i < 3; i++) {
		fake_turn(threads[0].worker.loop);
		fake_turn(threads[1].worker.loop);
		fake_turn(control);
	}
}

static void
aborted_leaves_no_trace(void **state)
{
	const struct service_shared *shared = registry_shared(world.registry, 0);
	unsigned fds = fake_count_fds();

	(void)state;
	for (unsigned i = 1; i < 8; i++) {
		conf_unref(tell(i, true));
		if (i % 2 == 0)
			prepare();
		proxy_reload_abort(&reload);
		proxy_reload_abort(&reload);
		assert_int_equal(fake_count_fds(), fds);
	}
	turn_all();
	assert_ptr_equal(registry_shared(world.registry, 0), shared);
	assert_int_equal(proxy_reload_commit(&reload), -TG_EPROTO);
	assert_ptr_equal(threads[0].conf, world.conf);
}

static void
assert_refused(const char *why)
{
	struct err err = {""};

	assert_int_equal(proxy_reload_prepare(&reload, &err), -TG_EINVAL);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s", err.text);
}

static void
what_cannot_be_built_is_refused(void **state)
{
	unsigned fds = fake_count_fds();
	struct message m = {.u.listen = {.listener = 1, .worker = 7}};
	struct conf *conf;

	(void)state;
	assert_refused("protocol"); /* no configuration */
	conf_unref(tell(3, false)); /* nobody has sockets for m */
	assert_refused("protocol");
	conf_unref(tell(1, false));
	conf_unref(tell(1, false)); /* twice */
	assert_refused("protocol");
	conf_unref(tell(1, false));
	m.fd = dup(front_fd); /* for no worker */
	proxy_reload_listen(&reload, &m);
	close(m.fd);
	assert_refused("protocol");
	conf = tell(1, false);
	conf->listeners[0].segment_slot = 9; /* for no listener */
	give_socket(&conf->listeners[0], front_fd);
	conf_unref(conf);
	assert_refused("protocol");
	assert_int_equal(fake_count_fds(), fds);
	/* And what comes then is good. */
	conf_unref(tell(1, false));
	prepare();
	assert_int_equal(proxy_reload_commit(&reload), 0);
	is_changed = false;
	turn_all();
	assert_true(is_changed);
	assert_ptr_equal(threads[0].conf, present);
	assert_ptr_equal(threads[1].worker.conf, present);
}

/* One backend more in the first service, or that one less, as the parent tells it. */
static void
tell_edit(enum reload_what what, const char *name)
{
	const struct conf_service *service = &present->services[0];
	char text[96];
	struct reload_order order = {.what = what,
				     .who = "me",
				     .why = "",
				     .service = service->name,
				     .backend = name,
				     .text = text};
	struct err err = {""};
	int fd;

	snprintf(text, sizeof(text), "name = \"%s\"; address = \"127.0.0.1:%u\";", name,
		 addr_port(&backend));
	if (what == RELOAD_ADD)
		order.slot = next_slot(&world, TG_SLOT_BACKEND, service->segment_slot, name);
	assert_int_equal(reload_edit_save_fd(&order, 1, &fd, &err), 0);
	proxy_reload_edit(&reload, fd);
	close(fd);
}

static void
edits_go_over_too(void **state)
{
	struct service_shared *before = registry_shared(world.registry, 0);
	unsigned fds = fake_count_fds();

	(void)state;
	tell_edit(RELOAD_ADD, "n1");
	prepare();
	proxy_reload_abort(&reload);
	assert_ptr_equal(registry_shared(world.registry, 0), before);
	for (unsigned i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%u", i);
		tell_edit(RELOAD_ADD, name);
		prepare();
		assert_int_equal(proxy_reload_commit(&reload), 0);
		is_changed = false;
		turn_all();
		assert_true(is_changed);
		assert_ptr_equal(threads[0].conf, present);
		assert_int_equal(present->services[0].n_backends,
				 world.conf->services[0].n_backends + 1 + i);
	}
	tell_edit(RELOAD_DELETE, "n1");
	prepare();
	assert_int_equal(proxy_reload_commit(&reload), 0);
	turn_all();
	assert_string_equal(registry_shared(world.registry, 0)->conf->backends[3].name, "n2");
	assert_int_equal(fake_count_fds(), fds);
}

static void
what_cannot_be_edited_is_refused(void **state)
{
	struct message m = {.fd = -1};
	struct err err;

	(void)state;
	tell_edit(RELOAD_DELETE, "nobody");
	assert_refused("has no backend \"nobody\"");
	tell_edit(RELOAD_ADD, "n1");
	tell_edit(RELOAD_ADD, "n2");
	assert_refused("protocol");
	tell_edit(RELOAD_ADD, "n1");
	conf_unref(tell(1, false));
	assert_refused("protocol");
	assert_int_equal(reload_text_save_fd("", 0, &m.fd, &err), 0);
	proxy_reload_edit(&reload, m.fd);
	close(m.fd);
	assert_refused("not an edit");
	/* And what comes then is good. */
	tell_edit(RELOAD_ADD, "n1");
	prepare();
	assert_int_equal(proxy_reload_commit(&reload), 0);
	is_changed = false;
	turn_all();
	assert_true(is_changed);
}

/* The parent asks too early: it is told so, and that is all. */
static void
another_while_one_goes_on_is_refused(void **state)
{
	(void)state;
	conf_unref(tell(1, false));
	prepare();
	assert_int_equal(proxy_reload_commit(&reload), 0);
	conf_unref(tell(2, false));
	assert_refused("protocol");
	assert_int_equal(proxy_reload_commit(&reload), -TG_EPROTO);
	is_changed = false;
	turn_all();
	assert_true(is_changed);
	is_changed = false;
	conf_unref(tell(2, false));
	prepare();
	assert_int_equal(proxy_reload_commit(&reload), 0);
	turn_all();
	assert_true(is_changed);
}

/* The workers end first, and go over no more than to be freed. */
static void
end_comes_before_all_have_gone_over(void **state)
{
	(void)state;
	conf_unref(tell(1, true));
	prepare();
	assert_int_equal(proxy_reload_commit(&reload), 0);
	fake_turn(threads[0].worker.loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clients_see_nothing_of_changes),
		TEST(aborted_leaves_no_trace),
		TEST(what_cannot_be_built_is_refused),
		TEST(edits_go_over_too),
		TEST(what_cannot_be_edited_is_refused),
		TEST(another_while_one_goes_on_is_refused),
		TEST(end_comes_before_all_have_gone_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
