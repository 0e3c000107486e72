#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/segment.h"
#include "fake/count.h"

#define RING_BYTES TG_RING_SIZE_MIN

static int
setup(void **state)
{
	struct segment *seg;
	int rc = segment_create(3, 40, RING_BYTES, &seg, NULL);

	*state = seg;
	return rc;
}

static int
teardown(void **state)
{
	segment_close(*state);
	return 0;
}

static void
other_process_sees_the_same(void **state)
{
	struct segment *seg = *state;
	struct segment *other;
	uint32_t n;

	assert_int_equal(segment_attach(segment_fd(seg), &other, NULL), 0);
	assert_int_equal(segment_fd(other), -1);
	assert_int_equal(segment_workers(other), 3);
	assert_int_equal(segment_slots(other), 40);
	assert_true(mono_is_set(segment_started(seg)));
	assert_int_equal(segment_started(other).us, segment_started(seg).us);
	count_in(other, 0, 39, TG_SEGMENT_COUNTERS - 1, 5);
	count_in(other, 2, 39, TG_SEGMENT_COUNTERS - 1, 6);
	assert_int_equal(segment_sum(seg, 39, TG_SEGMENT_COUNTERS - 1), 11);
	assert_int_equal(segment_sum(seg, 38, TG_SEGMENT_COUNTERS - 1), 0);
	assert_non_null(ring_reserve(segment_ring(other, 2), 10));
	ring_commit(segment_ring(other, 2), 10);
	assert_null(ring_peek(segment_ring(seg, 1), &n));
	assert_non_null(ring_peek(segment_ring(seg, 2), &n));
	assert_int_equal(n, 10);
	segment_close(other);
}

static void
set_counters(struct segment_counters c)
{
	memset(c.common, 0xff, sizeof(*c.common));
	memset(c.rare, 0xff, sizeof(*c.rare));
}

static void
parts_do_not_overlap(void **state)
{
	struct segment *seg = *state;
	struct segment *other;

	assert_int_equal(segment_add(seg, TG_SLOT_GLOBAL, TG_SEGMENT_NONE, "tidegate"), 0);
	for (uint32_t i = 0; i < 40; i++) {
		memset(segment_load(seg, i), 0xff, sizeof(struct segment_load));
		memset(segment_shared(seg, i), 0xff, sizeof(struct segment_shared));
		for (unsigned w = 0; w < 3; w++)
			set_counters(segment_counters(seg, w, i));
	}
	for (unsigned w = 0; w < 3; w++) {
		assert_int_equal(segment_histograms(seg, w, 0)->h[0].sum, 0);
		assert_int_equal(segment_histograms(seg, w, 39)->h[3].sum, 0);
		for (uint32_t i = 0; i < 40; i++)
			memset(segment_histograms(seg, w, i), 0xee,
			       sizeof(struct segment_histograms));
	}
	for (unsigned w = 0; w < 3; w++) {
		assert_int_equal(segment_spread(seg, w, 0)->n[0], 0);
		assert_int_equal(segment_spread(seg, w, 39)->n[TG_SEGMENT_SPREAD - 1], 0);
		for (uint32_t i = 0; i < 40; i++)
			memset(segment_spread(seg, w, i), 0xdd, sizeof(struct segment_spread));
	}
	assert_true(segment_histograms(seg, 2, 39)->h[3].sum == UINT64_C(0xeeeeeeeeeeeeeeee));
	assert_true(segment_sum(seg, 39, 0) == 3 * UINT64_MAX);
	assert_string_equal(segment_entry(seg, 0)->name, "tidegate");
	assert_int_equal(segment_attach(segment_fd(seg), &other, NULL), 0);
	for (unsigned w = 0; w < 3; w++) {
		uint32_t n;

		assert_null(ring_peek(segment_ring(other, w), &n));
		assert_int_equal(ring_dropped(segment_ring(other, w)), 0);
	}
	segment_close(other);
}

static void
slots_are_found_by_kind_parent_and_name(void **state)
{
	struct segment *seg = *state;
	int a;
	int b;

	assert_int_equal(segment_add(seg, TG_SLOT_GLOBAL, TG_SEGMENT_NONE, "tidegate"), 0);
	a = segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "web");
	b = segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "db");
	assert_int_equal(segment_add(seg, TG_SLOT_LISTENER, TG_SEGMENT_NONE, "web"), 3);
	assert_int_equal(segment_add(seg, TG_SLOT_BACKEND, (uint32_t)a, "b1"), 4);
	assert_int_equal(segment_add(seg, TG_SLOT_BACKEND, (uint32_t)b, "b1"), 5);
	assert_int_equal(segment_find(seg, TG_SLOT_LISTENER, TG_SEGMENT_NONE, "web"), 3);
	assert_int_equal(segment_find(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "web"), a);
	assert_int_equal(segment_find(seg, TG_SLOT_BACKEND, (uint32_t)b, "b1"), 5);
	assert_int_equal(segment_find(seg, TG_SLOT_BACKEND, (uint32_t)b, "b"), TG_SEGMENT_NONE);
	assert_int_equal(segment_find(seg, TG_SLOT_BACKEND, (uint32_t)b, "b11"), TG_SEGMENT_NONE);
}

static void
long_names_stay_distinct(void **state)
{
	struct segment *seg = *state;
	char a[300];
	char b[300];

	memset(a, 'n', sizeof(a));
	a[sizeof(a) - 1] = '\0';
	memcpy(b, a, sizeof(b));
	b[sizeof(b) - 2] = 'm';
	assert_int_equal(segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, a), 0);
	assert_int_equal(segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, b), 1);
	assert_int_equal(segment_find(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, a), 0);
	assert_int_equal(segment_find(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, b), 1);
	assert_int_equal(strlen(segment_entry(seg, 0)->name), TG_SEGMENT_NAME - 1);
}

static void
slots_run_out(void **state)
{
	struct segment *seg = *state;

	for (int i = 0; i < 40; i++)
		assert_int_equal(segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "x"), i);
	assert_int_equal(segment_add(seg, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "x"), -TG_ELIMIT);
}

static void
gauges_are_reset_and_counters_kept(void **state)
{
	struct segment *seg = *state;

	segment_name(seg, 7, TG_SLOT_SERVICE, TG_SEGMENT_NONE, "x");
	atomic_store(&segment_load(seg, 7)->in_flight, 12);
	atomic_store(&segment_load(seg, 7)->in_flight_max, 20);
	count_in(seg, 0, 7, 1, 9);
	segment_reset_gauges(seg);
	assert_int_equal(atomic_load(&segment_load(seg, 7)->in_flight), 0);
	assert_int_equal(atomic_load(&segment_load(seg, 7)->in_flight_max), 20);
	assert_int_equal(segment_sum(seg, 7, 1), 9);
}

static blkcnt_t
blocks(const struct segment *seg)
{
	struct stat st;

	assert_int_equal(fstat(segment_fd(seg), &st), 0);
	return st.st_blocks;
}

/* To read a page of a memory file is to have it. */
static void
what_has_nothing_takes_no_memory(void **state)
{
	struct segment *seg = *state;
	blkcnt_t before;

	for (uint32_t i = 0; i < 40; i++)
		atomic_store(&segment_shared(seg, i)->queued, 0);
	before = blocks(seg);
	for (uint32_t i = 0; i < 40; i++) {
		segment_carry(seg, i, 1, 0);
		segment_set_cleared(seg, i, 1, 0);
		assert_int_equal(segment_carried(seg, i, 1), 0);
		assert_int_equal(segment_cleared(seg, i, TG_SEGMENT_COUNTERS - 1), 0);
	}
	assert_int_equal(blocks(seg), before);
	for (uint32_t i = 0; i < 40; i++)
		count_in(seg, 0, i, TG_SEGMENT_COMMON_TOO, 1);
	before = blocks(seg);
	for (unsigned i = 0; i < TG_SEGMENT_COUNTERS; i++)
		assert_int_equal(segment_counter(seg, 0, 39, i), i == TG_SEGMENT_COMMON_TOO);
	assert_int_equal(blocks(seg), before);
	count_in(seg, 0, 39, TG_SEGMENT_COMMON, 5);
	assert_true(blocks(seg) > before);
	assert_int_equal(segment_counter(seg, 0, 39, TG_SEGMENT_COMMON), 5);
	segment_carry(seg, 39, 1, 7);
	segment_set_cleared(seg, 39, 1, 2);
	assert_true(blocks(seg) > before);
	assert_int_equal(segment_carried(seg, 39, 1), 7);
	assert_int_equal(segment_cleared(seg, 39, 1), 2);
	assert_int_equal(segment_sum(seg, 39, 1), 7);
}

#define NOW   ((struct mono){.us = 100000000})
#define STALE 5000

static bool
has_load(struct segment *seg, struct mono now)
{
	double cpu = -7;
	double memory = -7;
	bool has = segment_load_report(seg, 7, now, STALE, &cpu, &memory);

	if (!has)
		assert_true(cpu == -7 && memory == -7);
	return has;
}

static void
load_is_told_until_it_is_stale(void **state)
{
	struct segment *seg = *state;
	struct segment_shared *shared = segment_shared(seg, 7);
	double cpu;
	double memory;

	assert_false(has_load(seg, NOW));
	segment_tell_load(shared, 300, 800, NOW);
	assert_true(segment_load_report(seg, 7, NOW, STALE, &cpu, &memory));
	assert_true(cpu == 0.3 && memory == 0.8);
	assert_true(has_load(seg, mono_add_ms(NOW, STALE)));
	assert_false(has_load(seg, mono_add_ms(NOW, STALE + 1)));
	/* The worker's turn began later than the reader's. */
	assert_true(has_load(seg, (struct mono){.us = NOW.us - 20000}));
	segment_tell_load(shared, 0, -1, NOW);
	assert_true(segment_load_report(seg, 7, NOW, STALE, &cpu, &memory));
	assert_true(cpu == 0 && isnan(memory));
	segment_clear(seg, 7);
	assert_false(has_load(seg, NOW));
}

/* The proxy may write what it likes. */
static void
forged_loads_are_not_known(void **state)
{
	struct segment *seg = *state;
	struct segment_shared *shared = segment_shared(seg, 7);
	double cpu;
	double memory;

	segment_tell_load(shared, 300, 800, NOW);
	atomic_store(&shared->load_cpu_permille, INT64_MAX);
	assert_true(segment_load_report(seg, 7, NOW, STALE, &cpu, &memory));
	assert_true(isnan(cpu) && memory == 0.8);
	atomic_store(&shared->load_memory_permille, INT64_MIN);
	assert_false(has_load(seg, NOW));
	segment_tell_load(shared, 300, 800, NOW);
	atomic_store(&shared->load_us, INT64_MAX);
	assert_false(has_load(seg, NOW));
	atomic_store(&shared->load_us, INT64_MIN);
	assert_false(has_load(seg, NOW));
}

static void
sizes_out_of_range_are_refused(void **state)
{
	struct segment *seg;
	struct err err = {""};

	(void)state;
	assert_int_equal(segment_create(0, 1, RING_BYTES, &seg, &err), -TG_ERANGE);
	assert_non_null(strstr(err.text, "0 workers"));
	assert_int_equal(segment_create(1, 0, RING_BYTES, &seg, NULL), -TG_ERANGE);
	assert_int_equal(segment_create(1, 1, RING_BYTES + 8, &seg, NULL), -TG_ERANGE);
	assert_int_equal(segment_create(1, 1, 64, &seg, NULL), -TG_ERANGE);
	assert_int_equal(segment_create(1u << 30, 1, RING_BYTES, &seg, NULL), -TG_ERANGE);
}

/* A memory file with the first bytes of `seg`, one 32-bit word of it changed. */
static int
forge(struct segment *seg, off_t size, off_t word_at, uint32_t word, bool sealed)
{
	unsigned char header[64];
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(pread(segment_fd(seg), header, sizeof(header), 0), sizeof(header));
	assert_int_equal(ftruncate(fd, size), 0);
	if (size >= (off_t)sizeof(header))
		assert_int_equal(pwrite(fd, header, sizeof(header), 0), sizeof(header));
	if (word_at >= 0)
		assert_int_equal(pwrite(fd, &word, sizeof(word), word_at), sizeof(word));
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	return fd;
}

static void
forged_segments_are_refused(void **state)
{
	struct segment *seg = *state;
	off_t size = lseek(segment_fd(seg), 0, SEEK_END);
	const struct {
		off_t size;
		off_t word_at;
		uint32_t word;
		bool sealed;
	} cases[] = {
		{size, -1, 0, false},         /* may shrink under us */
		{size, 0, 0, true},           /* magic */
		{size, 8, 1, true},           /* version */
		{size, 12, 0, true},          /* no worker */
		{size, 12, 4, true},          /* more workers than fit */
		{size, 16, 41, true},         /* more slots than fit */
		{size, 16, UINT32_MAX, true}, /* slots beyond any bound */
		{size, 24, RING_BYTES * 2, true},
		{size, 24, 0, true},
		{size, 32, 1, true}, /* says another total */
		{size - 1, -1, 0, true},
		{size + 4096, -1, 0, true},
		{16, -1, 0, true},
		{0, -1, 0, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct segment *other = NULL;
		struct err err = {""};
		int fd =
			forge(seg, cases[i].size, cases[i].word_at, cases[i].word, cases[i].sealed);

		assert_int_equal(segment_attach(fd, &other, &err), -TG_EPROTO);
		assert_null(other);
		assert_string_not_equal(err.text, "");
		close(fd);
	}
}

static void
size_cannot_change(void **state)
{
	struct segment *seg = *state;

	assert_int_equal(ftruncate(segment_fd(seg), 4096), -1);
	assert_int_equal(ftruncate(segment_fd(seg), (off_t)1 << 30), -1);
	assert_int_equal(segment_attach(0, &seg, NULL), -TG_EPROTO);
	segment_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(other_process_sees_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_do_not_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_are_found_by_kind_parent_and_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(long_names_stay_distinct, setup, teardown),
		cmocka_unit_test_setup_teardown(slots_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(gauges_are_reset_and_counters_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_has_nothing_takes_no_memory, setup,
						teardown),
		cmocka_unit_test_setup_teardown(load_is_told_until_it_is_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(forged_loads_are_not_known, setup, teardown),
		cmocka_unit_test(sizes_out_of_range_are_refused),
		cmocka_unit_test_setup_teardown(forged_segments_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(size_cannot_change, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
