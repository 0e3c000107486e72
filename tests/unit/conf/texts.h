/* Configurations around one interesting part, and errors as one string. */
#ifndef TG_TESTS_UNIT_CONF_TEXTS_H
#define TG_TESTS_UNIT_CONF_TEXTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

/* The part is on line 1, 2 and 3. */
#define TOP(x)                                                            \
	x "\nlisteners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n" \
	  "services = ( { name = \"s\"; } );\n"
#define LISTENER(x)                                             \
	"listeners = ( { name = \"l\"; bind = \"*:1\";\n" x "\n} );\n" \
	"services = ( { name = \"s\"; } );\n"
#define SERVICE(x)                                                            \
	"listeners = ( { name = \"l\"; bind = \"*:1\"; service = \"s\"; } );\n" \
	"services = ( { name = \"s\";\n" x "\n} );\n"

#define TIMEOUTS(x) LISTENER("timeouts = { " x " };")
#define LIMITS(x) LISTENER("limits = { " x " };")
#define ROUTES(x) LISTENER("routes = ( " x " );")
#define HEALTH(x) SERVICE("health = { " x " };")
#define BACKENDS(x) SERVICE("backends = ( " x " );")

/* All errors, one per line, without the "t:" of the name; the caller frees. */
static inline char *
errors_text(const struct conf_errors *errors)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	for (size_t i = 0; out && i < errors->n; i++) {
		const char *one = errors->list[i].text;

		fprintf(out, "%s%s", i > 0 ? "\n" : "", strncmp(one, "t:", 2) == 0 ? one + 2 : one);
	}
	if (out)
		fclose(out);
	return text;
}

/* conf_print() as a string; the caller frees. */
static inline char *
conf_text(const struct conf *conf)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	conf_print(conf, out);
	fclose(out);
	return text;
}

#endif
