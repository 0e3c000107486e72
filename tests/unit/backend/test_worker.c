#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backend/back.h"
#include "backend/worker.h"
#include "fake/pair.h"
#include "unit/backend/two_workers.h"

/* The linker sends this here: refused when the test says so. */
static int refuse_at; /* 0: none; 1: the next one */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *
__wrap_calloc(size_t count, size_t size)
{
	if (refuse_at > 0 && --refuse_at == 0)
		return NULL;
	return __real_calloc(count, size);
}

static const char text[] =
	WORLD("{ name = \"a\"; balance = \"least-conn\"; "
	      "backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; }, "
	      "{ name = \"y\"; address = \"127.0.0.1:2\"; } ); }, "
	      "{ name = \"b\"; backends = ( { name = \"x\"; address = \"127.0.0.1:3\"; } ); }");

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

static void
counters_are_those_of_the_named_slots(void **state)
{
	static const struct {
		unsigned service;
		unsigned backend;
		const char *service_name;
		const char *name;
	} backends[] = {{0, 0, "a", "x"}, {0, 1, "a", "y"}, {1, 0, "b", "x"}};

	(void)state;
	for (unsigned w = 0; w < 2; w++) {
		const struct worker_listener *l = world_listener(&world, &workers[w], 0);
		uint32_t slot = slot_of(TG_SLOT_LISTENER, NULL, "l");

		assert_ptr_equal(l->counters.common, segment_counters(world.segment, w, slot).common);
		assert_ptr_equal(l->shared, segment_shared(world.segment, slot));
		assert_ptr_equal(workers[w].total, segment_shared(world.segment, 0));
		for (unsigned i = 0; i < 3; i++) {
			struct worker_service *s = service_of(w, backends[i].service);

			slot = slot_of(TG_SLOT_SERVICE, NULL, backends[i].service_name);
			assert_ptr_equal(s->counters.rare, segment_counters(world.segment, w, slot).rare);
			slot = slot_of(TG_SLOT_BACKEND, backends[i].service_name, backends[i].name);
			assert_ptr_equal(s->backends[backends[i].backend]->counters.common,
					 segment_counters(world.segment, w, slot).common);
		}
	}
}

/* The registry has the last two: what workers leave is for it to free. */
static void
view_is_released_when_the_next_but_one_comes(void **state)
{
	struct view *old;

	(void)state;
	up(0, 0, 80);
	old = view_ref(service_of(0, 0)->view);
	assert_ptr_equal(service_of(1, 0)->view, old);
	assert_int_equal(atomic_load(&old->refs), 4);
	up(0, 1, 81);
	assert_int_equal(atomic_load(&old->refs), 2);
	up(0, 1, 82);
	assert_int_equal(atomic_load(&old->refs), 1);
	view_unref(old);
}

static void
generation_counts_changes_of_the_address_alone(void **state)
{
	struct worker_backend *b = service_of(0, 0)->backends[0];
	struct addr at = world_addr(90);
	unsigned generation;

	(void)state;
	assert_int_equal(b->addr.len, 0);
	up(0, 0, 80);
	generation = b->generation;
	up(0, 1, 81);
	up(0, 0, 80);
	assert_int_equal(b->generation, generation);
	up(0, 0, 90);
	assert_int_equal(b->generation, generation + 1);
	assert_true(addr_equal(&b->addr, &at));
	set(0, 0, TG_HEALTH_DOWN, 90);
	assert_int_equal(b->generation, generation + 2);
	assert_int_equal(b->addr.len, 0);
}

static void
never_ready(struct back *b)
{
	(void)b;
}

/* An idle connection of worker 0 to a backend; the listener's side in *ret_far. */
static void
make_idle(uint32_t service, uint32_t backend, int listener, const struct addr *at, int *ret_far)
{
	struct worker_backend *home = service_of(0, service)->backends[backend];
	struct back *b = back_connect(home, at, never_ready, NULL);

	assert_non_null(b);
	*ret_far = accept(listener, NULL, NULL);
	while (conn_connected(&b->conn) == -TG_EAGAIN)
		fake_turn(workers[0].loop);
	back_give(&b);
	assert_int_equal(home->n_idle, 1);
}

static void
idle_connections_to_what_left_or_moved_are_closed(void **state)
{
	struct addr at;
	int listener = fake_listen(&at);
	char byte;
	int far[2];

	(void)state;
	up(0, 0, addr_port(&at));
	up(0, 1, addr_port(&at));
	make_idle(0, 0, listener, &at, &far[0]);
	make_idle(0, 1, listener, &at, &far[1]);
	/* What does not concern it leaves it alone. */
	up(1, 0, 80);
	up(0, 0, addr_port(&at));
	assert_int_equal(service_of(0, 0)->backends[0]->n_idle, 1);
	up(0, 0, 1);
	assert_int_equal(service_of(0, 0)->backends[0]->n_idle, 0);
	assert_int_equal(service_of(0, 0)->backends[1]->n_idle, 1);
	fake_wait_readable(far[0]);
	assert_int_equal(recv(far[0], &byte, 1, 0), 0);
	set(0, 1, TG_HEALTH_DOWN, addr_port(&at));
	assert_int_equal(service_of(0, 0)->backends[1]->n_idle, 0);
	fake_wait_readable(far[1]);
	assert_int_equal(recv(far[1], &byte, 1, 0), 0);
	close(far[0]);
	close(far[1]);
	close(listener);
}

static void
idle_connections_are_closed_with_the_worker(void **state)
{
	struct addr at;
	int listener = fake_listen(&at);
	unsigned fds = fake_count_fds();
	int far;

	(void)state;
	up(0, 0, addr_port(&at));
	make_idle(0, 0, listener, &at, &far);
	assert_int_equal(fake_count_fds(), fds + 2);
	worker_fini(&workers[0]);
	workers[0] = (struct worker){.conf = NULL};
	close(far);
	close(listener);
	/* Those of the loop are gone too. */
	assert_true(fake_count_fds() < fds);
}

/* Request ids and spreading: no repeats, no stuck bits, another sequence in each worker. */
static void
random_numbers_differ(void **state)
{
	static uint64_t seen[4096];
	unsigned set_bits[64] = {0};

	(void)state;
	for (size_t i = 0; i < 4096; i++) {
		seen[i] = worker_random(&workers[i % 2]);
		for (unsigned bit = 0; bit < 64; bit++)
			set_bits[bit] += seen[i] >> bit & 1;
		for (size_t j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
	}
	/* 2048 expected; 8 standard deviations of 32. */
	for (unsigned bit = 0; bit < 64; bit++)
		assert_in_range(set_bits[bit], 2048 - 256, 2048 + 256);
}

static void
files_of_bodies_have_their_share_where_a_service_has_them(void **state)
{
	static const char with_files[] =
		WORLD("{ name = \"a\"; }, { name = \"b\"; "
		      "buffer_request = { memory = \"16K\"; file = \"1M\"; }; }");
	struct rlimit limit;
	struct world other;
	struct worker w;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(workers[0].spools.files_max, 0);
	assert_int_equal(world_open(&other, with_files), 0);
	assert_int_equal(
		worker_init(&w, 0, other.conf, other.segment), 0);
	assert_in_range(w.spools.files_max, 1, limit.rlim_cur / 16 / 2);
	assert_true(w.max_connections < workers[0].max_connections);
	assert_string_equal(w.spools.folder, other.conf->buffer_folder);
	assert_int_equal(w.spools.memory_max, other.conf->buffer_memory / other.conf->workers);
	worker_fini(&w);
	world_close(&other);
}

static void
connections_are_bounded_by_descriptors_or_configuration(void **state)
{
	static const char bounded[] =
		"max_connections = 7; workers = 1; listeners = ( { name = \"l\"; "
		"bind = \"127.0.0.1:1\"; mode = \"tcp\"; service = \"a\"; } ); "
		"services = ( { name = \"a\"; } );";
	struct rlimit limit;
	struct world other;
	struct worker w;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Two descriptors for each. */
	assert_in_range(workers[0].max_connections, 1, limit.rlim_cur / 2);
	assert_in_range(workers[0].max_idle, 0, limit.rlim_cur / 2 / 2);
	assert_int_equal(world_open(&other, bounded), 0);
	assert_int_equal(
		worker_init(&w, 0, other.conf, other.segment), 0);
	assert_int_equal(w.max_connections, 7);
	worker_fini(&w);
	world_close(&other);
}

/* Each allocation fails once; worker_fini() takes what there is. */
static void
half_made_worker_is_given_back(void **state)
{
	unsigned fds = fake_count_fds();
	int rc = -TG_ENOMEM;
	int at;

	(void)state;
	for (at = 1; rc == -TG_ENOMEM; at++) {
		struct worker w;

		refuse_at = at;
		rc = world_open_worker(&world, &w, 0, &no_fronts);
		refuse_at = 0;
		worker_fini(&w);
		assert_int_equal(fake_count_fds(), fds);
	}
	assert_int_equal(rc, 0);
	assert_true(at > 8);
}

static void
on_stop(struct timer *t)
{
	(void)t;
	loop_stop(workers[1].loop);
}

static void
lag_of_its_loop_is_in_its_histogram(void **state)
{
	struct timer t;

	(void)state;
	timer_init(&t, on_stop);
	timer_set(workers[1].loop, &t, mono_add_ms(loop_now_update(workers[1].loop), 1));
	loop_run(workers[1].loop);
	timer_fini(&t);
	assert_true(histogram_read(world.segment, 1, 0, TG_HISTOGRAM_LAG)
			    .buckets[TG_SEGMENT_BUCKETS - 1] >= 1);
	assert_int_equal(histogram_read(world.segment, 0, 0, TG_HISTOGRAM_LAG)
				 .buckets[TG_SEGMENT_BUCKETS - 1], 0);
}

/* A worker after one that died does not accept because that one did. */
static void
accepting_is_told_from_the_start(void **state)
{
	struct worker w;

	(void)state;
	worker_set_accepting(&workers[0], true);
	assert_int_equal(segment_sum(world.segment, 0, TG_W_ACCEPTING), 1);
	assert_int_equal(worker_init(&w, 0, world.conf, world.segment), 0);
	assert_int_equal(segment_sum(world.segment, 0, TG_W_ACCEPTING), 0);
	worker_fini(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counters_are_those_of_the_named_slots),
		TEST(view_is_released_when_the_next_but_one_comes),
		TEST(generation_counts_changes_of_the_address_alone),
		TEST(idle_connections_to_what_left_or_moved_are_closed),
		TEST(idle_connections_are_closed_with_the_worker),
		TEST(random_numbers_differ),
		TEST(files_of_bodies_have_their_share_where_a_service_has_them),
		TEST(connections_are_bounded_by_descriptors_or_configuration),
		TEST(half_made_worker_is_given_back),
		TEST(lag_of_its_loop_is_in_its_histogram),
		TEST(accepting_is_told_from_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
