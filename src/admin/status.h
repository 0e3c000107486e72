/*
 * admin/status.h: what runs, as one JSON object: the page /status.
 *
 *	{"version", "started", "uptime_seconds", "ready", "workers", "open_connections",
 *	 "store": {"kind", "well", "why"},
 *	 "processes": [{"role", "pid", "cpu_seconds", "memory_bytes"}],
 *	 "listeners": [{"name", "address", "mode", "open_connections",
 *	   "connections_per_second", "streams_per_second", "streams"}],
 *	 "services": [{"name", "usable", "backends": {"total", "usable", and each state},
 *	   "autoscale": {"mode", "manual", "desired", "proposed", "min", "max", "ready", "pending",
 *	   "down", "draining", "failures"} where it is scaled, "in_flight",
 *	   "queued", "held", "held_max", "streams_per_second", "streams"}]}
 */
#ifndef TG_ADMIN_STATUS_H
#define TG_ADMIN_STATUS_H

#include "admin/page.h"

page_step status_step;

#endif
