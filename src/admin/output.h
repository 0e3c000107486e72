/*
 * admin/output.h: the answer to a command, being written. Bounded: what does
 * not fit voids the whole answer, never a part of it.
 */
#ifndef TG_ADMIN_OUTPUT_H
#define TG_ADMIN_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "net/conn.h"

/* Storage is the caller's; output_init() to output_fini(). */
struct output {
	char *bytes; /* not terminated */
	size_t n;
	size_t cap;
	size_t max;
	bool is_full; /* something did not fit or there was no memory */
};

void output_init(struct output *o, size_t max);
void output_fini(struct output *o);

/* Makes room for `n` more bytes. False: they do not fit, or there is no memory, and the answer is void. */
bool output_reserve(struct output *o, size_t n);

/* Answers of megabytes are put together of words. */
static inline void
output_add(struct output *o, const char *s, size_t n)
{
	if ((o->is_full || n > o->cap - o->n || n > o->max - o->n) && !output_reserve(o, n))
		return;
	if (n > 0)
		memcpy(o->bytes + o->n, s, n);
	o->n += n;
}

static inline void
output_text(struct output *o, const char *s)
{
	output_add(o, s, strlen(s));
}

/* As part of a line: '?' for what no terminal shows. */
void output_plain(struct output *o, const char *s);
void output_number(struct output *o, uint64_t value);
/* Lines of bounded length: 1024 bytes. */
void output_format(struct output *o, const char *fmt, ...) TG_PRINTF(2, 3);
/* With quotes and escapes. */
void output_json(struct output *o, const char *s);
/* The same of bytes that need not end. */
void output_json_bytes(struct output *o, const char *s, size_t n);
/* One field of a CSV line: in quotes when it must be. */
void output_csv(struct output *o, const char *s);
/* Sends what is behind *sent, as far as the kernel takes it. 0: that was all; -TG_EAGAIN; -TG_EIO. */
TG_MUST_CHECK int output_send(const struct output *o, struct conn *conn, size_t *sent);
/* Takes back everything from `n` on, and that it did not fit. */
void output_cut(struct output *o, size_t n);

#endif
