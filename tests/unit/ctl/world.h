/* Snapshots of a small daemon, made as its answers. */
#ifndef TG_UNIT_CTL_WORLD_H
#define TG_UNIT_CTL_WORLD_H

#include <inttypes.h>
#include <stdio.h>

#include "ctl/snapshot.h"

/* What differs between two moments of: service api with b2, b10 (which is down), service db. */
struct moment {
	uint64_t us;
	uint64_t pid;
	uint64_t uptime_s;
	uint64_t requests;
	uint64_t api_streams;
	uint64_t b2_streams;
	uint64_t b2_errors;
	uint64_t b10_streams;
	uint64_t db_streams;
	uint64_t db_queued;
	uint64_t fast; /* api: within 10 ms */
	uint64_t slow; /* and within 20 ms */
	uint64_t beyond;
	uint64_t b2_answers;
	uint64_t b2_us;
	const char *scaled; /* the answer to `show autoscale`; NULL: nothing is */
};

static inline struct snapshot *
snapshot_at(const struct moment *m)
{
	struct snapshot *s = NULL;
	struct err err;
	char *bytes;
	int n = asprintf(
		&bytes,
		"{\"Version\":\"1.2\",\"node\":\"n1\",\"Pid\":%" PRIu64 ",\"Uptime_sec\":%" PRIu64
		",\"CurrConns\":3,\"CumConns\":0,\"CumReq\":%" PRIu64 "}\n\n"
		"[{\"pxname\":\"web\",\"svname\":\"FRONTEND\",\"bin\":%" PRIu64 ",\"bout\":0},\n"
		"{\"pxname\":\"api\",\"svname\":\"b10\",\"status\":\"DOWN\",\"stot\":%" PRIu64
		"},\n"
		"{\"pxname\":\"api\",\"svname\":\"b2\",\"status\":\"UP\",\"scur\":4,"
		"\"stot\":%" PRIu64 ",\"econ\":%" PRIu64 "},\n"
		"{\"pxname\":\"api\",\"svname\":\"BACKEND\",\"status\":\"UP\",\"scur\":4,"
		"\"stot\":%" PRIu64 "},\n"
		"{\"pxname\":\"db\",\"svname\":\"BACKEND\",\"status\":\"DOWN\",\"stot\":%" PRIu64
		",\"qcur\":%" PRIu64 "}]\n\n"
		"{\"bounds_us\":[10000,20000],\"times\":["
		"{\"object\":\"worker\",\"what\":\"lag\",\"buckets\":[%" PRIu64 ",%" PRIu64
		",%" PRIu64 "]},"
		"{\"object\":\"service\",\"service\":\"api\",\"what\":\"total\",\"count\":%" PRIu64
		",\"sum_us\":0,\"buckets\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]},"
		"{\"object\":\"backend\",\"service\":\"api\",\"backend\":\"b2\",\"what\":"
		"\"response\",\"count\":%" PRIu64 ",\"sum_us\":%" PRIu64 "}]}\n\n%s\n\n",
		m->pid, m->uptime_s, m->requests, m->requests * 100, m->b10_streams, m->b2_streams,
		m->b2_errors, m->api_streams, m->db_streams, m->db_queued, m->fast,
		m->fast + m->slow, m->fast + m->slow + m->beyond, m->fast + m->slow + m->beyond,
		m->fast, m->fast + m->slow, m->fast + m->slow + m->beyond, m->b2_answers, m->b2_us,
		m->scaled != NULL ? m->scaled : "[]");

	assert_true(n > 0);
	if (snapshot_parse(bytes, (size_t)n, (struct mono){.us = m->us}, &s, &err) < 0)
		fail_msg("%s", err.text);
	free(bytes);
	return s;
}

#endif
