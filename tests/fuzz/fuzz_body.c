/*
 * A body in one piece and in many: all agree on where it ends, what is wrong with
 * it and what it holds. The first byte of the input selects the framing:
 * its low two bits the kind (enum http_body_kind), the next the limits and the
 * side, the rest a length. A trailer named "x-n" is nominated by Connection.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http1/body.h"

#define INPUT_MAX 4096

struct outcome {
	enum http_fault fault;
	bool done;
	size_t n;
	uint64_t total;
	size_t packed_n;
	char packed[INPUT_MAX];
};

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
body_init(struct http1_body *b, uint8_t selector)
{
	struct http_head head = {
		.body = (enum http_body_kind)(selector & 3),
		.is_answer = (selector & 8) != 0,
		.content_length = (uint64_t)(selector >> 4) * 5 + 1,
		.n_nominated = 1,
	};

	head.nominated[0] =
		http_name_hash(http_name_hash(http_name_hash(HTTP_NAME_HASH, 'x'), '-'), 'n');

	if ((selector & 4) != 0)
		http1_body_init(b, &head, 40, 4, 24);
	else
		http1_body_init(b, &head, 0, 256, 1024);
}

/* One piece in a block of its own, so that a look past it is seen. */
static void
read_piece(struct http1_body *b, struct outcome *o, const char *data, size_t n, bool unchunk)
{
	char *copy = malloc(n > 0 ? n : 1);
	size_t used = 0;
	size_t packed = 0;

	must(copy != NULL);
	memcpy(copy, data, n);
	if (unchunk) {
		o->fault = http1_body_unchunk(b, copy, n, &used, &packed);
	} else {
		o->fault = http1_body_scan(b, copy, n, &used);
		must(memcmp(copy, data, n) == 0);
	}
	must(used <= n && packed <= used);
	/* Bytes are left over only behind the end or before what is wrong. */
	must(used == n || b->done || o->fault != HTTP_FAULT_NONE);
	memcpy(o->packed + o->packed_n, copy, packed);
	o->packed_n += packed;
	o->n += used;
	free(copy);
}

static void
read_body(struct outcome *o, uint8_t selector, const char *data, size_t n, size_t cut, size_t step,
	  bool unchunk)
{
	struct http1_body b;

	*o = (struct outcome){.fault = HTTP_FAULT_NONE};
	body_init(&b, selector);
	while (o->fault == HTTP_FAULT_NONE && !b.done && o->n < n) {
		read_piece(&b, o, data + o->n, n - o->n < cut ? n - o->n : cut, unchunk);
		if (unchunk && o->fault == HTTP_FAULT_NONE)
			must(http1_body_received(&b) == o->packed_n);
		cut = step;
	}
	o->done = b.done;
	o->total = b.total;
	must(!o->done || o->fault == HTTP_FAULT_NONE);
}

static void
must_agree(const struct outcome *a, const struct outcome *b)
{
	must(a->fault == b->fault && a->done == b->done && a->n == b->n && a->total == b->total);
	must(a->packed_n == b->packed_n && memcmp(a->packed, b->packed, a->packed_n) == 0);
}

static void
check(uint8_t selector, const char *data, size_t n, bool unchunk)
{
	static struct outcome whole;
	static struct outcome pieces;
	size_t every = n / 64 + 1;

	read_body(&whole, selector, data, n, n, n, unchunk);
	for (size_t cut = 1; cut < n; cut += every) {
		read_body(&pieces, selector, data, n, cut, n, unchunk);
		must_agree(&whole, &pieces);
	}
	for (size_t step = 1; step <= 3 && n > 0; step++) {
		read_body(&pieces, selector, data, n, step, step, unchunk);
		must_agree(&whole, &pieces);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	if (len < 1 || len > INPUT_MAX)
		return 0;
	check(input[0], (const char *)input + 1, len - 1, false);
	if ((input[0] & 3) == HTTP_BODY_CHUNKED)
		check(input[0], (const char *)input + 1, len - 1, true);
	return 0;
}
