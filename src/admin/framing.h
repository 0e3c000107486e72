/*
 * admin/framing.h: what a client of a control socket sends, as lines with their payloads. Pure.
 *
 * A line whose last word is "<<" has a payload: the lines behind it, up to an empty one. With
 * "<<MARK" it ends with a line that is MARK alone, so it may have empty lines; MARK has
 * 7 bytes at most. As HAProxy's.
 */
#ifndef TG_ADMIN_FRAMING_H
#define TG_ADMIN_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "admin/output.h"

#define TG_ADMIN_LINE_MAX    16384u
#define TG_ADMIN_PAYLOAD_MAX ((size_t)1 << 20)
#define TG_ADMIN_MARK_MAX    7u

enum framing_result {
	FRAMING_MORE = 0,     /* is needed: see framing_room() */
	FRAMING_LINE = 1,     /* one is there, with its payload if it has one */
	FRAMING_LINE_MAX = 2, /* it is too long; so on: nothing more is to be read */
	FRAMING_PAYLOAD_MAX = 3,
	FRAMING_MARK_MAX = 4,
	FRAMING_CUT = 5, /* the other side ended inside a payload */
	FRAMING_NO_MEMORY = 6
};

/* Storage is the caller's; framing_init() to framing_fini(). */
struct framing {
	char bytes[TG_ADMIN_LINE_MAX + 1];
	size_t n;     /* of bytes */
	size_t taken; /* of these, what was given out or stored */
	char *line;   /* whose payload is under way; else NULL */
	char mark[TG_ADMIN_MARK_MAX + 1];
	bool is_inside; /* a line of the payload is stored in part */
	bool is_given;  /* line and payload were given out */
	struct output payload;
};

/* Valid until the next call. */
struct framing_line {
	char *text; /* without its newline, the caller's to change; a NUL inside became '?' */
	const char *payload; /* lines, each with its newline; NULL: it has none */
	size_t payload_n;
};

void framing_init(struct framing *f);
void framing_fini(struct framing *f);

/* Where what comes is to be written, and how much may; framing_add() says how much was. Room is
 * there after FRAMING_MORE. */
char *framing_room(struct framing *f, size_t *ret_n);
void framing_add(struct framing *f, size_t n);
/* The next line. `has_ended`: nothing comes any more; what is there is the last line. */
enum framing_result framing_next(struct framing *f, bool has_ended, struct framing_line *ret);
/* Nothing was sent that is not given out. */
bool framing_is_empty(const struct framing *f);

#endif
