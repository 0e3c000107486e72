#include "tls/ticket_seal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/base64.h"
#include "tls/mac.h"

#define NONCE_BYTES 12u
#define TAG_BYTES   16u

/* As it is written; big-endian. */
struct sealed {
	unsigned char hour[8];
	unsigned char nonce[NONCE_BYTES];
	unsigned char secret[TG_TICKET_SEED_BYTES];
	unsigned char tag[TAG_BYTES];
};

_Static_assert(TG_BASE64_LEN(sizeof(struct sealed)) + 1 == TG_SEALED_SIZE,
	       "its text has this size");
_Static_assert(TG_MAC_TEXT_LEN + 1 == TG_SEALED_NAME_SIZE, "a name is a code");

static int
derive(const char *secret, const char *what, unsigned char ret[TG_MAC_BYTES])
{
	return mac_bytes(secret, strlen(secret), what, strlen(what), ret);
}

int
ticket_seal_name(const char *secret, char ret[TG_SEALED_NAME_SIZE])
{
	static const char what[] = "tidegate tickets: name";

	return mac_text(secret, strlen(secret), what, sizeof(what) - 1, ret);
}

/* One way or the other; the tag is checked where it is opened. */
static bool
run(bool is_sealing, struct sealed *s, const unsigned char key[TG_MAC_BYTES],
    unsigned char plain[TG_TICKET_SEED_BYTES])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	unsigned char *from = is_sealing ? plain : s->secret;
	unsigned char *to = is_sealing ? s->secret : plain;
	int n = 0;
	bool ok = c != NULL &&
		  EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, s->nonce, is_sealing) == 1 &&
		  EVP_CipherUpdate(c, NULL, &n, s->hour, sizeof(s->hour)) == 1 &&
		  EVP_CipherUpdate(c, to, &n, from, TG_TICKET_SEED_BYTES) == 1 &&
		  (is_sealing ||
		   EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, s->tag) == 1) &&
		  EVP_CipherFinal_ex(c, to + n, &n) == 1 &&
		  (!is_sealing ||
		   EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, s->tag) == 1);

	EVP_CIPHER_CTX_free(c);
	ERR_clear_error();
	return ok;
}

int
ticket_seal(const struct ticket_seed *seed, const char *secret, char ret[TG_SEALED_SIZE])
{
	struct ticket_seed copy = *seed;
	unsigned char key[TG_MAC_BYTES];
	struct sealed s;
	int rc = derive(secret, "tidegate tickets: seal", key);

	for (size_t i = 0; i < sizeof(s.hour); i++)
		s.hour[i] = (unsigned char)(seed->hour >> (56 - 8 * i));
	if (rc == 0)
		rc = mac_random(s.nonce, sizeof(s.nonce));
	if (rc == 0 && !run(true, &s, key, copy.secret))
		rc = -TG_EIO;
	if (rc == 0)
		base64_encode(&s, sizeof(s), ret);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(&copy, sizeof(copy));
	return rc;
}

int
ticket_unseal(const char *text, const char *secret, struct ticket_seed *ret)
{
	struct ticket_seed seed = {.hour = 0};
	unsigned char bytes[TG_SEALED_SIZE];
	unsigned char key[TG_MAC_BYTES];
	char again[TG_SEALED_SIZE];
	struct sealed s;
	size_t n;
	int rc;

	if (strlen(text) != TG_SEALED_SIZE - 1 ||
	    base64_decode(text, TG_SEALED_SIZE - 1, bytes, &n) < 0 || n != sizeof(s))
		return -TG_EPROTO;
	memcpy(&s, bytes, sizeof(s));
	/* The last digit has bits that say nothing: only one text is this one. */
	base64_encode(&s, sizeof(s), again);
	if (strcmp(again, text) != 0)
		return -TG_EPROTO;
	for (size_t i = 0; i < sizeof(s.hour); i++)
		seed.hour = seed.hour << 8 | s.hour[i];
	rc = derive(secret, "tidegate tickets: seal", key);
	if (rc == 0 && (!run(false, &s, key, seed.secret) || seed.hour == 0))
		rc = -TG_EPROTO;
	if (rc == 0)
		*ret = seed;
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(&seed, sizeof(seed));
	return rc;
}
