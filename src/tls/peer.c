#include "tls/peer.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/addr.h"
#include "tls/settings.h"

struct tls_peer {
	SSL_CTX *context;
};

static int
take_key(SSL_CTX *context, const char *key, struct err *err)
{
	bool has_passphrase = false;
	bool is_taken;

	SSL_CTX_set_default_passwd_cb(context, tls_refuse_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(context, &has_passphrase);
	is_taken = SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 &&
		   SSL_CTX_check_private_key(context) == 1;
	SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
	if (has_passphrase)
		return err_set(err, TG_EINVAL, "%s: the key has a passphrase, which nobody can give here",
			       key);
	return is_taken ? 0
			: err_set(err, TG_EINVAL, "%s: no key in PEM of that certificate", key);
}

static int
take_files(SSL_CTX *context, const char *ca, const char *certificate, const char *key,
	   struct err *err)
{
	if (SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
		return err_set(err, TG_EINVAL, "%s: no certificates in PEM that can be read", ca);
	if (certificate == NULL)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		return err_set(err, TG_EINVAL, "%s: no certificate in PEM that can be read",
			       certificate);
	return take_key(context, key, err);
}

int
tls_peer_new(const char *ca, const char *certificate, const char *key, struct tls_peer **ret,
	     struct err *err)
{
	struct tls_peer *peer = calloc(1, sizeof(*peer));
	int rc;

	if (peer == NULL)
		return err_no_memory(err);
	peer->context = SSL_CTX_new(TLS_client_method());
	if (peer->context == NULL || SSL_CTX_set_min_proto_version(peer->context, TLS1_2_VERSION) != 1) {
		tls_peer_free(peer);
		return err_no_memory(err);
	}
	SSL_CTX_set_verify(peer->context, SSL_VERIFY_PEER, NULL);
	rc = take_files(peer->context, ca, certificate, key, err);
	if (rc < 0)
		tls_peer_free(peer);
	else
		*ret = peer;
	return rc;
}

void
tls_peer_free(struct tls_peer *peer)
{
	if (peer == NULL)
		return;
	SSL_CTX_free(peer->context);
	free(peer);
}

static bool
set_host(SSL *session, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(session);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return true;
	return SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
}

struct ssl_st *
tls_peer_session(const struct tls_peer *peer, const char *host)
{
	SSL *session = SSL_new(peer->context);

	if (session != NULL && set_host(session, host))
		return session;
	SSL_free(session);
	return NULL;
}

const char *
tls_session_why(const struct ssl_st *session)
{
	long result = SSL_get_verify_result(session);

	return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

void
tls_session_free(struct ssl_st *session)
{
	SSL_free(session);
}
