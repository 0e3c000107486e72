/*
 * conf/tree_priv.h: libconfig's tree, where its reader is in it, and what is said at such a place. For the files the
 * reader is made of: reader.c, tree.c, check.c, references.c.
 */
#ifndef TG_CONF_TREE_PRIV_H
#define TG_CONF_TREE_PRIV_H

#include <libconfig.h>

#include "conf/box_priv.h"
#include "conf/reader_priv.h"
#include "conf/schema_priv.h"

/* A place in the tree, linked upwards; lives on the stack. */
struct where {
	const struct where *up;
	const char *key; /* NULL: an element of a list */
	unsigned index;
	unsigned line;
};

/* The name of a service, to be linked once all services are read. */
struct reference {
	const struct conf_service **slot;
	char *name;
	char *path;
	unsigned line;
};

struct reader {
	const struct conf_source *source;
	struct conf_report *report;
	struct arena *arena;
	struct conf_box *box; /* which is read; NULL: something else */
	struct conf *present; /* whose services may be kept; NULL: none is */
	size_t kept_at;       /* behind the last of these */
	bool internal;
	bool has_renamed; /* keys given twice have been reported and are passed over */
	struct reference *references;
	size_t n_references;
	size_t references_size;
};

/* What a check function sees. */
struct conf_check {
	struct reader *reader;
	const struct where *where;
	const struct conf_schema *schema;
	const config_setting_t *setting; /* NULL: the group was not written */
};

/*** tree.c ***/

/* "services[2].balance"; NULL: no memory. The caller frees. */
char *where_path(const struct where *where);
void reader_error(struct reader *r, const struct where *where, const char *text);
void reader_warn(struct reader *r, const struct where *where, const char *text);
void reader_error_format(struct reader *r, const struct where *where, const char *fmt, ...)
	TG_PRINTF(3, 4);
/* What a kind, or an own check of a text, has returned. */
void reader_failure(struct reader *r, const struct where *where, int code, const struct err *err);

bool tree_is_group(const config_setting_t *setting); /* NULL allowed */
/* It is something else than `wanted`; `allowed` may be NULL. */
void tree_type_error(struct reader *r, const struct where *where, const config_setting_t *setting,
		     const char *wanted, const char *allowed);
/* False: not a plain value. */
bool tree_value(const config_setting_t *setting, struct conf_value *ret);
/* The line of `key` in an element; of the element itself when it is not written there. */
unsigned tree_line_of(const config_setting_t *element, const char *key);
/* The setting of a row; a plain value stands for the shorthand's row. NULL: it is not written. */
const config_setting_t *tree_member_of(const struct conf_schema *schema,
				       const config_setting_t *setting, const char *key);

/*** references.c ***/

/* `slot`, of a const struct conf_service *, is to have the service of this name. */
void reader_refer(struct reader *r, const struct where *where, const char *name, void *slot);
/* All that were referred to; those that are not there are errors. */
void reader_link(struct reader *r, struct conf *conf);
void reader_forget_references(struct reader *r);

#endif
