#include "tls/client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tls/certificate.h"
#include "tls/opaque.h"
#include "tls/settings.h"
#include "tls/stream_priv.h"

/* RSA of 2048 bits, SHA-256: 112 bits (SP 800-57 part 1, table 2). */
#define SECURITY_LEVEL 2

struct tls_client {
	atomic_uint refs;
	uint64_t number;
	SSL_CTX *ssl;
	BIO_METHOD *bio;
	bool checks_name;
};

/* callbacks of OpenSSL */

/* A ticket came. 1: it is ours from now on. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	const struct tls_stream *t = SSL_get_app_data(ssl);

	if (t->sessions == NULL || SSL_SESSION_is_resumable(session) != 1)
		return 0;
	tls_slot_put(t->sessions, t->slot, t->client->number, session);
	return 1;
}

/* what OpenSSL is told */

static int
set_trust(SSL_CTX *ssl, const struct conf_back_tls *conf, struct trust_cache *trust, struct err *err)
{
	X509_STORE *store;
	int rc;

	SSL_CTX_set_verify(ssl, conf->verify == TG_VERIFY_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
			   NULL);
	if (conf->verify == TG_VERIFY_NONE)
		return 0;
	if (conf->ca.pem == NULL)
		return err_set(err, TG_EINVAL, "there are no authorities");
	rc = trust_get(trust, conf->ca.pem, conf->ca.pem_n, conf->crl.pem, conf->crl.pem_n, &store,
		       err);
	if (rc == 0)
		SSL_CTX_set_cert_store(ssl, store);
	return rc;
}

static int
set_own(SSL_CTX *ssl, const struct conf_pem *own, struct err *err)
{
	struct certificate c;
	int rc;

	if (own->chain == NULL)
		return 0;
	rc = certificate_read(own->chain, own->chain_n, own->key, own->key_n, &c, err);
	if (rc < 0)
		return rc;
	if (c.key == NULL)
		rc = opaque_key(c.leaf, SIGN_AS_CLIENT, &c.key, err);
	if (rc == 0 && SSL_CTX_use_cert_and_key(ssl, c.leaf, c.key, c.chain, 1) != 1)
		rc = err_set(err, TG_EINVAL, "the certificate cannot be used");
	certificate_fini(&c);
	ERR_clear_error();
	return rc;
}

static bool
set_protocol(SSL_CTX *ssl, const struct conf_back_tls *conf)
{
	tls_stream_settings(ssl);
	SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ssl, on_session);
	return SSL_CTX_set_min_proto_version(ssl, conf->min_version == TG_TLS_1_3
							  ? TLS1_3_VERSION
							  : TLS1_2_VERSION) == 1 &&
	       tls_set_ciphers(ssl, conf->ciphers);
}

static int
make(struct tls_client *client, const struct conf_back_tls *conf, struct trust_cache *trust,
     struct err *err)
{
	int rc;

	client->ssl = SSL_CTX_new(TLS_client_method());
	client->bio = tls_bio_method_new();
	client->checks_name = conf->verify == TG_VERIFY_FULL;
	if (client->ssl == NULL || client->bio == NULL || !set_protocol(client->ssl, conf)) {
		ERR_clear_error();
		return err_no_memory(err);
	}
	rc = set_trust(client->ssl, conf, trust, err);
	return rc == 0 ? set_own(client->ssl, &conf->own, err) : rc;
}

int
tls_client_new(const struct conf_service *service, struct trust_cache *trust,
	       struct tls_client **ret, struct err *err)
{
	/* An address would be another's soon: sessions of one that is gone are none of its. */
	static atomic_uint_fast64_t last;
	struct tls_client *client = calloc(1, sizeof(*client));
	struct err why;
	int rc;

	if (client == NULL)
		return err_no_memory(err);
	atomic_init(&client->refs, 1);
	client->number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
	rc = make(client, &service->tls, trust, &why);
	if (rc == 0) {
		*ret = client;
		return 0;
	}
	tls_client_unref(client);
	return err_set(err, (enum tg_errno) - rc, "service %s: tls: %.200s", service->name, why.text);
}

uint64_t
tls_client_number(const struct tls_client *client)
{
	return client->number;
}

struct tls_client *
tls_client_ref(struct tls_client *client)
{
	if (client != NULL)
		atomic_fetch_add_explicit(&client->refs, 1, memory_order_relaxed);
	return client;
}

void
tls_client_unref(struct tls_client *client)
{
	if (client == NULL ||
	    atomic_fetch_sub_explicit(&client->refs, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(client->ssl);
	BIO_meth_free(client->bio);
	free(client);
}

/* connections */

/* Only names of subjectAltName count (RFC 9525 6.3), and whole labels of wildcards. */
static bool
set_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return true;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
				       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1;
}

/* The address itself, without its port; "": it has none. */
static void
write_ip(const struct addr *addr, char buf[INET6_ADDRSTRLEN])
{
	buf[0] = '\0';
	if (addr->u.sa.sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &addr->u.in.sin_addr, buf, INET6_ADDRSTRLEN);
	else if (addr->u.sa.sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &addr->u.in6.sin6_addr, buf, INET6_ADDRSTRLEN);
}

static bool
is_ip(const char *name)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* A final dot says that a name is whole; no certificate has it. */
static bool
set_target(const struct tls_client *client, struct tls_stream *t, const struct tls_target *target)
{
	char name[TG_SNI_MAX + 1];
	size_t n;

	if (target->name != NULL)
		(void)snprintf(name, sizeof(name), "%s", target->name);
	else
		write_ip(target->addr, name);
	n = strlen(name);
	if (n > 0 && name[n - 1] == '.')
		name[n - 1] = '\0';
	/* Nothing to check it by. */
	if (client->checks_name && name[0] == '\0') {
		t->failure = TG_TLS_FAILURE_CERTIFICATE;
		t->verdict = X509_V_ERR_HOSTNAME_MISMATCH;
	}
	if (name[0] == '\0')
		return true;
	if (client->checks_name && !set_name(t->ssl, name))
		return false;
	if (is_ip(name))
		return true;
	memcpy(t->sni, name, sizeof(t->sni));
	return SSL_set_tlsext_host_name(t->ssl, name) == 1;
}

static bool
set_session(struct tls_stream *t, const struct tls_target *target)
{
	SSL_SESSION *session;

	t->sessions = target->sessions;
	t->slot = target->slot;
	if (t->sessions == NULL)
		return true;
	session = tls_slot_find(t->sessions, t->slot, t->client->number);
	return session == NULL || SSL_set_session(t->ssl, session) == 1;
}

/* RFC 7301 3.1: each with its length before it. */
static bool
set_alpn(struct tls_stream *t, const char *protocol)
{
	unsigned char list[TG_TLS_PROTOCOL_MAX + 1];
	size_t n = protocol != NULL ? strlen(protocol) : 0;

	if (n == 0 || n > TG_TLS_PROTOCOL_MAX)
		return n == 0;
	list[0] = (unsigned char)n;
	memcpy(list + 1, protocol, n);
	return SSL_set_alpn_protos(t->ssl, list, (unsigned)n + 1) == 0;
}

struct conn_filter *
tls_stream_connect(struct tls_client *client, struct tls_output *out,
		   const struct tls_target *target)
{
	struct tls_stream *t = tls_stream_new(client->ssl, client->bio, out);

	if (t == NULL)
		return NULL;
	t->client = tls_client_ref(client);
	SSL_set_connect_state(t->ssl);
	if (set_target(client, t, target) && set_alpn(t, target->protocol) &&
	    set_session(t, target)) {
		ERR_clear_error();
		return &t->filter;
	}
	ERR_clear_error();
	t->filter.ops->free(&t->filter);
	return NULL;
}
