#include "tls/placeholder.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT      "tidegate: no certificate yet"
#define HOUR         3600L
#define GOOD_SECONDS (365 * 24 * HOUR)

static bool
set_name(X509 *x)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)SUBJECT,
					  -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1;
}

static bool
add_name(GENERAL_NAMES *names, const char *text)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	if (name == NULL || value == NULL || ASN1_STRING_set(value, text, -1) != 1) {
		GENERAL_NAME_free(name);
		ASN1_IA5STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, GEN_DNS, value);
	if (sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool
set_names(X509 *x, char *const *names, size_t n)
{
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	bool ok = all != NULL;

	for (size_t i = 0; i < n && ok; i++)
		ok = add_name(all, names[i]);
	ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1;
	GENERAL_NAMES_free(all);
	return ok;
}

static bool
set_serial(X509 *x)
{
	BIGNUM *number = BN_new();
	bool ok = number != NULL &&
		  BN_rand(number, 120, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
		  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;

	BN_free(number);
	return ok;
}

static bool
fill(X509 *x, EVP_PKEY *key, char *const *names, size_t n)
{
	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && set_name(x) &&
	       set_names(x, names, n) && X509_gmtime_adj(X509_getm_notBefore(x), -HOUR) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(x), GOOD_SECONDS) != NULL &&
	       X509_set_pubkey(x, key) == 1 && X509_sign(x, key, EVP_sha256()) > 0;
}

/* To free(); NULL: no memory. */
static char *
text_of(BIO *bio, size_t *ret_n)
{
	char *p;
	long n = BIO_get_mem_data(bio, &p);
	char *text = n > 0 ? malloc((size_t)n + 1) : NULL;

	if (text == NULL)
		return NULL;
	memcpy(text, p, (size_t)n);
	text[n] = '\0';
	*ret_n = (size_t)n;
	return text;
}

static bool
write_both(X509 *x, EVP_PKEY *key, struct conf_pem *ret)
{
	BIO *chain = BIO_new(BIO_s_mem());
	BIO *secret = BIO_new(BIO_s_secmem());

	if (chain != NULL && secret != NULL && PEM_write_bio_X509(chain, x) == 1 &&
	    PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1) {
		ret->chain = text_of(chain, &ret->chain_n);
		ret->key = text_of(secret, &ret->key_n);
	}
	BIO_free(chain);
	BIO_free(secret);
	return ret->chain != NULL && ret->key != NULL;
}

int
placeholder_make(char *const *names, size_t n, struct conf_pem *ret, struct err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	struct conf_pem made = {.chain = NULL};
	bool ok = key != NULL && x != NULL && fill(x, key, names, n) && write_both(x, key, &made);
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	X509_free(x);
	EVP_PKEY_free(key);
	if (ok) {
		*ret = made;
	} else {
		if (made.key != NULL)
			explicit_bzero(made.key, made.key_n);
		free(made.key);
		free(made.chain);
	}
	if (!ok)
		(void)err_set(err, TG_EINVAL, "no certificate for the while can be made: %s",
			      why != NULL ? why : "no memory");
	ERR_clear_error();
	return ok ? 0 : -TG_EINVAL;
}
