/*
 * autoscale/record_priv.h: what writing and reading of records share.
 */
#ifndef TG_AUTOSCALE_RECORD_PRIV_H
#define TG_AUTOSCALE_RECORD_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tidegate/module.h"

#define TG_RECORD_VERSION 1

enum record_type { RECORD_BOOLEAN = 0, RECORD_U32 = 1, RECORD_U64 = 2, RECORD_I64 = 3 };

/* A member of struct decide_state. */
struct record_field {
	const char *key;
	enum record_type type;
	size_t offset;
};

extern const struct record_field record_state_fields[]; /* key NULL at the end */

/* NULL as NAN: jansson has no other number for it. */
json_t *record_number(double value);
/* What was learned and what was planned, where the module makes plans. False: no memory. */
bool record_add_outlook(json_t *all, const struct tg_snapshot *s);
int64_t record_load(const struct record_field *f, const void *at);

#endif
