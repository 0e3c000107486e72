#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/tls.h"
#include "fake/turn.h"
#include "tls/context.h"
#include "tls/stream.h"

/* A listener, our connection, and who speaks TLS at its other side. */
static struct {
	struct conn conn; /* first */
	struct loop *loop;
	struct tls_output *output;
	struct tickets *tickets;
	struct tls_context *ctx;
	struct fake_client client;
	int far;
} side;

static struct conf_pem pems[4];
static struct conf_loaded loaded[4];
static struct conf_certificate files[4];

static unsigned n_again; /* how often the stream has asked for the next turn */

static void
on_report(struct watch *w, unsigned what)
{
	n_again += what == 0;
	conn_note((struct conn *)w, what);
}

static struct conf_listener
listener(size_t n)
{
	static char name[] = "front";
	struct conf_listener l = {.name = name};

	l.tls.certificates = files;
	l.tls.n_certificates = n;
	l.tls.session_lifetime_ms = 3600000;
	return l;
}

static void
use(const struct conf_listener *l)
{
	struct err err = {""};

	tls_context_unref(side.ctx);
	side.ctx = NULL;
	if (tls_context_new(l, side.tickets, &side.ctx, &err) != 0)
		fail_msg("%s", err.text);
}

static int
group_setup(void **state)
{
	static const struct fake_certificate wanted[4] = {
		{.common_name = "first", .names = "DNS:first.example"},
		{.common_name = "wild", .names = "DNS:*.wild.example,DNS:Wild.Example"},
		{.common_name = "exact", .names = "DNS:a.wild.example"},
		{.common_name = "first-rsa", .names = "DNS:first.example", .rsa_bits = 2048},
	};

	static char names[4][16];

	(void)state;
	for (int i = 0; i < 4; i++) {
		pems[i] = fake_certificate(&wanted[i]);
		snprintf(names[i], sizeof(names[i]), "f%d", i);
		loaded[i] = (struct conf_loaded){.file = names[i], .pem = pems[i]};
		files[i] = (struct conf_certificate){
			.file = names[i], .loaded = &loaded[i], .n_loaded = 1};
	}
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		fake_pem_free(&pems[i]);
	return 0;
}

static int
setup(void **state)
{
	struct conf_listener l = listener(1);
	struct ticket_seed seed;

	(void)state;
	fake_limit_start();
	memset(&side, 0, sizeof(side));
	side.far = side.conn.fd = -1;
	side.loop = loop_new();
	side.output = tls_output_new();
	if (ticket_seed_make(&seed, wall_read()) != 0)
		return -1;
	side.tickets = tickets_new(&seed);
	use(&l);
	return 0;
}

static SSL_SESSION *
hang_up(void)
{
	SSL_SESSION *session = fake_client_close(&side.client);

	conn_close(&side.conn);
	if (side.far >= 0)
		close(side.far);
	side.far = -1;
	return session;
}

static int
teardown(void **state)
{
	(void)state;
	SSL_SESSION_free(hang_up());
	tls_context_unref(side.ctx);
	tickets_free(side.tickets);
	tls_output_free(side.output);
	loop_free(side.loop);
	return 0;
}

static void
open_side(void)
{
	int fds[2];

	fake_pair_tcp(fds);
	side.far = fds[1];
	assert_int_equal(conn_open(&side.conn, side.loop, fds[0], on_report), 0);
	conn_attach(&side.conn, tls_stream_accept(side.ctx, side.output));
	assert_non_null(side.conn.filter);
	fake_turn(side.loop);
}

static void
dial(const char *name, int version)
{
	open_side();
	fake_client_open(&side.client, side.far, name, version);
}

/* What the last step of ours said; the client goes as far as it can meanwhile. */
static int
shake_hands(void)
{
	int rc = -TG_EAGAIN;
	int client = 0;

	for (int i = 0; i < 100 && (rc == -TG_EAGAIN || client == 0); i++) {
		if (client == 0 && SSL_do_handshake(side.client.ssl) == 1)
			client = 1;
		fake_turn(side.loop);
		if (rc == -TG_EAGAIN)
			rc = tls_stream_step(side.conn.filter);
		if (rc < 0 && rc != -TG_EAGAIN)
			break;
	}
	return rc;
}

/* Of the next read; waits for something to come. */
static ssize_t
receive(char *p, size_t n)
{
	ssize_t got;

	while ((got = conn_recv(&side.conn, p, n)) == -TG_EAGAIN) {
		struct pollfd fd = {.fd = side.conn.fd, .events = POLLIN};

		(void)poll(&fd, 1, 1000);
		fake_turn(side.loop);
		conn_recheck(&side.conn);
	}
	return got;
}

static void
client_reads(char *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t got = 0;

		if (SSL_read_ex(side.client.ssl, p + done, n - done, &got) != 1) {
			assert_int_equal(SSL_get_error(side.client.ssl, 0), SSL_ERROR_WANT_READ);
			fake_turn(side.loop);
		}
		done += got;
	}
}

static void
bytes_pass_both_ways(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	char text[64];
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		static char words[] = "answer";
		struct iovec two[2] = {{.iov_base = words, .iov_len = 2},
				       {.iov_base = words + 2, .iov_len = 4}};
		const struct tls_facts *facts;

		dial("First.Example", versions[i]);
		assert_int_equal(shake_hands(), 0);
		facts = tls_stream_facts(side.conn.filter);
		assert_int_equal(facts->version, 12 + i);
		assert_string_equal(facts->sni, "first.example");
		assert_string_equal(facts->protocol, "");
		assert_false(facts->is_resumed);
		assert_int_equal(SSL_write_ex(side.client.ssl, "question", 8, &n), 1);
		assert_int_equal(receive(text, sizeof(text)), 8);
		assert_memory_equal(text, "question", 8);
		assert_int_equal(conn_recv(&side.conn, text, sizeof(text)), -TG_EAGAIN);
		assert_int_equal(conn_sendv(&side.conn, two, 2), 6);
		client_reads(text, 6);
		assert_memory_equal(text, "answer", 6);
		SSL_SESSION_free(hang_up());
	}
}

static void
an_end_is_one_only_if_it_is_said(void **state)
{
	char text[8];
	size_t n;

	(void)state;
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
	assert_int_equal(SSL_write_ex(side.client.ssl, "x", 1, &n), 1);
	SSL_shutdown(side.client.ssl);
	assert_int_equal(receive(text, sizeof(text)), 1);
	assert_int_equal(receive(text, sizeof(text)), 0);
	assert_int_equal(side.conn.flags & (CONN_ENDED | CONN_TRUNCATED), CONN_ENDED);
	/* It may still be answered. */
	assert_int_equal(conn_send(&side.conn, "y", 1), 1);
	client_reads(text, 1);
	SSL_SESSION_free(hang_up());

	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
	assert_int_equal(SSL_write_ex(side.client.ssl, "x", 1, &n), 1);
	shutdown(side.far, SHUT_WR);
	assert_int_equal(receive(text, sizeof(text)), 1);
	assert_int_equal(receive(text, sizeof(text)), 0);
	assert_int_equal(receive(text, sizeof(text)), 0);
	assert_true((side.conn.flags & CONN_TRUNCATED) != 0);
}

static void
a_reset_is_an_error(void **state)
{
	char text[8];

	(void)state;
	dial(NULL, TLS1_2_VERSION);
	assert_int_equal(shake_hands(), 0);
	fake_reset(side.far);
	side.far = -1;
	assert_int_equal(receive(text, sizeof(text)), -TG_EIO);
	assert_int_equal(errno, ECONNRESET);
	assert_true((side.conn.flags & CONN_FAILED) != 0);
}

/* More than one record, read through a buffer smaller than one. */
static void
records_larger_than_the_buffer_are_read_in_pieces(void **state)
{
	static char sent[50000];
	static char got[50000];
	size_t done = 0;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 31 >> 3);
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
	assert_int_equal(SSL_write_ex(side.client.ssl, sent, sizeof(sent), &n), 1);
	while (done < sizeof(got)) {
		ssize_t piece = receive(got + done, sizeof(got) - done < 7000 ? sizeof(got) - done : 7000);

		assert_true(piece > 0);
		done += (size_t)piece;
	}
	assert_memory_equal(got, sent, sizeof(got));
	assert_int_equal(conn_recv(&side.conn, got, 1), -TG_EAGAIN);
}

/* What the client says between these two is there at once. */
static void
client_holds(void)
{
	SSL_set0_wbio(side.client.ssl, BIO_new(BIO_s_mem()));
}

static void
client_lets_go(void)
{
	char *bytes;
	long n = BIO_get_mem_data(SSL_get_wbio(side.client.ssl), &bytes);
	int there = 0;

	fake_write(side.far, bytes, (size_t)n);
	while (there < n) {
		fake_turn(side.loop);
		assert_int_equal(ioctl(side.conn.fd, FIONREAD, &there), 0);
	}
	SSL_set0_wbio(side.client.ssl, BIO_new_socket(side.far, BIO_NOCLOSE));
	conn_recheck(&side.conn);
}

static void
client_changes_keys(int n)
{
	for (int i = 0; i < n; i++) {
		assert_int_equal(SSL_key_update(side.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(side.client.ssl), 1);
	}
}

/* Others have their turn, whatever this one sends. */
static void
a_call_looks_at_so_much_and_no_more(void **state)
{
	static char got[4096];
	size_t total = 0;
	size_t n;

	(void)state;
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
	client_holds();
	for (int i = 0; i < 2500; i++)
		assert_int_equal(SSL_write_ex(side.client.ssl, "x", 1, &n), 1);
	client_lets_go();
	while (total < 2500) {
		ssize_t got_n = conn_recv(&side.conn, got, sizeof(got));

		assert_true(got_n > 0 && got_n < 1250);
		total += (size_t)got_n;
	}
	assert_int_equal(conn_recv(&side.conn, got, sizeof(got)), -TG_EAGAIN);
	assert_int_equal(side.conn.flags & CONN_READABLE, 0);
}

/* Each change costs as much as some kilobytes of data. */
static void
who_does_nothing_but_change_keys_is_cut_off(void **state)
{
	char text[8];
	size_t n;

	(void)state;
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
	client_holds();
	client_changes_keys(60);
	assert_int_equal(SSL_write_ex(side.client.ssl, "x", 1, &n), 1);
	client_lets_go();
	assert_int_equal(receive(text, sizeof(text)), 1);
	client_holds();
	client_changes_keys(60);
	assert_int_equal(SSL_write_ex(side.client.ssl, "x", 1, &n), 1);
	client_lets_go();
	assert_int_equal(receive(text, sizeof(text)), -TG_EIO);
	assert_int_equal(errno, EPROTO);
	assert_true((side.conn.flags & CONN_FAILED) != 0);
}

/* One that moves data may do so for ever. */
static void
keys_may_be_changed_behind_data(void **state)
{
	static char piece[16384];
	static char got[sizeof(piece)];
	size_t n;

	(void)state;
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
	for (int i = 0; i < 800; i++) {
		size_t done = 0;

		assert_int_equal(SSL_write_ex(side.client.ssl, piece, sizeof(piece), &n), 1);
		if (i % 4 == 3)
			client_changes_keys(1);
		while (done < sizeof(piece)) {
			ssize_t got_n = receive(got, sizeof(got));

			assert_true(got_n > 0);
			done += (size_t)got_n;
		}
	}
}

/* What is taken is delivered, whatever its owner does with the buffer, and our end comes behind it. */
static void
what_the_kernel_does_not_take_is_kept(void **state)
{
	static char piece[TG_TLS_SEND_BYTES + 1000];
	static char got[16384];
	size_t total = 0;
	size_t seen = 0;
	size_t n = 0;
	ssize_t took;

	(void)state;
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
	for (;;) {
		memset(piece, 'a' + (int)(total % 7), sizeof(piece));
		took = conn_send(&side.conn, piece, sizeof(piece));
		if (took == -TG_EAGAIN)
			break;
		assert_true(took > 0);
		total += (size_t)took;
		memset(piece, '!', sizeof(piece));
	}
	assert_true(conn_has_unsent(&side.conn));
	conn_shutdown(&side.conn);
	assert_true(conn_has_unsent(&side.conn));
	while (SSL_get_shutdown(side.client.ssl) == 0) {
		if (SSL_read_ex(side.client.ssl, got, sizeof(got), &n) == 1) {
			assert_null(memchr(got, '!', n));
			seen += n;
		} else {
			fake_turn(side.loop);
		}
	}
	assert_int_equal(seen, total);
	assert_false(conn_has_unsent(&side.conn));
	fake_wait_readable(side.far);
	assert_int_equal(recv(side.far, got, 1, 0), 0);
}

/* A client that does not wait for our last word has it all in one segment. */
static void
bytes_behind_the_handshake_are_not_lost(void **state)
{
	struct conf_listener l = listener(1);
	char text[8];
	size_t n;

	(void)state;
	use(&l);
	dial(NULL, TLS1_3_VERSION);
	assert_int_not_equal(SSL_do_handshake(side.client.ssl), 1);
	fake_turn(side.loop);
	assert_int_equal(tls_stream_step(side.conn.filter), -TG_EAGAIN);
	fake_wait_readable(side.far);
	/* Its Finished and the bytes, before we look. */
	assert_int_equal(SSL_do_handshake(side.client.ssl), 1);
	assert_int_equal(SSL_write_ex(side.client.ssl, "early", 5, &n), 1);
	fake_wait_readable(side.conn.fd);
	fake_turn(side.loop);
	assert_int_equal(tls_stream_step(side.conn.filter), 0);
	assert_true(tls_stream_has_input(side.conn.filter));
	conn_recheck(&side.conn);
	assert_int_equal(receive(text, sizeof(text)), 5);
	assert_memory_equal(text, "early", 5);
}

/* The hello of the client as one that has the other side work for each byte would send it. */
static size_t
say_hello_in_pieces(size_t size)
{
	static unsigned char hello[65536];
	static unsigned char pieces[4 * sizeof(hello)];
	int n = BIO_read(SSL_get_wbio(side.client.ssl), hello, sizeof(hello));
	size_t used = 0;
	size_t at = 0;

	while (at + 5 < (size_t)n) { /* each record */
		size_t end = at + 5 + ((size_t)hello[at + 3] << 8 | hello[at + 4]);

		for (at += 5; at < end; at += size) {
			size_t left = end - at < size ? end - at : size;

			memcpy(pieces + used, "\x16\x03\x01\0", 4);
			pieces[used + 4] = (unsigned char)left;
			memcpy(pieces + used + 5, hello + at, left);
			used += 5 + left;
		}
		at = end;
	}
	fake_write(side.far, (char *)pieces, used);
	return used;
}

static void
a_step_looks_at_so_much_and_no_more(void **state)
{
	static unsigned char protocols[30000];
	int there = 0;
	int before;
	int n;

	(void)state;
	memset(protocols, 9, sizeof(protocols)); /* all of them of nine tabs */
	dial(NULL, TLS1_3_VERSION);
	SSL_set_alpn_protos(side.client.ssl, protocols, sizeof(protocols));
	client_holds();
	assert_int_not_equal(SSL_do_handshake(side.client.ssl), 1);
	n = (int)say_hello_in_pieces(5);
	while (there < n)
		assert_int_equal(ioctl(side.conn.fd, FIONREAD, &there), 0);
	conn_recheck(&side.conn);
	do {
		before = there;
		assert_true((side.conn.flags & CONN_INPUT) != 0);
		assert_int_equal(tls_stream_step(side.conn.filter), -TG_EAGAIN);
		assert_int_equal(ioctl(side.conn.fd, FIONREAD, &there), 0);
		assert_true(before - there <= 32768);
		/* No report of the socket would tell of the rest. */
		n_again = 0;
		fake_turn(side.loop);
		assert_int_equal(n_again, there > 0);
	} while (there > 0);
	SSL_set0_wbio(side.client.ssl, BIO_new_socket(side.far, BIO_NOCLOSE));
	assert_int_equal(shake_hands(), 0);
}

static void
certificates_are_chosen_by_name(void **state)
{
	static const struct {
		const char *name;
		const char *sees;
	} cases[] = {
		{NULL, "first"},	      {"other.example", "first"},
		{"b.wild.example", "wild"},   {"A.WILD.example", "exact"},
		{"wild.example", "wild"},     {"x.b.wild.example", "first"},
		{"first.example", "first"},   {"localhost", "first"},
	};
	struct conf_listener l = listener(3);

	(void)state;
	use(&l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		dial(cases[i].name, TLS1_2_VERSION);
		assert_int_equal(shake_hands(), 0);
		assert_string_equal(fake_client_sees(&side.client), cases[i].sees);
		SSL_SESSION_free(hang_up());
	}
}

static void
clients_choose_between_kinds_of_keys(void **state)
{
	struct conf_listener l = listener(4);

	(void)state;
	use(&l);
	for (int i = 0; i < 2; i++) {
		dial(i == 0 ? "first.example" : NULL, TLS1_2_VERSION);
		assert_int_equal(SSL_set_cipher_list(side.client.ssl, "ECDHE-RSA-AES128-GCM-SHA256"), 1);
		assert_int_equal(shake_hands(), 0);
		assert_string_equal(fake_client_sees(&side.client), "first-rsa");
		SSL_SESSION_free(hang_up());
		dial(i == 0 ? "first.example" : NULL, TLS1_3_VERSION);
		assert_int_equal(SSL_set1_sigalgs_list(side.client.ssl, "ECDSA+SHA256"), 1);
		assert_int_equal(shake_hands(), 0);
		assert_string_equal(fake_client_sees(&side.client), "first");
		SSL_SESSION_free(hang_up());
	}
}

/* The failure of a handshake that must not succeed. */
static enum tls_failure
failure(void)
{
	assert_int_equal(shake_hands(), -TG_EPROTO);
	return tls_stream_failure(side.conn.filter);
}

static enum tls_failure
failure_of_bytes(const char *bytes)
{
	int rc;

	open_side();
	fake_write(side.far, bytes, strlen(bytes));
	fake_wait_readable(side.conn.fd);
	fake_turn(side.loop);
	rc = tls_stream_step(side.conn.filter);
	assert_int_equal(rc, -TG_EPROTO);
	return tls_stream_failure(side.conn.filter);
}

static void
failures_have_a_reason(void **state)
{
	struct conf_listener l = listener(1);

	(void)state;
	assert_int_equal(failure_of_bytes("GET / HTTP/1.1\r\n\r\n"), TG_TLS_FAILURE_HTTP);
	(void)hang_up();
	assert_int_equal(failure_of_bytes("SSH-2.0-OpenSSH_9.2\r\n"), TG_TLS_FAILURE_NOT_TLS);
	(void)hang_up();

	open_side();
	shutdown(side.far, SHUT_WR);
	fake_wait_readable(side.conn.fd);
	fake_turn(side.loop);
	assert_int_equal(tls_stream_step(side.conn.filter), -TG_EPROTO);
	assert_int_equal(tls_stream_failure(side.conn.filter), TG_TLS_FAILURE_CLOSED);
	(void)hang_up();

	/* A reset that came together with the bytes before it: no other report tells of it. */
	open_side();
	fake_write(side.far, "\x16\x03\x01\x02", 4);
	fake_wait_readable(side.conn.fd);
	fake_turn(side.loop);
	fake_reset(side.far);
	side.far = -1;
	assert_int_equal(tls_stream_step(side.conn.filter), -TG_EPROTO);
	assert_int_equal(tls_stream_failure(side.conn.filter), TG_TLS_FAILURE_CLOSED);
	(void)hang_up();

	dial(NULL, TLS1_1_VERSION);
	assert_int_equal(failure(), TG_TLS_FAILURE_NO_MATCH);
	(void)hang_up();

	l.tls.min_version = TG_TLS_1_3;
	l.tls.strict_sni = true;
	use(&l);
	dial("first.example", TLS1_2_VERSION);
	assert_int_equal(failure(), TG_TLS_FAILURE_NO_MATCH);
	(void)hang_up();
	dial("second.example", TLS1_3_VERSION);
	assert_int_equal(failure(), TG_TLS_FAILURE_NAME);
	(void)hang_up();
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(failure(), TG_TLS_FAILURE_NAME);
	(void)hang_up();
	dial("first.example", TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
}

static void
a_client_that_does_not_trust_us_is_told_apart(void **state)
{
	(void)state;
	dial(NULL, TLS1_3_VERSION);
	SSL_set_verify(side.client.ssl, SSL_VERIFY_PEER, NULL);
	assert_int_equal(failure(), TG_TLS_FAILURE_ALERT);
}

static void
protocols_are_agreed_on(void **state)
{
	static char http[] = "http/1.1";
	static char *alpn[] = {http};
	struct conf_listener l = listener(1);

	(void)state;
	l.tls.alpn = alpn;
	l.tls.n_alpn = 1;
	use(&l);
	dial(NULL, TLS1_3_VERSION);
	SSL_set_alpn_protos(side.client.ssl, (const unsigned char *)"\2h2\10http/1.1", 12);
	assert_int_equal(shake_hands(), 0);
	assert_string_equal(tls_stream_facts(side.conn.filter)->protocol, "http/1.1");
	SSL_SESSION_free(hang_up());
	dial(NULL, TLS1_3_VERSION);
	SSL_set_alpn_protos(side.client.ssl, (const unsigned char *)"\4smtp", 5);
	assert_int_equal(failure(), TG_TLS_FAILURE_NO_MATCH);
	(void)hang_up();
	dial(NULL, TLS1_3_VERSION);
	assert_int_equal(shake_hands(), 0);
}

/* The session of a whole exchange; the ticket is read with the answer. */
static SSL_SESSION *
session_of(const char *name, int version)
{
	char text[2];

	dial(name, version);
	assert_int_equal(shake_hands(), 0);
	assert_int_equal(conn_send(&side.conn, "ok", 2), 2);
	client_reads(text, 2);
	return hang_up();
}

static bool
resumes(SSL_SESSION *session, const char *name, int version)
{
	/* The library spoils one that a server did not take. */
	SSL_SESSION *copy = SSL_SESSION_dup(session);
	bool is_resumed;

	dial(name, version);
	assert_int_equal(SSL_set_session(side.client.ssl, copy), 1);
	SSL_SESSION_free(copy);
	assert_int_equal(shake_hands(), 0);
	is_resumed = tls_stream_facts(side.conn.filter)->is_resumed;
	assert_int_equal(is_resumed, SSL_session_reused(side.client.ssl));
	SSL_SESSION_free(hang_up());
	return is_resumed;
}

static void
sessions_are_resumed_under_the_same_policy_only(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	static char other_name[] = "other";
	struct conf_listener l = listener(3);
	struct conf_listener other = listener(3);
	struct conf_listener off = listener(3);

	(void)state;
	other.name = other_name;
	off.tls.session_lifetime_ms = 0;
	for (int i = 0; i < 2; i++) {
		SSL_SESSION *session;

		use(&l);
		session = session_of("b.wild.example", versions[i]);
		assert_non_null(session);
		assert_true(resumes(session, "b.wild.example", versions[i]));
		assert_true(resumes(session, "c.wild.example", versions[i]));
		assert_false(resumes(session, "first.example", versions[i]));
		assert_false(resumes(session, "a.wild.example", versions[i]));
		use(&l); /* as at a reload */
		assert_true(resumes(session, "b.wild.example", versions[i]));
		use(&other);
		assert_false(resumes(session, "b.wild.example", versions[i]));
		use(&off);
		assert_false(resumes(session, "b.wild.example", versions[i]));
		SSL_SESSION_free(session);
	}
	use(&off);
	assert_null(session_of("b.wild.example", TLS1_3_VERSION));
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(bytes_pass_both_ways),
		CASE(an_end_is_one_only_if_it_is_said),
		CASE(a_reset_is_an_error),
		CASE(records_larger_than_the_buffer_are_read_in_pieces),
		CASE(a_call_looks_at_so_much_and_no_more),
		CASE(who_does_nothing_but_change_keys_is_cut_off),
		CASE(keys_may_be_changed_behind_data),
		CASE(what_the_kernel_does_not_take_is_kept),
		CASE(bytes_behind_the_handshake_are_not_lost),
		CASE(a_step_looks_at_so_much_and_no_more),
		CASE(certificates_are_chosen_by_name),
		CASE(clients_choose_between_kinds_of_keys),
		CASE(failures_have_a_reason),
		CASE(a_client_that_does_not_trust_us_is_told_apart),
		CASE(protocols_are_agreed_on),
		CASE(sessions_are_resumed_under_the_same_policy_only),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
