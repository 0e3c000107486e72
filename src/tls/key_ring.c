#include "tls/key_ring.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define HASH_FUNCTION(s, len, hash) HASH_FNV(s, len, hash) /* the default one warns in clang */
#include <uthash.h>

#include "tls/key_id.h"
#include "tls/settings.h"

/* A head of the text: the word of the use, how many bytes follow. */
#define HEAD_MAX 32u

struct key {
	unsigned char id[TG_SIGN_ID_BYTES];
	unsigned uses; /* 1 << enum sign_use */
	EVP_PKEY *pkey;
	struct mono left; /* unset: it is in the last text */
	UT_hash_handle hh;
};

struct key_ring {
	pthread_rwlock_t lock; /* of `keys`, for threads other than the one that loads */
	struct key *keys;
};

static const char *const use_words[SIGN_USE_COUNT] = {
	[SIGN_AS_SERVER] = "server",
	[SIGN_AS_CLIENT] = "client",
};

struct key_ring *
key_ring_new(void)
{
	struct key_ring *r = calloc(1, sizeof(*r));

	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	if (r != NULL)
		pthread_rwlock_init(&r->lock, NULL);
	return r;
}

static void
key_free(struct key *k)
{
	EVP_PKEY_free(k->pkey);
	free(k);
}

static void
free_keys(struct key **keys)
{
	struct key *k;
	struct key *next;

	HASH_ITER (hh, *keys, k, next) {
		HASH_DELETE(hh, *keys, k);
		key_free(k);
	}
}

void
key_ring_free(struct key_ring *r)
{
	if (r == NULL)
		return;
	free_keys(&r->keys);
	pthread_rwlock_destroy(&r->lock);
	free(r);
}

/* reading */

void
key_ring_write(FILE *out, enum sign_use use, const char *pem, size_t n)
{
	fprintf(out, "%s %zu\n", use_words[use], n);
	fwrite(pem, 1, n, out);
}

static bool
read_head(const char **text, size_t *n, enum sign_use *ret_use, size_t *ret_n)
{
	const char *end = memchr(*text, '\n', *n < HEAD_MAX ? *n : HEAD_MAX);
	char head[HEAD_MAX + 1];
	int use;

	if (end == NULL)
		return false;
	memcpy(head, *text, (size_t)(end - *text));
	head[end - *text] = '\0';
	*n -= (size_t)(end - *text) + 1;
	*text = end + 1;
	for (use = 0; use < SIGN_USE_COUNT; use++) {
		size_t word = strlen(use_words[use]);

		if (strncmp(head, use_words[use], word) != 0 || head[word] != ' ')
			continue;
		*ret_use = (enum sign_use)use;
		*ret_n = strtoul(head + word + 1, NULL, 10);
		return *ret_n > 0 && *ret_n <= *n && *ret_n <= INT_MAX;
	}
	return false;
}

static EVP_PKEY *
read_pem(const char *pem, size_t n)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)n);
	bool has_passphrase = false;
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, tls_refuse_passphrase, &has_passphrase);
	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

static int
add_key(struct key **keys, enum sign_use use, const char *pem, size_t n)
{
	struct key *k = calloc(1, sizeof(*k));
	struct key *known;

	if (k == NULL)
		return -TG_ENOMEM;
	k->pkey = read_pem(pem, n);
	k->uses = 1u << use;
	if (k->pkey == NULL || key_id(k->pkey, k->id) < 0) {
		key_free(k);
		return -TG_EINVAL;
	}
	HASH_FIND(hh, *keys, k->id, sizeof(k->id), known);
	if (known != NULL) {
		known->uses |= k->uses;
		key_free(k);
	} else {
		HASH_ADD(hh, *keys, id, sizeof(k->id), k);
	}
	return 0;
}

static int
read_text(const char *text, size_t n, struct key **keys, struct err *err)
{
	size_t count = 0;
	int rc = 0;

	while (n > 0 && rc == 0) {
		enum sign_use use;
		size_t pem_n;

		if (!read_head(&text, &n, &use, &pem_n))
			return err_set(err, TG_EINVAL, "the text of the keys is cut");
		rc = add_key(keys, use, text, pem_n);
		text += pem_n;
		n -= pem_n;
		count++;
	}
	if (rc == -TG_EINVAL)
		return err_set(err, TG_EINVAL, "key %zu cannot be read", count);
	return rc < 0 ? err_no_memory(err) : 0;
}

/* Those that are not in the new text go on for a while. */
static void
take_former(struct key_ring *r, struct key **keys, struct mono now)
{
	struct key *k;
	struct key *next;

	HASH_ITER (hh, r->keys, k, next) {
		struct key *again;

		HASH_DELETE(hh, r->keys, k);
		HASH_FIND(hh, *keys, k->id, sizeof(k->id), again);
		if (again != NULL) {
			key_free(k);
			continue;
		}
		if (!mono_is_set(k->left))
			k->left = now;
		HASH_ADD(hh, *keys, id, sizeof(k->id), k);
	}
}

int
key_ring_load(struct key_ring *r, const char *text, size_t n, struct mono now, struct err *err)
{
	struct key *keys = NULL;
	int rc = read_text(text, n, &keys, err);

	if (rc < 0) {
		free_keys(&keys);
		return rc;
	}
	pthread_rwlock_wrlock(&r->lock);
	take_former(r, &keys, now);
	r->keys = keys;
	pthread_rwlock_unlock(&r->lock);
	key_ring_purge(r, now);
	return 0;
}

void
key_ring_purge(struct key_ring *r, struct mono now)
{
	struct key *k;
	struct key *next;

	pthread_rwlock_wrlock(&r->lock);
	HASH_ITER (hh, r->keys, k, next) {
		if (!mono_is_set(k->left) || now.us < mono_add_ms(k->left, TG_KEY_LINGER_MS).us)
			continue;
		HASH_DELETE(hh, r->keys, k);
		key_free(k);
	}
	pthread_rwlock_unlock(&r->lock);
}

size_t
key_ring_count(const struct key_ring *r)
{
	return HASH_COUNT(r->keys);
}

/* signing */

struct scheme {
	enum sign_scheme scheme;
	int kind;           /* of the key */
	const char *digest; /* NULL: the kind has its own */
	bool is_pss;
};

static const struct scheme schemes[] = {
	{SIGN_RSA_PKCS1_SHA256, EVP_PKEY_RSA, "SHA256", false},
	{SIGN_RSA_PKCS1_SHA384, EVP_PKEY_RSA, "SHA384", false},
	{SIGN_RSA_PKCS1_SHA512, EVP_PKEY_RSA, "SHA512", false},
	{SIGN_ECDSA_SHA256, EVP_PKEY_EC, "SHA256", false},
	{SIGN_ECDSA_SHA384, EVP_PKEY_EC, "SHA384", false},
	{SIGN_ECDSA_SHA512, EVP_PKEY_EC, "SHA512", false},
	{SIGN_RSA_PSS_RSAE_SHA256, EVP_PKEY_RSA, "SHA256", true},
	{SIGN_RSA_PSS_RSAE_SHA384, EVP_PKEY_RSA, "SHA384", true},
	{SIGN_RSA_PSS_RSAE_SHA512, EVP_PKEY_RSA, "SHA512", true},
	{SIGN_ED25519, EVP_PKEY_ED25519, NULL, false},
	{SIGN_ED448, EVP_PKEY_ED448, NULL, false},
	{SIGN_RSA_PSS_PSS_SHA256, EVP_PKEY_RSA_PSS, "SHA256", true},
	{SIGN_RSA_PSS_PSS_SHA384, EVP_PKEY_RSA_PSS, "SHA384", true},
	{SIGN_RSA_PSS_PSS_SHA512, EVP_PKEY_RSA_PSS, "SHA512", true},
};

static const struct scheme *
find_scheme(unsigned scheme, const EVP_PKEY *pkey)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (schemes[i].scheme == scheme)
			return schemes[i].kind == EVP_PKEY_get_base_id(pkey) ? &schemes[i] : NULL;
	}
	return NULL;
}

/* One reference. NULL: there is none. */
static EVP_PKEY *
get_key(struct key_ring *r, const struct sign_head *head)
{
	EVP_PKEY *pkey = NULL;
	struct key *k;

	pthread_rwlock_rdlock(&r->lock);
	HASH_FIND(hh, r->keys, head->id, sizeof(head->id), k);
	if (k != NULL && (k->uses & 1u << head->use) != 0 && EVP_PKEY_up_ref(k->pkey) == 1)
		pkey = k->pkey;
	pthread_rwlock_unlock(&r->lock);
	return pkey;
}

static bool
sign(EVP_MD_CTX *ctx, EVP_PKEY *pkey, const struct scheme *s, const struct sign_request *request,
     unsigned char *ret, size_t *ret_n)
{
	EVP_PKEY_CTX *pctx;
	size_t n = TG_SIGNATURE_MAX;

	if (EVP_DigestSignInit_ex(ctx, &pctx, s->digest, NULL, NULL, pkey, NULL) != 1 ||
	    (s->is_pss && (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
			   EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) != 1)) ||
	    EVP_DigestSign(ctx, ret, &n, request->bytes, request->head.n) != 1)
		return false;
	*ret_n = n;
	return true;
}

enum sign_status
key_ring_sign(struct key_ring *r, const struct sign_request *request, unsigned char *ret,
	      size_t *ret_n)
{
	enum sign_status status = SIGN_FAILED;
	const struct scheme *s;
	EVP_MD_CTX *ctx;
	EVP_PKEY *pkey;

	if (!sign_may((enum sign_use)request->head.use, request->bytes, request->head.n))
		return SIGN_REFUSED;
	pkey = get_key(r, &request->head);
	if (pkey == NULL)
		return SIGN_NO_KEY;
	s = find_scheme(request->head.scheme, pkey);
	ctx = EVP_MD_CTX_new();
	if (s != NULL && ctx != NULL && sign(ctx, pkey, s, request, ret, ret_n))
		status = SIGN_DONE;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return status;
}
