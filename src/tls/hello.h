/*
 * tls/hello.h: the ClientHello that a connection begins with, read without an answer to it. Pure.
 *
 * For who passes it on as it is: it may lie in any number of records (RFC 8446 5.1), and there may be more behind it. Of
 * what is in it only name and protocols are looked at (RFC 6066 3, RFC 7301 3.1); with Encrypted Client Hello the name is
 * the outer one.
 */
#ifndef TG_TLS_HELLO_H
#define TG_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tls/sni.h"

/* The longest message that is taken. */
#define TG_HELLO_MAX 65536u

enum hello_verdict {
	HELLO_INCOMPLETE = 0,
	HELLO_WHOLE = 1,
	HELLO_NOT_TLS = 2, /* the first bytes are of no record of it */
	HELLO_WRONG = 3,   /* they are, but this is no ClientHello */
	HELLO_TOO_LONG = 4
};

/* How far it was looked at; zeroed at the beginning of a connection. */
struct hello_scan {
	size_t record_at; /* where the first record that is not whole begins */
	size_t body_n;	  /* bytes of the message before that */
};

/* `p` has all bytes from the beginning of the connection, `n` more than at the last call. */
enum hello_verdict hello_scan(struct hello_scan *s, const unsigned char *p, size_t n);

struct hello {
	char name[TG_SNI_MAX + 1];  /* as sni_parse(); "": none was sent, or it is no host name */
	const unsigned char *alpn;  /* names behind their lengths, well-formed; in `message` */
	size_t alpn_n;		    /* 0: none was sent */
	unsigned char *message;
};

/* Of bytes that hello_scan() has called whole. 0: hello_fini() is next; -TG_EPROTO: it is none that is well-formed, or
 * says twice what counts here; -TG_ENOMEM. */
TG_MUST_CHECK int hello_read(const unsigned char *p, size_t n, struct hello *ret);
void hello_fini(struct hello *hello);

#endif
