/*
 * OpenSSL's side of it: provider-keymgmt(7), provider-signature(7). A signature by a key of ours is made by us, as no other provider
 * gets its private half: export refuses. What is to be done with the public half is done by the default one, which gets that.
 */
#include "tls/opaque.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tls/key_id.h"
#include "tls/sign_line.h"

/* What opaque_key() tells import(): the public half, as a pointer within this process. */
#define PARAM_PUBLIC "tidegate-public"
#define PARAM_USE    "tidegate-use"

/* Dispatch tables take functions of any type. */
#define FN(id, f)                                                                                  \
	{                                                                                          \
		(id), (void (*)(void))(f)                                                          \
	}

struct opaque {
	EVP_PKEY *public; /* of the default provider; NULL: empty yet */
	bool is_private;  /* false: the public half of somebody, to be compared with */
	enum sign_use use;
	unsigned char id[TG_SIGN_ID_BYTES];
};

/* keys */

static void *
key_new(void *provider)
{
	(void)provider;
	return calloc(1, sizeof(struct opaque));
}

static void
key_free(void *key)
{
	struct opaque *k = key;

	EVP_PKEY_free(k->public);
	free(k);
}

static int
key_has(const void *key, int selection)
{
	const struct opaque *k = key;

	return k->public != NULL &&
	       ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) == 0 || k->is_private);
}

static int
key_match(const void *a, const void *b, int selection)
{
	(void)selection;
	return EVP_PKEY_eq(((const struct opaque *)a)->public,
			   ((const struct opaque *)b)->public) == 1;
}

static int
take_own(struct opaque *k, const OSSL_PARAM *public, const OSSL_PARAM *use)
{
	int number = 0;

	if (public->data_size != sizeof(k->public) || OSSL_PARAM_get_int(use, &number) != 1)
		return 0;
	memcpy(&k->public, public->data, sizeof(k->public));
	if (EVP_PKEY_up_ref(k->public) != 1) {
		k->public = NULL;
		return 0;
	}
	k->is_private = true;
	k->use = (enum sign_use)number;
	return key_id(k->public, k->id) == 0;
}

/* The public half of one of the default provider, to be compared. */
static int
take_other(struct opaque *k, const char *kind, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, "provider=default");
	int ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
		 EVP_PKEY_fromdata(ctx, &k->public, EVP_PKEY_PUBLIC_KEY,
				   (OSSL_PARAM *)(uintptr_t)params) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

static int
import(void *key, const char *kind, const OSSL_PARAM params[])
{
	const OSSL_PARAM *public = OSSL_PARAM_locate_const(params, PARAM_PUBLIC);
	const OSSL_PARAM *use = OSSL_PARAM_locate_const(params, PARAM_USE);

	return public != NULL && use != NULL ? take_own(key, public, use)
					     : take_other(key, kind, params);
}

static const OSSL_PARAM *
key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(PARAM_PUBLIC, NULL, 0),
		OSSL_PARAM_int(PARAM_USE, NULL),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

static int
key_export(void *key, int selection, OSSL_CALLBACK *fn, void *arg)
{
	const struct opaque *k = key;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || k->public == NULL)
		return 0;
	return EVP_PKEY_export(k->public, EVP_PKEY_PUBLIC_KEY, fn, arg);
}

static int
key_get_params(void *key, OSSL_PARAM params[])
{
	const struct opaque *k = key;

	return k->public != NULL && EVP_PKEY_get_params(k->public, params) == 1;
}

static const OSSL_PARAM *
key_gettable_params(void *provider)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return params;
}

/* Of RSA, RSA-PSS, Ed25519 and Ed448 it is the name of the key. */
static const char *
ec_signature(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

static const char *
rsa_signature(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

/* signatures */

struct signing {
	const struct opaque *key; /* as long as its owner says */
	EVP_MD *digest;
	bool is_pss;
};

static void *
signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return calloc(1, sizeof(struct signing));
}

static void
signing_free(void *signing)
{
	struct signing *s = signing;

	EVP_MD_free(s->digest);
	free(s);
}

/* As a number or as a word. */
static bool
read_padding(const OSSL_PARAM *p, struct signing *s)
{
	const char *word = NULL;
	int number = 0;

	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		word = p->data;
		s->is_pss = strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
		return s->is_pss || strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0;
	}
	if (OSSL_PARAM_get_int(p, &number) != 1)
		return false;
	s->is_pss = number == RSA_PKCS1_PSS_PADDING;
	return s->is_pss || number == RSA_PKCS1_PADDING;
}

/* TLS wants a salt as long as the digest, and that digest in MGF1: so it is done, whatever is said of them. */
static int
signing_set_params(void *signing, const OSSL_PARAM params[])
{
	const OSSL_PARAM *padding = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);

	return padding == NULL || read_padding(padding, signing);
}

static const OSSL_PARAM *
signing_settable_params(void *signing, void *provider)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)signing;
	(void)provider;
	return params;
}

static int
signing_init(void *signing, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = signing;

	if (key != NULL)
		s->key = key;
	if (s->key == NULL || !s->key->is_private)
		return 0;
	EVP_MD_free(s->digest);
	s->digest = digest != NULL && digest[0] != '\0' ? EVP_MD_fetch(NULL, digest, NULL) : NULL;
	s->is_pss = EVP_PKEY_is_a(s->key->public, "RSA-PSS") == 1;
	return params == NULL || signing_set_params(signing, params);
}

/* 0: none. */
static unsigned
scheme_of(const struct signing *s)
{
	static const unsigned rows[][3] = {
		{SIGN_RSA_PKCS1_SHA256, SIGN_RSA_PKCS1_SHA384, SIGN_RSA_PKCS1_SHA512},
		{SIGN_RSA_PSS_RSAE_SHA256, SIGN_RSA_PSS_RSAE_SHA384, SIGN_RSA_PSS_RSAE_SHA512},
		{SIGN_RSA_PSS_PSS_SHA256, SIGN_RSA_PSS_PSS_SHA384, SIGN_RSA_PSS_PSS_SHA512},
		{SIGN_ECDSA_SHA256, SIGN_ECDSA_SHA384, SIGN_ECDSA_SHA512},
	};
	int digest = s->digest != NULL ? EVP_MD_get_type(s->digest) : NID_undef;
	unsigned row = s->is_pss ? 1 : 0;

	switch (EVP_PKEY_get_base_id(s->key->public)) {
	case EVP_PKEY_ED25519:
		return SIGN_ED25519;
	case EVP_PKEY_ED448:
		return SIGN_ED448;
	case EVP_PKEY_RSA:
		break;
	case EVP_PKEY_RSA_PSS:
		row = 2;
		break;
	case EVP_PKEY_EC:
		row = 3;
		break;
	default:
		return 0;
	}
	return digest == NID_sha256   ? rows[row][0]
	       : digest == NID_sha384 ? rows[row][1]
	       : digest == NID_sha512 ? rows[row][2]
				      : 0;
}

static int
signing_sign(void *signing, unsigned char *ret, size_t *ret_n, size_t room,
	     const unsigned char *bytes, size_t n)
{
	const struct signing *s = signing;
	int size = EVP_PKEY_get_size(s->key->public);
	struct sign_head head = {
		.n = (uint32_t)n, .scheme = (uint16_t)scheme_of(s), .use = (uint16_t)s->key->use};
	unsigned char buf[TG_SIGNATURE_MAX];
	size_t got;

	if (ret == NULL) {
		*ret_n = (size_t)size;
		return size > 0;
	}
	if (n > TG_SIGN_BYTES_MAX)
		return 0;
	memcpy(head.id, s->key->id, sizeof(head.id));
	if (sign_line_ask(&head, bytes, buf, &got) < 0 || got > room)
		return 0;
	memcpy(ret, buf, got);
	*ret_n = got;
	return 1;
}

/* tables */

#define KEYMGMT(name, kind, ...)                                                                   \
	static int name##_import(void *key, int selection, const OSSL_PARAM params[])              \
	{                                                                                          \
		(void)selection;                                                                   \
		return import(key, kind, params);                                                  \
	}                                                                                          \
	static const OSSL_DISPATCH name##_functions[] = {                                          \
		FN(OSSL_FUNC_KEYMGMT_NEW, key_new),                                                \
		FN(OSSL_FUNC_KEYMGMT_FREE, key_free),                                              \
		FN(OSSL_FUNC_KEYMGMT_HAS, key_has),                                                \
		FN(OSSL_FUNC_KEYMGMT_MATCH, key_match),                                            \
		FN(OSSL_FUNC_KEYMGMT_IMPORT, name##_import),                                       \
		FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types),                              \
		FN(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                                          \
		FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_import_types),                              \
		FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),                                  \
		FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable_params),                        \
		__VA_ARGS__{0, NULL}}

#define QUERY(f) FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, f),

KEYMGMT(rsa, "RSA", );
KEYMGMT(rsa_pss, "RSA-PSS", QUERY(rsa_signature));
KEYMGMT(ec, "EC", QUERY(ec_signature));
KEYMGMT(ed25519, "ED25519", );
KEYMGMT(ed448, "ED448", );

static const OSSL_DISPATCH signature_functions[] = {
	FN(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
	FN(OSSL_FUNC_SIGNATURE_FREECTX, signing_free),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
	FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set_params),
	FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable_params),
	{0, NULL},
};

#define PROPERTIES "provider=tidegate"

static const OSSL_ALGORITHM keys[] = {
	{"RSA:rsaEncryption", PROPERTIES, rsa_functions, NULL},
	{"RSA-PSS:RSASSA-PSS", PROPERTIES, rsa_pss_functions, NULL},
	{"EC:id-ecPublicKey", PROPERTIES, ec_functions, NULL},
	{"ED25519", PROPERTIES, ed25519_functions, NULL},
	{"ED448", PROPERTIES, ed448_functions, NULL},
	{NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM signatures[] = {
	{"RSA:rsaEncryption", PROPERTIES, signature_functions, NULL},
	{"ECDSA", PROPERTIES, signature_functions, NULL},
	{"ED25519", PROPERTIES, signature_functions, NULL},
	{"ED448", PROPERTIES, signature_functions, NULL},
	{NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *
query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keys;
	return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int
provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **ret,
	      void **ret_provider)
{
	static const OSSL_DISPATCH functions[] = {
		FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
		{0, NULL},
	};

	(void)in;
	*ret = functions;
	*ret_provider = (void *)(uintptr_t)core; /* must not be NULL */
	return 1;
}

/* the library context */

/* As long as the process: keys may be the last to go. Written once, by load_once. */
static OSSL_LIB_CTX *library;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void
load(void)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();

	if (ctx != NULL && OSSL_PROVIDER_add_builtin(ctx, "tidegate", provider_init) == 1 &&
	    OSSL_PROVIDER_load(ctx, "tidegate") != NULL)
		library = ctx;
	else
		OSSL_LIB_CTX_free(ctx);
}

static const char *
kind_of(const EVP_PKEY *public)
{
	static const char *const kinds[] = {"RSA", "RSA-PSS", "EC", "ED25519", "ED448"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (EVP_PKEY_is_a(public, kinds[i]) == 1)
			return kinds[i];
	}
	return NULL;
}

int
opaque_key(const X509 *certificate, enum sign_use use, EVP_PKEY **ret, struct err *err)
{
	EVP_PKEY *public = X509_get0_pubkey(certificate);
	const char *kind = public != NULL ? kind_of(public) : NULL;
	int number = (int)use;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(PARAM_PUBLIC, &public, sizeof(public)),
		OSSL_PARAM_construct_int(PARAM_USE, &number),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx;

	pthread_once(&load_once, load);
	if (kind == NULL)
		return err_set(err, TG_EINVAL, "a key of this kind cannot be kept apart");
	ctx = library != NULL ? EVP_PKEY_CTX_new_from_name(library, kind, NULL) : NULL;
	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1)
		*ret = key;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return key != NULL ? 0 : err_no_memory(err);
}
