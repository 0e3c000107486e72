#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "backend/view.h"

/* The linker sends these here: blocks are counted, and refused when the test says so. */
static _Atomic int live_blocks;
static int refuse_at; /* 0: none; 1: the next one */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

void *
__wrap_calloc(size_t count, size_t size)
{
	if (refuse_at > 0 && --refuse_at == 0)
		return NULL;
	live_blocks++;
	return __real_calloc(count, size);
}

void
__wrap_free(void *p)
{
	live_blocks -= p != NULL;
	__real_free(p);
}

static const struct conf_service service = {.n_backends = 5};

static void
new_view_is_empty_with_room(void **state)
{
	struct view *view = view_new(&service, 3);

	(void)state;
	assert_non_null(view);
	assert_int_equal(atomic_load(&view->refs), 1);
	assert_ptr_equal(view->conf, &service);
	assert_int_equal(view->n, 0);
	assert_false(view->is_backup);
	for (int i = 0; i < 5; i++)
		assert_int_equal(view->entry_of[i], TG_VIEW_NONE);
	for (int i = 0; i < 3; i++)
		view->entries[i].weight = 256;
	view_unref(view);
}

static void
view_of_a_service_without_backends_is_legal(void **state)
{
	static const struct conf_service none = {.n_backends = 0};
	struct view *view = view_new(&none, 0);

	(void)state;
	assert_non_null(view);
	assert_int_equal(view->n, 0);
	view_unref(view);
}

static void
last_reference_frees(void **state)
{
	int before = live_blocks;
	struct view *view = view_new(&service, 5);

	(void)state;
	assert_non_null(view);
	assert_true(live_blocks > before);
	for (int i = 0; i < 9; i++)
		assert_ptr_equal(view_ref(view), view);
	for (int i = 0; i < 9; i++) {
		view_unref(view);
		assert_true(live_blocks > before);
	}
	view_unref(view);
	assert_int_equal(live_blocks, before);
	view_unref(NULL);
}

static void
without_memory_there_is_no_view_and_no_leak(void **state)
{
	int before = live_blocks;
	int at;

	(void)state;
	for (at = 1;; at++) {
		struct view *view;

		refuse_at = at;
		view = view_new(&service, 5);
		if (view != NULL) {
			refuse_at = 0;
			view_unref(view);
			break;
		}
		assert_int_equal(live_blocks, before);
	}
	assert_true(at > 1);
	assert_int_equal(live_blocks, before);
}

#define THREADS 4

static void *
take_and_drop(void *arg)
{
	struct view *view = arg;

	for (int i = 0; i < 20000; i++) {
		struct view *mine = view_ref(view);

		/* A view that was freed under us is seen by the sanitizers. */
		if (mine->entries[4].weight != 7)
			return arg;
		view_unref(mine);
	}
	view_unref(view);
	return NULL;
}

/* Each thread has a reference of its own; whichever lets go last frees, once. */
static void
threads_may_share_a_view(void **state)
{
	int before = live_blocks;
	struct view *view = view_new(&service, 5);
	pthread_t threads[THREADS];

	(void)state;
	assert_non_null(view);
	view->entries[4].weight = 7;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_drop, view_ref(view)),
				 0);
	view_unref(view);
	for (int i = 0; i < THREADS; i++) {
		void *wrong = NULL;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(live_blocks, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_view_is_empty_with_room),
		cmocka_unit_test(view_of_a_service_without_backends_is_legal),
		cmocka_unit_test(last_reference_frees),
		cmocka_unit_test(without_memory_there_is_no_view_and_no_leak),
		cmocka_unit_test(threads_may_share_a_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
