/*
 * conf/print_priv.h: a configuration as text.
 */
#ifndef TG_CONF_PRINT_PRIV_H
#define TG_CONF_PRINT_PRIV_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/conf.h"

/* `internal`: with the keys that only our own processes use. */
void conf_print_all(const struct conf *conf, bool internal, FILE *out);

/* Text of our own processes, where internal keys are allowed. */
TG_MUST_CHECK int conf_load_internal(const char *text, size_t n, struct conf **ret,
				     struct err *err);

struct conf_schema;
/* The rows of any schema, internal ones too, so that they read back. */
void conf_print_object(const struct conf_schema *schema, const void *object, FILE *out);
/* The same, without numbers, durations and truths that are as if they were not set, and empty lists. */
void conf_print_set(const struct conf_schema *schema, const void *object, FILE *out);

#endif
