/*
 * store/redis_sample.h: samples and records as commands for redis: the layout of keys. No sockets.
 *
 *	tg:{service}:now        hash: the last point of the service, by the words of TG_METRICS
 *	tg:{service}:b:<name>   hash: the last sample of a backend
 *	tg:{service}:live       sorted set: backends by when they were sampled, milliseconds
 *	tg:{service}:decisions  stream: records, about so many as are configured
 *
 * What is not known is "". All but the stream end by themselves when nobody writes them any more.
 */
#ifndef TG_STORE_REDIS_SAMPLE_H
#define TG_STORE_REDIS_SAMPLE_H

#include "base/clock.h"
#include "store/redis_batch.h"
#include "store/store.h"


/* Of an answer, struct batch_item.kind of a record is this one. */
extern const struct batch_kind redis_kind_record;

/* How long a sample is good, where there is one each `interval_ms`. */
uint64_t redis_sample_life_ms(uint32_t interval_ms);
/* What of it finds no room is left out: returns how many backends were. */
size_t redis_sample_add(struct redis_batch *b, const char *service, const struct store_point *point,
			const struct store_backend *backends, size_t n_backends, struct wall now,
			uint64_t life_ms);
/* About the last `length` stay. `owner` comes back as struct batch_item.record. */
bool redis_record_add(struct redis_batch *b, const char *service, unsigned length, const char *json,
		      size_t n, void *owner);
/* Says nothing; whether somebody answers. */
bool redis_ping_add(struct redis_batch *b);

#endif
