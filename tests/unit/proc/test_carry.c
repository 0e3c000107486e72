/* proc/carry.c: from one segment to the next, over three of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "observe/counters.h"
#include "observe/histogram.h"
#include "proc/carry.h"
#include "proc/slots.h"
#include "fake/count.h"

#define LISTENER "listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"a\"; } );\n"

static const char before_text[] =
	"workers = 2;\n" LISTENER
	"services = ( { name = \"gone\"; backends = ( { name = \"x\"; address = \"127.0.0.1:9\"; } ); },\n"
	"  { name = \"a\"; backends = ( { name = \"x\"; address = \"127.0.0.1:1\"; },\n"
	"                               { name = \"y\"; address = \"127.0.0.1:2\"; } ); } );\n";

/* Another number of workers, and everybody elsewhere. */
static const char after_text[] =
	"workers = 3;\n" LISTENER
	"services = ( { name = \"a\"; backends = ( { name = \"y\"; address = \"127.0.0.1:2\"; },\n"
	"                               { name = \"x\"; address = \"127.0.0.1:1\"; } ); },\n"
	"  { name = \"new\"; backends = ( { name = \"x\"; address = \"127.0.0.1:9\"; } ); } );\n";

static struct segment *
make(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf;
	struct segment *seg;
	struct err err = {""};

	assert_int_equal(conf_load_text(text, strlen(text), "test", &conf, &errors), 0);
	assert_int_equal(slots_create(conf, &seg, &err), 0);
	conf_unref(conf);
	conf_errors_fini(&errors);
	return seg;
}

static uint32_t
service(struct segment *seg, const char *name)
{
	return segment_find(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, name);
}

static uint32_t
backend(struct segment *seg, const char *of, const char *name)
{
	return segment_find(seg, TG_SLOT_BACKEND, service(seg, of), name);
}

static void
count(struct segment *seg, unsigned worker, uint32_t slot, unsigned counter, uint64_t n)
{
	count_in(seg, worker, slot, counter, n);
}

static void
begin(struct carry *c, struct segment *from, struct segment *to)
{
	struct err err = {""};

	if (carry_begin(c, segment_fd(from), to, &err) < 0)
		fail_msg("%s", err.text);
}

static void
sums_go_on_by_name(void **state)
{
	struct segment *from = make(before_text);
	struct segment *to = make(after_text);
	struct carry c;

	(void)state;
	count(from, 0, backend(from, "a", "x"), TG_B_STREAMS, 3);
	count(from, 1, backend(from, "a", "x"), TG_B_STREAMS, 4);
	count(from, 1, backend(from, "a", "x"), TG_B_IDLE, 5);
	count(from, 0, backend(from, "a", "y"), TG_COUNTER_OF_END(TG_END_DONE), 2);
	count(from, 0, backend(from, "gone", "x"), TG_B_STREAMS, 100);
	histogram_add(&segment_histograms(from, 1, service(from, "a"))->h[TG_HISTOGRAM_TOTAL], 700);
	histogram_add(&segment_histograms(from, 1, backend(from, "a", "x"))->h[TG_HISTOGRAM_TOTAL], 60);
	segment_set_cleared(from, service(from, "a"), TG_S_STREAMS, 1);
	segment_load(from, service(from, "a"))->in_flight_max = 9;
	segment_load(from, service(from, "a"))->in_flight = 8;
	segment_shared(from, backend(from, "a", "y"))->ejections = 2;
	segment_shared(from, backend(from, "a", "y"))->checks_failed = 11;
	segment_shared(from, backend(from, "a", "y"))->downs_cleared = 3;
	segment_shared(from, 0)->reloads = 6;
	begin(&c, from, to);
	assert_int_equal(segment_sum(to, backend(to, "a", "x"), TG_B_STREAMS), 7);
	assert_int_equal(segment_sum(to, backend(to, "a", "x"), TG_B_IDLE), 0);
	assert_int_equal(segment_sum(to, backend(to, "a", "y"), TG_COUNTER_OF_END(TG_END_DONE)), 2);
	assert_int_equal(segment_sum(to, backend(to, "new", "x"), TG_B_STREAMS), 0);
	assert_int_equal(segment_cleared(to, service(to, "a"), TG_S_STREAMS), 1);
	assert_int_equal(segment_load(to, service(to, "a"))->in_flight_max, 9);
	assert_int_equal(segment_load(to, service(to, "a"))->in_flight, 0);
	assert_int_equal(segment_shared(to, backend(to, "a", "y"))->ejections, 2);
	assert_int_equal(segment_shared(to, backend(to, "a", "y"))->checks_failed, 11);
	assert_int_equal(segment_shared(to, backend(to, "a", "y"))->downs_cleared, 3);
	assert_int_equal(segment_shared(to, 0)->reloads, 6);
	assert_int_equal(histogram_sum(to, backend(to, "a", "x"), TG_HISTOGRAM_TOTAL).sum_us, 60);
	count(to, 2, backend(to, "a", "x"), TG_B_STREAMS, 10);
	count(from, 1, backend(from, "a", "x"), TG_B_STREAMS, 1);
	histogram_add(&segment_histograms(from, 0, service(from, "a"))->h[TG_HISTOGRAM_TOTAL], 700);
	segment_shared(from, 0)->reloads = 7;
	segment_shared(to, 0)->reloads++;
	carry_copy(&c);
	assert_int_equal(segment_sum(to, backend(to, "a", "x"), TG_B_STREAMS), 18);
	assert_int_equal(histogram_sum(to, service(to, "a"), TG_HISTOGRAM_TOTAL).sum_us, 1400);
	assert_int_equal(
		histogram_sum(to, service(to, "a"), TG_HISTOGRAM_TOTAL).buckets[TG_SEGMENT_BUCKETS - 1],
		2);
	assert_int_equal(segment_shared(to, 0)->reloads, 8);
	carry_fini(&c);
	segment_close(from);
	segment_close(to);
}

static void
what_was_carried_is_carried_on(void **state)
{
	struct segment *first = make(before_text);
	struct segment *second = make(after_text);
	struct segment *third = make(before_text);
	struct carry a;
	struct carry b;

	(void)state;
	count(first, 0, backend(first, "a", "x"), TG_B_STREAMS, 3);
	begin(&a, first, second);
	count(second, 0, backend(second, "a", "x"), TG_B_STREAMS, 4);
	begin(&b, second, third);
	count(first, 0, backend(first, "a", "x"), TG_B_STREAMS, 5);
	carry_copy(&a);
	carry_copy(&b);
	assert_int_equal(segment_sum(third, backend(third, "a", "x"), TG_B_STREAMS), 12);
	carry_fini(&a);
	carry_fini(&b);
	segment_close(first);
	segment_close(second);
	segment_close(third);
}

static struct loop *
begin_in_a_loop(struct carry *c, struct segment *from, struct segment *to)
{
	struct loop *loop = loop_new();

	assert_non_null(loop);
	begin(c, from, to);
	carry_run(c, loop);
	return loop;
}

static void
it_ends_when_nobody_counts_there_any_more(void **state)
{
	struct segment *from = make(before_text);
	struct segment *to = make(after_text);
	struct carry c;
	struct loop *loop = begin_in_a_loop(&c, from, to);

	(void)state;
	assert_non_null(c.from);
	assert_int_equal(segment_shared(to, 0)->has_former, 1);
	count(from, 0, backend(from, "a", "x"), TG_B_STREAMS, 3);
	segment_finish(from);
	carry_wait(&c);
	assert_null(c.from);
	assert_int_equal(segment_shared(to, 0)->has_former, 0);
	assert_int_equal(segment_sum(to, backend(to, "a", "x"), TG_B_STREAMS), 3);
	carry_wait(&c);
	carry_fini(&c);
	loop_free(loop);
	segment_close(from);
	segment_close(to);
}

static void
a_slot_that_is_anothers_by_now_is_left_alone(void **state)
{
	struct segment *from = make(before_text);
	struct segment *to = make(after_text);
	uint32_t slot = backend(to, "a", "x");
	struct carry c;

	(void)state;
	count(from, 0, backend(from, "a", "x"), TG_B_STREAMS, 3);
	begin(&c, from, to);
	segment_clear(to, slot);
	assert_int_equal(segment_sum(to, slot, TG_B_STREAMS), 0);
	segment_name(to, slot, TG_SLOT_BACKEND, service(to, "a"), "other");
	carry_copy(&c);
	assert_int_equal(segment_sum(to, slot, TG_B_STREAMS), 0);
	carry_fini(&c);
	segment_close(from);
	segment_close(to);
}

static void
what_is_no_segment_is_refused(void **state)
{
	struct segment *to = make(after_text);
	int fd = memfd_create("other", MFD_CLOEXEC);
	struct err err = {""};
	struct carry c;

	(void)state;
	assert_true(carry_begin(&c, fd, to, &err) < 0);
	assert_string_equal(err.text, "statistics segment: not a sealed memory file");
	carry_copy(&c);
	carry_run(&c, NULL);
	carry_fini(&c);
	close(fd);
	segment_close(to);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_go_on_by_name),
		cmocka_unit_test(what_was_carried_is_carried_on),
		cmocka_unit_test(it_ends_when_nobody_counts_there_any_more),
		cmocka_unit_test(a_slot_that_is_anothers_by_now_is_left_alone),
		cmocka_unit_test(what_is_no_segment_is_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
