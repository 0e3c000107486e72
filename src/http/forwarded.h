/*
 * http/forwarded.h: the list a Forwarded field holds (RFC 7239 4).
 */
#ifndef TG_HTTP_FORWARDED_H
#define TG_HTTP_FORWARDED_H

#include "http/message.h"

/*
 * Whether it reads to its end, so that what is appended is an element of its own and not
 * the inside of a quoted string. Names and values are not looked at. White space
 * around ";", which the grammar has not, is let pass.
 */
bool http_forwarded_is_list(struct slice value);

#endif
