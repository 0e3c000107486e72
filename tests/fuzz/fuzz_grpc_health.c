/* Any bytes as the body of an answer of grpc.health.v1.Health: nothing is read behind them. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "health/grpc_reply.h"

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	unsigned char *body = malloc(len + (len == 0));
	uint64_t serving = 0;

	if (body == NULL)
		abort();
	memcpy(body, input, len);
	if (grpc_health_parse(body, len, &serving) == 0 && len < 5)
		abort();
	if (grpc_serving_str(serving) == NULL)
		abort();
	free(body);
	return 0;
}
