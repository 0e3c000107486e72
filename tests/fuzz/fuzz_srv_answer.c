/*
 * Any bytes as a name server's answer to a question for SRV records: what is taken
 * of it is within its bounds, sorted, and each host is asked for once.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "net/lookup_priv.h"

#define RECORDS_MAX 4u

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
check_records(const struct lookup *l)
{
	must(l->n_records > 0 && l->n_records <= RECORDS_MAX);
	must(l->n_targets > 0 && l->n_targets <= l->n_records);
	for (size_t i = 0; i < l->n_records; i++) {
		const struct lookup_record *r = &l->records[i];

		must(r->port != 0 && r->weight >= 1 && r->weight <= 256);
		must(r->target < l->n_targets);
		must(r->host[0] != '\0' && r->host[strlen(r->host) - 1] == '.');
		must(i == 0 || strcmp(r[-1].host, r->host) <= 0);
		must(i == 0 || (r[-1].target == r->target) == (strcmp(r[-1].host, r->host) == 0));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	unsigned char *answer = malloc(len + (len == 0));
	const struct lookup_channels nobody = {NULL, NULL};
	struct lookup *l = lookup_new(&nobody, "_http._tcp.test", RECORDS_MAX, NULL);

	must(answer != NULL && l != NULL);
	memcpy(answer, input, len);
	if (len <= UINT16_MAX && lookup_take_srv(l, answer, (int)len) == NULL)
		check_records(l);
	lookup_free(l);
	free(answer);
	return 0;
}
