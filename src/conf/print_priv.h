/*
 * conf/print_priv.h: a configuration as text.
 */
#ifndef TG_CONF_PRINT_PRIV_H
#define TG_CONF_PRINT_PRIV_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/conf.h"

enum conf_reader {
	CONF_FOR_PEOPLE = 0, /* without secrets */
	CONF_FOR_KEEPER = 1, /* with the keys that only our own processes use, without private keys of certificates */
	CONF_FOR_PROXY = 2,  /* the same, without what the control plane alone needs: no credential */
};

/* `is_kept` [conf->n_services]: the name alone; NULL: none. */
void conf_print_all(const struct conf *conf, enum conf_reader reader, const bool *is_kept,
		    FILE *out);

/* Text of our own processes, where internal keys are allowed. */
TG_MUST_CHECK int conf_load_internal(const char *text, size_t n, struct conf **ret,
				     struct err *err);

struct conf_schema;
/* The rows of any schema, internal ones too, so that they read back. */
void conf_print_object(const struct conf_schema *schema, const void *object, FILE *out);
/* The same, without numbers, durations and truths that are as if they were not set, and empty lists. */
void conf_print_set(const struct conf_schema *schema, const void *object, FILE *out);

#endif
