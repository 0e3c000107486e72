/*
 * conf/equal_priv.h: whether what was configured is the same, wherever it is in memory.
 */
#ifndef TG_CONF_EQUAL_PRIV_H
#define TG_CONF_EQUAL_PRIV_H

#include <stdbool.h>

struct conf_field;
struct conf_schema;

/* A row whose `when` does not hold is as one that is not set. Of all kinds but groups and lists. */
bool conf_value_equal(const struct conf_field *f, const void *a, const void *b);
/* In the same order. One whose `when` does not hold is empty. */
bool conf_list_equal(const struct conf_field *f, const void *a, const void *b);
/* All rows, internal ones too. Two that are equal are told our own processes in the same words. */
bool conf_object_equal(const struct conf_schema *schema, const void *a, const void *b);

#endif
