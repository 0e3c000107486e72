/*
 * http/date.h: a moment as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7).
 */
#ifndef TG_HTTP_DATE_H
#define TG_HTTP_DATE_H

#include "base/clock.h"

#define HTTP_DATE_LEN 29u

/* Whatever the locale; not terminated. */
void http_date_write(struct wall t, char to[HTTP_DATE_LEN]);

#endif
