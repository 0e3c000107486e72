/* From the rings to an output that may be slow, full or gone. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "fake/control.h"
#include "fake/turn.h"
#include "observe/access.h"
#include "proc/access_log.h"


struct fixture {
	struct control control;
	struct access_log *log;
	struct segment *writer; /* as the proxy has it: another mapping */
	int out[2];  /* the access log: a pipe */
	int log_out; /* the log: a file */
};

static int
setup_with(void **state, const char *top)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	*state = f;
	signal(SIGPIPE, SIG_IGN);
	control_init(&f->control, top);
	if (segment_attach(segment_fd(f->control.segment), &f->writer, NULL) != 0)
		return -1;
	f->log_out = memfd_create("log", MFD_CLOEXEC);
	log_init(f->log_out, TG_LOG_TEXT, TG_LOG_INFO, "keeper");
	if (pipe2(f->out, O_CLOEXEC) != 0)
		return -1;
	return access_log_start(f->control.conf, f->control.segment, f->out[1], &f->log);
}

static int
setup(void **state)
{
	return setup_with(state, "");
}

static int
setup_json(void **state)
{
	return setup_with(state, "log = { access = \"json\"; };\n");
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(access_log_stop(f->log, fake_limit_ms()));
	log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_INFO, "test");
	close(f->out[1]);
	if (f->out[0] >= 0)
		close(f->out[0]);
	close(f->log_out);
	segment_close(f->writer);
	control_fini(&f->control);
	free(f);
	return 0;
}

/* Of this listener. False: the ring is full. */
static bool
put_of(struct fixture *f, unsigned worker, uint32_t listener, const char *path)
{
	size_t n = offsetof(struct access_record, strings) + strlen(path);
	struct ring *ring = segment_ring(f->writer, worker);
	struct access_record *r = ring_reserve(ring, (uint32_t)n);

	if (r == NULL)
		return false;
	memset(r, 0, offsetof(struct access_record, strings));
	r->listener = listener;
	r->service = f->control.conf->services[0].segment_slot;
	r->backend = f->control.conf->services[0].backends[0].segment_slot;
	r->end = wall_read();
	r->path_len = (uint16_t)strlen(path);
	memcpy(r->strings, path, strlen(path));
	ring_commit(ring, (uint32_t)n);
	return true;
}

static bool
put(struct fixture *f, unsigned worker, const char *path)
{
	return put_of(f, worker, f->control.conf->listeners[0].segment_slot, path);
}

/* Reads the pipe until `text` has come. */
static void
expect(struct fixture *f, const char *text)
{
	static char bytes[1 << 16];
	size_t n = 0;

	do {
		ssize_t got = read(f->out[0], bytes + n, sizeof(bytes) - 1 - n);

		assert_true(got > 0);
		n += (size_t)got;
		bytes[n] = '\0';
	} while (strstr(bytes, text) == NULL);
}

static bool
log_says(struct fixture *f, const char *text)
{
	char bytes[8192];
	ssize_t n = pread(f->log_out, bytes, sizeof(bytes) - 1, 0);

	assert_true(n >= 0);
	bytes[n] = '\0';
	return strstr(bytes, text) != NULL;
}

static void
records_of_every_worker_become_lines(void **state)
{
	struct fixture *f = *state;

	assert_true(put(f, 0, "/first"));
	expect(f, " path=/first ");
	assert_true(put(f, 1, "/second"));
	expect(f, " path=/second ");
}

/* A reload took the listener away before this log began, and one of its streams ends now. */
static void
what_was_gone_before_it_began_has_its_name(void **state)
{
	struct fixture *f = *state;
	int gone = segment_add(f->control.segment, TG_SLOT_LISTENER, TG_SEGMENT_NONE, "gone");

	assert_true(gone > 0);
	assert_true(access_log_stop(f->log, fake_limit_ms()));
	assert_int_equal(access_log_start(f->control.conf, f->control.segment, f->out[1], &f->log),
			 0);
	assert_true(put_of(f, 0, (uint32_t)gone, "/late"));
	expect(f, " listener=gone ");
}

static void
json_is_json(void **state)
{
	struct fixture *f = *state;

	assert_true(put(f, 0, "/first"));
	expect(f, "\"path\":\"/first\"");
}

static void
last_records_are_written_at_the_end(void **state)
{
	struct fixture *f = *state;

	assert_true(put(f, 0, "/first"));
	assert_true(put(f, 1, "/last"));
	assert_true(access_log_stop(f->log, fake_limit_ms()));
	f->log = NULL;
	expect(f, " path=/last ");
}

/* The pipe is full and nobody reads: the rings fill, records are dropped and that is told. */
static void
slow_output_drops_and_tells(void **state)
{
	struct fixture *f = *state;
	char path[2000];
	size_t n = 0;

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	while (put(f, 0, path) && n < 1000000)
		n++;
	assert_true(n < 1000000);
	access_log_watch(f->log);
	assert_true(log_says(f, "msg=\"access log is too slow, records dropped\" n=1\n"));
	assert_true(put(f, 1, "/after"));
	for (;;) {
		char bytes[65536];
		ssize_t got = read(f->out[0], bytes, sizeof(bytes));

		assert_true(got > 0);
		if (memmem(bytes, (size_t)got, " path=/after ", 13) != NULL)
			break;
	}
}

static void
stuck_output_cannot_hold_the_end_up(void **state)
{
	struct fixture *f = *state;
	struct mono before = mono_read();
	char path[2000];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (int i = 0; i < 200; i++)
		assert_true(put(f, 0, path));
	assert_false(access_log_stop(f->log, 300));
	assert_true(mono_diff_us(mono_read(), before) < 5000000);
	/* It goes on where it was left once somebody reads. */
	while (!access_log_stop(f->log, 10)) {
		char bytes[65536];

		assert_true(read(f->out[0], bytes, sizeof(bytes)) > 0);
	}
	f->log = NULL;
}

static void
gone_output_is_told_and_survived(void **state)
{
	struct fixture *f = *state;

	close(f->out[0]);
	f->out[0] = -1;
	assert_true(put(f, 0, "/lost"));
	assert_true(access_log_stop(f->log, fake_limit_ms()));
	f->log = NULL;
	assert_true(log_says(f, "msg=\"access log cannot be written, lines lost\" n=1 "
				"reason=\"Broken pipe\""));
}

static void
senseless_records_are_counted(void **state)
{
	struct fixture *f = *state;
	struct ring *ring = segment_ring(f->writer, 0);

	assert_non_null(ring_reserve(ring, 8));
	ring_commit(ring, 8);
	assert_true(put(f, 0, "/good"));
	expect(f, " path=/good ");
	access_log_watch(f->log);
	assert_true(log_says(f, "msg=\"access log records made no sense\" n=1\n"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(records_of_every_worker_become_lines),
		CASE(what_was_gone_before_it_began_has_its_name),
		cmocka_unit_test_setup_teardown(json_is_json, setup_json, teardown),
		CASE(last_records_are_written_at_the_end),
		CASE(slow_output_drops_and_tells),
		CASE(stuck_output_cannot_hold_the_end_up),
		CASE(gone_output_is_told_and_survived),
		CASE(senseless_records_are_counted),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
