#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake/pair.h"
#include "fake/tls.h"
#include "fake/turn.h"
#include "tls/client.h"
#include "tls/context.h"

enum who {
	AUTHORITY,
	GOOD,
	EXPIRED,
	EARLY,
	SELF_SIGNED,
	REVOKED,
	WEAK_AUTHORITY,
	OF_WEAK_AUTHORITY,
	BETWEEN,
	BELOW,
	WHO_COUNT
};

/* Both ends are ours: the connection of a client, and that of the server it leads to. */
static struct {
	struct loop *loop;
	struct tls_output *output;
	struct tickets *tickets;
	struct conn client;
	struct conn server;
	int far; /* where nobody speaks TLS; else -1 */
	struct tls_sessions *sessions;
	struct tls_slot slot;
} side;

static struct conf_pem pems[WHO_COUNT];

static void
on_report(struct watch *w, unsigned what)
{
	conn_note((struct conn *)w, what);
}

static int
group_setup(void **state)
{
	static const struct fake_certificate wanted[WHO_COUNT] = {
		[AUTHORITY] = {.common_name = "authority", .is_authority = true},
		[GOOD] = {.names = "DNS:good.example,IP:127.0.0.1", .signer = &pems[AUTHORITY]},
		[EXPIRED] = {.names = "DNS:good.example",
			     .signer = &pems[AUTHORITY],
			     .from_days = -9,
			     .to_days = -1},
		[EARLY] = {.names = "DNS:good.example", .signer = &pems[AUTHORITY], .from_days = 3},
		[SELF_SIGNED] = {.names = "DNS:good.example"},
		[REVOKED] = {.names = "DNS:good.example", .signer = &pems[AUTHORITY]},
		[WEAK_AUTHORITY] = {.common_name = "weak", .is_authority = true, .rsa_bits = 1024},
		[OF_WEAK_AUTHORITY] = {.names = "DNS:good.example",
				       .signer = &pems[WEAK_AUTHORITY]},
		[BETWEEN] = {.common_name = "between",
			     .is_authority = true,
			     .signer = &pems[AUTHORITY]},
		[BELOW] = {.common_name = "below", .signer = &pems[BETWEEN]},
	};

	(void)state;
	for (int i = 0; i < WHO_COUNT; i++)
		pems[i] = fake_certificate(&wanted[i]);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	for (int i = 0; i < WHO_COUNT; i++)
		fake_pem_free(&pems[i]);
	return 0;
}

static int
setup(void **state)
{
	struct ticket_seed seed;

	(void)state;
	fake_limit_start();
	memset(&side, 0, sizeof(side));
	side.far = side.client.fd = side.server.fd = -1;
	side.loop = loop_new();
	side.output = tls_output_new();
	side.sessions = tls_sessions_new(2);
	if (ticket_seed_make(&seed, wall_read()) != 0)
		return -1;
	side.tickets = tickets_new(&seed);
	return 0;
}

static void
hang_up(void)
{
	conn_close(&side.client);
	conn_close(&side.server);
	if (side.far >= 0)
		close(side.far);
	side.far = -1;
}

static int
teardown(void **state)
{
	(void)state;
	hang_up();
	tls_slot_clear(side.sessions, &side.slot);
	tls_sessions_free(side.sessions);
	tickets_free(side.tickets);
	tls_output_free(side.output);
	loop_free(side.loop);
	return 0;
}

static struct conf_service
service(void)
{
	static char name[] = "site";
	struct conf_service s = {.name = name};

	s.tls.enable = true;
	s.tls.ca.pem = pems[AUTHORITY].chain;
	s.tls.ca.pem_n = pems[AUTHORITY].chain_n;
	return s;
}

static struct tls_client *
client_of(const struct conf_service *s)
{
	struct trust_cache trust = {.store = NULL};
	struct tls_client *client = NULL;
	struct err err = {""};

	if (tls_client_new(s, &trust, &client, &err) != 0)
		fail_msg("%s", err.text);
	trust_cache_fini(&trust);
	return client;
}

/* With this certificate. */
static void
serve(enum who who, const struct conf_tls *also)
{
	static char name[] = "front";
	struct conf_loaded loaded = {.file = name, .pem = pems[who]};
	struct conf_certificate file = {.file = name, .loaded = &loaded, .n_loaded = 1};
	struct conf_listener l = {.name = name};
	struct tls_context *ctx = NULL;
	struct err err = {""};

	if (also != NULL)
		l.tls = *also;
	l.tls.certificates = &file;
	l.tls.n_certificates = 1;
	l.tls.session_lifetime_ms = 3600000;
	if (tls_context_new(&l, side.tickets, &ctx, &err) != 0)
		fail_msg("%s", err.text);
	conn_attach(&side.server, tls_stream_accept(ctx, side.output));
	tls_context_unref(ctx);
}

/* The client has just sent nothing yet. */
static void
dial(struct tls_client *client, const char *name, struct tls_slot *slot)
{
	struct addr addr;
	struct tls_target target = {
		.name = name, .addr = &addr, .sessions = slot != NULL ? side.sessions : NULL, .slot = slot};
	int fds[2];

	memset(&addr, 0, sizeof(addr));
	addr.len = sizeof(addr.u.in);
	addr.u.in.sin_family = AF_INET;
	addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fake_pair_tcp(fds);
	assert_int_equal(conn_open(&side.client, side.loop, fds[0], on_report), 0);
	assert_int_equal(conn_open(&side.server, side.loop, fds[1], on_report), 0);
	conn_attach(&side.client, tls_stream_connect(client, side.output, &target));
	assert_non_null(side.client.filter);
}

/* Of the client; the server goes as far as it can meanwhile. */
static int
shake_hands(void)
{
	int rc = -TG_EAGAIN;
	int server = -TG_EAGAIN;

	for (int i = 0; i < 10000 && (rc == -TG_EAGAIN || (rc == 0 && server == -TG_EAGAIN)); i++) {
		if (rc == -TG_EAGAIN)
			rc = tls_stream_step(side.client.filter);
		fake_turn(side.loop);
		if (server == -TG_EAGAIN)
			server = tls_stream_step(side.server.filter);
		fake_turn(side.loop);
	}
	return rc;
}

static ssize_t
receive(struct conn *c, char *p, size_t n)
{
	ssize_t got;

	while ((got = conn_recv(c, p, n)) == -TG_EAGAIN) {
		struct pollfd fd = {.fd = c->fd, .events = POLLIN};

		(void)poll(&fd, 1, 1000);
		fake_turn(side.loop);
		conn_recheck(c);
	}
	return got;
}

/* What the client says of such a server; NULL: it is taken. */
static const char *
verdict(const struct conf_service *s, enum who who, const char *name)
{
	struct tls_client *client = client_of(s);
	const char *text = NULL;

	dial(client, name, &side.slot);
	serve(who, NULL);
	if (shake_hands() != 0) {
		assert_int_equal(tls_stream_failure(side.client.filter),
				 TG_TLS_FAILURE_CERTIFICATE);
		text = tls_stream_failure_text(side.client.filter);
	}
	hang_up();
	tls_slot_clear(side.sessions, &side.slot);
	tls_client_unref(client);
	return text;
}

static void
bytes_pass_both_ways(void **state)
{
	struct conf_service s = service();
	struct tls_client *client = client_of(&s);
	char text[16];

	(void)state;
	dial(client, "good.example.", NULL);
	serve(GOOD, NULL);
	assert_int_equal(shake_hands(), 0);
	assert_int_equal(tls_stream_facts(side.client.filter)->version, 13);
	assert_string_equal(tls_stream_facts(side.server.filter)->sni, "good.example");
	assert_int_equal(conn_send(&side.client, "question", 8), 8);
	assert_int_equal(receive(&side.server, text, sizeof(text)), 8);
	assert_memory_equal(text, "question", 8);
	assert_int_equal(conn_send(&side.server, "answer", 6), 6);
	assert_int_equal(receive(&side.client, text, sizeof(text)), 6);
	assert_memory_equal(text, "answer", 6);
	tls_client_unref(client);
}

static void
bad_certificates_are_refused_with_the_reason(void **state)
{
	struct conf_service s = service();
	struct conf_service weak = service();

	(void)state;
	assert_null(verdict(&s, GOOD, "good.example"));
	assert_string_equal(verdict(&s, EXPIRED, "good.example"), "certificate has expired");
	assert_string_equal(verdict(&s, EARLY, "good.example"), "certificate is not yet valid");
	assert_string_equal(verdict(&s, SELF_SIGNED, "good.example"), "self-signed certificate");
	assert_string_equal(verdict(&s, OF_WEAK_AUTHORITY, "good.example"),
			    "unable to get local issuer certificate");
	assert_string_equal(verdict(&s, GOOD, "bad.example"), "hostname mismatch");
	weak.tls.ca.pem = pems[WEAK_AUTHORITY].chain;
	weak.tls.ca.pem_n = pems[WEAK_AUTHORITY].chain_n;
	assert_string_equal(verdict(&weak, OF_WEAK_AUTHORITY, "good.example"),
			    "CA certificate key too weak");
}

static void
what_is_revoked_is_refused_and_so_is_a_list_that_is_too_old(void **state)
{
	struct conf_service s = service();
	char *lists[2] = {fake_revoked(&pems[AUTHORITY], &pems[REVOKED], 1),
			  fake_revoked(&pems[AUTHORITY], NULL, -1)};

	(void)state;
	assert_null(verdict(&s, REVOKED, "good.example"));
	s.tls.crl.pem = lists[0];
	s.tls.crl.pem_n = strlen(lists[0]);
	assert_null(verdict(&s, GOOD, "good.example"));
	assert_string_equal(verdict(&s, REVOKED, "good.example"), "certificate revoked");
	s.tls.crl.pem = lists[1];
	s.tls.crl.pem_n = strlen(lists[1]);
	assert_string_equal(verdict(&s, GOOD, "good.example"), "CRL has expired");
	/* Of another authority: nothing is known of this one. */
	s.tls.ca.pem = pems[SELF_SIGNED].chain;
	s.tls.ca.pem_n = pems[SELF_SIGNED].chain_n;
	assert_string_equal(verdict(&s, SELF_SIGNED, "good.example"),
			    "unable to get certificate CRL");
	free(lists[0]);
	free(lists[1]);
}

static void
a_server_may_be_trusted_itself(void **state)
{
	struct conf_service s = service();

	(void)state;
	s.tls.ca.pem = pems[SELF_SIGNED].chain;
	s.tls.ca.pem_n = pems[SELF_SIGNED].chain_n;
	assert_null(verdict(&s, SELF_SIGNED, "good.example"));
}

static void
without_a_name_the_address_counts(void **state)
{
	struct conf_service s = service();

	(void)state;
	assert_null(verdict(&s, GOOD, NULL));
	assert_null(verdict(&s, GOOD, "127.0.0.1"));
	assert_string_equal(verdict(&s, GOOD, "127.0.0.2"), "IP address mismatch");
	assert_string_equal(verdict(&s, REVOKED, NULL), "IP address mismatch");
}

static void
less_is_checked_where_less_is_asked_for(void **state)
{
	struct conf_service s = service();

	(void)state;
	s.tls.verify = TG_VERIFY_CHAIN;
	assert_null(verdict(&s, GOOD, "bad.example"));
	assert_string_equal(verdict(&s, EXPIRED, "bad.example"), "certificate has expired");
	s.tls.verify = TG_VERIFY_NONE;
	assert_null(verdict(&s, EXPIRED, "bad.example"));
}

/* A unix socket has neither; nothing is sent there. */
static void
nobody_is_taken_without_name_and_address(void **state)
{
	struct conf_service s = service();
	struct tls_client *client = client_of(&s);
	struct addr addr = {.len = sizeof(sa_family_t), .u.sa.sa_family = AF_UNIX};
	const struct tls_target target = {.addr = &addr};
	int fds[2];

	(void)state;
	fake_pair_tcp(fds);
	side.far = fds[1];
	assert_int_equal(conn_open(&side.client, side.loop, fds[0], on_report), 0);
	conn_attach(&side.client, tls_stream_connect(client, side.output, &target));
	assert_int_equal(tls_stream_step(side.client.filter), -TG_EPROTO);
	assert_int_equal(tls_stream_failure(side.client.filter), TG_TLS_FAILURE_CERTIFICATE);
	tls_client_unref(client);
}

/* 1: in a session before. */
static int
is_resumed(struct tls_client *client, struct tls_slot *slot, int min_version)
{
	struct conf_tls also = {.min_version = (enum conf_tls_version)min_version};
	char text[4];
	int resumed;

	dial(client, "good.example", slot);
	serve(GOOD, &also);
	assert_int_equal(shake_hands(), 0);
	resumed = tls_stream_facts(side.client.filter)->is_resumed;
	/* Tickets come in front of it. */
	assert_int_equal(conn_send(&side.server, "x", 1), 1);
	assert_int_equal(receive(&side.client, text, sizeof(text)), 1);
	hang_up();
	return resumed;
}

static void
sessions_are_resumed_with_the_same_backend_by_the_same_rules(void **state)
{
	struct conf_service s = service();
	struct tls_client *client = client_of(&s);
	struct tls_client *other = client_of(&s);
	struct tls_slot more[2] = {{.session = NULL}};

	(void)state;
	assert_int_equal(is_resumed(client, &side.slot, TG_TLS_1_3), 0);
	assert_int_equal(is_resumed(client, &side.slot, TG_TLS_1_3), 1);
	assert_int_equal(is_resumed(client, &more[0], TG_TLS_1_3), 0);
	assert_int_equal(is_resumed(client, &side.slot, TG_TLS_1_3), 1);
	assert_int_equal(tls_sessions_count(side.sessions), 2);
	/* There is room for two: the one left alone for the longest goes. */
	assert_int_equal(is_resumed(client, &more[1], TG_TLS_1_3), 0);
	assert_int_equal(tls_sessions_count(side.sessions), 2);
	assert_int_equal(is_resumed(client, &more[0], TG_TLS_1_3), 0);
	assert_int_equal(is_resumed(other, &more[1], TG_TLS_1_3), 0);
	tls_slot_clear(side.sessions, &more[1]);
	assert_int_equal(is_resumed(other, &more[1], TG_TLS_1_3), 0);
	for (int i = 0; i < 2; i++)
		tls_slot_clear(side.sessions, &more[i]);
	assert_int_equal(tls_sessions_count(side.sessions), 0);
	tls_client_unref(client);
	tls_client_unref(other);
}

static void
failures_have_a_reason(void **state)
{
	static const struct {
		const char *said; /* NULL: its end */
		enum tls_failure failure;
	} cases[] = {
		{"220 mail.example ESMTP\r\n", TG_TLS_FAILURE_NOT_TLS},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", TG_TLS_FAILURE_NOT_TLS},
		{NULL, TG_TLS_FAILURE_CLOSED},
		{"\x15\x03\x03\x00\x02\x02\x28", TG_TLS_FAILURE_ALERT},
	};
	struct conf_service s = service();
	struct tls_client *client = client_of(&s);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = -TG_EAGAIN;

		dial(client, "good.example", NULL);
		side.far = conn_give(&side.server);
		assert_int_equal(tls_stream_step(side.client.filter), -TG_EAGAIN);
		if (cases[i].said != NULL)
			fake_write(side.far, cases[i].said,
				   i == 3 ? 7 : strlen(cases[i].said));
		else
			shutdown(side.far, SHUT_WR);
		while (rc == -TG_EAGAIN) {
			fake_turn(side.loop);
			rc = tls_stream_step(side.client.filter);
		}
		assert_int_equal(rc, -TG_EPROTO);
		assert_int_equal(tls_stream_failure(side.client.filter), cases[i].failure);
		hang_up();
	}
	tls_client_unref(client);
}

/* Waits for something to come. */
static bool
is_quiet_after_word(void)
{
	fake_wait_readable(side.client.fd);
	fake_turn(side.loop);
	return conn_is_quiet(&side.client);
}

static void
tickets_leave_a_connection_quiet_and_words_do_not(void **state)
{
	struct conf_service s = service();
	struct tls_client *client = client_of(&s);
	char byte;

	(void)state;
	dial(client, "good.example", &side.slot);
	serve(GOOD, NULL);
	assert_int_equal(shake_hands(), 0);
	/* Its tickets wait to be read. */
	assert_true(is_quiet_after_word());
	assert_int_equal(tls_sessions_count(side.sessions), 1);
	assert_int_equal(conn_send(&side.server, "x", 1), 1);
	assert_false(is_quiet_after_word());
	hang_up();

	dial(client, "good.example", NULL);
	serve(GOOD, NULL);
	assert_int_equal(shake_hands(), 0);
	assert_true(is_quiet_after_word());
	conn_shutdown(&side.server);
	assert_false(is_quiet_after_word());
	assert_int_equal(conn_recv(&side.client, &byte, 1), 0);
	tls_client_unref(client);
}

/* Clients of these must have a certificate of the authority. */
static struct conf_tls
asking(enum conf_client_verify verify)
{
	static char name[] = "ca.pem";

	return (struct conf_tls){.client_ca = {.file = name,
					       .pem = pems[AUTHORITY].chain,
					       .pem_n = pems[AUTHORITY].chain_n},
				 .client_verify = verify,
				 .client_depth = 3};
}

/* The same one for all. */
static struct tls_client *
client_with(const struct conf_pem *own)
{
	struct conf_service s = service();

	if (own != NULL)
		s.tls.own = *own;
	return client_of(&s);
}

/* What the server says of it; NULL: it is taken. */
static const char *
verdict_on_client(const struct conf_tls *tls, const struct conf_pem *own)
{
	struct tls_client *client = client_with(own);
	const char *text = NULL;
	int server = -TG_EAGAIN;
	int rc = -TG_EAGAIN;

	dial(client, "good.example", NULL);
	serve(GOOD, tls);
	while (server == -TG_EAGAIN) {
		if (rc == -TG_EAGAIN)
			rc = tls_stream_step(side.client.filter);
		fake_turn(side.loop);
		server = tls_stream_step(side.server.filter);
		fake_turn(side.loop);
	}
	if (server != 0) {
		assert_int_equal(tls_stream_failure(side.server.filter),
				 TG_TLS_FAILURE_CERTIFICATE);
		text = tls_stream_failure_text(side.server.filter);
	}
	hang_up();
	tls_client_unref(client);
	return text;
}

static void
clients_are_taken_by_their_certificate(void **state)
{
	struct conf_tls required = asking(TG_CLIENT_REQUIRED);
	struct conf_tls optional = asking(TG_CLIENT_OPTIONAL);
	char *list = fake_revoked(&pems[AUTHORITY], &pems[REVOKED], 1);

	(void)state;
	assert_null(verdict_on_client(&required, &pems[GOOD]));
	assert_null(verdict_on_client(&optional, &pems[GOOD]));
	assert_null(verdict_on_client(&optional, NULL));
	assert_string_equal(verdict_on_client(&required, NULL),
			    "peer did not return a certificate");
	assert_string_equal(verdict_on_client(&required, &pems[EXPIRED]), "certificate has expired");
	assert_string_equal(verdict_on_client(&optional, &pems[EXPIRED]), "certificate has expired");
	assert_string_equal(verdict_on_client(&optional, &pems[SELF_SIGNED]),
			    "self-signed certificate");
	assert_null(verdict_on_client(&required, &pems[REVOKED]));
	required.client_crl.pem = list;
	required.client_crl.pem_n = strlen(list);
	assert_null(verdict_on_client(&required, &pems[GOOD]));
	assert_string_equal(verdict_on_client(&required, &pems[REVOKED]), "certificate revoked");
	free(list);
}

/* Of two in a chain, the first is below the other. */
static struct conf_pem
chain_of(enum who first, enum who second)
{
	struct conf_pem pem = pems[first];

	pem.chain_n = pems[first].chain_n + pems[second].chain_n;
	pem.chain = malloc(pem.chain_n + 1);
	assert_non_null(pem.chain);
	snprintf(pem.chain, pem.chain_n + 1, "%s%s", pems[first].chain, pems[second].chain);
	return pem;
}

static void
chains_of_clients_have_a_length(void **state)
{
	struct conf_tls tls = asking(TG_CLIENT_REQUIRED);
	struct conf_pem chain = chain_of(BELOW, BETWEEN);

	(void)state;
	assert_null(verdict_on_client(&tls, &chain));
	tls.client_depth = 0;
	assert_non_null(verdict_on_client(&tls, &chain));
	assert_null(verdict_on_client(&tls, &pems[GOOD]));
	tls.client_depth = 1;
	assert_null(verdict_on_client(&tls, &chain));
	free(chain.chain);
}

/* Resumed: whether, and what was shown; NULL: nothing. */
static bool
resumes_as(struct tls_client *client, const struct conf_tls *tls, const char *subject)
{
	const struct tls_facts *facts;
	char text[4];
	bool is_resumed;

	dial(client, "good.example", &side.slot);
	serve(GOOD, tls);
	assert_int_equal(shake_hands(), 0);
	facts = tls_stream_facts(side.server.filter);
	is_resumed = facts->is_resumed;
	if (subject == NULL)
		assert_null(facts->shown);
	else
		assert_string_equal(facts->shown->subject, subject);
	assert_int_equal(conn_send(&side.server, "x", 1), 1);
	assert_int_equal(receive(&side.client, text, sizeof(text)), 1);
	hang_up();
	return is_resumed;
}

static void
sessions_keep_who_the_client_is_and_end_with_the_rules(void **state)
{
	struct conf_tls optional = asking(TG_CLIENT_OPTIONAL);
	struct conf_tls required = asking(TG_CLIENT_REQUIRED);
	struct tls_client *client = client_with(&pems[BETWEEN]);
	char *list = fake_revoked(&pems[AUTHORITY], NULL, 1);

	(void)state;
	assert_false(resumes_as(client, &optional, "CN=between"));
	assert_true(resumes_as(client, &optional, "CN=between"));
	assert_false(resumes_as(client, &required, "CN=between"));
	assert_true(resumes_as(client, &required, "CN=between"));
	/* Somebody else may be revoked now. */
	required.client_crl.pem = list;
	required.client_crl.pem_n = strlen(list);
	assert_false(resumes_as(client, &required, "CN=between"));
	assert_true(resumes_as(client, &required, "CN=between"));
	assert_false(resumes_as(client, NULL, NULL));
	free(list);
	tls_client_unref(client);
}

/* Each service of a configuration; nothing is left of a store that others have. */
static void
stores_are_shared_by_those_that_trust_the_same(void **state)
{
	struct conf_service s = service();
	struct conf_service other = service();
	struct trust_cache trust = {.store = NULL};
	struct tls_client *clients[3];
	X509_STORE *first;
	struct err err;

	(void)state;
	other.tls.ca.pem = pems[SELF_SIGNED].chain;
	other.tls.ca.pem_n = pems[SELF_SIGNED].chain_n;
	assert_int_equal(tls_client_new(&s, &trust, &clients[0], &err), 0);
	first = trust.store;
	assert_int_equal(tls_client_new(&s, &trust, &clients[1], &err), 0);
	assert_ptr_equal(trust.store, first);
	assert_int_equal(tls_client_new(&other, &trust, &clients[2], &err), 0);
	assert_ptr_not_equal(trust.store, first);
	trust_cache_fini(&trust);
	for (int i = 0; i < 3; i++)
		tls_client_unref(clients[i]);
}

/* Even where it lies in the same place: a session of rules that are gone is not resumed under others. */
static void
no_client_has_the_number_of_one_that_is_gone(void **state)
{
	struct conf_service s = service();
	struct trust_cache trust = {.store = NULL};
	struct tls_client *client;
	uint64_t before = 0;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(tls_client_new(&s, &trust, &client, &err), 0);
		assert_true(tls_client_number(client) > before);
		before = tls_client_number(client);
		tls_client_unref(client);
	}
	trust_cache_fini(&trust);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(bytes_pass_both_ways),
		CASE(bad_certificates_are_refused_with_the_reason),
		CASE(what_is_revoked_is_refused_and_so_is_a_list_that_is_too_old),
		CASE(a_server_may_be_trusted_itself),
		CASE(without_a_name_the_address_counts),
		CASE(less_is_checked_where_less_is_asked_for),
		CASE(nobody_is_taken_without_name_and_address),
		CASE(sessions_are_resumed_with_the_same_backend_by_the_same_rules),
		CASE(no_client_has_the_number_of_one_that_is_gone),
		CASE(failures_have_a_reason),
		CASE(tickets_leave_a_connection_quiet_and_words_do_not),
		CASE(clients_are_taken_by_their_certificate),
		CASE(chains_of_clients_have_a_length),
		CASE(sessions_keep_who_the_client_is_and_end_with_the_rules),
		CASE(stores_are_shared_by_those_that_trust_the_same),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
