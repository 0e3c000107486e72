/*
 * tls/sign_request.h: what a worker asks of the process that keeps the private keys (key_isolation).
 *
 * One SOCK_SEQPACKET message each way: a head, then the bytes that are to be signed; the answer. Those bytes are never a
 * digest, so that who signs sees what it is: what a handshake of TLS 1.2 or 1.3 signs, and nothing else. Who has taken over a
 * worker can so have handshakes signed as long as it lasts, but no certificate, no OCSP response, no token. Pure.
 */
#ifndef TG_TLS_SIGN_REQUEST_H
#define TG_TLS_SIGN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Of a client under TLS 1.2 all messages of the handshake so far, chains of both sides among them; else 300. */
#define TG_SIGN_BYTES_MAX 65536u
#define TG_SIGN_ID_BYTES  32u
/* RSA with 16384 bits. */
#define TG_SIGNATURE_MAX 2048u

/* What a key may be used for. */
enum sign_use { SIGN_AS_SERVER = 0, SIGN_AS_CLIENT = 1, SIGN_USE_COUNT };

/* SignatureScheme of RFC 8446 4.2.3: these are all there are. Those of ECDSA name the digest, whatever the curve, as in TLS 1.2. */
enum sign_scheme {
	SIGN_RSA_PKCS1_SHA256 = 0x0401,
	SIGN_RSA_PKCS1_SHA384 = 0x0501,
	SIGN_RSA_PKCS1_SHA512 = 0x0601,
	SIGN_ECDSA_SHA256 = 0x0403,
	SIGN_ECDSA_SHA384 = 0x0503,
	SIGN_ECDSA_SHA512 = 0x0603,
	SIGN_RSA_PSS_RSAE_SHA256 = 0x0804,
	SIGN_RSA_PSS_RSAE_SHA384 = 0x0805,
	SIGN_RSA_PSS_RSAE_SHA512 = 0x0806,
	SIGN_ED25519 = 0x0807,
	SIGN_ED448 = 0x0808,
	SIGN_RSA_PSS_PSS_SHA256 = 0x0809,
	SIGN_RSA_PSS_PSS_SHA384 = 0x080a,
	SIGN_RSA_PSS_PSS_SHA512 = 0x080b
};

enum sign_status {
	SIGN_DONE = 0,
	SIGN_NO_KEY = 1,  /* there is none with this id for this use */
	SIGN_REFUSED = 2, /* the bytes are none that a handshake signs */
	SIGN_FAILED = 3,  /* the key is of another kind, or the library failed */
	SIGN_STATUS_COUNT
};

/* As it goes over the socket; the bytes follow. Both ends are one program. */
struct sign_head {
	uint64_t number; /* of the worker's; given back */
	uint32_t n;      /* of bytes that follow: 1 to TG_SIGN_BYTES_MAX, exactly */
	uint16_t scheme; /* enum sign_scheme */
	uint16_t use;    /* enum sign_use */
	unsigned char id[TG_SIGN_ID_BYTES]; /* SHA-256 of the key's SubjectPublicKeyInfo (DER) */
};

struct sign_answer {
	uint64_t number;
	uint32_t status; /* enum sign_status */
	uint32_t n;      /* of the signature; 0 unless it is done */
	unsigned char bytes[TG_SIGNATURE_MAX];
};

/* Bytes of an answer that count. */
#define TG_SIGN_ANSWER_BYTES(n) (offsetof(struct sign_answer, bytes) + (n))

/* Points into the message. */
struct sign_request {
	struct sign_head head;
	const unsigned char *bytes;
};

/* -TG_EPROTO: not a request. Whether the bytes may be signed is sign_may()'s to say. */
TG_MUST_CHECK int sign_request_parse(const void *message, size_t n, struct sign_request *ret);
/* -TG_EPROTO: not an answer. */
TG_MUST_CHECK int sign_answer_check(const struct sign_answer *a, size_t n);

/*
 * Whether these are bytes that a handshake signs in this role:
 *
 *	server  CertificateVerify of TLS 1.3 (RFC 8446 4.4.3); ServerKeyExchange of TLS 1.2 with ECDHE (RFC 8422 5.4)
 *	client  CertificateVerify of TLS 1.3; of TLS 1.2 (RFC 5246 7.4.8): all messages from ClientHello to ClientKeyExchange
 */
bool sign_may(enum sign_use use, const unsigned char *bytes, size_t n);

#endif
