/*
 * autoscale/record_priv.h: what writing and reading of records share.
 */
#ifndef TG_AUTOSCALE_RECORD_PRIV_H
#define TG_AUTOSCALE_RECORD_PRIV_H

#include <stddef.h>
#include <stdint.h>

#define TG_RECORD_VERSION 1

enum record_type { RECORD_BOOLEAN = 0, RECORD_U32 = 1, RECORD_U64 = 2, RECORD_I64 = 3 };

/* A member of struct decide_state. */
struct record_field {
	const char *key;
	enum record_type type;
	size_t offset;
};

extern const struct record_field record_state_fields[]; /* key NULL at the end */

int64_t record_load(const struct record_field *f, const void *at);

#endif
