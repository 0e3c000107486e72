#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "l7/l7.h"
#include "observe/counters.h"
#include "unit/backend/world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STALE_MS 60000

static const char text[] =
	"workers = 1; listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; mode = \"http\"; "
	"service = \"a\"; } ); services = ( { name = \"a\"; health = { type = \"none\"; }; "
	"backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; } ); } );";

static struct world world;
static struct worker worker;
static struct addr at;
static int listener;
static char module[] = "target";

static void
hand_out(void *arg, struct view *view)
{
	(void)arg;
	worker_set_view(&worker, view);
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	listener = fake_listen(&at);
	if (world_open(&world, text) != 0 ||
	    world_open_worker(&world, &worker, 0, &l7_front_ops) != 0 ||
	    l7_worker_init(&worker) != 0)
		return -1;
	assert_int_equal(world_observe(&world, 0, 0, TG_HEALTH_UP, addr_port(&at)), 0);
	return registry_publish(world.registry, (struct mono){1}, hand_out, NULL);
}

static int
setup_scaled(void **state)
{
	if (setup(state) != 0)
		return -1;
	world.conf->services[0].autoscale.module = module;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world.conf->services[0].autoscale.module = NULL;
	worker_fini(&worker);
	l7_worker_fini(&worker);
	world_close(&world);
	close(listener);
	return 0;
}

static void
turn_until_readable(int fd)
{
	struct pollfd waiting = {.fd = fd, .events = POLLIN};

	while (poll(&waiting, 1, 0) == 0)
		fake_turn(worker.loop);
}

/* It has the request. */
static int
accept_back(void)
{
	int fd;

	turn_until_readable(listener);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	turn_until_readable(fd);
	return fd;
}

/* What a client gets until the end, when a backend says this in pieces of `step` bytes. */
static void
exchange(const char *answer, size_t step, char *got, size_t size)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	size_t n = strlen(answer);
	size_t got_n = 0;
	ssize_t took;
	int client[2];
	int back;

	fake_pair_tcp(client);
	l7_front_ops.open(&worker, world_listener(&world, &worker, 0),
			  &(struct accepted){.fd = client[0], .from = at});
	fake_write(client[1], request, sizeof(request) - 1);
	back = accept_back();
	for (size_t i = 0; i < n; i += step) {
		fake_write(back, answer + i, n - i < step ? n - i : step);
		fake_turn(worker.loop);
	}
	do {
		fake_turn(worker.loop);
		took = read(client[1], got + got_n, size - 1 - got_n);
		got_n += took > 0 ? (size_t)took : 0;
	} while (took != 0 && got_n < size - 1);
	got[got_n] = '\0';
	close(client[1]);
	close(back);
	fake_turn(worker.loop);
}

static bool
is_told(double *ret_cpu, double *ret_memory)
{
	return segment_load_report(world.segment, world_slot(&world, 0, 0), loop_now(worker.loop),
				   STALE_MS, ret_cpu, ret_memory);
}

static void
must_be_told(double cpu, double memory)
{
	double is_cpu = -1;
	double is_memory = -1;

	assert_true(is_told(&is_cpu, &is_memory));
	assert_true(is_cpu == cpu || (isnan(cpu) && isnan(is_cpu)));
	assert_true(is_memory == memory || (isnan(memory) && isnan(is_memory)));
}

static void
must_not_be_told(void)
{
	double cpu;
	double memory;

	assert_false(is_told(&cpu, &memory));
}

static uint64_t
bad_reports(void)
{
	return segment_sum(world.segment, world_slot(&world, 0, 0), TG_B_BAD_LOAD_REPORTS);
}

#define OK     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n"
#define REPORT "endpoint-load-metrics: TEXT cpu_utilization=0.3, mem_utilization=0.8\r\n"

static void
heads_lose_their_report_where_the_service_is_scaled(void **state)
{
	char got[2048];

	(void)state;
	exchange(OK REPORT "Endpoint-Load-Metrics-Bin: CQ==\r\nX-B: 2\r\n\r\nok", 4096, got,
		 sizeof(got));
	assert_non_null(strstr(got, "\r\nX-A: 1\r\nX-B: 2\r\n"));
	assert_null(strcasestr(got, "endpoint-load"));
	assert_non_null(strstr(got, "\r\n\r\nok"));
	must_be_told(0.3, 0.8);
	assert_int_equal(bad_reports(), 0);
}

static void
other_services_pass_them_on(void **state)
{
	char got[2048];

	(void)state;
	exchange("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" REPORT
		 "\r\n1\r\nx\r\n0\r\n" REPORT "\r\n",
		 4096, got, sizeof(got));
	assert_non_null(strstr(got, "\r\n" REPORT));
	assert_non_null(strstr(got, "0\r\n" REPORT "\r\n"));
	must_not_be_told();
	assert_int_equal(bad_reports(), 0);
}

static void
interim_answers_are_heard_too(void **state)
{
	char got[2048];

	(void)state;
	exchange("HTTP/1.1 103 Early Hints\r\nLink: x\r\n" REPORT "\r\n" OK "\r\nok", 4096, got,
		 sizeof(got));
	assert_non_null(strstr(got, "103 Early Hints\r\nLink: x\r\n"));
	assert_null(strcasestr(got, "endpoint-load"));
	must_be_told(0.3, 0.8);
}

/* Connection names it: it is for us alone, and it is heard. */
static void
what_connection_nominates_is_heard(void **state)
{
	char got[2048];

	(void)state;
	exchange(OK REPORT "Connection: endpoint-load-metrics\r\n\r\nok", 4096, got, sizeof(got));
	assert_null(strcasestr(got, "endpoint-load"));
	must_be_told(0.3, 0.8);
}

static void
the_last_report_counts(void **state)
{
	char got[2048];

	(void)state;
	exchange(OK REPORT "\r\nok", 4096, got, sizeof(got));
	exchange(OK "endpoint-load-metrics: JSON {\"cpu_utilization\": 0.5}\r\n\r\nok", 4096, got,
		 sizeof(got));
	must_be_told(0.5, (double)NAN);
}

static void
a_bad_report_is_counted_and_changes_nothing(void **state)
{
	static const char *const bad[] = {"TEXT cpu_utilization=nan", "TEXT cpu_utilization=-1",
					  "cpu_utilization=0.1", ""};
	char answer[256];
	char got[2048];

	(void)state;
	exchange(OK REPORT "\r\nok", 4096, got, sizeof(got));
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(answer, sizeof(answer), OK "endpoint-load-metrics: %s\r\n\r\nok", bad[i]);
		exchange(answer, 4096, got, sizeof(got));
		assert_null(strcasestr(got, "endpoint-load"));
		assert_int_equal(bad_reports(), i + 1);
	}
	must_be_told(0.3, 0.8);
}

/* They are not read, and go no further, wherever reads end. */
static void
trailers_lose_theirs_too(void **state)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				     "5\r\nhello\r\n0\r\nX-A: 1\r\n" REPORT
				     "endpoint-load-metrics-bin: CQ==\r\nX-B: 2\r\n\r\n";
	char got[2048];

	(void)state;
	for (size_t step = 1; step <= sizeof(answer); step += step < 40 ? 1 : 40) {
		exchange(answer, step, got, sizeof(got));
		if (strstr(got, "\r\n\r\n5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n") == NULL)
			fail_msg("in pieces of %zu: %s", step, got);
	}
	must_not_be_told();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(heads_lose_their_report_where_the_service_is_scaled,
						setup_scaled, teardown),
		cmocka_unit_test_setup_teardown(other_services_pass_them_on, setup, teardown),
		cmocka_unit_test_setup_teardown(interim_answers_are_heard_too, setup_scaled,
						teardown),
		cmocka_unit_test_setup_teardown(what_connection_nominates_is_heard, setup_scaled,
						teardown),
		cmocka_unit_test_setup_teardown(the_last_report_counts, setup_scaled, teardown),
		cmocka_unit_test_setup_teardown(a_bad_report_is_counted_and_changes_nothing,
						setup_scaled, teardown),
		cmocka_unit_test_setup_teardown(trailers_lose_theirs_too, setup_scaled, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
