#include "store/redis_lane.h"

#include <stdio.h>
#include <stdlib.h>

struct redis_lane *
lane_new(const struct redis_lane_ops *ops, void *user)
{
	struct redis_lane *lane = calloc(1, sizeof(*lane));

	if (lane == NULL)
		return NULL;
	lane->ops = ops;
	lane->user = user;
	return lane;
}

void
lane_free(struct redis_lane *lane)
{
	if (lane == NULL)
		return;
	redis_link_close(lane->link);
	batch_fini(&lane->next);
	batch_fini(&lane->later);
	batch_fini(&lane->sent);
	free(lane);
}

bool
lane_is_idle(const struct redis_lane *lane)
{
	return redis_link_is_ready(lane->link) && lane->unanswered == 0;
}

void
lane_send(struct redis_lane *lane)
{
	struct redis_batch empty = lane->sent;

	lane->sent = lane->next;
	lane->next = empty;
	lane->unanswered = lane->sent.n_items;
	lane->is_refused = false;
	lane->began = mono_read();
	redis_link_expect(lane->link);
	for (size_t i = 0; i < lane->sent.n_items; i++) {
		struct batch_item *item = &lane->sent.items[i];

		redis_link_send(lane->link, lane->sent.bytes + item->at, item->n, item);
	}
}

void
lane_set_unwell(struct redis_lane *lane, const char *why)
{
	lane->state = LANE_UNWELL;
	snprintf(lane->why, sizeof(lane->why), "%s", why);
	for (char *p = lane->why; *p != '\0'; p++)
		*p = *p < ' ' || *p > '~' ? '?' : *p;
}

static void
on_ready(void *user)
{
	struct redis_lane *lane = user;

	lane->is_down = false;
	if (!lane->is_doubtful)
		lane->state = LANE_WELL;
	lane->ops->ready(lane->user, lane);
}

static void
on_answer(void *user, void *item, const redisReply *reply)
{
	struct redis_lane *lane = user;

	lane->ops->answer(lane->user, lane, item, reply);
}

static void
on_down(void *user, const char *why)
{
	struct redis_lane *lane = user;

	lane->is_down = true;
	lane->is_doubtful = lane->is_doubtful || lane->unanswered > 0;
	lane_set_unwell(lane, why);
	lane->ops->down(lane->user, lane, why);
}

const struct redis_link_ops lane_link_ops = {
	.ready = on_ready,
	.answer = on_answer,
	.down = on_down,
};
