#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tls/sign_request.h"

#define SERVER "TLS 1.3, server CertificateVerify"
#define CLIENT "TLS 1.3, client CertificateVerify"

/* RFC 8446 4.4.3. */
static size_t
put_verify(unsigned char *p, const char *context, size_t hash)
{
	memset(p, ' ', 64);
	memcpy(p + 64, context, 34);
	memset(p + 98, 0xab, hash);
	return 98 + hash;
}

static void
verify_of_tls13_is_signed_in_its_role(void **state)
{
	unsigned char p[200];

	(void)state;
	assert_true(sign_may(SIGN_AS_SERVER, p, put_verify(p, SERVER, 32)));
	assert_true(sign_may(SIGN_AS_SERVER, p, put_verify(p, SERVER, 48)));
	assert_false(sign_may(SIGN_AS_CLIENT, p, put_verify(p, SERVER, 48)));
	assert_true(sign_may(SIGN_AS_CLIENT, p, put_verify(p, CLIENT, 48)));
	assert_false(sign_may(SIGN_AS_SERVER, p, put_verify(p, CLIENT, 48)));
	assert_false(sign_may(SIGN_AS_SERVER, p, put_verify(p, SERVER, 33)));
	assert_false(sign_may(SIGN_AS_SERVER, p, put_verify(p, SERVER, 64)));
	assert_false(sign_may(SIGN_AS_SERVER, p + 1, put_verify(p, SERVER, 32) - 1));
	(void)put_verify(p, SERVER, 32);
	p[63] = '\t';
	assert_false(sign_may(SIGN_AS_SERVER, p, 130));
}

static void
exchange_of_tls12_is_a_point_behind_two_randoms(void **state)
{
	static const struct {
		unsigned char group, length;
		bool may;
	} rows[] = {{23, 65, true},  {24, 97, true},  {25, 133, true},
		    {29, 32, true},  {30, 56, true},  {29, 33, false},
		    {23, 33, false}, {28, 65, false}, {0, 0, false}};
	unsigned char p[300] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = 68u + rows[i].length;

		p[64] = 3;
		p[66] = rows[i].group;
		p[67] = rows[i].length;
		assert_int_equal(sign_may(SIGN_AS_SERVER, p, n), rows[i].may);
		assert_false(sign_may(SIGN_AS_CLIENT, p, n));
		assert_false(sign_may(SIGN_AS_SERVER, p, n + 1));
		assert_false(sign_may(SIGN_AS_SERVER, p, n - 1));
		p[64] = 1;
		assert_false(sign_may(SIGN_AS_SERVER, p, n));
	}
}

static size_t
put_messages(unsigned char *p, const unsigned char *types)
{
	size_t n = 0;

	for (; *types != 0; types++) {
		p[n] = *types;
		p[n + 1] = 0;
		p[n + 2] = 0;
		p[n + 3] = 5;
		memset(p + n + 4, 0xcd, 5);
		n += 9;
	}
	return n;
}

static void
handshake_of_tls12_is_signed_whole_and_in_its_order(void **state)
{
	unsigned char p[200];
	size_t n;

	(void)state;
	n = put_messages(p, (const unsigned char[]){1, 2, 11, 22, 12, 13, 14, 11, 16, 0});
	assert_true(sign_may(SIGN_AS_CLIENT, p, n));
	assert_false(sign_may(SIGN_AS_SERVER, p, n));
	assert_false(sign_may(SIGN_AS_CLIENT, p, n - 1));
	assert_false(sign_may(SIGN_AS_CLIENT, p, n - 9));
	n = put_messages(p, (const unsigned char[]){1, 2, 11, 13, 14, 11, 16, 0});
	assert_true(sign_may(SIGN_AS_CLIENT, p, n));
	n = put_messages(p, (const unsigned char[]){1, 2, 11, 12, 14, 11, 16, 0});
	assert_false(sign_may(SIGN_AS_CLIENT, p, n)); /* nobody asked */
	n = put_messages(p, (const unsigned char[]){2, 11, 13, 14, 11, 16, 0});
	assert_false(sign_may(SIGN_AS_CLIENT, p, n));
	n = put_messages(p, (const unsigned char[]){1, 2, 11, 13, 14, 11, 16, 20, 0});
	assert_false(sign_may(SIGN_AS_CLIENT, p, n));
	p[2] = 0xff;
	assert_false(sign_may(SIGN_AS_CLIENT, p, n));
	assert_false(sign_may(SIGN_AS_CLIENT, p, 0));
}

static int
parse(const struct sign_head *head, size_t body)
{
	static unsigned char buf[sizeof(*head) + TG_SIGN_BYTES_MAX + 1];
	struct sign_request r;

	memcpy(buf, head, sizeof(*head));
	return sign_request_parse(buf, sizeof(*head) + body, &r);
}

static void
requests_have_one_form(void **state)
{
	struct sign_head good = {.n = 130, .scheme = SIGN_ECDSA_SHA256, .use = SIGN_AS_SERVER};
	struct sign_head h = good;
	struct sign_request r;

	(void)state;
	assert_int_equal(parse(&h, 130), 0);
	assert_int_equal(parse(&h, 129), -TG_EPROTO);
	assert_int_equal(parse(&h, 131), -TG_EPROTO);
	assert_int_equal(sign_request_parse(&h, sizeof(h) - 1, &r), -TG_EPROTO);
	h.n = 0;
	assert_int_equal(parse(&h, 0), -TG_EPROTO);
	h.n = TG_SIGN_BYTES_MAX;
	assert_int_equal(parse(&h, TG_SIGN_BYTES_MAX), 0);
	h.n++;
	assert_int_equal(parse(&h, TG_SIGN_BYTES_MAX + 1), -TG_EPROTO);
	h = good;
	h.use = SIGN_USE_COUNT;
	assert_int_equal(parse(&h, 130), -TG_EPROTO);
	h = good;
	h.scheme = 0x0201; /* SHA-1 */
	assert_int_equal(parse(&h, 130), -TG_EPROTO);
}

static void
answers_have_one_form(void **state)
{
	struct sign_answer a = {.status = SIGN_DONE, .n = 70};

	(void)state;
	assert_int_equal(sign_answer_check(&a, TG_SIGN_ANSWER_BYTES(70)), 0);
	assert_int_equal(sign_answer_check(&a, TG_SIGN_ANSWER_BYTES(71)), -TG_EPROTO);
	assert_int_equal(sign_answer_check(&a, 3), -TG_EPROTO);
	a.status = SIGN_NO_KEY;
	assert_int_equal(sign_answer_check(&a, TG_SIGN_ANSWER_BYTES(70)), -TG_EPROTO);
	a.n = 0;
	assert_int_equal(sign_answer_check(&a, TG_SIGN_ANSWER_BYTES(0)), 0);
	a.status = SIGN_DONE;
	assert_int_equal(sign_answer_check(&a, TG_SIGN_ANSWER_BYTES(0)), -TG_EPROTO);
	a.status = SIGN_STATUS_COUNT;
	assert_int_equal(sign_answer_check(&a, TG_SIGN_ANSWER_BYTES(0)), -TG_EPROTO);
	a = (struct sign_answer){.n = UINT32_MAX};
	assert_int_equal(sign_answer_check(&a, sizeof(a)), -TG_EPROTO);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verify_of_tls13_is_signed_in_its_role),
		cmocka_unit_test(exchange_of_tls12_is_a_point_behind_two_randoms),
		cmocka_unit_test(handshake_of_tls12_is_signed_whole_and_in_its_order),
		cmocka_unit_test(requests_have_one_form),
		cmocka_unit_test(answers_have_one_form),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
