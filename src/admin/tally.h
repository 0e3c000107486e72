/*
 * admin/tally.h: the backends of a service, counted by what becomes of them.
 */
#ifndef TG_ADMIN_TALLY_H
#define TG_ADMIN_TALLY_H

#include "admin/source.h"

/* Each backend is in exactly one. */
#define TG_CONDITIONS(X)                                                                           \
	X(UP, "up", "it may get streams")                                                          \
	X(EJECTED, "ejected", "its checks pass, its streams failed")                               \
	X(CHECKING, "checking", "it has no verdict yet")                                           \
	X(DOWN, "down", "its checks fail, its agent says so, or its name has no address")          \
	X(DRAIN, "drain", "it is ordered to get no new streams, or has weight 0")                  \
	X(MAINT, "maint", "it is ordered out")                                                     \
	X(VACANT, "vacant", "a slot of a name that no address has")

enum backend_condition {
#define TG_CONDITION_ENUM(id, word, help) TG_CONDITION_##id,
	TG_CONDITIONS(TG_CONDITION_ENUM)
#undef TG_CONDITION_ENUM
		TG_CONDITION_COUNT
};
const char *backend_condition_str(enum backend_condition condition);

enum backend_condition backend_condition(const struct admin_source *s, size_t service,
					 size_t backend);

struct tally {
	unsigned conditions[TG_CONDITION_COUNT];
	unsigned usable; /* those that get streams now: backups or all of fail-open too */
	bool is_fail_open;
	uint64_t in_flight;
	uint64_t ejections;
};
/* Looks at every backend of the service. */
struct tally tally_service(const struct admin_source *s, size_t service);
/* Only whether one gets streams now. */
bool tally_is_usable(const struct admin_source *s, size_t service);

#endif
