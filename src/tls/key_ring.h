/*
 * tls/key_ring.h: the private keys of the process that keeps them, by what their public halves are.
 *
 * Loaded by one thread, used by others. A key that a new text leaves out stays for TG_KEY_LINGER_MS: handshakes that
 * began with it end with it.
 */
#ifndef TG_TLS_KEY_RING_H
#define TG_TLS_KEY_RING_H

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "tls/sign_request.h"

/* Longer than a handshake may take by default. */
#define TG_KEY_LINGER_MS 60000u

struct key_ring;

/* The library has read its settings then: no file is opened any more. NULL: no memory. */
struct key_ring *key_ring_new(void);
void key_ring_free(struct key_ring *r); /* NULL allowed */

/* One key of a text that key_ring_load() reads. */
void key_ring_write(FILE *out, enum sign_use use, const char *pem, size_t n);
/* What is in the text is what there is from now on. -TG_EINVAL, -TG_ENOMEM: all is as it was, `err` says why. */
TG_MUST_CHECK int key_ring_load(struct key_ring *r, const char *text, size_t n, struct mono now,
				struct err *err);
/* Forgets those whose time is over. */
void key_ring_purge(struct key_ring *r, struct mono now);
size_t key_ring_count(const struct key_ring *r);

/* Any thread. `ret` holds TG_SIGNATURE_MAX bytes, *ret_n is set only when it is done. */
enum sign_status key_ring_sign(struct key_ring *r, const struct sign_request *request,
			       unsigned char *ret, size_t *ret_n);

#endif
