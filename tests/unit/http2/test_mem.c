#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "http2/mem.h"

static struct h2_mem mem;

static int
setup(void **state)
{
	(void)state;
	h2_mem_init(&mem);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	h2_mem_fini(&mem);
	return 0;
}

static void *
take(size_t n)
{
	void *p = mem.ops.malloc(n, mem.ops.mem_user_data);

	assert_non_null(p);
	assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
	memset(p, 'x', n);
	return p;
}

static void
give(void *p)
{
	mem.ops.free(p, mem.ops.mem_user_data);
}

static void
what_is_given_back_is_given_again(void **state)
{
	void *p = take(100);
	void *other = take(100);

	(void)state;
	give(p);
	assert_int_equal(mem.kept, 128);
	assert_ptr_equal(take(65), p);
	assert_int_equal(mem.kept, 0);
	give(NULL);
	give(p);
	give(other);
	p = take(64);
	assert_ptr_not_equal(p, other);
	give(p);
	assert_ptr_equal(take(128), other);
	give(other);
}

static void
no_more_rests_than_it_may(void **state)
{
	static void *all[2 * TG_H2_MEM_KEPT / TG_H2_PIECE_MAX];
	size_t n = sizeof(all) / sizeof(all[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		all[i] = take(TG_H2_PIECE_MAX);
	for (size_t i = 0; i < n; i++)
		give(all[i]);
	assert_int_equal(mem.kept, TG_H2_MEM_KEPT);
	give(take(TG_H2_PIECE_MAX + 1));
	assert_int_equal(mem.kept, TG_H2_MEM_KEPT);
}

static void
pieces_grow_with_what_is_in_them(void **state)
{
	static const size_t sizes[] = {0, 1, 64, 65, 1024, 1025, 100000};
	char *p = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		p = mem.ops.realloc(p, sizes[i], mem.ops.mem_user_data);
		assert_non_null(p);
		for (size_t k = 0; i > 0 && k < sizes[i - 1]; k++)
			assert_int_equal(p[k], 'y');
		memset(p, 'y', sizes[i]);
	}
	give(p);
}

static void
what_is_asked_for_clear_is(void **state)
{
	char *p;

	(void)state;
	give(take(256));
	p = mem.ops.calloc(4, 64, mem.ops.mem_user_data);
	for (size_t i = 0; i < 256; i++)
		assert_int_equal(p[i], 0);
	give(p);
	assert_null(mem.ops.calloc(SIZE_MAX / 2, 4, mem.ops.mem_user_data));
	assert_null(mem.ops.malloc(SIZE_MAX, mem.ops.mem_user_data));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_given_back_is_given_again),
		TEST(no_more_rests_than_it_may),
		TEST(pieces_grow_with_what_is_in_them),
		TEST(what_is_asked_for_clear_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
