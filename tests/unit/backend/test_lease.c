#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/lease.h"
#include "base/container.h"
#include "unit/backend/two_workers.h"

/* Service c gives each backend two at a time and lets three wait; x of d takes one, y any number; x
 * of f takes one and is found by its bit alone. */
static const char text[] =
	WORLD("{ name = \"a\"; balance = \"least-conn\"; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:2\"; } ); }, "
	      "{ name = \"b\"; backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); }, "
	      "{ name = \"c\"; max_connections_per_backend = 2; queue = 3; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:4\"; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:5\"; } ); }, "
	      "{ name = \"d\"; balance = \"least-conn\"; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:6\"; max_connections = 1; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:7\"; } ); }, "
	      "{ name = \"e\"; max_connections_per_backend = 2; queue = 100; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:8\"; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:9\"; } ); }, "
	      "{ name = \"f\"; balance = \"first\"; max_connections_per_backend = 1; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:10\"; } ); }");

#define C 2u
#define D 3u
#define E 4u
#define F 5u

static const struct balance_outcome fine;
static int
setup(void **state)
{
	(void)state;
	return open_two_workers(text);
}

static int
teardown(void **state)
{
	(void)state;
	return close_two_workers();
}

static struct balance_query *
nobody_tried(void)
{
	static struct balance_query query;

	query = (struct balance_query){.n_tried = 0};
	return &query;
}

static int64_t
load_of(const char *service, const char *name)
{
	uint32_t slot = slot_of(TG_SLOT_BACKEND, service, name);

	return atomic_load(&segment_load(world.segment, slot)->in_flight);
}

static void
at_first_nobody_may_serve(void **state)
{
	struct lease lease = {.backend = NULL};

	(void)state;
	for (unsigned s = 0; s < 2; s++) {
		assert_int_equal(
			lease_begin(&lease, service_of(0, s), nobody_tried(), TG_LEASE_ANY),
			-TG_ENOENT);
		assert_null(lease.backend);
		lease_end(&lease, &fine);
	}
}

static void
lease_takes_load_until_its_end(void **state)
{
	struct addr at = world_addr(80);
	struct lease lease = {.backend = NULL};

	(void)state;
	for (unsigned s = 0; s < 2; s++) {
		const char *name = s == 0 ? "a" : "b";
		uint32_t slot;

		up(s, 0, 80);
		slot = slot_of(TG_SLOT_BACKEND, name, "x");
		assert_int_equal(
			lease_begin(&lease, service_of(1, s), nobody_tried(), TG_LEASE_ANY), 0);
		assert_ptr_equal(lease.backend, service_of(1, s)->backends[0]);
		assert_true(addr_equal(&lease.addr, &at));
		assert_int_equal(load_of(name, "x"), 1);
		assert_int_equal(segment_sum(world.segment, slot, TG_B_STREAMS), 1);
		lease_end(&lease, &fine);
		assert_null(lease.backend);
		assert_int_equal(load_of(name, "x"), 0);
		lease_end(&lease, &fine);
		assert_int_equal(load_of(name, "x"), 0);
		assert_int_equal(segment_sum(world.segment, slot, TG_B_STREAMS), 1);
	}
}

static void
lease_leaves_out_what_was_tried(void **state)
{
	struct balance_query query = {.tried = {0}, .n_tried = 1};
	struct lease lease = {.backend = NULL};

	(void)state;
	up(0, 0, 80);
	up(0, 1, 81);
	assert_int_equal(lease_begin(&lease, service_of(0, 0), &query, TG_LEASE_ANY), 0);
	assert_int_equal(lease.backend->index, 1);
	lease_end(&lease, &fine);
	query.tried[query.n_tried++] = 1;
	assert_int_equal(lease_begin(&lease, service_of(0, 0), &query, TG_LEASE_ANY), -TG_ENOENT);
	assert_null(lease.backend);
	assert_int_equal(load_of("a", "x") + load_of("a", "y"), 0);
}

/* least-conn counts what other workers hold. */
static void
load_is_seen_across_workers(void **state)
{
	struct lease leases[6];

	(void)state;
	memset(leases, 0, sizeof(leases));
	up(0, 0, 80);
	up(0, 1, 81);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(
			lease_begin(&leases[i], service_of(i % 2, 0), nobody_tried(), TG_LEASE_ANY),
			0);
	assert_int_equal(load_of("a", "x"), 3);
	assert_int_equal(load_of("a", "y"), 3);
	for (unsigned i = 0; i < 6; i++)
		lease_end(&leases[i], &fine);
	assert_int_equal(load_of("a", "x") + load_of("a", "y"), 0);
}

/* A lease outlives the view it was taken from. */
static void
lease_may_end_after_its_backend_left(void **state)
{
	struct lease lease = {.backend = NULL};
	struct lease none = {.backend = NULL};

	(void)state;
	for (unsigned s = 0; s < 2; s++) {
		up(s, 0, 80);
		assert_int_equal(
			lease_begin(&lease, service_of(0, s), nobody_tried(), TG_LEASE_ANY), 0);
		set(s, 0, TG_HEALTH_DOWN, 80);
		assert_int_equal(lease_begin(&none, service_of(0, s), nobody_tried(), TG_LEASE_ANY),
				 -TG_ENOENT);
		lease_end(&lease, &fine);
		assert_int_equal(load_of(s == 0 ? "a" : "b", "x"), 0);
	}
}

/* limits */

static int64_t
waiting_at(const char *service)
{
	uint32_t slot = slot_of(TG_SLOT_SERVICE, NULL, service);

	return atomic_load(&segment_shared(world.segment, slot)->queued);
}

static int64_t
waiting(void)
{
	return waiting_at("c");
}

static void
limits_are_exact_across_workers(void **state)
{
	struct lease leases[4];
	struct lease more = {.backend = NULL};

	(void)state;
	memset(leases, 0, sizeof(leases));
	up(C, 0, 80);
	up(C, 1, 81);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			lease_begin(&leases[i], service_of(i % 2, C), nobody_tried(), TG_LEASE_ANY),
			0);
	assert_int_equal(load_of("c", "x"), 2);
	assert_int_equal(load_of("c", "y"), 2);
	for (unsigned w = 0; w < 2; w++) {
		assert_int_equal(lease_begin(&more, service_of(w, C), nobody_tried(), TG_LEASE_ANY),
				 -TG_EAGAIN);
		assert_null(more.backend);
	}
	lease_end(&leases[2], &fine);
	assert_int_equal(lease_begin(&more, service_of(1, C), nobody_tried(), TG_LEASE_ANY), 0);
	assert_ptr_equal(more.backend, service_of(1, C)->backends[more.backend->index]);
	lease_end(&more, &fine);
	for (unsigned i = 0; i < 4; i++)
		lease_end(&leases[i], &fine);
	assert_int_equal(load_of("c", "x") + load_of("c", "y"), 0);
}

static void
full_backend_is_passed_over(void **state)
{
	struct lease leases[6];

	(void)state;
	memset(leases, 0, sizeof(leases));
	up(D, 0, 80);
	up(D, 1, 81);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(
			lease_begin(&leases[i], service_of(0, D), nobody_tried(), TG_LEASE_ANY), 0);
	assert_int_equal(load_of("d", "x"), 1);
	assert_int_equal(load_of("d", "y"), 5);
	for (unsigned i = 0; i < 6; i++)
		lease_end(&leases[i], &fine);
}

static void
keep(void *arg, struct view *view)
{
	assert_int_equal(world_service_of(&world, view), F);
	*(struct view **)arg = view;
}

/* Of x of f, by order; no worker knows of it yet. */
static struct view *
limit_by_order(uint32_t limit)
{
	struct msg_backend msg = {
		.backend = world_slot(&world, F, 0),
		.health = TG_HEALTH_UP,
		.has_addr = 1,
		.addr = world_addr(80),
		.order = {.told = TG_ORDER_LIMIT, .limit = limit},
	};
	struct view *view = NULL;

	assert_int_equal(registry_observe(world.registry, &msg), 0);
	assert_int_equal(registry_publish(world.registry, (struct mono){2}, keep, &view), 0);
	assert_non_null(view);
	return view;
}

/* A worker that had not heard of it yet finds the backend full by the old limit. */
static void
raised_limit_is_there_once_all_workers_heard_of_it(void **state)
{
	struct lease leases[2];
	struct view *view;

	(void)state;
	memset(leases, 0, sizeof(leases));
	up(F, 0, 80);
	view = limit_by_order(2);
	worker_set_view(&workers[0], view_ref(view));
	assert_int_equal(lease_begin(&leases[0], service_of(1, F), nobody_tried(), TG_LEASE_ANY), 0);
	worker_set_view(&workers[1], view);
	assert_int_equal(lease_begin(&leases[1], service_of(0, F), nobody_tried(), TG_LEASE_ANY), 0);
	for (unsigned i = 0; i < 2; i++)
		lease_end(&leases[i], &fine);
}

/* waiting */

/* One stream, as small as can be. */
struct stream {
	struct lease lease;
	unsigned told;
	bool has_place;
};

static void
on_place(struct lease *lease, bool has_place)
{
	struct stream *s = TG_CONTAINER(lease, struct stream, lease);

	s->told++;
	s->has_place = has_place;
}

static void
turn_both(void)
{
	for (int i = 0; i < 3; i++) {
		fake_turn(workers[0].loop);
		fake_turn(workers[1].loop);
	}
}

/* x of c alone is up, and full. */
static void
fill(struct stream *s)
{
	up(C, 0, 80);
	for (unsigned i = 0; i < 2; i++) {
		s[i] = (struct stream){.told = 0};
		assert_int_equal(
			lease_begin(&s[i].lease, service_of(i, C), nobody_tried(), TG_LEASE_ANY),
			0);
	}
}

static int
wait_at(struct stream *s, unsigned worker, enum conf_priority priority)
{
	*s = (struct stream){.told = 0};
	return lease_wait(&s->lease, service_of(worker, C), nobody_tried(), priority, on_place);
}

static void
end(struct stream *s)
{
	lease_end(&s->lease, &fine);
}

static void
place_goes_to_who_waits_on_another_worker(void **state)
{
	struct stream full[2];
	struct stream s;

	(void)state;
	fill(full);
	assert_int_equal(wait_at(&s, 1, TG_PRIORITY_NORMAL), 0);
	assert_int_equal(waiting(), 1);
	turn_both();
	assert_int_equal(s.told, 0);
	end(&full[0]); /* of worker 0 */
	assert_int_equal(load_of("c", "x"), 2);
	assert_int_equal(waiting(), 0);
	turn_both();
	assert_int_equal(s.told, 1);
	assert_true(s.has_place);
	assert_ptr_equal(s.lease.backend, service_of(1, C)->backends[0]);
	end(&s);
	end(&full[1]);
	assert_int_equal(load_of("c", "x"), 0);
}

/* Nobody overtakes who waits. */
static void
newcomers_stand_in_line(void **state)
{
	struct stream full[2];
	struct stream first;
	struct lease newcomer = {.backend = NULL};

	(void)state;
	fill(full);
	assert_int_equal(wait_at(&first, 0, TG_PRIORITY_NORMAL), 0);
	/* Room there is, the moment before it is given on. */
	assert_int_equal(lease_begin(&newcomer, service_of(1, C), nobody_tried(), TG_LEASE_ANY),
			 -TG_EAGAIN);
	end(&full[0]);
	turn_both();
	assert_true(first.has_place);
	end(&first);
	end(&full[1]);
}

/* The place was given back between the look and the wait. */
static void
place_that_is_free_already_is_found(void **state)
{
	struct stream full[2];
	struct stream s;

	(void)state;
	fill(full);
	end(&full[1]);
	assert_int_equal(wait_at(&s, 0, TG_PRIORITY_NORMAL), 0);
	turn_both();
	assert_int_equal(s.told, 1);
	assert_true(s.has_place);
	end(&s);
	end(&full[0]);
}

static void
new_backend_serves_who_waits(void **state)
{
	struct stream full[2];
	struct stream s[3];

	(void)state;
	fill(full);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(wait_at(&s[i], i % 2, TG_PRIORITY_NORMAL), 0);
	up(C, 1, 81);
	turn_both();
	/* It has two places: the first two. */
	assert_int_equal(s[0].told + s[1].told, 2);
	assert_int_equal(s[2].told, 0);
	assert_int_equal(s[0].lease.backend->index, 1);
	assert_int_equal(load_of("c", "y"), 2);
	for (unsigned i = 0; i < 3; i++)
		end(&s[i]);
	for (unsigned i = 0; i < 2; i++)
		end(&full[i]);
	turn_both();
	assert_int_equal(load_of("c", "x") + load_of("c", "y"), 0);
	assert_int_equal(waiting(), 0);
}

/* The place that was on its way to a stream that left goes to the next. */
static void
place_of_one_that_left_goes_on(void **state)
{
	struct stream full[2];
	struct stream gone;
	struct stream next;

	(void)state;
	fill(full);
	assert_int_equal(wait_at(&gone, 0, TG_PRIORITY_NORMAL), 0);
	end(&full[0]);
	assert_int_equal(wait_at(&next, 1, TG_PRIORITY_NORMAL), 0);
	end(&gone);
	assert_int_equal(next.told, 0);
	turn_both();
	assert_int_equal(gone.told, 0);
	assert_int_equal(next.told, 1);
	assert_true(next.has_place);
	end(&next);
	end(&full[1]);
	assert_int_equal(load_of("c", "x"), 0);
}

static void
who_leaves_waits_no_more(void **state)
{
	struct stream full[2];
	struct stream s;

	(void)state;
	fill(full);
	assert_int_equal(wait_at(&s, 0, TG_PRIORITY_NORMAL), 0);
	end(&s);
	assert_int_equal(waiting(), 0);
	end(&full[0]);
	turn_both();
	assert_int_equal(s.told, 0);
	assert_int_equal(load_of("c", "x"), 1);
	end(&full[1]);
}

/* On its way to another queue, beside a free place; or to a place that it is told of too late. */
static void
whose_time_is_over_gets_no_place(void **state)
{
	struct stream full[2];
	struct stream s;

	(void)state;
	for (int granted = 0; granted < 2; granted++) {
		fill(full);
		assert_int_equal(wait_at(&s, 0, TG_PRIORITY_NORMAL), 0);
		if (!granted)
			queue_evict(service_of(0, C)->queue, workers[0].loop);
		end(&full[0]);
		s.lease.since.us = loop_now(workers[0].loop).us -
				   service_of(0, C)->conf->timeouts.queue_ms * 1000;
		turn_both();
		assert_int_equal(s.told, 1);
		assert_false(s.has_place);
		assert_int_equal(s.lease.refusal, TG_END_QUEUE_TIMEOUT);
		end(&full[1]);
		assert_int_equal(load_of("c", "x"), 0);
	}
}

/* Waits after a try at x failed. */
static void
wait_after_x(struct stream *s, unsigned worker)
{
	struct balance_query query = {.tried = {0}, .n_tried = 1};

	*s = (struct stream){.told = 0};
	assert_int_equal(
		lease_wait(&s->lease, service_of(worker, C), &query, TG_PRIORITY_NORMAL, on_place),
		0);
}

/* A backend that failed this stream is better than none. */
static void
what_was_tried_is_taken_when_nothing_else_may_serve(void **state)
{
	struct stream full[2];
	struct stream s;

	(void)state;
	fill(full);
	wait_after_x(&s, 0);
	end(&full[0]);
	turn_both();
	assert_true(s.has_place);
	end(&s);
	end(&full[1]);
}

/* One that fails all it gets is never full: it must not use up the tries of all who wait. */
static void
what_was_tried_is_left_to_others_while_the_rest_is_full(void **state)
{
	struct stream full[2];
	struct stream more[2];
	struct stream tried;
	struct stream fresh;

	(void)state;
	fill(full);
	up(C, 1, 81);
	for (unsigned i = 0; i < 2; i++) {
		more[i] = (struct stream){.told = 0};
		assert_int_equal(
			lease_begin(&more[i].lease, service_of(i, C), nobody_tried(), TG_LEASE_ANY),
			0);
	}
	wait_after_x(&tried, 0);
	assert_int_equal(wait_at(&fresh, 1, TG_PRIORITY_NORMAL), 0);
	end(&full[0]);
	turn_both();
	assert_int_equal(tried.told, 0);
	assert_true(fresh.has_place);
	assert_int_equal(fresh.lease.backend->index, 0);
	end(&more[1]);
	turn_both();
	assert_true(tried.has_place);
	assert_int_equal(tried.lease.backend->index, 1);
	end(&full[1]);
	end(&more[0]);
	end(&fresh);
	end(&tried);
	assert_int_equal(load_of("c", "x") + load_of("c", "y"), 0);
}

/* What it waited for is gone. */
static void
what_was_tried_is_taken_when_the_rest_goes_down(void **state)
{
	struct stream full[2];
	struct stream more[2];
	struct stream tried;

	(void)state;
	fill(full);
	up(C, 1, 81);
	for (unsigned i = 0; i < 2; i++) {
		more[i] = (struct stream){.told = 0};
		assert_int_equal(
			lease_begin(&more[i].lease, service_of(i, C), nobody_tried(), TG_LEASE_ANY),
			0);
	}
	wait_after_x(&tried, 0);
	end(&full[0]);
	turn_both();
	assert_int_equal(tried.told, 0);
	set(C, 1, TG_HEALTH_DOWN, 81);
	turn_both();
	assert_true(tried.has_place);
	assert_int_equal(tried.lease.backend->index, 0);
	end(&tried);
	end(&full[1]);
	end(&more[0]);
	end(&more[1]);
}

static void
queue_has_a_bound(void **state)
{
	struct stream full[2];
	struct stream s[4];

	(void)state;
	fill(full);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(wait_at(&s[i], 0, TG_PRIORITY_NORMAL), 0);
	assert_int_equal(wait_at(&s[3], 1, TG_PRIORITY_NORMAL), -TG_ELIMIT);
	assert_int_equal(waiting(), 3);
	for (unsigned i = 0; i < 4; i++)
		end(&s[i]);
	end(&full[0]);
	end(&full[1]);
}

/* many threads */

#define STRESS_STREAMS 12u
#define STRESS_SERVED  2000u

struct stress {
	struct worker *worker;
	struct loop_call call;
	struct stress_stream {
		struct lease lease;
		struct stress *stress;
		bool holds;
	} streams[STRESS_STREAMS];
	unsigned served;
	unsigned waited;
	uint64_t dice;
};

static atomic_uint running;
static struct stress stresses[2];

static void
check_limit(const struct lease *lease)
{
	const struct view *view = lease->backend->service->view;
	int64_t n = atomic_load(&view->entries[lease->backend->index].load->in_flight);

	assert_in_range(n, 1, 2);
}

static void
on_stress_place(struct lease *lease, bool has_place)
{
	struct stress_stream *s = TG_CONTAINER(lease, struct stress_stream, lease);

	assert_true(has_place);
	check_limit(lease);
	s->holds = true;
	s->stress->served++;
}

static void
stress_begin(struct stress_stream *s)
{
	struct stress *t = s->stress;
	struct worker_service *service = world_service(&world, t->worker, E);
	int rc = lease_begin(&s->lease, service, &(struct balance_query){.n_tried = 0},
			     TG_LEASE_ANY);

	if (rc == 0) {
		check_limit(&s->lease);
		s->holds = true;
		t->served++;
		return;
	}
	assert_int_equal(rc, -TG_EAGAIN);
	rc = lease_wait(&s->lease, service, &(struct balance_query){.n_tried = 0},
			TG_PRIORITY_NORMAL, on_stress_place);
	if (rc == 0)
		t->waited++;
}

/* Begins, ends or leaves, as the dice say. */
static void
stress_next(struct stress_stream *s)
{
	struct stress *t = s->stress;

	t->dice = t->dice * 6364136223846793005u + 1442695040888963407u;
	if (s->holds || (s->lease.waiter != NULL && t->dice >> 62 == 0)) {
		s->holds = false;
		lease_end(&s->lease, &fine);
	} else if (s->lease.waiter == NULL) {
		stress_begin(s);
	}
}

static void
on_stress(struct loop_call *call)
{
	struct stress *t = TG_CONTAINER(call, struct stress, call);

	for (unsigned i = 0; i < 16; i++) {
		t->dice = t->dice * 6364136223846793005u + 1442695040888963407u;
		stress_next(&t->streams[(t->dice >> 33) % STRESS_STREAMS]);
	}
	if (t->served < STRESS_SERVED) {
		loop_post(t->worker->loop, &t->call, on_stress);
		return;
	}
	for (unsigned i = 0; i < STRESS_STREAMS; i++)
		lease_end(&t->streams[i].lease, &fine);
	atomic_fetch_sub(&running, 1);
	loop_stop(t->worker->loop);
}

static void *
stress_main(void *arg)
{
	struct stress *t = arg;

	loop_post(t->worker->loop, &t->call, on_stress);
	loop_run(t->worker->loop);
	/* News for those that left is still on its way. */
	while (atomic_load(&running) > 0)
		loop_serve_calls(t->worker->loop);
	loop_serve_calls(t->worker->loop);
	return NULL;
}

/* The limit holds at any time, no place is lost, and no worker starves: the program's time would end. */
static void
places_are_neither_lost_nor_doubled(void **state)
{
	pthread_t threads[2];

	(void)state;
	up(E, 0, 80);
	up(E, 1, 81);
	atomic_store(&running, 2);
	memset(stresses, 0, sizeof(stresses));
	for (unsigned i = 0; i < 2; i++) {
		stresses[i].worker = &workers[i];
		stresses[i].dice = i + 1;
		for (unsigned k = 0; k < STRESS_STREAMS; k++)
			stresses[i].streams[k].stress = &stresses[i];
		assert_int_equal(pthread_create(&threads[i], NULL, stress_main, &stresses[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	turn_both();
	assert_int_equal(load_of("e", "x"), 0);
	assert_int_equal(load_of("e", "y"), 0);
	assert_int_equal(waiting_at("e"), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(stresses[i].served >= STRESS_SERVED);
		assert_true(stresses[i].waited > 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_first_nobody_may_serve),
		TEST(lease_takes_load_until_its_end),
		TEST(lease_leaves_out_what_was_tried),
		TEST(load_is_seen_across_workers),
		TEST(lease_may_end_after_its_backend_left),
		TEST(limits_are_exact_across_workers),
		TEST(full_backend_is_passed_over),
		TEST(raised_limit_is_there_once_all_workers_heard_of_it),
		TEST(place_goes_to_who_waits_on_another_worker),
		TEST(newcomers_stand_in_line),
		TEST(place_that_is_free_already_is_found),
		TEST(new_backend_serves_who_waits),
		TEST(place_of_one_that_left_goes_on),
		TEST(who_leaves_waits_no_more),
		TEST(whose_time_is_over_gets_no_place),
		TEST(what_was_tried_is_taken_when_nothing_else_may_serve),
		TEST(what_was_tried_is_left_to_others_while_the_rest_is_full),
		TEST(what_was_tried_is_taken_when_the_rest_goes_down),
		TEST(queue_has_a_bound),
		TEST(places_are_neither_lost_nor_doubled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
