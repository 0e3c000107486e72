#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spool.h"

#define SMALL TG_BUF_SMALL_BYTES

/* The linker sends these here. */
static int write_error;  /* 0: writes work */
static size_t write_max; /* bytes one write takes; 0: all */
static int tmpfile_error;
ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

ssize_t
__wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	assert_true(n <= TG_SPOOL_STEP_BYTES);
	if (write_error != 0) {
		errno = write_error;
		return -1;
	}
	return __real_pwrite(fd, p, write_max != 0 && n > write_max ? write_max : n, at);
}

int
__wrap_open(const char *path, int flags, ...)
{
	if ((flags & O_TMPFILE) == O_TMPFILE && tmpfile_error != 0) {
		errno = tmpfile_error;
		return -1;
	}
	return __real_open(path, flags, 0600);
}

static struct buf_pool bufs;
static struct spools all;
static struct spool *s;
static unsigned char bytes[1024 * 1024]; /* told apart by their place */

static int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 31 + i / 251);
	write_error = tmpfile_error = 0;
	write_max = 0;
	buf_pool_init(&bufs, NULL);
	all = (struct spools){
		.bufs = &bufs, .memory_max = UINT64_MAX, .folder = "/tmp", .files_max = 2};
	s = NULL;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	spool_free(&s);
	assert_int_equal(all.n_files, 0);
	assert_int_equal(all.memory_bytes, 0);
	buf_pool_fini(&bufs);
	return 0;
}

/* Adds bytes[from, from + n), wherever they fit; returns how many did. */
static size_t
add(size_t from, size_t n)
{
	size_t took = spool_put(s, bytes + from, n);
	ssize_t more;

	while (took < n && (more = spool_spill(s, bytes + from + took, n - took)) > 0)
		took += (size_t)more;
	return took;
}

static void
expect_piece(const struct spool_piece *piece, size_t from, size_t n)
{
	static unsigned char copy[TG_SPOOL_STEP_BYTES];

	if (piece->p != NULL) {
		assert_memory_equal(piece->p, bytes + from, n);
		return;
	}
	assert_true(piece->n <= TG_SPOOL_STEP_BYTES);
	assert_int_equal(pread(piece->fd, copy, n, (off_t)piece->at), (ssize_t)n);
	assert_memory_equal(copy, bytes + from, n);
}

/* Reads up to n bytes, no more than `step` at a time: they are bytes[from, ...). Returns how many there were. */
static size_t
take(size_t from, size_t n, size_t step)
{
	struct spool_piece piece;
	size_t took = 0;

	while (took < n && spool_next(s, &piece)) {
		size_t part = piece.n < step ? piece.n : step;

		part = part < n - took ? part : n - took;
		expect_piece(&piece, from + took, part);
		spool_advance(s, part);
		took += part;
	}
	return took;
}

static void
memory_comes_first_and_is_bounded(void **state)
{
	(void)state;
	s = spool_new(&all, 64 * 1024, 0);
	assert_int_equal(add(0, 200000), 4 * SMALL);
	assert_int_equal(s->memory_bytes, 4 * SMALL);
	assert_int_equal(bufs.in_use, 4);
	assert_int_equal(add(4 * SMALL, 1), 0);
	assert_int_equal(take(0, sizeof(bytes), 777), 4 * SMALL);
}

static void
large_memory_takes_large_buffers(void **state)
{
	(void)state;
	s = spool_new(&all, 512 * 1024, 0);
	assert_int_equal(add(0, 300000), 300000);
	assert_true(bufs.in_use <= 5);
	assert_true(s->memory_bytes <= 512 * 1024);
	assert_int_equal(take(0, sizeof(bytes), SIZE_MAX), 300000);
}

static void
the_file_comes_after_and_is_bounded(void **state)
{
	(void)state;
	s = spool_new(&all, SMALL, 100000);
	assert_int_equal(add(0, 300000), SMALL + 100000);
	assert_int_equal(all.n_files, 1);
	assert_int_equal(bufs.in_use, 1);
	assert_int_equal(take(0, sizeof(bytes), 7777), SMALL + 100000);
	/* Still kept: it can be said again. */
	spool_rewind(s);
	assert_int_equal(take(0, sizeof(bytes), SIZE_MAX), SMALL + 100000);
}

static void
it_is_said_again_from_the_start(void **state)
{
	(void)state;
	s = spool_new(&all, 64 * 1024, 100000);
	assert_int_equal(add(0, 120000), 120000);
	for (size_t n = 0; n < 120000; n += 9999) {
		assert_int_equal(take(0, n, 5000), n);
		spool_rewind(s);
	}
	assert_int_equal(take(0, sizeof(bytes), 5000), 120000);
}

static void
what_is_read_and_dropped_makes_room(void **state)
{
	(void)state;
	s = spool_new(&all, 2 * SMALL, 0);
	assert_int_equal(add(0, sizeof(bytes)), 2 * SMALL);
	assert_int_equal(take(0, SMALL - 1, SIZE_MAX), SMALL - 1);
	spool_drop(s);
	assert_int_equal(add(2 * SMALL, 10), 0);
	assert_int_equal(take(SMALL - 1, 1, SIZE_MAX), 1);
	spool_drop(s);
	assert_int_equal(bufs.in_use, 1);
	assert_int_equal(add(2 * SMALL, SMALL + 1), SMALL);
	assert_int_equal(take(SMALL, sizeof(bytes), SIZE_MAX), 2 * SMALL);
	spool_drop(s);
	assert_int_equal(bufs.in_use, 0);
}

static void
order_holds_between_memory_and_file(void **state)
{
	(void)state;
	s = spool_new(&all, SMALL, 50000);
	assert_int_equal(add(0, SMALL + 1000), SMALL + 1000);
	assert_int_equal(take(0, SMALL, SIZE_MAX), SMALL);
	spool_drop(s);
	/* Memory is free again, but older bytes are in the file. */
	assert_int_equal(spool_put(s, bytes + SMALL + 1000, 500), 0);
	assert_int_equal(add(SMALL + 1000, 500), 500);
	assert_int_equal(take(SMALL, sizeof(bytes), 333), 1500);
	spool_drop(s);
	assert_int_equal(spool_put(s, bytes + SMALL + 1500, 500), 500);
	assert_int_equal(lseek(s->fd, 0, SEEK_END), 0);
	assert_int_equal(take(SMALL + 1500, sizeof(bytes), SIZE_MAX), 500);
}

/* A queue that is filled and read at random never mixes bytes up. */
static void
any_order_of_calls_keeps_the_bytes(void **state)
{
	size_t in = 0;
	size_t out = 0;

	(void)state;
	srand(7);
	s = spool_new(&all, 2 * SMALL, 60000);
	write_max = 3000;
	while (out < 900000) {
		if (rand() % 2 == 0 && in < 900000)
			in += add(in, (size_t)rand() % 20000);
		else
			out += take(out, (size_t)rand() % 20000, 1 + (size_t)rand() % 9000);
		if (rand() % 4 == 0)
			spool_drop(s);
		assert_true(s->memory_bytes <= 2 * SMALL && s->file_w <= 60000);
		if (in < 900000 && in - out == 0)
			spool_drop(s);
		if (in >= 900000)
			out += take(out, sizeof(bytes), SIZE_MAX);
	}
	assert_int_equal(in, out);
}

static void
a_disk_that_refuses_loses_nothing(void **state)
{
	static const int errors[] = {ENOSPC, EFBIG, EDQUOT, EIO};

	(void)state;
	s = spool_new(&all, SMALL, 1000000);
	assert_int_equal(add(0, SMALL + 5000), SMALL + 5000);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		write_error = errors[i];
		assert_int_equal(spool_spill(s, bytes + SMALL + 5000, 10), -TG_EIO);
		assert_int_equal(errno, errors[i]);
	}
	assert_int_equal(take(0, sizeof(bytes), SIZE_MAX), SMALL + 5000);
}

static void
files_are_bounded_for_the_worker(void **state)
{
	struct spool *others[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		others[i] = spool_new(&all, 0, 1000);
		assert_int_equal(spool_spill(others[i], bytes, 10), 10);
	}
	s = spool_new(&all, 0, 1000);
	assert_int_equal(spool_spill(s, bytes, 10), 0);
	assert_int_equal(errno, 0);
	spool_free(&others[0]);
	assert_int_equal(spool_spill(s, bytes, 10), 10);
	spool_free(&others[1]);
}

static void
memory_is_bounded_for_the_worker(void **state)
{
	struct spool *other;

	(void)state;
	all.memory_max = 2 * SMALL;
	other = spool_new(&all, 100 * SMALL, 0);
	assert_int_equal(spool_put(other, bytes, SMALL), SMALL);
	s = spool_new(&all, 100 * SMALL, 1000);
	assert_int_equal(spool_put(s, bytes, 2 * SMALL), SMALL);
	assert_int_equal(spool_put(other, bytes, 1), 0);
	assert_int_equal(spool_spill(s, bytes + SMALL, 10), 10);
	spool_free(&other);
	/* Its file has begun: order comes first. */
	assert_int_equal(spool_put(s, bytes, 1), 0);
	assert_int_equal(take(0, sizeof(bytes), SIZE_MAX), SMALL + 10);
	spool_drop(s);
	assert_int_equal(spool_put(s, bytes, 3 * SMALL), 2 * SMALL);
}

static void
no_folder_is_no_file(void **state)
{
	(void)state;
	all.folder = "/nowhere/at/all";
	s = spool_new(&all, 0, 1000);
	assert_int_equal(spool_spill(s, bytes, 10), 0);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(all.n_files, 0);
	assert_int_equal(all.memory_bytes, 0);
}

static void
file_systems_without_o_tmpfile_do_too(void **state)
{
	char link[64];
	char target[256];
	ssize_t n;

	(void)state;
	tmpfile_error = EOPNOTSUPP;
	s = spool_new(&all, 0, 1000);
	assert_int_equal(add(0, 1000), 1000);
	assert_int_equal(take(0, sizeof(bytes), SIZE_MAX), 1000);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", s->fd);
	n = readlink(link, target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	assert_non_null(strstr(target, "(deleted)"));
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(memory_comes_first_and_is_bounded),
		TEST(large_memory_takes_large_buffers),
		TEST(the_file_comes_after_and_is_bounded),
		TEST(it_is_said_again_from_the_start),
		TEST(what_is_read_and_dropped_makes_room),
		TEST(order_holds_between_memory_and_file),
		TEST(any_order_of_calls_keeps_the_bytes),
		TEST(a_disk_that_refuses_loses_nothing),
		TEST(files_are_bounded_for_the_worker),
		TEST(memory_is_bounded_for_the_worker),
		TEST(no_folder_is_no_file),
		TEST(file_systems_without_o_tmpfile_do_too),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
