/* admin/show_pools.c: memory and descriptors that workers keep, in HAProxy's words. */
#include <inttypes.h>

#include "admin/command.h"
#include "backend/back.h"
#include "l7/l7.h"
#include "observe/counters.h"

/* By index in worker counters; one that keeps no free ones has the same for both. */
struct pool {
	const char *name;
	size_t bytes; /* of one */
	unsigned held;
	unsigned used;
	unsigned failures; /* TG_W_COUNT: it cannot fail */
};

#define POOLS 6u

static void
list_pools(struct pool pools[POOLS])
{
	pools[0] = (struct pool){"buffer_head", sizeof(struct buf) + TG_BUF_HEAD_BYTES, TG_W_BUFS_3,
				 TG_W_BUFS, TG_W_BUFS_6};
	pools[1] = (struct pool){"buffer_small", sizeof(struct buf) + TG_BUF_SMALL_BYTES,
				 TG_W_BUFS_4, TG_W_BUFS_1, TG_W_BUFS_7};
	pools[2] = (struct pool){"buffer_large", sizeof(struct buf) + TG_BUF_LARGE_BYTES,
				 TG_W_BUFS_5, TG_W_BUFS_2, TG_W_BUFS_8};
	pools[3] = (struct pool){"stream", l7_stream_bytes(), TG_W_STREAMS_HELD, TG_W_STREAMS_USED,
				 TG_W_STREAM_FAILURES};
	pools[4] =
		(struct pool){"idle_conn", sizeof(struct back), TG_W_IDLE, TG_W_IDLE, TG_W_COUNT};
	pools[5] = (struct pool){"pipe", 2 * sizeof(int), TG_W_PIPES_1, TG_W_PIPES,
				 TG_W_PIPE_FAILURES};
}

static uint64_t
sum(const struct admin_source *s, unsigned counter)
{
	return counter < TG_W_COUNT ? segment_sum(s->segment, 0, counter) : 0;
}

static void
print_text(struct command_call *call, const struct pool *p)
{
	const struct admin_source *s = call->source;
	uint64_t held = sum(s, p->held);

	output_format(call->out,
		      "  - Pool %s (%zu bytes) : %" PRIu64 " allocated (%" PRIu64
		      " bytes), %" PRIu64 " used, %" PRIu64 " failures, %u users\n",
		      p->name, p->bytes, held, held * p->bytes, sum(s, p->used),
		      sum(s, p->failures), segment_workers(s->segment));
}

static void
print_workers(struct command_call *call, const char *key, unsigned counter)
{
	struct segment *segment = call->source->segment;

	output_format(call->out, ",\"%s\":[", key);
	for (unsigned i = 0; i < segment_workers(segment); i++) {
		output_format(call->out, "%s%" PRIu64, i > 0 ? "," : "",
			      segment_counter(segment, i, 0, counter));
	}
	output_text(call->out, "]");
}

static void
print_json(struct command_call *call, const struct pool *p)
{
	const struct admin_source *s = call->source;

	output_format(call->out,
		      "{\"name\":\"%s\",\"bytes\":%zu,\"allocated\":%" PRIu64 ",\"used\":%" PRIu64
		      ",\"failures\":%" PRIu64,
		      p->name, p->bytes, sum(s, p->held), sum(s, p->used), sum(s, p->failures));
	print_workers(call, "allocated_by_worker", p->held);
	print_workers(call, "used_by_worker", p->used);
	output_text(call->out, "}");
}

static void
run(const struct command *c, struct command_call *call)
{
	const struct admin_source *s = call->source;
	struct pool pools[POOLS];
	uint64_t held = 0;
	uint64_t used = 0;

	if (!command_has_none(c, call))
		return;
	list_pools(pools);
	output_text(call->out, call->json ? "{\"pools\":[" : "Dumping pools usage.\n");
	for (unsigned i = 0; i < POOLS; i++) {
		held += sum(s, pools[i].held) * pools[i].bytes;
		used += sum(s, pools[i].used) * pools[i].bytes;
		if (!call->json) {
			print_text(call, &pools[i]);
			continue;
		}
		output_text(call->out, i > 0 ? ",\n" : "");
		print_json(call, &pools[i]);
	}
	output_format(call->out,
		      call->json ? "],\n\"spools\":{\"bytes\":%" PRIu64 ",\"files\":%" PRIu64
				   ",\"failures\":%" PRIu64 "},\n"
				 : "Spools: %" PRIu64 " bytes of these buffers, %" PRIu64
				   " files, %" PRIu64 " failures.\n",
		      sum(s, TG_W_SPOOLS), sum(s, TG_W_SPOOL_FILES), sum(s, TG_W_SPOOL_FAILURES));
	output_format(call->out,
		      call->json ? "\"total\":{\"pools\":%u,\"bytes_allocated\":%" PRIu64
				   ",\"bytes_used\":%" PRIu64 "}}\n"
				 : "Total: %u pools, %" PRIu64 " bytes allocated, %" PRIu64
				   " used.\n",
		      POOLS, held, used);
}

const struct command command_show_pools = {
	.name = "show pools",
	.usage = "",
	.help = "buffers, requests, kept connections and pipes of the workers: held, used, failures",
	.run = run,
};
