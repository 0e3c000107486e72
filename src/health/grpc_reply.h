/*
 * health/grpc_reply.h: what a gRPC server says of its health. Pure.
 *
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md: Check of grpc.health.v1.Health. Of protobuf this one message
 * of one field is all.
 */
#ifndef TG_HEALTH_GRPC_REPLY_H
#define TG_HEALTH_GRPC_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Names of services are not longer. */
#define TG_GRPC_SERVICE_MAX 255u
/* Its prefix of 5 bytes, a tag, two bytes of length. */
#define TG_GRPC_REQUEST_MAX (5u + 3u + TG_GRPC_SERVICE_MAX)

/* HealthCheckResponse.ServingStatus */
enum grpc_serving {
	GRPC_SERVING_UNKNOWN = 0,
	GRPC_SERVING = 1,
	GRPC_NOT_SERVING = 2,
	GRPC_SERVICE_UNKNOWN = 3
};

/* The word of the protocol; "?" outside the enum. */
const char *grpc_serving_str(uint64_t serving);
/* The message that asks, with its prefix; its length. `service` "": the whole server. */
size_t grpc_health_request(const char *service, unsigned char to[TG_GRPC_REQUEST_MAX]);
/* p[n] is all of the answer's body: one message, not compressed. -TG_EPROTO: it is not. */
TG_MUST_CHECK int grpc_health_parse(const void *p, size_t n, uint64_t *ret_serving);

#endif
