#include "health/grpc_reply.h"

#include <stdbool.h>
#include <string.h>

#define PREFIX_N 5u
#define TAG_SERVICE (1u << 3 | 2u)
#define FIELD_STATUS 1u

/* https://protobuf.dev/programming-guides/encoding/ */
enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_LENGTH = 2,
	WIRE_FIXED32 = 5
};

struct reader {
	const unsigned char *p;
	size_t n;
};

const char *
grpc_serving_str(uint64_t serving)
{
	static const char *const words[] = {
		[GRPC_SERVING_UNKNOWN] = "UNKNOWN",
		[GRPC_SERVING] = "SERVING",
		[GRPC_NOT_SERVING] = "NOT_SERVING",
		[GRPC_SERVICE_UNKNOWN] = "SERVICE_UNKNOWN",
	};

	return serving < sizeof(words) / sizeof(words[0]) ? words[serving] : "?";
}

size_t
grpc_health_request(const char *service, unsigned char to[TG_GRPC_REQUEST_MAX])
{
	size_t service_n = strlen(service);
	size_t at = PREFIX_N;

	if (service_n > TG_GRPC_SERVICE_MAX)
		service_n = TG_GRPC_SERVICE_MAX;
	memset(to, 0, PREFIX_N);
	if (service_n > 0) {
		to[at++] = TAG_SERVICE;
		to[at++] = (unsigned char)(service_n < 128 ? service_n : (service_n & 127) | 128);
		if (service_n >= 128)
			to[at++] = (unsigned char)(service_n >> 7);
		memcpy(to + at, service, service_n);
		at += service_n;
	}
	to[3] = (unsigned char)((at - PREFIX_N) >> 8);
	to[4] = (unsigned char)(at - PREFIX_N);
	return at;
}

static bool
read_varint(struct reader *r, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned shift;

	for (shift = 0; shift < 70 && r->n > 0; shift += 7) {
		unsigned char byte = *r->p++;

		r->n--;
		if (shift < 63 || byte <= 1)
			v |= (uint64_t)(byte & 127) << shift;
		else
			return false;
		if ((byte & 128) == 0) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool
skip(struct reader *r, uint64_t n)
{
	if (n > r->n)
		return false;
	r->p += n;
	r->n -= (size_t)n;
	return true;
}

/* A field that nobody asked for. */
static bool
skip_field(struct reader *r, unsigned type)
{
	uint64_t n;

	switch (type) {
	case WIRE_VARINT:
		return read_varint(r, &n);
	case WIRE_FIXED64:
		return skip(r, 8);
	case WIRE_LENGTH:
		return read_varint(r, &n) && skip(r, n);
	case WIRE_FIXED32:
		return skip(r, 4);
	default:
		return false;
	}
}

static bool
read_message(struct reader *r, uint64_t *ret_serving)
{
	uint64_t tag;

	*ret_serving = GRPC_SERVING_UNKNOWN;
	while (r->n > 0) {
		if (!read_varint(r, &tag) || tag >> 3 == 0)
			return false;
		if (tag == (FIELD_STATUS << 3 | WIRE_VARINT) ? !read_varint(r, ret_serving)
							     : !skip_field(r, tag & 7))
			return false;
	}
	return true;
}

int
grpc_health_parse(const void *p, size_t n, uint64_t *ret_serving)
{
	struct reader r = {p, n};
	uint64_t length;
	uint64_t serving;

	if (n < PREFIX_N || r.p[0] != 0)
		return -TG_EPROTO;
	length = (uint64_t)r.p[1] << 24 | (uint64_t)r.p[2] << 16 | (uint64_t)r.p[3] << 8 | r.p[4];
	if (length != n - PREFIX_N || !skip(&r, PREFIX_N) || !read_message(&r, &serving))
		return -TG_EPROTO;
	*ret_serving = serving;
	return 0;
}
