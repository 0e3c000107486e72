/*
 * admin/processes.h: what our three processes take, from /proc.
 */
#ifndef TG_ADMIN_PROCESSES_H
#define TG_ADMIN_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"

enum process_role {
	TG_PROCESS_PARENT = 0,
	TG_PROCESS_PROXY = 1,
	TG_PROCESS_KEEPER = 2,
	TG_PROCESS_ROLE_COUNT
};
const char *process_role_str(enum process_role role);

struct process_usage {
	pid_t pid;
	uint64_t cpu_us; /* user and system */
	uint64_t resident_bytes;
	struct wall started;
};

/* When the machine started, by the wall clock: read once, so that starts do not move. */
struct wall processes_boot(void);
/* Asked by the keeper. False: there is no such process now, or /proc does not show it. */
bool process_usage_read(enum process_role role, struct wall boot, struct process_usage *ret);
/* The fields of a /proc/PID/stat line, in ticks and pages; false: it is none. */
struct process_stat {
	uint64_t cpu_ticks;
	uint64_t start_ticks; /* since the machine started */
	uint64_t resident_pages;
};
bool process_stat_parse(const char *line, struct process_stat *ret);

#endif
