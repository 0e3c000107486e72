/* Any bytes as the environment of a process: what is taken for a mark of ours is whole. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "provider/mark.h"
#include "provider/provider_priv.h"

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static const struct mark_owner owner = {.run = "/etc/t.conf", .service = "s"};
	/* A copy of its own, so that a read past its end is seen. */
	char *bytes = malloc(len + (len == 0));
	struct mark mark;

	if (bytes == NULL)
		return 0;
	if (len > 0)
		memcpy(bytes, input, len);
	if (mark_parse(bytes, len, &owner, &mark) &&
	    (!provider_name_is_good(mark.name) || mark.pid <= 0 || addr_port(&mark.addr) == 0))
		abort();
	free(bytes);
	return 0;
}
