#include "tls/settings.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

bool
tls_set_ciphers(SSL_CTX *ssl, const char *ciphers)
{
	return SSL_CTX_set_cipher_list(ssl, ciphers != NULL ? ciphers : TG_TLS_CIPHERS) == 1 &&
	       SSL_CTX_set1_groups_list(ssl, TG_TLS_GROUPS) == 1;
}

/* What anybody can read, or change, is no security (RFC 7525 4.1). */
static bool
is_weak(const SSL_CIPHER *cipher)
{
	return SSL_CIPHER_get_cipher_nid(cipher) == NID_undef ||
	       SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null ||
	       SSL_CIPHER_get_bits(cipher, NULL) < 128;
}

static int
check_list(const SSL_CTX *ssl, struct err *err)
{
	const STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ssl);

	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(list, i);

		if (is_weak(cipher))
			return err_set(err, TG_EINVAL, "%s protects nothing",
				       SSL_CIPHER_get_name(cipher));
	}
	return 0;
}

static int
check_exchange(const SSL_CTX *ssl, struct err *err)
{
	const STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ssl);

	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(list, i);

		if (SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa)
			return err_set(
				err, TG_EINVAL,
				"%s: its key exchange decrypts with the private key, and with "
				"key_isolation that only signs; allowed: ciphers with ECDHE",
				SSL_CIPHER_get_name(cipher));
	}
	return 0;
}

static int
check_all(const char *ciphers, int (*of)(const SSL_CTX *ssl, struct err *err), struct err *err)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	int rc;

	if (ssl == NULL)
		return err_no_memory(err);
	if (tls_set_ciphers(ssl, ciphers))
		rc = of(ssl, err);
	else
		rc = err_set(err, TG_EINVAL,
			     "no cipher in it is known; allowed: OpenSSL's names with \":\" "
			     "between them, as \"openssl ciphers -v\" lists them");
	ERR_clear_error();
	SSL_CTX_free(ssl);
	return rc;
}

bool
tls_is_for_h2(const SSL_CIPHER *cipher)
{
	int exchange = SSL_CIPHER_get_kx_nid(cipher);

	return SSL_CIPHER_is_aead(cipher) == 1 &&
	       (exchange == NID_kx_any || exchange == NID_kx_ecdhe || exchange == NID_kx_dhe);
}

int
tls_check_ciphers(const char *ciphers, struct err *err)
{
	return check_all(ciphers, check_list, err);
}

int
tls_check_isolated(const char *ciphers, struct err *err)
{
	return check_all(ciphers, check_exchange, err);
}

int
tls_refuse_passphrase(char *buf, int size, int for_writing, void *has_passphrase)
{
	(void)buf;
	(void)size;
	(void)for_writing;
	*(bool *)has_passphrase = true;
	return -1;
}
