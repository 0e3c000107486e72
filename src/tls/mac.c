#include "tls/mac.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/base64.h"

#define CODE_BYTES 16u

static void
encode(const unsigned char code[CODE_BYTES], char ret[TG_MAC_TEXT_LEN + 1])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0;
	unsigned n_bits = 0;
	size_t at = 0;
	size_t i;

	for (i = 0; at < TG_MAC_TEXT_LEN; i++) {
		bits = bits << 8 | (i < CODE_BYTES ? code[i] : 0u);
		for (n_bits += 8; n_bits >= 6 && at < TG_MAC_TEXT_LEN; n_bits -= 6)
			ret[at++] = digits[bits >> (n_bits - 6) & 63];
	}
	ret[at] = '\0';
}

/* -TG_EIO: the library refused. */
static int
make_code(const void *key, size_t key_n, const void *bytes, size_t n,
	  unsigned char code[EVP_MAX_MD_SIZE])
{
	unsigned code_n = 0;

	if (key_n > INT_MAX ||
	    HMAC(EVP_sha256(), key, (int)key_n, bytes, n, code, &code_n) == NULL ||
	    code_n != TG_MAC_BYTES)
		return -TG_EIO;
	return 0;
}

int
mac_bytes(const void *key, size_t key_n, const void *bytes, size_t n,
	  unsigned char ret[TG_MAC_BYTES])
{
	unsigned char code[EVP_MAX_MD_SIZE];
	int rc = make_code(key, key_n, bytes, n, code);

	if (rc == 0)
		memcpy(ret, code, TG_MAC_BYTES);
	OPENSSL_cleanse(code, sizeof(code));
	return rc;
}

int
mac_text(const void *key, size_t key_n, const void *bytes, size_t n, char ret[TG_MAC_TEXT_LEN + 1])
{
	unsigned char code[EVP_MAX_MD_SIZE];
	int rc = make_code(key, key_n, bytes, n, code);

	if (rc == 0)
		encode(code, ret);
	return rc;
}

int
mac_hex(const void *key, size_t key_n, const void *bytes, size_t n, char ret[TG_MAC_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char code[EVP_MAX_MD_SIZE];
	int rc = make_code(key, key_n, bytes, n, code);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < TG_MAC_HEX_LEN / 2; i++) {
		ret[2 * i] = digits[code[i] >> 4];
		ret[2 * i + 1] = digits[code[i] & 15];
	}
	ret[TG_MAC_HEX_LEN] = '\0';
	return 0;
}

int
mac_random(void *ret, size_t n)
{
	return n <= INT_MAX && RAND_bytes(ret, (int)n) == 1 ? 0 : -TG_EIO;
}

int
mac_websocket(const char *key, size_t key_n, char ret[TG_WEBSOCKET_ACCEPT_LEN + 1])
{
	static const char tail[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[20];
	char text[64 + sizeof(tail)];

	if (key_n > 64)
		return -TG_EIO;
	memcpy(text, key, key_n);
	memcpy(text + key_n, tail, sizeof(tail) - 1);
	if (EVP_Digest(text, key_n + sizeof(tail) - 1, digest, NULL, EVP_sha1(), NULL) != 1) {
		ERR_clear_error();
		return -TG_EIO;
	}
	base64_encode(digest, sizeof(digest), ret);
	return 0;
}
