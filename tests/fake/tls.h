/*
 * fake/tls.h: certificates made in memory, and clients that speak TLS over a descriptor.
 */
#ifndef TG_TESTS_FAKE_TLS_H
#define TG_TESTS_FAKE_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

/* What to make. Zeroed: ECDSA, of no name, good for a month from yesterday on. */
struct fake_certificate {
	const char *names; /* "DNS:a.example,DNS:*.b.example"; NULL: no subjectAltName */
	const char *common_name;
	int rsa_bits; /* 0: ECDSA with P-256 */
	long from_days;
	long to_days;
	const struct conf_pem *signer; /* NULL: it is self-signed */
	bool is_authority;
};

/* Both texts to free(). A failure ends the program. */
struct conf_pem fake_certificate(const struct fake_certificate *wanted);
void fake_pem_free(struct conf_pem *pem);
/* What this authority has revoked, until in `to_days`: the one certificate, or nothing where NULL. To free(). */
char *fake_revoked(const struct conf_pem *authority, const struct conf_pem *revoked, long to_days);

/* What an authority says of a certificate: its OCSP response (DER), to free(). */
struct fake_ocsp {
	int status; /* V_OCSP_CERTSTATUS_... */
	long from_seconds;
	long to_seconds; /* 0: it does not say */
	const struct conf_pem *signer; /* NULL: the authority itself */
};
char *fake_ocsp(const struct conf_pem *authority, const struct conf_pem *about, const struct fake_ocsp *said,
		size_t *ret_n);

/* A file of these bytes; its name is good in this process and those it forks. */
#define FAKE_FILE_SIZE 32
void fake_file(const char *bytes, size_t n, char ret[FAKE_FILE_SIZE]);
/* The same of the key, behind a passphrase. */
void fake_locked_key(const struct conf_pem *pem, char ret[FAKE_FILE_SIZE]);

/* A client that believes anybody. `name` NULL: it asks for none. `version`: TLS1_2_VERSION or TLS1_3_VERSION. A failure ends
 * the program. It does not own `fd`, which does not block. */
struct fake_client {
	SSL_CTX *ctx;
	SSL *ssl;
	SSL_SESSION *session; /* of its last ticket; NULL: none */
};
void fake_client_open(struct fake_client *c, int fd, const char *name, int version);
/* The session is kept: for another connection. */
SSL_SESSION *fake_client_close(struct fake_client *c);
/* Common name of what the server showed. */
const char *fake_client_sees(const struct fake_client *c);

#endif
