/* Any bytes as an OCSP response: what is taken says until when, all else has a reason. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "tls/ocsp.h"

/* A certificate and who issued it, for which the corpus has responses; their keys are gone. */
static const char chain[] =
#include "fuzz/ocsp_chain.h"
	;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	char *der = malloc(len + (len == 0));
	struct certificate c;
	struct ocsp_said said;
	struct err err = {""};
	int rc;

	must(der != NULL);
	memcpy(der, input, len);
	must(certificate_read(chain, sizeof(chain) - 1, NULL, 0, &c, &err) == 0);
	rc = ocsp_read(der, len, &c, &said, &err);
	must(rc == 0 || ((rc == -TG_EINVAL || rc == -TG_ENOENT) && err.text[0] != '\0'));
	if (rc == 0)
		must(said.until.us != 0 && !ocsp_holds(&said, said.until));
	certificate_fini(&c);
	free(der);
	return 0;
}
