/* Any bytes as the value of grpc-timeout and of Content-Type: what is valid is in range, and nothing is read behind it. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "http/grpc.h"

/* 99999999 hours */
#define MOST_US 359999996400000000u

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	char *value = malloc(len + (len == 0));
	struct slice s = {value, len};
	uint64_t us = 0;

	if (value == NULL)
		abort();
	memcpy(value, input, len);
	if (grpc_timeout_parse(s, &us) && (us > MOST_US || len > 9))
		abort();
	if (grpc_is_type(s) && grpc_timeout_parse(s, &us))
		abort();
	free(value);
	return 0;
}
