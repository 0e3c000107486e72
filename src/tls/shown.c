#include "tls/shown.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

void
tls_shown_free(struct tls_shown *shown)
{
	if (shown == NULL)
		return;
	free(shown->base64);
	free(shown->subject);
	free(shown);
}

static int
take_subject(struct tls_shown *shown, const X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n = -1;

	if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) >= 0)
		n = BIO_get_mem_data(bio, &text);
	if (n >= 0 && n <= (long)TG_SHOWN_SUBJECT_MAX)
		shown->subject = calloc(1, (size_t)n + 1);
	if (shown->subject != NULL && n > 0)
		memcpy(shown->subject, text, (size_t)n);
	BIO_free(bio);
	if (n > (long)TG_SHOWN_SUBJECT_MAX)
		return -TG_ELIMIT;
	return shown->subject != NULL ? 0 : -TG_ENOMEM;
}

static int
take_serial(struct tls_shown *shown, const X509 *x)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *text = number != NULL ? BN_bn2hex(number) : NULL;
	int rc = -TG_ENOMEM;

	if (text != NULL)
		rc = strlen(text) <= TG_SHOWN_SERIAL_MAX ? 0 : -TG_ELIMIT;
	if (rc == 0)
		memcpy(shown->serial, text, strlen(text) + 1);
	OPENSSL_free(text);
	BN_free(number);
	return rc;
}

static int
take_digest(struct tls_shown *shown, const X509 *x)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(x, EVP_sha256(), bytes, &n) != 1)
		return -TG_ENOMEM;
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(shown->sha256 + 2 * (size_t)i, 3, "%02x", bytes[i]);
	return 0;
}

static int
take_all(struct tls_shown *shown, X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	int rc = n > 0 ? 0 : -TG_ENOMEM;

	if (n > (int)TG_SHOWN_MAX)
		rc = -TG_ELIMIT;
	if (rc == 0)
		shown->base64 = malloc(TG_BASE64_LEN((size_t)n) + 1);
	if (shown->base64 != NULL) {
		base64_encode(der, (size_t)n, shown->base64);
		shown->base64_n = TG_BASE64_LEN((size_t)n);
	}
	OPENSSL_free(der);
	return rc == 0 && shown->base64 == NULL ? -TG_ENOMEM : rc;
}

int
tls_shown_read(const SSL *ssl, struct tls_shown **ret)
{
	X509 *x = SSL_get0_peer_certificate(ssl);
	struct tls_shown *shown;
	int rc;

	*ret = NULL;
	if (x == NULL)
		return 0;
	shown = calloc(1, sizeof(*shown));
	if (shown == NULL)
		return -TG_ENOMEM;
	rc = take_all(shown, x);
	if (rc == 0)
		rc = take_subject(shown, x);
	if (rc == 0)
		rc = take_serial(shown, x);
	if (rc == 0)
		rc = take_digest(shown, x);
	ERR_clear_error();
	if (rc == 0)
		*ret = shown;
	else
		tls_shown_free(shown);
	return rc;
}
