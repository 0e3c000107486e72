/*
 * http/grpc.h: what gRPC says by fields of HTTP. Pure.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md,
 * https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 */
#ifndef TG_HTTP_GRPC_H
#define TG_HTTP_GRPC_H

#include "http/message.h"

/* As the library of any language has them. */
enum grpc_status {
	GRPC_OK = 0,
	GRPC_UNKNOWN = 2,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_UNAUTHENTICATED = 16
};

/* Whether this Content-Type is that of gRPC; gRPC-Web, whose errors are those of HTTP, is another one. */
bool grpc_is_type(struct slice content_type);
/* The value of grpc-timeout: up to 8 digits and a unit. In microseconds, rounded up: 0 is none. False: it is not valid. */
bool grpc_timeout_parse(struct slice value, uint64_t *ret_us);
#define GRPC_TIMEOUT_ROOM 9u
/* The value for so many microseconds, rounded down: 0 is 1 of the smallest unit. Blanks stand before it. */
void grpc_timeout_write(uint64_t us, char ret[GRPC_TIMEOUT_ROOM]);
/* What an error of HTTP that is not the service's own is to its client. */
enum grpc_status grpc_status_of(unsigned http_status);

#endif
