/* What the keeper tells the proxy, whatever the proxy does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/control.h"
#include "ipc/channel.h"
#include "proc/orders.h"

#define MANY 3000u

struct fixture {
	struct control control;
	struct orders *orders;
	int peer; /* the proxy's end */
	enum backend_health state; /* what every backend is said to be */
	unsigned received;
	unsigned wanted;
	struct msg_backend last;
	bool is_closed;
};

static void
fill(void *user, unsigned service, unsigned backend, struct msg_backend *ret)
{
	struct fixture *f = user;
	const struct conf_service *s = &f->control.conf->services[service];

	ret->health = f->state;
	ret->has_addr = 1;
	ret->addr = s->backends[backend].endpoint.addr;
}

static uint32_t
slot_of(const struct fixture *f, unsigned service, unsigned backend)
{
	return f->control.conf->services[service].backends[backend].segment_slot;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	f->peer = -1;
	control_init(&f->control, "");
	f->orders = orders_new(f->control.loop, f->control.conf, fill, f);
	return f->orders != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	orders_free(f->orders);
	if (f->peer >= 0)
		close(f->peer);
	control_fini(&f->control);
	free(f);
	return 0;
}

static void
connect_peer(struct fixture *f)
{
	int fd[2];

	assert_int_equal(channel_pair(fd, NULL), 0);
	f->peer = fd[1];
	orders_set_peer(f->orders, fd[0]);
}

/* Takes what came; done when it is as much as wanted. */
static bool
receive(void *arg)
{
	struct fixture *f = arg;
	struct message m;
	int rc;

	while ((rc = channel_receive(f->peer, &m)) == 1) {
		assert_int_equal(m.type, MSG_BACKEND);
		f->last = m.u.backend;
		f->received++;
	}
	f->is_closed = rc == 0;
	return f->received >= f->wanted || f->is_closed;
}

static void
receive_until(struct fixture *f, unsigned wanted)
{
	f->wanted = wanted;
	assert_true(control_run(&f->control, receive, f));
	assert_int_equal(f->received, wanted);
	f->received = 0;
}

static void
new_proxy_hears_about_every_backend(void **state)
{
	struct fixture *f = *state;
	char text[TG_ADDR_STRLEN];

	f->state = TG_HEALTH_DOWN;
	connect_peer(f);
	receive_until(f, 3);
	assert_int_equal(f->last.backend, slot_of(f, 1, 0));
	assert_int_equal(f->last.health, TG_HEALTH_DOWN);
	assert_string_equal(addr_format(&f->last.addr, text, sizeof(text)), "unix:/run/d1");
	close(f->peer);
	f->state = TG_HEALTH_UP;
	connect_peer(f);
	receive_until(f, 3);
	assert_int_equal(f->last.health, TG_HEALTH_UP);
}

static void
change_is_told_at_once(void **state)
{
	struct fixture *f = *state;

	connect_peer(f);
	receive_until(f, 3);
	f->state = TG_HEALTH_UP;
	orders_mark(f->orders, 0, 1);
	assert_true(receive(f) || f->received == 1);
	assert_int_equal(f->received, 1);
	assert_int_equal(f->last.backend, slot_of(f, 0, 1));
	assert_int_equal(f->last.health, TG_HEALTH_UP);
}

/* A proxy that does not read: nothing waits, nothing piles up, and it hears the latest state. */
static void
slow_proxy_hears_only_the_latest(void **state)
{
	struct fixture *f = *state;
	struct mono before;

	connect_peer(f);
	before = mono_read();
	for (unsigned i = 0; i < MANY; i++) {
		f->state = i % 2 == 0 ? TG_HEALTH_UP : TG_HEALTH_DOWN;
		orders_mark(f->orders, 0, 0);
	}
	f->state = TG_HEALTH_CHECKING;
	assert_true(mono_diff_us(mono_read(), before) < 4000000);
	assert_true(orders_has_peer(f->orders));
	f->wanted = UINT32_MAX;
	assert_false(receive(f));
	assert_true(f->received < MANY);
	f->wanted = f->received + 1;
	assert_true(control_run(&f->control, receive, f));
	assert_int_equal(f->last.backend, slot_of(f, 0, 0));
	assert_int_equal(f->last.health, TG_HEALTH_CHECKING);
	orders_mark(f->orders, 0, 1);
	f->wanted = f->received + 1;
	assert_true(control_run(&f->control, receive, f));
	assert_int_equal(f->last.backend, slot_of(f, 0, 1));
}

/* The same with its services the other way round; `weight` of b1 was 3. */
static struct conf *
load_turned(const struct fixture *f, unsigned weight)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf;
	char *text;

	assert_true(asprintf(&text,
			     "listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; "
			     "service = \"api\"; } );\n"
			     "services = ( { name = \"db\"; health = { type = \"none\"; };"
			     "  backends = ( { name = \"d1\"; address = \"unix:/run/d1\"; } ); },"
			     "{ name = \"api\"; balance = \"least-conn\"; health = { type = \"http\"; };"
			     "  backends = ( { name = \"b1\"; address = \"127.0.0.1:1\"; weight = %u; },"
			     "  { name = \"b2\"; address = \"[::1]:2\"; backup = true; } ); } );\n",
			     weight) > 0);
	if (conf_load_text(text, strlen(text), "next", &conf, &errors) < 0)
		fail_msg("%s", errors.list[0].text);
	free(text);
	conf->listeners[0].segment_slot = f->control.conf->listeners[0].segment_slot;
	for (unsigned i = 0; i < 2; i++) {
		struct conf_service *service = &conf->services[i];
		const struct conf_service *before = &f->control.conf->services[1 - i];

		service->segment_slot = before->segment_slot;
		for (size_t j = 0; j < service->n_backends; j++)
			service->backends[j].segment_slot = before->backends[j].segment_slot;
	}
	return conf;
}

static void
reload(struct fixture *f, struct conf *conf)
{
	struct conf_same *same = conf_same_new(f->control.conf, conf);
	struct orders_next *next;

	assert_non_null(same);
	assert_int_equal(orders_prepare(f->orders, same, &next), 0);
	orders_commit(f->orders, next);
	conf_same_free(same);
	conf_unref(f->control.conf);
	f->control.conf = conf;
	orders_settle(f->orders);
}

static void
after_a_reload_the_proxy_hears_of_what_is_other_than_before(void **state)
{
	struct fixture *f = *state;

	connect_peer(f);
	receive_until(f, 3);
	reload(f, load_turned(f, 3));
	f->wanted = 1;
	assert_false(receive(f));
	orders_mark(f->orders, 0, 0);
	receive_until(f, 1);
	assert_int_equal(f->last.backend, slot_of(f, 0, 0));
}

/* A change of the service makes it other than before: all its backends are told. */
static void
marks_follow_their_backends(void **state)
{
	struct fixture *f = *state;

	orders_mark(f->orders, 0, 1);
	orders_mark(f->orders, 1, 0);
	reload(f, load_turned(f, 9));
	connect_peer(f);
	receive_until(f, 3);
}

static bool
has_no_peer(void *arg)
{
	return !orders_has_peer(((struct fixture *)arg)->orders);
}

static void
lost_proxy_is_noticed_and_replaced(void **state)
{
	struct fixture *f = *state;

	connect_peer(f);
	close(f->peer);
	assert_true(control_run(&f->control, has_no_peer, f));
	orders_mark(f->orders, 0, 0);
	connect_peer(f);
	receive_until(f, 3);
}

static void
proxy_that_speaks_is_left(void **state)
{
	struct fixture *f = *state;

	connect_peer(f);
	assert_int_equal(channel_send(f->peer, MSG_READY, NULL, 0, -1), 0);
	assert_true(control_run(&f->control, has_no_peer, f));
	f->wanted = UINT32_MAX;
	assert_true(control_run(&f->control, receive, f));
	assert_true(f->is_closed);
}

static bool
tell_limit(void *user, uint32_t listener, uint32_t *ret)
{
	(void)user;
	*ret = 7;
	return listener != 0;
}

static void
assert_next(struct fixture *f, enum msg_type type, struct message *ret)
{
	assert_int_equal(channel_wait(f->peer, 1000, ret), 1);
	assert_int_equal(ret->type, type);
}

/* Before any backend: it may accept when it knows of these. */
static void
new_proxy_hears_limits_first(void **state)
{
	struct fixture *f = *state;
	struct message m;

	orders_tell_limits(f->orders, tell_limit);
	connect_peer(f);
	assert_next(f, MSG_LIMIT, &m);
	assert_int_equal(m.u.limit.slot, 0);
	assert_int_equal(m.u.limit.n, 7);
	assert_next(f, MSG_LIMIT, &m);
	assert_int_equal(m.u.limit.slot, f->control.conf->listeners[1].segment_slot);
	receive_until(f, 3);
	orders_mark_limit(f->orders, 1);
	orders_mark_limit(f->orders, 0); /* nothing is ordered */
	assert_next(f, MSG_LIMIT, &m);
	assert_int_equal(m.u.limit.slot, f->control.conf->listeners[1].segment_slot);
	assert_int_equal(channel_wait(f->peer, 0, &m), -TG_EAGAIN);
}

static void
tell_refusal(void *user, unsigned service, struct mono *ret)
{
	(void)user;
	*ret = (struct mono){.us = 7 * service};
}

/* Of services that hold nobody nothing is said. */
static void
new_proxy_hears_refusals_before_backends(void **state)
{
	struct fixture *f = *state;
	struct conf *next;
	struct message m;

	f->control.conf->services[1].hold.requests = 3;
	orders_tell_refusals(f->orders, tell_refusal);
	connect_peer(f);
	assert_next(f, MSG_REFUSE, &m);
	assert_int_equal(m.u.refuse.service, f->control.conf->services[1].segment_slot);
	assert_int_equal(m.u.refuse.until_us, 7);
	receive_until(f, 3);
	orders_mark_refusal(f->orders, 0);
	orders_mark_refusal(f->orders, 1);
	assert_next(f, MSG_REFUSE, &m);
	assert_int_equal(m.u.refuse.service, f->control.conf->services[1].segment_slot);
	assert_int_equal(channel_wait(f->peer, 0, &m), -TG_EAGAIN);
	next = load_turned(f, 3);
	next->services[0].hold.requests = 3;
	reload(f, next);
	assert_next(f, MSG_REFUSE, &m);
	assert_int_equal(m.u.refuse.service, next->services[0].segment_slot);
	assert_int_equal(m.u.refuse.until_us, 0);
}

static unsigned n_heard;
static bool is_lost;

static int
hear(void *user, const struct message *m)
{
	(void)user;
	is_lost = m == NULL;
	n_heard += m != NULL;
	return m == NULL || m->type == MSG_ANSWERED ? 0 : -TG_EPROTO;
}

static bool
is_heard(void *arg)
{
	return n_heard >= *(unsigned *)arg;
}

static void
questions_go_and_answers_come(void **state)
{
	struct fixture *f = *state;
	struct msg_question question = {.number = 3};
	struct msg_answered answer = {.number = 3};
	struct message m;
	unsigned wanted = 200;

	n_heard = 0;
	is_lost = false;
	orders_listen(f->orders, hear);
	assert_false(orders_ask(f->orders, &question));
	connect_peer(f);
	receive_until(f, 3);
	assert_true(orders_ask(f->orders, &question));
	assert_next(f, MSG_QUESTION, &m);
	assert_int_equal(m.u.question.number, 3);
	for (unsigned i = 0; i < wanted; i++)
		assert_int_equal(channel_send(f->peer, MSG_ANSWERED, &answer, sizeof(answer), -1),
				 0);
	assert_true(control_run(&f->control, is_heard, &wanted));
	assert_false(is_lost);
	assert_int_equal(channel_send(f->peer, MSG_READY, NULL, 0, -1), 0);
	assert_true(control_run(&f->control, has_no_peer, f));
	assert_true(is_lost);
}

static uint32_t last;

/* Takes what is there, and tells whether a question was among it. */
static bool
takes_question(void *arg)
{
	struct fixture *f = arg;
	struct message m;
	bool is_one = false;

	while (channel_receive(f->peer, &m) == 1) {
		is_one = is_one || m.type == MSG_QUESTION;
		if (m.type == MSG_QUESTION)
			last = m.u.question.number;
	}
	return is_one;
}

/* One that does not read hears the last question when it does. */
static void
a_question_waits_for_room(void **state)
{
	struct fixture *f = *state;
	struct msg_question question = {.number = 0};

	last = 0;
	connect_peer(f);
	for (unsigned i = 0; i < MANY; i++) {
		question.number++;
		assert_true(orders_ask(f->orders, &question));
	}
	while (last < MANY)
		assert_true(control_run(&f->control, takes_question, f));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(new_proxy_hears_about_every_backend),
		CASE(change_is_told_at_once),
		CASE(slow_proxy_hears_only_the_latest),
		CASE(after_a_reload_the_proxy_hears_of_what_is_other_than_before),
		CASE(marks_follow_their_backends),
		CASE(lost_proxy_is_noticed_and_replaced),
		CASE(proxy_that_speaks_is_left),
		CASE(new_proxy_hears_limits_first),
		CASE(new_proxy_hears_refusals_before_backends),
		CASE(questions_go_and_answers_come),
		CASE(a_question_waits_for_room),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
