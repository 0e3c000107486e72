/* Any bytes as the beginning of a connection: what is said of them is the same whether they come at once or one by one, and
 * what is read lies in them. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "tls/hello.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* A copy of its own, so that a read past its end is seen. */
static enum hello_verdict
scan(struct hello_scan *s, const uint8_t *p, size_t n)
{
	unsigned char *copy = malloc(n + (n == 0));
	enum hello_verdict verdict;

	must(copy != NULL);
	memcpy(copy, p, n);
	verdict = hello_scan(s, copy, n);
	must(s->record_at <= n);
	free(copy);
	return verdict;
}

static enum hello_verdict
scan_pieces(const uint8_t *p, size_t n)
{
	enum hello_verdict verdict = HELLO_INCOMPLETE;
	struct hello_scan s = {0};

	for (size_t i = 1; i <= n && verdict == HELLO_INCOMPLETE; i += 1 + i / 64)
		verdict = scan(&s, p, i);
	return verdict == HELLO_INCOMPLETE ? scan(&s, p, n) : verdict;
}

static void
check_alpn(const struct hello *hello)
{
	size_t at = 0;

	must(hello->alpn_n == 0 || hello->alpn > hello->message);
	while (at < hello->alpn_n) {
		must(hello->alpn[at] > 0);
		at += 1u + hello->alpn[at];
	}
	must(at == hello->alpn_n);
}

static void
check_hello(const uint8_t *p, size_t n)
{
	unsigned char *copy = malloc(n);
	struct hello hello;
	int rc;

	must(copy != NULL);
	memcpy(copy, p, n);
	rc = hello_read(copy, n, &hello);
	free(copy);
	must(rc == 0 || rc == -TG_EPROTO);
	if (rc != 0)
		return;
	must(strlen(hello.name) <= TG_SNI_MAX);
	check_alpn(&hello);
	hello_fini(&hello);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct hello_scan s = {0};
	enum hello_verdict verdict = scan(&s, input, len);

	must(verdict == scan_pieces(input, len));
	if (verdict == HELLO_WHOLE)
		check_hello(input, len);
	return 0;
}
