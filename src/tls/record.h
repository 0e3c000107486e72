/*
 * tls/record.h: what the access log tells of a connection with TLS.
 */
#ifndef TG_TLS_RECORD_H
#define TG_TLS_RECORD_H

#include <stdint.h>

#include "observe/access.h"
#include "tls/stream.h"

/* Bytes behind the other strings of a record. `facts` NULL: none. */
uint32_t tls_record_room(const struct tls_facts *facts);
/* Fills the fields of TLS, and writes so many bytes at `p`. */
void tls_record_put(const struct tls_facts *facts, struct access_record *r, char *p);

#endif
