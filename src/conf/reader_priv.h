/*
 * conf/reader_priv.h: from text to a struct, by its schema.
 */
#ifndef TG_CONF_READER_PRIV_H
#define TG_CONF_READER_PRIV_H

#include <stdbool.h>

#include "base/arena.h"
#include "conf/conf.h"
#include "conf/report_priv.h"
#include "conf/source_priv.h"

struct conf_schema;

/*
 * Parses the source and fills `object` by `schema`, with memory of `arena`.
 * Everything wrong goes to `report`; `object` is of use only when the report is
 * clean after. `internal`: keys between our own processes are allowed. `conf`: where the
 * services are that rows name; NULL: none does. `present`: where those are of which the text has the name alone; NULL:
 * that is an error.
 */
void conf_read(const struct conf_source *source, bool internal, struct arena *arena,
	       struct conf_report *report, const struct conf_schema *schema, void *object,
	       struct conf *conf, struct conf *present);

#endif
