/*
 * tls/cover.h: whether a certificate is for certain names, and until when.
 */
#ifndef TG_TLS_COVER_H
#define TG_TLS_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

struct tls_cover {
	bool has_names; /* each of them, as it is written */
	struct wall from;
	struct wall to;
	uint64_t mark; /* of its bytes */
};

/* Of the first certificate in a text (PEM). -TG_EINVAL: there is none. */
TG_MUST_CHECK int tls_cover_read(const char *pem, size_t pem_n, char *const *names, size_t n,
				 struct tls_cover *ret);

#endif
