/*
 * conf/part.c: one service, apart from the configuration it is in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/print_priv.h"
#include "conf/schema_priv.h"

struct text {
	char *bytes;
	size_t n;
};

/* As our own processes are handed it, with `frame` around it. */
static int
print(const struct conf_service *service, bool frame, struct text *ret)
{
	FILE *out = open_memstream(&ret->bytes, &ret->n);

	if (!out)
		return -TG_ENOMEM;
	if (frame)
		fputs("services = ( {\n", out);
	conf_print_object(&conf_schema_service, service, out);
	if (frame)
		fputs("} );\n", out);
	if (fclose(out) != 0) {
		free(ret->bytes);
		return -TG_ENOMEM;
	}
	return 0;
}

bool
conf_service_equal(const struct conf_service *a, const struct conf_service *b)
{
	struct text x;
	struct text y;
	bool equal;

	if (print(a, false, &x) < 0)
		return false;
	if (print(b, false, &y) < 0) {
		free(x.bytes);
		return false;
	}
	equal = x.n == y.n && memcmp(x.bytes, y.bytes, x.n) == 0;
	free(x.bytes);
	free(y.bytes);
	return equal;
}

int
conf_service_alone(const struct conf_service *service, struct conf **ret, struct err *err)
{
	struct text text;
	int rc = print(service, true, &text);

	if (rc < 0)
		return err_set(err, TG_ENOMEM, "no memory");
	rc = conf_load_internal(text.bytes, text.n, ret, err);
	free(text.bytes);
	return rc;
}
