/* Any bytes as what a worker asks of who keeps the keys: a request that is read says all there is, and what may be signed in one role may
 * not in the other. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "tls/key_ring.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check(const struct sign_request *r, size_t len)
{
	bool as_server = sign_may(SIGN_AS_SERVER, r->bytes, r->head.n);
	bool as_client = sign_may(SIGN_AS_CLIENT, r->bytes, r->head.n);

	must(r->head.n > 0 && r->head.n <= TG_SIGN_BYTES_MAX && sizeof(r->head) + r->head.n == len);
	/* ServerKeyExchange begins with 64 bytes of the two sides' choice: it may look like messages. */
	if (r->bytes[0] == ' ')
		must(!as_client || !as_server);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	unsigned char *message = malloc(len + (len == 0));
	unsigned char signature[TG_SIGNATURE_MAX];
	struct key_ring *ring = key_ring_new();
	struct sign_request r;
	size_t n = 0;

	must(message != NULL && ring != NULL);
	memcpy(message, input, len);
	if (sign_request_parse(message, len, &r) == 0) {
		check(&r, len);
		must(key_ring_sign(ring, &r, signature, &n) != SIGN_DONE && n == 0);
	}
	key_ring_free(ring);
	free(message);
	return 0;
}
