#include "tls/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/container.h"
#include "tls/client.h"
#include "tls/context_priv.h"
#include "tls/settings.h"
#include "tls/sign_line.h"
#include "tls/stream_priv.h"

#define RECORD_BYTES 16384u
/* A record's own bytes: head, nonce or type, tag; rounded up. */
#define RECORD_EXTRA 64u
#define OUTPUT_BYTES (TG_TLS_SEND_BYTES + (TG_TLS_SEND_BYTES / RECORD_BYTES) * RECORD_EXTRA)
/* While more than this waits nothing is read: answers to it would wait too. */
#define UNSENT_MAX (2u * OUTPUT_BYTES)

/* A step looks at so many bytes of the socket, and a read beside its own room: one record, and some that hold nothing. */
#define CALL_EXTRA 20480u
/* New keys without any data, then one more for so many plain bytes: each costs as much as some kilobytes of data. */
#define UPDATES_FREE 64u
#define UPDATE_BYTES 65536u
/* The end of a late handshake, while it may be there unread: looked for again after this. */
#define LATE_AGAIN_MS 1000u

struct tls_output {
	size_t n;
	unsigned char bytes[OUTPUT_BYTES];
};

static const char *const failure_words[TG_TLS_FAILURE_COUNT] = {
#define FAILURE_WORD(id, word, help) [TG_TLS_FAILURE_##id] = (word),
	TG_TLS_FAILURES(FAILURE_WORD)
#undef FAILURE_WORD
};

const char *
tls_failure_str(unsigned failure)
{
	return failure < TG_TLS_FAILURE_COUNT ? failure_words[failure] : "?";
}

struct tls_output *
tls_output_new(void)
{
	return calloc(1, sizeof(struct tls_output));
}

void
tls_output_free(struct tls_output *o)
{
	free(o);
}

static struct tls_stream *
stream_of(const struct conn_filter *f)
{
	return TG_CONTAINER(f, struct tls_stream, filter);
}

/* what the kernel did not take */

static bool
has_unsent(const struct tls_stream *t)
{
	return t->unsent.n > t->unsent.sent;
}

/* -TG_ENOMEM. */
static int
keep(struct tls_stream *t, const unsigned char *p, size_t n)
{
	unsigned char *more;

	if (n == 0)
		return 0;
	if (t->unsent.sent > 0) {
		t->unsent.n -= t->unsent.sent;
		memmove(t->unsent.bytes, t->unsent.bytes + t->unsent.sent, t->unsent.n);
		t->unsent.sent = 0;
	}
	more = realloc(t->unsent.bytes, t->unsent.n + n);
	if (more == NULL)
		return -TG_ENOMEM;
	memcpy(more + t->unsent.n, p, n);
	t->unsent.bytes = more;
	t->unsent.n += n;
	return 0;
}

static void
drop_unsent(struct tls_stream *t)
{
	free(t->unsent.bytes);
	t->unsent = (struct tls_unsent){.bytes = NULL};
}

/* As many as the kernel takes; -TG_EIO: it failed, and nothing will be taken any more. */
static ssize_t
send_raw(struct conn *c, const unsigned char *p, size_t n)
{
	struct tls_stream *t = stream_of(c->filter);
	size_t total = 0;
	ssize_t took;

	while (total < n) {
		took = send(c->fd, p + total, n - total, MSG_NOSIGNAL);
		if (took < 0 && errno == EINTR)
			continue;
		if (took < 0 && errno == EAGAIN)
			break;
		if (took < 0) {
			conn_write_failed(c, errno);
			return -TG_EIO;
		}
		total += (size_t)took;
		t->raw_sent += (uint64_t)took;
	}
	return (ssize_t)total;
}

/* All that OpenSSL gave since the last time. */
static int
flush(struct tls_stream *t)
{
	struct tls_output *o = t->output;
	struct conn *c = t->filter.conn;
	size_t n = o->n;
	ssize_t took = 0;

	o->n = 0;
	if (n == 0)
		return 0;
	if (!has_unsent(t) && (c->flags & CONN_WRITABLE) != 0)
		took = send_raw(c, o->bytes, n);
	if (took < 0)
		return -TG_EIO;
	if ((size_t)took == n)
		return 0;
	c->flags &= ~CONN_WRITABLE;
	if (keep(t, o->bytes + took, n - (size_t)took) == 0)
		return 0;
	conn_write_failed(c, ENOMEM);
	errno = ENOMEM;
	return -TG_EIO;
}

/* what OpenSSL reads from and writes to */

static int
bio_write(BIO *bio, const char *p, size_t n, size_t *ret)
{
	struct tls_stream *t = BIO_get_data(bio);
	struct tls_output *o = t->output;

	BIO_clear_retry_flags(bio);
	if (n > OUTPUT_BYTES - o->n && flush(t) < 0)
		return 0;
	if (n > OUTPUT_BYTES)
		n = OUTPUT_BYTES;
	memcpy(o->bytes + o->n, p, n);
	o->n += n;
	*ret = n;
	return 1;
}

static int
bio_read(BIO *bio, char *p, size_t n, size_t *ret)
{
	struct tls_stream *t = BIO_get_data(bio);
	struct conn *c = t->filter.conn;
	ssize_t got;

	BIO_clear_retry_flags(bio);
	if (n > t->call_room)
		n = t->call_room;
	if (n == 0 || (c->flags & CONN_INPUT) == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	do {
		got = recv(c->fd, p, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got > 0) {
		/* A handshake waits for more of the same message, and a reset may hide behind these bytes. */
		if ((size_t)got < n && t->is_open && (c->flags & CONN_HANGUP) == 0)
			c->flags &= ~CONN_INPUT;
		t->call_room -= (size_t)got;
		*ret = (size_t)got;
		return 1;
	}
	c->flags &= ~CONN_INPUT;
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	else if (got < 0)
		t->raw_error = errno;
	else
		t->has_raw_end = true;
	return 0;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct tls_stream *t = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return t->has_raw_end;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int
bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *
tls_bio_method_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tidegate");

	if (m != NULL && BIO_meth_set_write_ex(m, bio_write) == 1 &&
	    BIO_meth_set_read_ex(m, bio_read) == 1 && BIO_meth_set_ctrl(m, bio_ctrl) == 1 &&
	    BIO_meth_set_create(m, bio_create) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* the connection's own calls */

static void
note_update(struct tls_stream *t)
{
	if (!t->is_open || t->updates++ < UPDATES_FREE + t->plain_bytes / UPDATE_BYTES)
		return;
	t->raw_error = EPROTO;
	/* The library reads on by itself as long as there is no data; not behind an end. */
	SSL_set_shutdown(t->ssl, SSL_RECEIVED_SHUTDOWN);
}

/* Of the many messages this is told of, what the other side may send without end: new keys, and as a server tickets. */
static void
on_message(int is_ours, int version, int type, const void *bytes, size_t n, SSL *ssl, void *user)
{
	const unsigned char *kind = bytes;

	(void)version;
	(void)user;
	if (!is_ours && type == SSL3_RT_HANDSHAKE && n > 0 &&
	    (*kind == SSL3_MT_KEY_UPDATE || *kind == SSL3_MT_NEWSESSION_TICKET))
		note_update(SSL_get_app_data(ssl));
}

void
tls_stream_settings(SSL_CTX *ssl)
{
	/* An end without close_notify: the stream tells them apart, and may still be written to. */
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_msg_callback(ssl, on_message);
}

/* What a read that moved nothing says; it stays so. */
static enum tls_end
end_of(struct tls_stream *t, int error)
{
	if (t->raw_error != 0)
		return TLS_FAILED;
	if (error == SSL_ERROR_WANT_READ)
		return TLS_GOES_ON;
	if (error == SSL_ERROR_ZERO_RETURN)
		return t->has_raw_end ? TLS_TRUNCATED : TLS_CLOSED;
	t->raw_error = EPROTO;
	t->error = ERR_peek_error();
	return TLS_FAILED;
}

static ssize_t
tell_end(struct tls_stream *t, struct conn *c)
{
	c->flags &= ~CONN_READABLE;
	if (t->end == TLS_GOES_ON)
		return -TG_EAGAIN;
	if (t->end == TLS_FAILED || (t->end == TLS_TRUNCATED && (c->flags & CONN_RESET) != 0)) {
		c->flags |= CONN_FAILED;
		errno = t->end == TLS_FAILED ? t->raw_error : ECONNRESET;
		return -TG_EIO;
	}
	c->flags |= CONN_ENDED | (t->end == TLS_TRUNCATED ? CONN_TRUNCATED : 0);
	return 0;
}

/* There is more, but nothing for the owner yet, and others are to have their turn. */
static ssize_t
ask_again(struct conn *c)
{
	watch_again(c->loop, &c->watch);
	return -TG_EAGAIN;
}

static void
send_fin(struct tls_stream *t)
{
	t->owes_fin = false;
	shutdown(t->filter.conn->fd, SHUT_WR);
}

static void
say_close(struct tls_stream *t)
{
	ERR_clear_error();
	if (t->is_open && t->end != TLS_FAILED && (t->filter.conn->flags & CONN_BROKEN) == 0) {
		(void)SSL_shutdown(t->ssl);
		(void)!flush(t);
	}
	ERR_clear_error();
}

/* Nothing more will be written. */
static void
say_end(struct tls_stream *t)
{
	say_close(t);
	if (has_unsent(t))
		t->owes_fin = true;
	else
		send_fin(t);
}

/* Data that came before the end of the handshake; then that end. As SSL_read_ex(). */
static int
read_early(struct tls_stream *t, void *p, size_t n, size_t *ret)
{
	int rc = t->takes_early ? SSL_read_early_data(t->ssl, p, n, ret)
				: SSL_READ_EARLY_DATA_FINISH;

	if (rc != SSL_READ_EARLY_DATA_FINISH)
		return rc == SSL_READ_EARLY_DATA_SUCCESS;
	t->takes_early = false;
	rc = SSL_do_handshake(t->ssl);
	if (rc != 1)
		return 0;
	t->facts.is_early = false;
	t->is_open = true;
	timer_clear(&t->late);
	if (t->owes_end)
		say_end(t);
	return SSL_read_ex(t->ssl, p, n, ret);
}

static int
read_plain(struct tls_stream *t, void *p, size_t n, size_t *ret)
{
	if (t->has_first) {
		*(unsigned char *)p = t->first;
		t->has_first = false;
		*ret = 1;
		return 1;
	}
	return t->facts.is_early ? read_early(t, p, n, ret) : SSL_read_ex(t->ssl, p, n, ret);
}

static ssize_t
stream_recv(struct conn *c, void *p, size_t n)
{
	struct tls_stream *t = stream_of(c->filter);
	size_t total = 0;
	bool is_over = false;
	size_t got;

	if (t->unsent.n - t->unsent.sent > UNSENT_MAX)
		return -TG_EAGAIN;
	t->call_room = n + CALL_EXTRA;
	while (total < n && t->end == TLS_GOES_ON && !is_over) {
		ERR_clear_error();
		if (read_plain(t, (char *)p + total, n - total, &got) == 1) {
			total += got;
			t->plain_bytes += got;
			continue;
		}
		t->end = end_of(t, SSL_get_error(t->ssl, 0));
		is_over = t->end == TLS_GOES_ON;
	}
	t->has_read |= total > 0;
	/* A failure is told by the next write. */
	(void)!flush(t);
	if (is_over && (c->flags & CONN_INPUT) != 0)
		return total > 0 ? (ssize_t)total : ask_again(c);
	if (total == 0)
		return tell_end(t, c);
	if (is_over)
		c->flags &= ~CONN_READABLE;
	return (ssize_t)total;
}

/* Encrypts all of it. -TG_EIO. */
static int
seal(struct tls_stream *t, const void *p, size_t n)
{
	size_t done;

	ERR_clear_error();
	if (n == 0 || (t->facts.is_early ? SSL_write_early_data(t->ssl, p, n, &done)
					 : SSL_write_ex(t->ssl, p, n, &done)) == 1) {
		t->plain_bytes += n;
		return 0;
	}
	if ((t->filter.conn->flags & CONN_BROKEN) == 0)
		conn_write_failed(t->filter.conn, EPROTO);
	return -TG_EIO;
}

static ssize_t
stream_sendv(struct conn *c, const struct iovec *iov, int n)
{
	struct tls_stream *t = stream_of(c->filter);
	size_t room = TG_TLS_SEND_BYTES;
	size_t total = 0;
	size_t at = 0;
	int i = 0;

	if (t->facts.is_early && t->end == TLS_FAILED) {
		conn_write_failed(c, EPROTO);
		return -TG_EIO;
	}
	while (i < n) {
		size_t piece = iov[i].iov_len - at;

		piece = piece < RECORD_BYTES ? piece : RECORD_BYTES;
		if (piece > room) {
			if (flush(t) < 0)
				return -TG_EIO;
			if (has_unsent(t))
				return (ssize_t)total;
			room = TG_TLS_SEND_BYTES;
		}
		if (seal(t, (const char *)iov[i].iov_base + at, piece) < 0)
			return -TG_EIO;
		room -= piece;
		total += piece;
		at += piece;
		if (at == iov[i].iov_len) {
			i++;
			at = 0;
		}
	}
	return flush(t) < 0 ? -TG_EIO : (ssize_t)total;
}

static void
stream_on_writable(struct conn *c)
{
	struct tls_stream *t = stream_of(c->filter);
	ssize_t took;

	if (!has_unsent(t))
		return;
	took = send_raw(c, t->unsent.bytes + t->unsent.sent, t->unsent.n - t->unsent.sent);
	if (took > 0)
		t->unsent.sent += (size_t)took;
	if (took < 0) {
		drop_unsent(t);
	} else if (has_unsent(t)) {
		c->flags &= ~CONN_WRITABLE;
	} else {
		drop_unsent(t);
		if (t->owes_fin)
			send_fin(t);
	}
}

static bool
stream_has_unsent(const struct conn *c)
{
	return has_unsent(stream_of(c->filter));
}

static void
stream_shutdown(struct conn *c)
{
	struct tls_stream *t = stream_of(c->filter);

	/* No close_notify inside a handshake. */
	t->owes_end = t->facts.is_early;
	if (!t->owes_end)
		say_end(t);
}

static void
stream_goodbye(struct conn *c)
{
	struct tls_stream *t = stream_of(c->filter);

	if (!has_unsent(t))
		say_close(t);
}

static void
stream_free(struct conn_filter *f)
{
	struct tls_stream *t = stream_of(f);

	timer_fini(&t->late);
	SSL_free(t->ssl);
	tls_context_unref(t->context);
	tls_client_unref(t->client);
	tls_shown_free(t->shown);
	free(t->unsent.bytes);
	free(t);
}

static const struct conn_filter_ops stream_ops = {
	.recv = stream_recv,
	.sendv = stream_sendv,
	.on_writable = stream_on_writable,
	.has_unsent = stream_has_unsent,
	.shutdown = stream_shutdown,
	.goodbye = stream_goodbye,
	.free = stream_free,
};

/* handshake */

static void
on_late(struct timer *timer)
{
	struct tls_stream *t = TG_CONTAINER(timer, struct tls_stream, late);
	struct conn *c = t->filter.conn;

	/* The end may be there, behind what its owner is not ready to read yet; that is in the owner's time. */
	if ((c->flags & CONN_READABLE) != 0) {
		timer_set(c->loop, timer, mono_add_ms(loop_now(c->loop), LATE_AGAIN_MS));
		return;
	}
	t->end = TLS_FAILED;
	t->raw_error = ETIMEDOUT;
	drop_unsent(t);
	conn_tell(c, CONN_READABLE | CONN_BROKEN);
}

void
tls_stream_end_by(struct conn_filter *f, struct mono deadline)
{
	struct tls_stream *t = stream_of(f);

	if (t->facts.is_early)
		timer_set(f->conn->loop, &t->late, deadline);
}

struct tls_stream *
tls_stream_new(SSL_CTX *ssl, const BIO_METHOD *method, struct tls_output *out)
{
	struct tls_stream *t = calloc(1, sizeof(*t));
	BIO *bio;

	if (t == NULL)
		return NULL;
	t->filter.ops = &stream_ops;
	timer_init(&t->late, on_late);
	t->output = out;
	t->ssl = SSL_new(ssl);
	bio = t->ssl != NULL ? BIO_new(method) : NULL;
	if (bio == NULL) {
		stream_free(&t->filter);
		ERR_clear_error();
		return NULL;
	}
	BIO_set_data(bio, t);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	return t;
}

struct conn_filter *
tls_stream_accept(struct tls_context *ctx, struct tls_output *out)
{
	struct tls_stream *t = tls_stream_new(tls_context_ssl(ctx), tls_context_bio(ctx), out);

	if (t == NULL)
		return NULL;
	t->context = tls_context_ref(ctx);
	t->takes_early = tls_context_takes_early(ctx);
	SSL_set_accept_state(t->ssl);
	return &t->filter;
}

static enum tls_failure
failure_of_reason(int reason)
{
	if (reason >= SSL_AD_REASON_OFFSET)
		return TG_TLS_FAILURE_ALERT;
	switch (reason) {
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return TG_TLS_FAILURE_HTTP;
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_BAD_RECORD_TYPE:
		return TG_TLS_FAILURE_NOT_TLS;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_APPLICATION_PROTOCOL:
	case SSL_R_INAPPROPRIATE_FALLBACK:
		return TG_TLS_FAILURE_NO_MATCH;
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_WRONG_CURVE:
		return TG_TLS_FAILURE_CERTIFICATE;
	default:
		return TG_TLS_FAILURE_PROTOCOL;
	}
}

static enum tls_failure
find_failure(const struct tls_stream *t)
{
	unsigned long code = ERR_peek_error();

	if (t->failure != TG_TLS_FAILURE_NONE)
		return t->failure; /* a callback knew better */
	if (sign_line_has_failed())
		return TG_TLS_FAILURE_KEYS;
	if (t->has_raw_end || t->raw_error != 0)
		return TG_TLS_FAILURE_CLOSED;
	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return TG_TLS_FAILURE_RESOURCE;
	if (ERR_GET_LIB(code) != ERR_LIB_SSL)
		return TG_TLS_FAILURE_PROTOCOL;
	return failure_of_reason(ERR_GET_REASON(code));
}

static void
take_facts(struct tls_stream *t)
{
	const unsigned char *protocol;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &protocol, &n);
	if (n > 0 && n <= TG_TLS_PROTOCOL_MAX)
		memcpy(t->protocol, protocol, n);
	t->facts = (struct tls_facts){
		.version = SSL_version(t->ssl) == TLS1_3_VERSION ? 13 : 12,
		.is_resumed = SSL_session_reused(t->ssl) == 1,
		.is_for_h2 = tls_is_for_h2(SSL_get_current_cipher(t->ssl)),
		.is_early = t->has_first,
		.is_stapled = t->is_stapled,
		.cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(t->ssl)),
		.sni = t->sni,
		.protocol = t->protocol,
		.shown = t->shown,
	};
}

/* Where clients are asked for one. */
static void
take_shown(struct tls_stream *t)
{
	int rc = 0;

	if (t->context != NULL && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
		rc = tls_shown_read(t->ssl, &t->shown);
	if (rc == -TG_ENOMEM)
		t->failure = TG_TLS_FAILURE_RESOURCE;
	if (rc != -TG_ELIMIT)
		return;
	t->failure = TG_TLS_FAILURE_CERTIFICATE;
	t->verdict = X509_V_ERR_APPLICATION_VERIFICATION;
}

/* As SSL_do_handshake(), but that it ends with the first byte of early data too. */
static int
shake(struct tls_stream *t)
{
	size_t n;
	int rc;

	if (!t->takes_early)
		return SSL_do_handshake(t->ssl);
	rc = SSL_read_early_data(t->ssl, &t->first, 1, &n);
	if (rc == SSL_READ_EARLY_DATA_FINISH) {
		t->takes_early = false;
		return SSL_do_handshake(t->ssl);
	}
	t->has_first = rc == SSL_READ_EARLY_DATA_SUCCESS;
	return t->has_first;
}

int
tls_stream_step(struct conn_filter *f)
{
	struct tls_stream *t = stream_of(f);
	int rc;
	int error;

	if (t->failure != TG_TLS_FAILURE_NONE)
		return -TG_EPROTO;
	t->call_room = CALL_EXTRA;
	ERR_clear_error();
	sign_line_forgive();
	rc = shake(t);
	error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);
	if (error == SSL_ERROR_NONE)
		take_shown(t);
	if (error == SSL_ERROR_NONE)
		take_facts(t);
	else if (error != SSL_ERROR_WANT_READ)
		t->failure = find_failure(t);
	if (t->failure == TG_TLS_FAILURE_CERTIFICATE && t->verdict == X509_V_OK)
		t->verdict = SSL_get_verify_result(t->ssl);
	t->error = ERR_peek_error();
	ERR_clear_error();
	if (flush(t) < 0 && t->failure == TG_TLS_FAILURE_NONE)
		t->failure = TG_TLS_FAILURE_CLOSED;
	if (t->failure != TG_TLS_FAILURE_NONE)
		return -TG_EPROTO;
	if (error == SSL_ERROR_WANT_READ && (t->filter.conn->flags & CONN_INPUT) != 0)
		return (int)ask_again(t->filter.conn);
	if (error == SSL_ERROR_WANT_READ)
		return -TG_EAGAIN;
	t->is_open = !t->facts.is_early;
	return 0;
}

enum tls_failure
tls_stream_failure(const struct conn_filter *f)
{
	return stream_of(f)->failure;
}

const char *
tls_stream_failure_text(const struct conn_filter *f)
{
	const struct tls_stream *t = stream_of(f);
	const char *text = ERR_reason_error_string(t->error);

	if (t->verdict != X509_V_OK)
		return X509_verify_cert_error_string(t->verdict);
	return text != NULL ? text : "";
}

const struct tls_facts *
tls_stream_facts(const struct conn_filter *f)
{
	return f != NULL ? &stream_of(f)->facts : NULL;
}

bool
tls_stream_has_input(const struct conn_filter *f)
{
	const struct tls_stream *t = stream_of(f);

	return t->has_first || SSL_has_pending(t->ssl) == 1;
}

uint64_t
tls_stream_raw_sent(const struct conn_filter *f)
{
	return stream_of(f)->raw_sent;
}

bool
tls_stream_is_refused(const struct conn_filter *f)
{
	const struct tls_stream *t = stream_of(f);

	return t->client != NULL && t->is_open && !t->has_read && t->end == TLS_FAILED &&
	       ERR_GET_LIB(t->error) == ERR_LIB_SSL &&
	       ERR_GET_REASON(t->error) >= SSL_AD_REASON_OFFSET;
}
