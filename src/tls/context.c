#include "tls/context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls/certificate.h"
#include "tls/context_priv.h"
#include "tls/mac.h"
#include "tls/ocsp.h"
#include "tls/opaque.h"
#include "tls/settings.h"
#include "tls/sni.h"
#include "tls/stream_priv.h"
#include "tls/trust.h"

/* Of each name one certificate of each kind of key. */
enum key_kind { KIND_RSA = 0, KIND_ECDSA = 1, KIND_EDDSA = 2, KIND_COUNT };
#define NO_CERTIFICATE SIZE_MAX

/* Certificates that go together, and what OpenSSL makes of them. */
struct tls_suite {
	size_t of[KIND_COUNT]; /* indexes, or NO_CERTIFICATE */
	SSL_CTX *ssl;
	unsigned char policy[TG_MAC_BYTES]; /* of sessions; as long as OpenSSL takes */
	size_t next;			    /* with the same lowest index, plus one; 0: no more */
};

/* What clients are told of a certificate. */
struct staple {
	unsigned char *der; /* NULL: nothing */
	size_t n;
	struct ocsp_said said;
};

struct name {
	char *text; /* lower case, no final dot */
	size_t of[KIND_COUNT];
	size_t suite;
};

struct tls_context {
	atomic_uint refs;
	struct tickets *tickets;
	BIO_METHOD *bio;
	bool is_strict;
	bool takes_early;
	unsigned char *protocols; /* of ALPN, as on the wire */
	unsigned char *other_protocols; /* in the same: those but HTTP/2 */
	size_t other_protocols_n;
	size_t protocols_n;
	struct tls_suite *suites; /* the first: who asks for no name that is known */
	size_t n_suites;
	struct name *names; /* by text */
	size_t n_names;
	struct staple *staples; /* by index of their certificates */
	size_t n_staples;
};

_Static_assert(TG_MAC_BYTES == SSL_MAX_SID_CTX_LENGTH, "a policy is a session id context");

/* While it is made. */
struct making {
	const struct conf_listener *listener;
	struct tls_context *ctx;
	struct certificate *certificates;
	const struct conf_loaded **files; /* of these */
	size_t n;			  /* that are read */
	size_t *first_of; /* by lowest index of a suite: the first of those, plus one; 0: none */
	size_t names_room;
	X509_STORE *store; /* of what clients may have; NULL: they are not asked */
	bool no_memory;
};

/* callbacks of OpenSSL */

static struct tls_stream *
stream_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static const struct name *
find_name(const struct tls_context *ctx, const char *text)
{
	struct name wanted = {.text = (char *)(uintptr_t)text};

	return bsearch(&wanted, ctx->names, ctx->n_names, sizeof(wanted), compare_names);
}

/* As it stands, then as "*" and all behind its first label. NULL: no certificate has it. */
static const struct name *
find_host(const struct tls_context *ctx, const char *host)
{
	const struct name *name = find_name(ctx, host);
	const char *dot = strchr(host, '.');
	char wildcard[TG_SNI_MAX + 2] = "*";

	if (name != NULL || dot == NULL)
		return name;
	memcpy(wildcard + 1, dot, strlen(dot) + 1);
	return find_name(ctx, wildcard);
}

/* Before anything of the session is looked at, so that its policy is the one of the name. */
static int
on_hello(SSL *ssl, int *alert, void *user)
{
	struct tls_stream *t = stream_of(ssl);
	const struct tls_context *ctx = t->context;
	const struct name *name = NULL;
	const struct tls_suite *suite = &ctx->suites[0];
	const unsigned char *body;
	size_t n;

	(void)user;
	t->sni[0] = '\0';
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &body, &n) == 1 &&
	    sni_parse(body, n, t->sni) == -TG_EPROTO) {
		*alert = SSL_AD_DECODE_ERROR;
		t->failure = TG_TLS_FAILURE_PROTOCOL;
		return SSL_CLIENT_HELLO_ERROR;
	}
	if (t->sni[0] != '\0')
		name = find_host(ctx, t->sni);
	if (name == NULL && ctx->is_strict) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		t->failure = TG_TLS_FAILURE_NAME;
		return SSL_CLIENT_HELLO_ERROR;
	}
	if (name != NULL)
		suite = &ctx->suites[name->suite];
	t->is_known_name = name != NULL;
	t->suite = suite;
	if ((suite->ssl != SSL_get_SSL_CTX(ssl) && SSL_set_SSL_CTX(ssl, suite->ssl) == NULL) ||
	    SSL_set_session_id_context(ssl, suite->policy, sizeof(suite->policy)) != 1) {
		*alert = SSL_AD_INTERNAL_ERROR;
		t->failure = TG_TLS_FAILURE_RESOURCE;
		return SSL_CLIENT_HELLO_ERROR;
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* Only says whether the name was of use: on_hello() has chosen. */
static int
on_name(SSL *ssl, int *alert, void *user)
{
	(void)alert;
	(void)user;
	return stream_of(ssl)->is_known_name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static enum key_kind
kind_of(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_EC:
		return KIND_ECDSA;
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		return KIND_EDDSA;
	default:
		return KIND_RSA;
	}
}

/* The client asks for what is said of the certificate that it gets, which is chosen by now. */
static int
on_status(SSL *ssl, void *user)
{
	struct tls_stream *t = stream_of(ssl);
	const struct tls_suite *suite = t->suite;
	const X509 *leaf = SSL_get_certificate(ssl);
	const struct staple *s;
	unsigned char *copy;
	size_t at;

	(void)user;
	at = leaf != NULL ? suite->of[kind_of(X509_get0_pubkey(leaf))] : NO_CERTIFICATE;
	if (at == NO_CERTIFICATE)
		return SSL_TLSEXT_ERR_NOACK;
	s = &t->context->staples[at];
	if (s->der == NULL || !ocsp_holds(&s->said, wall_read()))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(s->der, s->n);
	if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)s->n) != 1) {
		OPENSSL_free(copy);
		return SSL_TLSEXT_ERR_NOACK;
	}
	t->is_stapled = true;
	return SSL_TLSEXT_ERR_OK;
}

/* None in common ends the handshake: what the client would go on with was not meant for us
 * (RFC 7301 3.2, and what is known as ALPACA). */
static int
on_protocols(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *offered,
	     unsigned offered_n, void *user)
{
	const struct tls_context *ctx = stream_of(ssl)->context;
	/* It is chosen by now. */
	const SSL_CIPHER *cipher = SSL_get_pending_cipher(ssl);
	bool has_h2 = cipher != NULL && tls_is_for_h2(cipher);
	const unsigned char *list = has_h2 ? ctx->protocols : ctx->other_protocols;
	size_t n = has_h2 ? ctx->protocols_n : ctx->other_protocols_n;
	unsigned char *chosen;

	(void)user;
	if (ctx->protocols_n == 0)
		return SSL_TLSEXT_ERR_NOACK;
	if (n == 0 || SSL_select_next_proto(&chosen, ret_n, list, (unsigned)n, offered,
					    offered_n) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool
set_mac_key(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* -1: error; 0: no ticket, none of ours; 1: as it is; 2: and the client gets a newer one. */
static int
seal_ticket(struct tickets *tickets, struct ticket_key *key, unsigned char *name, unsigned char *iv,
	    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	if (tickets_newest(tickets, wall_read(), key) < 0)
		return 0;
	if (mac_random(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) < 0)
		return -1;
	memcpy(name, key->name, sizeof(key->name));
	return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->seal, iv) == 1 &&
			       set_mac_key(mac, key)
		       ? 1
		       : -1;
}

/* A ticket of TLS 1.3 is used once (RFC 8446 C.4): the client gets another each time. */
static int
open_ticket(struct tickets *tickets, struct ticket_key *key, const unsigned char *name,
	    const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_once)
{
	int is_newest = 0;

	if (tickets_find(tickets, wall_read(), name, key, &is_newest) < 0)
		return 0;
	if (!set_mac_key(mac, key) ||
	    EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->seal, iv) != 1)
		return -1;
	return is_newest && !is_once ? 1 : 2;
}

static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
	  int for_sealing)
{
	struct tickets *tickets = stream_of(ssl)->context->tickets;
	struct ticket_key key;
	int rc = for_sealing ? seal_ticket(tickets, &key, name, iv, cipher, mac)
			     : open_ticket(tickets, &key, name, iv, cipher, mac,
					   SSL_version(ssl) == TLS1_3_VERSION);

	OPENSSL_cleanse(&key, sizeof(key));
	return rc;
}

/* Early data is for tickets of this process (tls/replay.h): they have its name. */
static int
on_issuing(SSL *ssl, void *user)
{
	unsigned char name[TG_REPLAY_NAME_BYTES];

	(void)user;
	replay_name(tickets_replay(stream_of(ssl)->context->tickets), mono_read(), wall_read(),
		    name);
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), name, sizeof(name));
}

/* The ticket is good, its ClientHello is fresh: is it the first one? */
static int
on_early(SSL *ssl, void *user)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	unsigned char id[SSL_MAX_MASTER_KEY_LENGTH];
	void *name = NULL;
	size_t n = 0;
	bool is_taken;

	(void)user;
	if (session == NULL || SSL_SESSION_get0_ticket_appdata(session, &name, &n) != 1 ||
	    SSL_SESSION_get_master_key(session, id, sizeof(id)) < TG_REPLAY_ID_BYTES)
		return 0;
	is_taken = replay_take(tickets_replay(stream_of(ssl)->context->tickets), mono_read(),
			       wall_read(), name, n, id);
	OPENSSL_cleanse(id, sizeof(id));
	return is_taken;
}

/* Who resumes shows no certificate again: that of the session must be good still. */
static SSL_TICKET_RETURN
on_resuming(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_n,
	    SSL_TICKET_STATUS status, void *user)
{
	const X509 *shown;

	(void)ssl;
	(void)name;
	(void)name_n;
	(void)user;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	shown = SSL_SESSION_get0_peer(session);
	if (shown != NULL && X509_cmp_current_time(X509_get0_notAfter(shown)) < 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* what OpenSSL is told */

/* Names of what clients may have. False: no memory. */
static bool
set_client_names(SSL_CTX *ssl, X509_STORE *store)
{
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
	bool ok = true;

	for (int i = 0; i < sk_X509_OBJECT_num(objects) && ok; i++) {
		X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		ok = x == NULL || SSL_CTX_add_client_CA(ssl, x) == 1;
	}
	return ok;
}

static bool
set_clients(const struct making *m, SSL_CTX *ssl)
{
	const struct conf_tls *conf = &m->listener->tls;
	int mode = SSL_VERIFY_PEER;

	if (m->store == NULL)
		return true;
	if (conf->client_verify == TG_CLIENT_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ssl, mode, NULL);
	SSL_CTX_set_verify_depth(ssl, (int)conf->client_depth);
	/* Chains of our own are whole as they are. */
	SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_ticket_cb(ssl, NULL, on_resuming, NULL);
	SSL_CTX_set1_cert_store(ssl, m->store);
	return set_client_names(ssl, m->store);
}

static bool
set_sessions(SSL_CTX *ssl, const struct tls_context *ctx, const struct conf_tls *conf)
{
	/* Nothing is remembered here: a ticket is all there is. */
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	if (ctx->tickets == NULL || conf->session_lifetime_ms == 0) {
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ssl, 0) == 1;
	}
	SSL_CTX_set_timeout(ssl, (long)(conf->session_lifetime_ms / 1000));
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket) == 1;
}

/* The library's own guard remembers tickets in place of sending them. */
static bool
set_early(SSL_CTX *ssl, const struct conf_tls *conf)
{
	uint32_t most = conf->early_data ? (uint32_t)conf->early_data_bytes : 0;

	if (conf->early_data) {
		SSL_CTX_set_options(ssl, SSL_OP_NO_ANTI_REPLAY);
		SSL_CTX_set_allow_early_data_cb(ssl, on_early, NULL);
		SSL_CTX_set_session_ticket_cb(ssl, on_issuing, on_resuming, NULL);
	}
	return SSL_CTX_set_max_early_data(ssl, most) == 1 &&
	       SSL_CTX_set_recv_max_early_data(ssl, most) == 1;
}

static SSL_CTX *
ssl_new(const struct making *m)
{
	const struct conf_tls *conf = &m->listener->tls;
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

	if (ssl == NULL)
		return NULL;
	tls_stream_settings(ssl);
	SSL_CTX_set_client_hello_cb(ssl, on_hello, NULL);
	SSL_CTX_set_tlsext_servername_callback(ssl, on_name);
	SSL_CTX_set_alpn_select_cb(ssl, on_protocols, NULL);
	SSL_CTX_set_tlsext_status_cb(ssl, on_status);
	if (SSL_CTX_set_min_proto_version(
		    ssl, conf->min_version == TG_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
	    tls_set_ciphers(ssl, conf->ciphers) && set_sessions(ssl, m->ctx, conf) &&
	    set_clients(m, ssl) && set_early(ssl, conf))
		return ssl;
	SSL_CTX_free(ssl);
	return NULL;
}

static void
print_clients(const struct conf_tls *conf, FILE *out)
{
	if (conf->client_ca.pem == NULL)
		return;
	fprintf(out, "%c%d %u %zu %zu%c", '\0', (int)conf->client_verify, conf->client_depth,
		conf->client_ca.pem_n, conf->client_crl.pem_n, '\0');
	fwrite(conf->client_ca.pem, 1, conf->client_ca.pem_n, out);
	if (conf->client_crl.pem != NULL)
		fwrite(conf->client_crl.pem, 1, conf->client_crl.pem_n, out);
}

/* Who resumes must get what a new handshake would give: the listener, and the certificates by the names of
 * their files, so that it outlives their renewal. Of who is taken for a client what is in the files counts: who is
 * revoked by now must not come in by a ticket. */
static int
set_policy(const struct making *m, struct tls_suite *s)
{
	static const char key[] = "tidegate session policy";
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	int rc;
	int kind;

	if (out == NULL)
		return -TG_ENOMEM;
	fprintf(out, "%s%c%d", m->listener->name, '\0', (int)m->listener->tls.min_version);
	for (kind = 0; kind < KIND_COUNT; kind++)
		fprintf(out, "%c%s", '\0',
			s->of[kind] == NO_CERTIFICATE
				? ""
				: m->files[s->of[kind]]->file);
	print_clients(&m->listener->tls, out);
	rc = fclose(out) == 0 ? mac_bytes(key, sizeof(key), text, n, s->policy) : -TG_ENOMEM;
	free(text);
	return rc;
}

static bool
use_certificates(const struct making *m, const struct tls_suite *s)
{
	int kind;

	for (kind = 0; kind < KIND_COUNT; kind++) {
		const struct certificate *c;

		if (s->of[kind] == NO_CERTIFICATE)
			continue;
		c = &m->certificates[s->of[kind]];
		if (SSL_CTX_use_cert_and_key(s->ssl, c->leaf, c->key, c->chain, 1) != 1)
			return false;
	}
	return true;
}

/* making */

static size_t
lowest(const size_t of[KIND_COUNT])
{
	size_t found = NO_CERTIFICATE;
	int kind;

	for (kind = 0; kind < KIND_COUNT; kind++)
		found = of[kind] < found ? of[kind] : found;
	return found;
}

/* Index of the suite of these certificates, new if there is none. -TG_ENOMEM, -TG_EIO: the library refused. */
static int
get_suite(struct making *m, const size_t of[KIND_COUNT], size_t *ret)
{
	struct tls_context *ctx = m->ctx;
	size_t *first = &m->first_of[lowest(of)];
	struct tls_suite *s;
	size_t at;

	for (at = *first; at != 0; at = ctx->suites[at - 1].next) {
		if (memcmp(ctx->suites[at - 1].of, of, sizeof(s->of)) == 0) {
			*ret = at - 1;
			return 0;
		}
	}
	s = reallocarray(ctx->suites, ctx->n_suites + 1, sizeof(*s));
	if (s == NULL)
		return -TG_ENOMEM;
	ctx->suites = s;
	s += ctx->n_suites++;
	*s = (struct tls_suite){.ssl = ssl_new(m), .next = *first};
	memcpy(s->of, of, sizeof(s->of));
	*first = ctx->n_suites;
	*ret = ctx->n_suites - 1;
	if (s->ssl == NULL || !use_certificates(m, s))
		return -TG_EIO;
	return set_policy(m, s);
}

static void
add_name(void *user, const char *name)
{
	struct making *m = user;
	struct tls_context *ctx = m->ctx;
	size_t n = strlen(name);
	struct name *names;
	char *text;

	if (ctx->n_names == m->names_room) {
		names = reallocarray(ctx->names, 2 * m->names_room + 16, sizeof(*names));
		if (names != NULL) {
			ctx->names = names;
			m->names_room = 2 * m->names_room + 16;
		}
	}
	text = ctx->n_names < m->names_room ? strdup(name) : NULL;
	if (text == NULL) {
		m->no_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
	if (n > 1 && text[n - 1] == '.')
		text[n - 1] = '\0';
	names = &ctx->names[ctx->n_names++];
	*names = (struct name){.text = text};
	for (int kind = 0; kind < KIND_COUNT; kind++)
		names->of[kind] = NO_CERTIFICATE;
	names->of[kind_of(m->certificates[m->n].key)] = m->n;
}

/* One of each, with the first certificate of each kind. */
static void
merge_names(struct tls_context *ctx)
{
	size_t n = 0;

	if (ctx->n_names > 1)
		qsort(ctx->names, ctx->n_names, sizeof(ctx->names[0]), compare_names);
	for (size_t i = 0; i < ctx->n_names; i++) {
		struct name *name = &ctx->names[i];
		struct name *last = n > 0 ? &ctx->names[n - 1] : NULL;

		if (last == NULL || strcmp(last->text, name->text) != 0) {
			ctx->names[n++] = *name;
			continue;
		}
		for (int kind = 0; kind < KIND_COUNT; kind++)
			if (name->of[kind] < last->of[kind])
				last->of[kind] = name->of[kind];
		free(name->text);
	}
	ctx->n_names = n;
}

/* The first certificate, with those of other kinds for one of its names. */
static int
add_default(struct making *m)
{
	size_t of[KIND_COUNT] = {NO_CERTIFICATE, NO_CERTIFICATE, NO_CERTIFICATE};
	size_t suite;

	of[kind_of(m->certificates[0].key)] = 0;
	for (size_t i = 0; i < m->ctx->n_names; i++) {
		if (lowest(m->ctx->names[i].of) == 0)
			return get_suite(m, m->ctx->names[i].of, &suite);
	}
	return get_suite(m, of, &suite);
}

/* What was of use when it was read is, or is left out. False: no memory. */
static bool
take_staple(struct making *m, const struct conf_loaded *loaded)
{
	struct staple *s = &m->ctx->staples[m->n];

	if (loaded->ocsp == NULL ||
	    ocsp_read(loaded->ocsp, loaded->ocsp_n, &m->certificates[m->n], &s->said, NULL) < 0)
		return true;
	s->der = malloc(loaded->ocsp_n);
	if (s->der == NULL)
		return false;
	memcpy(s->der, loaded->ocsp, loaded->ocsp_n);
	s->n = loaded->ocsp_n;
	return true;
}

static int
read_file(struct making *m, const struct conf_loaded *loaded, struct err *err)
{
	const struct conf_pem *pem = &loaded->pem;
	struct err why;
	struct certificate *c = &m->certificates[m->n];
	int rc = certificate_read(pem->chain, pem->chain_n, pem->key, pem->key_n, c, &why);

	if (rc == 0 && c->key == NULL)
		rc = opaque_key(c->leaf, SIGN_AS_SERVER, &c->key, &why);
	if (rc < 0) {
		certificate_fini(c);
		return err_set(err, TG_EINVAL, "%s: %s", loaded->file, why.text);
	}
	m->files[m->n] = loaded;
	certificate_names(&m->certificates[m->n], add_name, m);
	m->no_memory |= !take_staple(m, loaded);
	m->n++;
	return m->no_memory ? err_no_memory(err) : 0;
}

static int
read_files(struct making *m, struct err *err)
{
	const struct conf_tls *conf = &m->listener->tls;
	int rc = 0;

	for (size_t i = 0; i < conf->n_certificates && rc == 0; i++)
		for (size_t j = 0; j < conf->certificates[i].n_loaded && rc == 0; j++)
			rc = read_file(m, &conf->certificates[i].loaded[j], err);
	return rc;
}

static int
make_suites(struct making *m, struct err *err)
{
	struct tls_context *ctx = m->ctx;
	int rc = add_default(m);

	for (size_t i = 0; i < ctx->n_names && rc == 0; i++)
		rc = get_suite(m, ctx->names[i].of, &ctx->names[i].suite);
	if (rc == 0)
		return 0;
	ERR_clear_error();
	return err_set(err, TG_EINVAL, "listener %s: the certificates cannot be used%s",
		       m->listener->name, rc == -TG_ENOMEM ? ": no memory" : "");
}

static size_t
put_protocol(unsigned char *to, const char *name, size_t n)
{
	to[0] = (unsigned char)n;
	memcpy(to + 1, name, n);
	return n + 1;
}

static int
set_protocols(struct making *m, struct err *err)
{
	const struct conf_tls *conf = &m->listener->tls;
	struct tls_context *ctx = m->ctx;
	size_t room = 0;

	for (size_t i = 0; i < conf->n_alpn; i++)
		room += strlen(conf->alpn[i]) + 1;
	ctx->protocols = malloc(2 * room + 1);
	if (ctx->protocols == NULL)
		return err_no_memory(err);
	ctx->other_protocols = ctx->protocols + room;
	for (size_t i = 0; i < conf->n_alpn; i++) {
		const char *name = conf->alpn[i];
		size_t n = strlen(name);

		ctx->protocols_n += put_protocol(ctx->protocols + ctx->protocols_n, name, n);
		if (strcmp(name, "h2") != 0)
			ctx->other_protocols_n += put_protocol(
				ctx->other_protocols + ctx->other_protocols_n, name, n);
	}
	return 0;
}

static int
read_clients(struct making *m, struct err *err)
{
	const struct conf_tls *conf = &m->listener->tls;
	struct err why;
	int rc;

	if (!conf_asks_clients(m->listener))
		return 0;
	if (conf->client_ca.pem == NULL)
		return err_set(err, TG_EINVAL, "listener %s: client_ca was not read",
			       m->listener->name);
	rc = trust_new(conf->client_ca.pem, conf->client_ca.pem_n, conf->client_crl.pem,
		       conf->client_crl.pem_n, &m->store, &why);
	if (rc < 0)
		return err_set(err, TG_EINVAL, "listener %s: client_ca: %s", m->listener->name,
			       why.text);
	return 0;
}

static int
make(struct making *m, struct err *err)
{
	const struct conf_tls *conf = &m->listener->tls;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < conf->n_certificates; i++)
		n += conf->certificates[i].n_loaded;
	if (n == 0)
		return err_set(err, TG_EINVAL, "listener %s: no certificate was read",
			       m->listener->name);
	m->files = calloc(n, sizeof(m->files[0]));
	m->certificates = calloc(n, sizeof(m->certificates[0]));
	m->first_of = calloc(n, sizeof(m->first_of[0]));
	m->ctx->staples = calloc(n, sizeof(m->ctx->staples[0]));
	m->ctx->bio = tls_bio_method_new();
	if (m->files == NULL || m->certificates == NULL || m->first_of == NULL ||
	    m->ctx->staples == NULL || m->ctx->bio == NULL)
		return err_no_memory(err);
	m->ctx->n_staples = n;
	rc = set_protocols(m, err);
	if (rc == 0)
		rc = read_clients(m, err);
	if (rc == 0)
		rc = read_files(m, err);
	merge_names(m->ctx);
	return rc == 0 ? make_suites(m, err) : rc;
}

int
tls_context_new(const struct conf_listener *listener, struct tickets *tickets,
		struct tls_context **ret, struct err *err)
{
	struct making m = {.listener = listener, .ctx = calloc(1, sizeof(*m.ctx))};
	int rc;

	if (m.ctx == NULL)
		return err_no_memory(err);
	atomic_init(&m.ctx->refs, 1);
	m.ctx->tickets = tickets;
	m.ctx->is_strict = listener->tls.strict_sni;
	m.ctx->takes_early = listener->tls.early_data && tickets != NULL;
	rc = make(&m, err);
	for (size_t i = 0; i < m.n; i++)
		certificate_fini(&m.certificates[i]);
	free(m.certificates);
	free(m.files);
	free(m.first_of);
	X509_STORE_free(m.store);
	if (rc == 0)
		*ret = m.ctx;
	else
		tls_context_unref(m.ctx);
	return rc;
}

struct tls_context *
tls_context_ref(struct tls_context *ctx)
{
	if (ctx != NULL)
		atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
	return ctx;
}

void
tls_context_unref(struct tls_context *ctx)
{
	if (ctx == NULL || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < ctx->n_suites; i++)
		SSL_CTX_free(ctx->suites[i].ssl);
	for (size_t i = 0; i < ctx->n_names; i++)
		free(ctx->names[i].text);
	for (size_t i = 0; i < ctx->n_staples; i++)
		free(ctx->staples[i].der);
	BIO_meth_free(ctx->bio);
	free(ctx->staples);
	free(ctx->suites);
	free(ctx->names);
	free(ctx->protocols);
	free(ctx);
}

SSL_CTX *
tls_context_ssl(const struct tls_context *ctx)
{
	return ctx->suites[0].ssl;
}

bool
tls_context_takes_early(const struct tls_context *ctx)
{
	return ctx->takes_early;
}

const BIO_METHOD *
tls_context_bio(const struct tls_context *ctx)
{
	return ctx->bio;
}
