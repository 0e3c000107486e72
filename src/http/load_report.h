/*
 * http/load_report.h: what a backend tells of its load in an answer. Pure.
 *
 * ORCA: xds.data.orca.v3.OrcaLoadReport, as Envoy and gRPC have it:
 *
 *	endpoint-load-metrics: TEXT cpu_utilization=0.3, mem_utilization=0.8, named_metrics.x=12
 *	endpoint-load-metrics: JSON {"cpu_utilization": 0.3, "mem_utilization": 0.8}
 *	endpoint-load-metrics: BIN <protobuf in base64>
 *	endpoint-load-metrics-bin: <protobuf in base64>
 *
 * Read are cpu and mem_utilization (in JSON also cpuUtilization and memUtilization, and numbers in strings, as
 * protobuf allows). Other names are of no interest, but what they stand for must be a number, or in JSON a value
 * of any kind. BIN and -bin are recognised and not read: whoever sends only these is silent.
 */
#ifndef TG_HTTP_LOAD_REPORT_H
#define TG_HTTP_LOAD_REPORT_H

#include <stdint.h>

#include "http/message.h"

#define TG_LOAD_NOT_TOLD (-1)
/* More than 1000 times what it may use is no reading. */
#define TG_LOAD_PERMILLE_MAX 1000000
/* Objects and arrays in each other, in JSON; more is not read. */
#define TG_LOAD_DEPTH_MAX 8

/* Of what the backend may use; above 0, or in a report that has something above 0. */
struct load_report {
	int32_t cpu_permille; /* TG_LOAD_NOT_TOLD, or 0 to TG_LOAD_PERMILLE_MAX */
	int32_t memory_permille;
};

enum load_report_verdict {
	LOAD_REPORT_TOLD = 0,
	LOAD_REPORT_SILENT = 1, /* as it should be, and neither is told, or all that is told is 0 */
	LOAD_REPORT_BAD = 2     /* of no known form, or a figure is no number, negative, twice there or too much */
};

/* The value of one endpoint-load-metrics field; any bytes. Nothing is told in *ret but by LOAD_REPORT_TOLD. */
enum load_report_verdict load_report_parse(struct slice value, struct load_report *ret);

#endif
