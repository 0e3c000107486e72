#include "tls/sign_request.h"

#include <string.h>

/* RFC 8446 4.4.3: blanks, the context with its NUL, a hash of SHA-256 or SHA-384. */
#define BLANKS        64u
#define CONTEXT_BYTES 34u
#define RANDOMS       64u
#define NAMED_CURVE   3u
/* Messages of a handshake that a client signs under TLS 1.2. */
#define MESSAGES_MAX 16u

static bool
is_scheme(unsigned scheme)
{
	switch ((enum sign_scheme)scheme) {
	case SIGN_RSA_PKCS1_SHA256:
	case SIGN_RSA_PKCS1_SHA384:
	case SIGN_RSA_PKCS1_SHA512:
	case SIGN_ECDSA_SHA256:
	case SIGN_ECDSA_SHA384:
	case SIGN_ECDSA_SHA512:
	case SIGN_RSA_PSS_RSAE_SHA256:
	case SIGN_RSA_PSS_RSAE_SHA384:
	case SIGN_RSA_PSS_RSAE_SHA512:
	case SIGN_ED25519:
	case SIGN_ED448:
	case SIGN_RSA_PSS_PSS_SHA256:
	case SIGN_RSA_PSS_PSS_SHA384:
	case SIGN_RSA_PSS_PSS_SHA512:
		return true;
	}
	return false;
}

int
sign_request_parse(const void *message, size_t n, struct sign_request *ret)
{
	struct sign_request r;

	if (n <= sizeof(r.head))
		return -TG_EPROTO;
	memcpy(&r.head, message, sizeof(r.head));
	if (r.head.n > TG_SIGN_BYTES_MAX || r.head.n != n - sizeof(r.head) ||
	    r.head.use >= SIGN_USE_COUNT || !is_scheme(r.head.scheme))
		return -TG_EPROTO;
	r.bytes = (const unsigned char *)message + sizeof(r.head);
	*ret = r;
	return 0;
}

int
sign_answer_check(const struct sign_answer *a, size_t n)
{
	if (n < TG_SIGN_ANSWER_BYTES(0) || a->n > TG_SIGNATURE_MAX ||
	    n != TG_SIGN_ANSWER_BYTES(a->n) || a->status >= SIGN_STATUS_COUNT ||
	    (a->n == 0) != (a->status != SIGN_DONE))
		return -TG_EPROTO;
	return 0;
}

static bool
is_verify_of_tls13(enum sign_use use, const unsigned char *p, size_t n)
{
	static const char contexts[SIGN_USE_COUNT][CONTEXT_BYTES] = {
		[SIGN_AS_SERVER] = "TLS 1.3, server CertificateVerify",
		[SIGN_AS_CLIENT] = "TLS 1.3, client CertificateVerify",
	};
	size_t i;

	if (n != BLANKS + CONTEXT_BYTES + 32 && n != BLANKS + CONTEXT_BYTES + 48)
		return false;
	for (i = 0; i < BLANKS && p[i] == ' '; i++)
		;
	return i == BLANKS && memcmp(p + BLANKS, contexts[use], CONTEXT_BYTES) == 0;
}

/* Bytes of a point (RFC 8422 5.4). 0: no group of ours. */
static size_t
point_bytes(unsigned group)
{
	switch (group) {
	case 23: /* P-256 */
		return 65;
	case 24: /* P-384 */
		return 97;
	case 25: /* P-521 */
		return 133;
	case 29: /* X25519 */
		return 32;
	case 30: /* X448 */
		return 56;
	default:
		return 0;
	}
}

static bool
is_exchange_of_tls12(const unsigned char *p, size_t n)
{
	size_t point;

	if (n < RANDOMS + 4 || p[RANDOMS] != NAMED_CURVE)
		return false;
	point = point_bytes((unsigned)p[RANDOMS + 1] << 8 | p[RANDOMS + 2]);
	return point > 0 && p[RANDOMS + 3] == point && n == RANDOMS + 4 + point;
}

/* RFC 5246 7.4, in the order of a handshake with a client's certificate; the second one is the client's. */
static bool
may_follow(unsigned before, unsigned type)
{
	enum {
		HELLO = 1,
		SERVER_HELLO = 2,
		CERTIFICATE = 11,
		KEY_EXCHANGE = 12,
		REQUEST = 13,
		DONE = 14,
		CLIENT_KEY_EXCHANGE = 16,
		STATUS = 22
	};

	switch (type) {
	case HELLO:
		return before == 0;
	case SERVER_HELLO:
		return before == HELLO;
	case CERTIFICATE:
		return before == SERVER_HELLO || before == DONE;
	case STATUS:
		return before == CERTIFICATE;
	case KEY_EXCHANGE:
		return before == CERTIFICATE || before == STATUS;
	case REQUEST:
		return before == CERTIFICATE || before == STATUS || before == KEY_EXCHANGE;
	case DONE:
		return before == REQUEST;
	case CLIENT_KEY_EXCHANGE:
		return before == CERTIFICATE;
	default:
		return false;
	}
}

static bool
is_handshake_of_tls12(const unsigned char *p, size_t n)
{
	unsigned before = 0;
	unsigned i;

	for (i = 0; i < MESSAGES_MAX && n >= 4; i++) {
		size_t body = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

		if (!may_follow(before, p[0]) || body > n - 4)
			return false;
		before = p[0];
		p += 4 + body;
		n -= 4 + body;
	}
	return n == 0 && before == 16;
}

bool
sign_may(enum sign_use use, const unsigned char *bytes, size_t n)
{
	if (is_verify_of_tls13(use, bytes, n))
		return true;
	return use == SIGN_AS_SERVER ? is_exchange_of_tls12(bytes, n)
				     : is_handshake_of_tls12(bytes, n);
}
