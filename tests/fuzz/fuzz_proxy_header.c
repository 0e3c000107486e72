/* Any bytes as the beginning of a connection: a header that is read says the same with less behind it, with
 * any piece of it missing is asked for or refused, and is written and read again as it was. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "net/proxy_header.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* Every text lies in the header. */
static void
check_text(struct proxy_text text, const unsigned char *p, size_t n)
{
	const unsigned char *at = (const unsigned char *)text.p;

	must(text.n == 0 || (at >= p && text.n <= n && at <= p + n - text.n));
}

static void
check_texts(const struct proxy_header *h, const unsigned char *p, size_t n)
{
	check_text(h->alpn, p, n);
	check_text(h->authority, p, n);
	check_text(h->id, p, n);
	check_text(h->tls_version, p, n);
	check_text(h->tls_cipher, p, n);
	check_text(h->tls_name, p, n);
}

static void
check_again(const struct proxy_header *h)
{
	unsigned char bytes[TG_PROXY_WRITTEN_MAX];
	size_t n = proxy_header_write(h, bytes);
	struct proxy_header again;
	size_t again_n;

	must(proxy_header_parse(bytes, n, &again, &again_n) == TG_PROXY_FAULT_NONE);
	must(again_n == n && again.version == h->version && again.has_addrs == h->has_addrs);
	must(again.is_local == h->is_local);
	if (h->has_addrs)
		must(memcmp(&again.from, &h->from, sizeof(h->from)) == 0 &&
		     memcmp(&again.to, &h->to, sizeof(h->to)) == 0 &&
		     again.from_port == h->from_port && again.to_port == h->to_port);
}

static void
check_pieces(const unsigned char *p, size_t n)
{
	struct proxy_header h;
	size_t got;

	for (size_t i = 0; i < n; i += 1 + i / 16)
		must(proxy_header_parse(p, i, &h, &got) == TG_PROXY_FAULT_NONE && got == 0);
	must(proxy_header_parse(p, n, &h, &got) == TG_PROXY_FAULT_NONE && got == n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	unsigned char *bytes = malloc(len + (len == 0));
	struct proxy_header h;
	enum proxy_fault fault;
	size_t n;

	must(bytes != NULL);
	memcpy(bytes, input, len);
	fault = proxy_header_parse(bytes, len, &h, &n);
	must(n <= len && n <= TG_PROXY_HEADER_MAX && (fault == TG_PROXY_FAULT_NONE || n == 0));
	if (n > 0) {
		check_texts(&h, bytes, n);
		check_pieces(bytes, n);
		check_again(&h);
	}
	free(bytes);
	return 0;
}
