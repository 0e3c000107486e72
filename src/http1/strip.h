/*
 * http1/strip.h: takes load reports (http/load_report.h) out of the trailers of a body that goes on as it came.
 *
 * Works on what http1_body_scan() has found to be trailers, piece by piece. The beginning of a
 * line whose name is not whole yet is kept back: the caller puts it in front of the next piece.
 */
#ifndef TG_HTTP1_STRIP_H
#define TG_HTTP1_STRIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest name there is to find; a line with so many bytes before its colon is another one. */
#define HTTP1_STRIP_HELD (sizeof("endpoint-load-metrics-bin") - 1)

/* Zeroed before the first piece. */
struct http1_strip {
	bool is_inside; /* of a line whose name was read: */
	bool is_taken;  /* it goes no further */
	uint8_t held_n;
	char held[HTTP1_STRIP_HELD];
};

/* data[n]: what was held, and the piece behind it. Returns how many bytes, packed to the start of `data`, go on now. */
size_t http1_strip(struct http1_strip *strip, char *data, size_t n);

#endif
