/* Any bytes as the answer of a checked backend, whole and byte by byte: both must agree. */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "health/answer.h"

static int
read_answer(const char *bytes, size_t n, size_t step, const char *needle, struct answer *a)
{
	int rc = 0;

	answer_init(a, false, needle);
	for (size_t at = 0; at < n && rc == 0; at += step)
		rc = answer_feed(a, bytes + at, n - at < step ? n - at : step);
	if (rc == 0)
		rc = answer_end(a);
	answer_fini(a);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static struct answer whole;
	static struct answer pieces;
	const char *bytes = (const char *)input;
	int rc;

	if (len == 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		const char *needle = i == 0 ? NULL : "needle";

		rc = read_answer(bytes, len, len, needle, &whole);
		if (rc != read_answer(bytes, len, 1, needle, &pieces))
			abort();
		if (rc == 1 && (whole.status != pieces.status || whole.found != pieces.found))
			abort();
	}
	return 0;
}
