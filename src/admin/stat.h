/*
 * admin/stat.h: listeners, services and backends as rows of `show stat`. Each
 * row is made new from the segment and the health status.
 */
#ifndef TG_ADMIN_STAT_H
#define TG_ADMIN_STAT_H

#include "admin/columns.h"
#include "admin/source.h"
#include "health/agent_reply.h"

#define TG_STAT_AGENT_TEXT (64u + TG_AGENT_ORDERS_SIZE)

enum stat_cell_kind {
	TG_CELL_EMPTY = 0,
	TG_CELL_NUMBER = 1,
	TG_CELL_TEXT = 2,
};

struct stat_cell {
	enum stat_cell_kind kind;
	uint64_t number;
	const char *text; /* lives as long as the row and the source */
};

struct stat_row {
	struct stat_cell cells[TG_STAT_COUNT];
	char status[32];
	char addr[TG_ADDR_STRLEN];
	char agent[TG_STAT_AGENT_TEXT];
};

const char *stat_column_str(enum stat_column column);

/* Its weight in effect, in configured units; a part counts as one. */
uint64_t stat_backend_weight(const struct admin_source *s, size_t service, size_t backend);

/* Each fills the whole row. */
void stat_listener(const struct admin_source *s, size_t listener, struct stat_row *ret);
void stat_backend(const struct admin_source *s, size_t service, size_t backend,
		  struct stat_row *ret);
void stat_service(const struct admin_source *s, size_t service, struct stat_row *ret);

#endif
