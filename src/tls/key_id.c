#include "tls/key_id.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

int
key_id(const EVP_PKEY *key, unsigned char ret[TG_SIGN_ID_BYTES])
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	unsigned size = TG_SIGN_ID_BYTES;
	int rc = -TG_EINVAL;

	if (n > 0 && EVP_Digest(der, (size_t)n, ret, &size, EVP_sha256(), NULL) == 1)
		rc = 0;
	OPENSSL_free(der);
	ERR_clear_error();
	return rc;
}
