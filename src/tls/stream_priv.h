/* tls/stream_priv.h: what a stream and the callbacks of its context share. */
#ifndef TG_TLS_STREAM_PRIV_H
#define TG_TLS_STREAM_PRIV_H

#include <openssl/bio.h>
#include <openssl/types.h>

#include "loop/loop.h"
#include "tls/sni.h"
#include "tls/stream.h"

struct tls_suite;

enum tls_end {
	TLS_GOES_ON = 0,
	TLS_CLOSED = 1,    /* the other side said close_notify */
	TLS_TRUNCATED = 2, /* its end came without */
	TLS_FAILED = 3     /* raw_error says why */
};

struct tls_unsent {
	unsigned char *bytes; /* NULL: none */
	size_t n;
	size_t sent; /* of these */
};

struct tls_stream {
	struct conn_filter filter;
	SSL *ssl;
	struct tls_context *context; /* one reference; NULL: the client's side */
	struct tls_client *client;   /* the same; NULL: the server's */
	struct tls_sessions *sessions; /* of `slot`; NULL: none are kept */
	struct tls_slot *slot;
	struct tls_output *output;   /* the worker's; empty between calls */
	struct tls_unsent unsent;
	enum tls_end end;
	enum tls_failure failure;
	unsigned long error; /* of OpenSSL, behind `failure` */
	long verdict;        /* on the other side's certificate, behind TG_TLS_FAILURE_CERTIFICATE */
	uint64_t raw_sent;   /* bytes that the kernel has taken */
	int raw_error;       /* errno of the socket, EPROTO of what came; 0: none */
	size_t call_room;    /* bytes this call may yet take from the socket */
	uint64_t plain_bytes; /* both ways */
	uint64_t updates;    /* how often the other side has changed its keys */
	bool has_raw_end;
	bool is_open;
	bool takes_early;   /* data before the end of the handshake: until it is known that there is none */
	bool has_first;	    /* `first` is not read yet */
	unsigned char first; /* byte of it: OpenSSL tells of any by giving some */
	bool owes_end;	    /* close_notify and FIN, when the handshake is over */
	struct timer late;  /* runs while the handshake does, behind early data */
	bool has_read; /* bytes for its owner */
	const struct tls_suite *suite; /* of `context`, for the name; NULL: not yet */
	bool is_known_name; /* some certificate has it */
	bool is_stapled;
	bool owes_fin;
	struct tls_facts facts;
	struct tls_shown *shown;
	char protocol[TG_TLS_PROTOCOL_MAX + 1];
	char sni[TG_SNI_MAX + 1];
};

/* What streams want of either side's context. */
void tls_stream_settings(SSL_CTX *ssl);
/* NULL: no memory. */
BIO_METHOD *tls_bio_method_new(void);
/* Of neither side yet. NULL: no memory. */
struct tls_stream *tls_stream_new(SSL_CTX *ssl, const BIO_METHOD *bio, struct tls_output *out);

#endif
