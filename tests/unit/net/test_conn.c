#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/turn.h"
#include "net/conn.h"

/* Our connection and the bare socket at its other side. */
static struct {
	struct conn conn; /* first */
	unsigned reports;
	struct loop *loop;
	int far;
} side;

static void
on_report(struct watch *w, unsigned what)
{
	conn_note((struct conn *)w, what);
	side.reports++;
}

static int
setup(void **state)
{
	(void)state;
	fake_limit_start();
	memset(&side, 0, sizeof(side));
	side.far = -1;
	side.conn.fd = -1;
	side.loop = loop_new();
	return side.loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	conn_close(&side.conn);
	if (side.far >= 0)
		close(side.far);
	loop_free(side.loop);
	return 0;
}

static void
side_open(void (*make_pair)(int ret[2]))
{
	int fds[2];

	make_pair(fds);
	side.far = fds[1];
	assert_int_equal(conn_open(&side.conn, side.loop, fds[0], on_report), 0);
	/* What registering itself reports. */
	fake_turn(side.loop);
}

static void
far_close(void)
{
	close(side.far);
	side.far = -1;
}

static void
far_reset(void)
{
	fake_reset(side.far);
	side.far = -1;
}

/* Turns until the loop has told this. */
static void
wait_flag(unsigned flag)
{
	while ((side.conn.flags & flag) == 0)
		fake_turn(side.loop);
}

/* opening */

static void
open_assumes_both_ways(void **state)
{
	int fds[2];

	(void)state;
	fake_pair_unix(fds);
	side.far = fds[1];
	assert_false(conn_is_open(&side.conn));
	assert_int_equal(conn_open(&side.conn, side.loop, fds[0], on_report), 0);
	assert_true(conn_is_open(&side.conn));
	assert_int_equal(side.conn.flags, CONN_READABLE | CONN_WRITABLE | CONN_INPUT);
}

static void
open_closes_what_cannot_be_watched(void **state)
{
	FILE *file = tmpfile();
	int fd = dup(fileno(file));

	(void)state;
	assert_int_equal(conn_open(&side.conn, side.loop, fd, on_report), -TG_EIO);
	assert_false(conn_is_open(&side.conn));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	fclose(file);
}

/* connecting */

static void
connect_over(const struct addr *to)
{
	assert_int_equal(conn_connect(&side.conn, side.loop, to, on_report), 0);
	assert_int_not_equal(side.conn.flags & CONN_CONNECTING, 0);
	assert_int_equal(conn_connected(&side.conn), -TG_EAGAIN);
	wait_flag(CONN_WRITABLE | CONN_READABLE);
}

static void
connect_completes(void **state)
{
	struct addr at;
	int listener = fake_listen(&at);
	int value = 0;
	socklen_t len = sizeof(value);

	(void)state;
	connect_over(&at);
	assert_int_equal(conn_connected(&side.conn), 0);
	assert_int_equal(conn_connected(&side.conn), 0);
	assert_int_equal(side.conn.flags & CONN_CONNECTING, 0);
	assert_int_equal(getsockopt(side.conn.fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
	assert_int_not_equal(value, 0);
	assert_int_equal(fcntl(side.conn.fd, F_GETFD), FD_CLOEXEC);
	side.far = accept(listener, NULL, NULL);
	assert_int_equal(conn_send(&side.conn, "hello", 5), 5);
	close(listener);
}

static void
connect_to_nobody_is_refused(void **state)
{
	struct addr at;

	(void)state;
	close(fake_listen(&at));
	connect_over(&at);
	errno = 0;
	assert_int_equal(conn_connected(&side.conn), -TG_EIO);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_not_equal(side.conn.flags & CONN_FAILED, 0);
}

static struct addr
unix_addr(const char *path)
{
	struct addr a = {.len = sizeof(a.u.un)};

	a.u.un.sun_family = AF_UNIX;
	snprintf(a.u.un.sun_path, sizeof(a.u.un.sun_path), "%s", path);
	return a;
}

static void
connect_to_a_unix_socket(void **state)
{
	char dir[] = "/tmp/tidegate-test-XXXXXX";
	char path[64];
	struct addr at;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	at = unix_addr(path);
	errno = 0;
	assert_int_equal(conn_connect(&side.conn, side.loop, &at, on_report), -TG_EIO);
	assert_int_equal(errno, ENOENT);
	assert_false(conn_is_open(&side.conn));
	assert_int_equal(bind(listener, &at.u.sa, at.len), 0);
	assert_int_equal(listen(listener, 1), 0);
	connect_over(&at);
	assert_int_equal(conn_connected(&side.conn), 0);
	close(listener);
	unlink(path);
	rmdir(dir);
}

static void
connect_of_an_unknown_family_fails(void **state)
{
	struct addr none = {.len = sizeof(none.u.in)};

	(void)state;
	none.u.sa.sa_family = AF_MAX;
	assert_int_equal(conn_connect(&side.conn, side.loop, &none, on_report), -TG_EIO);
	assert_false(conn_is_open(&side.conn));
}

/* reading */

static void
short_read_means_drained(void **state)
{
	char bytes[16];

	(void)state;
	side_open(fake_pair_tcp);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), -TG_EAGAIN);
	assert_int_equal(side.conn.flags & CONN_READABLE, 0);
	fake_write(side.far, "abc", 3);
	/* Not asked again before the loop tells. */
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), -TG_EAGAIN);
	wait_flag(CONN_READABLE);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 3);
	assert_memory_equal(bytes, "abc", 3);
	assert_int_equal(side.conn.flags & CONN_READABLE, 0);
}

static void
full_read_leaves_it_readable(void **state)
{
	char bytes[3];

	(void)state;
	side_open(fake_pair_tcp);
	fake_write(side.far, "abcdef", 6);
	fake_wait_readable(side.conn.fd);
	assert_int_equal(conn_recv(&side.conn, bytes, 3), 3);
	assert_int_equal(conn_recv(&side.conn, bytes, 3), 3);
	assert_memory_equal(bytes, "def", 3);
	assert_int_equal(conn_recv(&side.conn, bytes, 3), -TG_EAGAIN);
}

static void
recheck_asks_the_kernel_without_a_report(void **state)
{
	char bytes[8];

	(void)state;
	side_open(fake_pair_unix);
	assert_int_equal(conn_recv(&side.conn, bytes, 8), -TG_EAGAIN);
	fake_write(side.far, "abc", 3);
	conn_recheck(&side.conn);
	assert_int_equal(conn_recv(&side.conn, bytes, 8), 3);
}

/* The last bytes and the end come as one report: a short read does not hide the end. */
static void
end_behind_the_last_bytes_is_read(void **state)
{
	char bytes[16];

	(void)state;
	for (int i = 0; i < 2; i++) {
		side_open(i == 0 ? fake_pair_tcp : fake_pair_unix);
		fake_write(side.far, "last words", 10);
		far_close();
		wait_flag(CONN_HANGUP);
		assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 10);
		assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 0);
		assert_int_not_equal(side.conn.flags & CONN_ENDED, 0);
		for (int k = 0; k < 3; k++) {
			conn_recheck(&side.conn);
			assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 0);
		}
		conn_close(&side.conn);
	}
}

static void
reset_is_an_error_and_told_once(void **state)
{
	char byte;

	(void)state;
	side_open(fake_pair_tcp);
	assert_int_equal(conn_recv(&side.conn, &byte, 1), -TG_EAGAIN);
	far_reset();
	wait_flag(CONN_READABLE);
	errno = 0;
	assert_int_equal(conn_recv(&side.conn, &byte, 1), -TG_EIO);
	assert_int_equal(errno, ECONNRESET);
	assert_int_not_equal(side.conn.flags & CONN_FAILED, 0);
	conn_recheck(&side.conn);
	assert_int_equal(conn_recv(&side.conn, &byte, 1), -TG_EAGAIN);
}

static void
bytes_before_a_reset_are_read_first(void **state)
{
	char bytes[16];

	(void)state;
	side_open(fake_pair_tcp);
	fake_write(side.far, "abc", 3);
	fake_wait_readable(side.conn.fd);
	far_reset();
	conn_recheck(&side.conn);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 3);
	conn_recheck(&side.conn);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), -TG_EIO);
	assert_int_equal(errno, ECONNRESET);
}

static void
quiet_is_nothing_to_read_at_all(void **state)
{
	char byte;

	(void)state;
	side_open(fake_pair_tcp);
	assert_true(conn_is_quiet(&side.conn));
	fake_write(side.far, "x", 1);
	fake_wait_readable(side.conn.fd);
	assert_false(conn_is_quiet(&side.conn));
	/* Only looked at. */
	conn_recheck(&side.conn);
	assert_int_equal(conn_recv(&side.conn, &byte, 1), 1);
	assert_true(conn_is_quiet(&side.conn));
	far_close();
	fake_wait_readable(side.conn.fd);
	assert_false(conn_is_quiet(&side.conn));
}

/* writing */

static char block[1 << 20];

/* Sends until the kernel takes no more; how much it took. */
static size_t
fill(void)
{
	size_t sum = 0;
	ssize_t took;

	while ((took = conn_send(&side.conn, block, sizeof(block))) >= 0)
		sum += (size_t)took;
	assert_int_equal(took, -TG_EAGAIN);
	assert_int_equal(side.conn.flags & CONN_WRITABLE, 0);
	return sum;
}

static size_t
far_drain(size_t want)
{
	static char sink[1 << 16];
	size_t sum = 0;

	while (sum < want) {
		ssize_t n = recv(side.far, sink, sizeof(sink), 0);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			fake_wait_readable(side.far);
			continue;
		}
		assert_true(n > 0);
		sum += (size_t)n;
	}
	return sum;
}

static void
full_kernel_stops_writing_until_it_reports(void **state)
{
	size_t sum;

	(void)state;
	for (int i = 0; i < 2; i++) {
		side_open(i == 0 ? fake_pair_tcp : fake_pair_unix);
		sum = fill();
		assert_int_equal(conn_send(&side.conn, block, 1), -TG_EAGAIN);
		assert_int_equal(far_drain(sum), sum);
		wait_flag(CONN_WRITABLE);
		assert_int_equal(conn_send(&side.conn, block, 1), 1);
		conn_close(&side.conn);
		far_close();
	}
}

static void
pieces_are_sent_as_one(void **state)
{
	struct iovec iov[3] = {{(char[]){"head "}, 5}, {(char[]){""}, 0}, {(char[]){"body"}, 4}};
	char bytes[16];

	(void)state;
	side_open(fake_pair_unix);
	assert_int_equal(conn_sendv(&side.conn, iov, 3), 9);
	assert_int_equal(recv(side.far, bytes, sizeof(bytes), 0), 9);
	assert_memory_equal(bytes, "head body", 9);
	assert_int_equal(conn_sendv(&side.conn, iov, 1), 5);
	assert_int_equal(recv(side.far, bytes, sizeof(bytes), 0), 5);
	fill();
	assert_int_equal(conn_sendv(&side.conn, iov, 3), -TG_EAGAIN);
}

static void
pieces_larger_than_the_room_are_taken_in_part(void **state)
{
	static char large[4 << 20];
	struct iovec iov[2] = {{large, sizeof(large)}, {large, sizeof(large)}};
	ssize_t took;

	(void)state;
	side_open(fake_pair_unix);
	took = conn_sendv(&side.conn, iov, 2);
	assert_in_range(took, 1, 2 * sizeof(large) - 1);
	assert_int_equal(side.conn.flags & CONN_WRITABLE, 0);
}

/* They have closed, and we write on: what they said before is still read, and then their end. */
static void
writing_behind_their_end_breaks_but_does_not_hide_the_end(void **state)
{
	char bytes[16];

	(void)state;
	side_open(fake_pair_tcp);
	fake_write(side.far, "bye", 3);
	far_close();
	wait_flag(CONN_HANGUP);
	/* The first bytes are answered by a reset, the next ones see it. */
	while (conn_send(&side.conn, "x", 1) > 0)
		;
	assert_int_equal(errno, EPIPE);
	assert_int_not_equal(side.conn.flags & CONN_BROKEN, 0);
	assert_int_equal(conn_send(&side.conn, "x", 1), -TG_EAGAIN);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 3);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 0);
}

/* The kernel tells a reset once. When writing meets it, a read after that must not see an end. */
static void
reset_met_by_writing_is_not_read_as_an_end(void **state)
{
	char bytes[16];

	(void)state;
	for (int vector = 0; vector < 2; vector++) {
		struct iovec iov[2] = {{block, 1}, {block, 1}};

		side_open(fake_pair_tcp);
		fake_write(side.far, "said before", 11);
		fake_wait_readable(side.conn.fd);
		far_reset();
		errno = 0;
		assert_int_equal(vector ? conn_sendv(&side.conn, iov, 2)
					: conn_send(&side.conn, "x", 1),
				 -TG_EIO);
		assert_int_equal(errno, ECONNRESET);
		assert_int_not_equal(side.conn.flags & CONN_BROKEN, 0);
		assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 11);
		conn_recheck(&side.conn);
		errno = 0;
		assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), -TG_EIO);
		assert_int_equal(errno, ECONNRESET);
		assert_int_equal(side.conn.flags & CONN_ENDED, 0);
		conn_close(&side.conn);
	}
}

/* files */

/* A file without a name, of bytes that are told apart by their place. */
static int
file_of(size_t n)
{
	FILE *f = tmpfile();
	int fd;

	assert_non_null(f);
	for (size_t i = 0; i < n; i++)
		assert_int_not_equal(fputc((int)(i * 31 + i / 251) & 255, f), EOF);
	assert_int_equal(fflush(f), 0);
	fd = dup(fileno(f));
	fclose(f);
	return fd;
}

static void
expect_bytes(size_t *at)
{
	static unsigned char got[65536];
	ssize_t n;

	while ((n = recv(side.far, got, sizeof(got), MSG_DONTWAIT)) > 0) {
		for (ssize_t i = 0; i < n; i++, ++*at)
			assert_int_equal(got[i], (*at * 31 + *at / 251) & 255);
	}
}

/* Whatever it took in one call: the flag falls only with EAGAIN. */
static void
a_file_is_sent_from_any_place_until_the_socket_is_full(void **state)
{
	const size_t size = 9000000;
	int fd = file_of(size);
	uint64_t sent = 0;
	size_t got = 0;
	ssize_t n;

	(void)state;
	side_open(fake_pair_tcp);
	while (got < size) {
		n = sent < size ? conn_sendfile(&side.conn, fd, sent,
						size - sent < 65536 ? size - sent : 65536)
				: -TG_EAGAIN;
		assert_true(n > 0 || n == -TG_EAGAIN);
		if (n > 0) {
			assert_int_not_equal(side.conn.flags & CONN_WRITABLE, 0);
			sent += (uint64_t)n;
			continue;
		}
		expect_bytes(&got);
		fake_turn(side.loop);
	}
	close(fd);
}

static void
a_file_that_is_shorter_is_no_fault_of_the_connection(void **state)
{
	int fd = file_of(10);

	(void)state;
	side_open(fake_pair_tcp);
	assert_int_equal(conn_sendfile(&side.conn, fd, 10, 5), -TG_ENOENT);
	assert_int_equal(side.conn.flags & CONN_BROKEN, 0);
	assert_int_equal(conn_sendfile(&side.conn, fd, 5, 5), 5);
	close(fd);
}

static void
a_file_meets_a_reset(void **state)
{
	int fd = file_of(10);

	(void)state;
	side_open(fake_pair_tcp);
	fake_reset(side.far);
	side.far = -1;
	fake_wait_readable(side.conn.fd);
	assert_int_equal(conn_sendfile(&side.conn, fd, 0, 10), -TG_EIO);
	assert_int_not_equal(side.conn.flags & CONN_BROKEN, 0);
	assert_int_equal(conn_sendfile(&side.conn, fd, 0, 10), -TG_EAGAIN);
	close(fd);
}

/* ending */

static void
shutdown_sends_our_end_once_and_reading_goes_on(void **state)
{
	char bytes[16];

	(void)state;
	side_open(fake_pair_tcp);
	conn_shutdown(&side.conn);
	conn_shutdown(&side.conn);
	assert_int_not_equal(side.conn.flags & CONN_SHUT, 0);
	fake_wait_readable(side.far);
	assert_int_equal(recv(side.far, bytes, sizeof(bytes), 0), 0);
	fake_write(side.far, "answer", 6);
	fake_wait_readable(side.conn.fd);
	conn_recheck(&side.conn);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 6);
}

static void
close_is_an_end_and_may_be_repeated(void **state)
{
	char byte;

	(void)state;
	side_open(fake_pair_tcp);
	conn_close(&side.conn);
	assert_false(conn_is_open(&side.conn));
	conn_close(&side.conn);
	conn_abort(&side.conn);
	conn_shutdown(&side.conn);
	fake_wait_readable(side.far);
	assert_int_equal(recv(side.far, &byte, 1, 0), 0);
	side.reports = 0;
	fake_write(side.far, "x", 1);
	fake_turn(side.loop);
	assert_int_equal(side.reports, 0);
}

static void
abort_is_a_reset(void **state)
{
	char byte;

	(void)state;
	side_open(fake_pair_tcp);
	conn_abort(&side.conn);
	assert_false(conn_is_open(&side.conn));
	fake_wait_readable(side.far);
	assert_int_equal(recv(side.far, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

/* what the other side's kernel has */

static void
acknowledged_bytes_are_counted_with_the_syn(void **state)
{
	struct addr at;
	int listener = fake_listen(&at);

	(void)state;
	connect_over(&at);
	assert_int_equal(conn_connected(&side.conn), 0);
	side.far = accept(listener, NULL, NULL);
	close(listener);
	/* A request that was sent is acknowledged some time later; the SYN counts as one. */
	assert_in_range(conn_acked_bytes(&side.conn), 0, 1);
	assert_int_equal(conn_send(&side.conn, "0123456789", 10), 10);
	while (conn_acked_bytes(&side.conn) < 10)
		fake_turn(side.loop);
	assert_in_range(conn_acked_bytes(&side.conn), 10, 11);
}

/* It must be known of a connection that is gone: that is when it is asked. */
static void
acknowledged_bytes_are_known_after_a_reset(void **state)
{
	char byte;

	(void)state;
	side_open(fake_pair_tcp);
	assert_int_equal(conn_send(&side.conn, "0123456789", 10), 10);
	while (conn_acked_bytes(&side.conn) < 10)
		fake_turn(side.loop);
	far_reset();
	fake_wait_readable(side.conn.fd);
	conn_recheck(&side.conn);
	assert_int_equal(conn_recv(&side.conn, &byte, 1), -TG_EIO);
	assert_in_range(conn_acked_bytes(&side.conn), 10, 11);
}

static void
acknowledged_bytes_of_a_unix_socket_are_not_known(void **state)
{
	(void)state;
	side_open(fake_pair_unix);
	assert_int_equal(conn_acked_bytes(&side.conn), -1);
}

/* virtual ones */

static struct {
	struct conn_filter filter; /* first */
	char input[8];
	char output[8];
	char log[64]; /* of what its connection told it */
} stream;

static void
note(const char *word)
{
	snprintf(stream.log + strlen(stream.log), sizeof(stream.log) - strlen(stream.log), "%s ",
		 word);
}

static ssize_t
stream_recv(struct conn *c, void *p, size_t n)
{
	size_t there = strlen(stream.input);

	c->flags &= ~CONN_READABLE;
	if (there == 0)
		return -TG_EAGAIN;
	n = n < there ? n : there;
	memcpy(p, stream.input, n);
	return (ssize_t)n;
}

static ssize_t
stream_sendv(struct conn *c, const struct iovec *iov, int n)
{
	(void)c;
	(void)n;
	memcpy(stream.output, iov[0].iov_base, iov[0].iov_len);
	return (ssize_t)iov[0].iov_len;
}

static void
stream_on_writable(struct conn *c)
{
	(void)c;
}

static bool
stream_has_unsent(const struct conn *c)
{
	(void)c;
	return false;
}

static void
stream_shutdown(struct conn *c)
{
	(void)c;
	note("shutdown");
}

static void
stream_goodbye(struct conn *c)
{
	(void)c;
	note("goodbye");
}

static void
stream_abort(struct conn *c)
{
	(void)c;
	note("abort");
}

static void
stream_free(struct conn_filter *f)
{
	(void)f;
	note("free");
}

static const struct conn_filter_ops stream_ops = {
	.recv = stream_recv,
	.sendv = stream_sendv,
	.on_writable = stream_on_writable,
	.has_unsent = stream_has_unsent,
	.shutdown = stream_shutdown,
	.goodbye = stream_goodbye,
	.abort = stream_abort,
	.free = stream_free,
};

/* Over a connection whose socket both ends of a pair are for. */
static int
stream_open(void)
{
	int fds[2];

	fake_pair_tcp(fds);
	side.far = fds[1];
	memset(&stream, 0, sizeof(stream));
	stream.filter.ops = &stream_ops;
	/* What the storage held before says nothing. */
	memset(&side.conn.watch, 0xff, sizeof(side.conn.watch));
	conn_open_virtual(&side.conn, side.loop, fds[0], &stream.filter, on_report);
	return fds[0];
}

static void
virtual_connection_hears_of_its_carrier_alone(void **state)
{
	int carrier = stream_open();
	char bytes[8];

	(void)state;
	assert_true(conn_is_open(&side.conn));
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), -TG_EAGAIN);
	fake_write(side.far, "x", 1);
	fake_turn(side.loop);
	assert_int_equal(side.reports, 0);
	memcpy(stream.input, "abc", 3);
	conn_tell(&side.conn, CONN_READABLE);
	conn_tell(&side.conn, CONN_READABLE);
	fake_turn(side.loop);
	assert_int_equal(side.reports, 1);
	assert_int_equal(conn_recv(&side.conn, bytes, sizeof(bytes)), 3);
	assert_int_equal(conn_send(&side.conn, "def", 3), 3);
	assert_memory_equal(stream.output, "def", 3);
	assert_int_equal(conn_acked_bytes(&side.conn), -1);
	conn_close(&side.conn);
	assert_int_equal(close(carrier), 0);
}

static void
virtual_connection_closes_nothing_but_itself(void **state)
{
	int carrier = stream_open();

	(void)state;
	conn_shutdown(&side.conn);
	conn_shutdown(&side.conn);
	conn_tell(&side.conn, CONN_READABLE);
	conn_close(&side.conn);
	conn_close(&side.conn);
	assert_false(conn_is_open(&side.conn));
	assert_string_equal(stream.log, "shutdown free ");
	fake_turn(side.loop);
	assert_int_equal(side.reports, 0);
	fake_write(carrier, "y", 1);
	assert_int_equal(close(carrier), 0);
}

static void
virtual_connection_is_reset_by_word(void **state)
{
	int carrier = stream_open();

	(void)state;
	assert_false(conn_is_reset(&side.conn));
	conn_tell(&side.conn, CONN_RESET | CONN_READABLE);
	assert_true(conn_is_reset(&side.conn));
	conn_abort(&side.conn);
	assert_string_equal(stream.log, "abort free ");
	/* The carrier is not: it is still there. */
	fake_write(carrier, "y", 1);
	assert_int_equal(close(carrier), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_assumes_both_ways),
		TEST(open_closes_what_cannot_be_watched),
		TEST(connect_completes),
		TEST(connect_to_nobody_is_refused),
		TEST(connect_to_a_unix_socket),
		TEST(connect_of_an_unknown_family_fails),
		TEST(short_read_means_drained),
		TEST(full_read_leaves_it_readable),
		TEST(recheck_asks_the_kernel_without_a_report),
		TEST(end_behind_the_last_bytes_is_read),
		TEST(reset_is_an_error_and_told_once),
		TEST(bytes_before_a_reset_are_read_first),
		TEST(quiet_is_nothing_to_read_at_all),
		TEST(full_kernel_stops_writing_until_it_reports),
		TEST(pieces_are_sent_as_one),
		TEST(pieces_larger_than_the_room_are_taken_in_part),
		TEST(writing_behind_their_end_breaks_but_does_not_hide_the_end),
		TEST(reset_met_by_writing_is_not_read_as_an_end),
		TEST(shutdown_sends_our_end_once_and_reading_goes_on),
		TEST(a_file_is_sent_from_any_place_until_the_socket_is_full),
		TEST(a_file_that_is_shorter_is_no_fault_of_the_connection),
		TEST(a_file_meets_a_reset),
		TEST(close_is_an_end_and_may_be_repeated),
		TEST(abort_is_a_reset),
		TEST(acknowledged_bytes_are_counted_with_the_syn),
		TEST(acknowledged_bytes_are_known_after_a_reset),
		TEST(acknowledged_bytes_of_a_unix_socket_are_not_known),
		TEST(virtual_connection_hears_of_its_carrier_alone),
		TEST(virtual_connection_closes_nothing_but_itself),
		TEST(virtual_connection_is_reset_by_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
