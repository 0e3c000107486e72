#include "health/pace.h"

#include <assert.h>
#include <stdlib.h>

#include "base/container.h"

/* Begun in one turn of the loop; the rest follow in the next turns. */
#define BEGIN_PER_TURN 512u

/* 2^64 / golden ratio: multiples of it, modulo 1, are spread evenly however many there are. */
#define PHASE_STEP UINT64_C(0x9e3779b97f4a7c15)

/* The one place that writes p->tempo. */
static void
change_tempo(struct pace *p, enum pace_tempo tempo)
{
	if (p->tempo != TG_PACE_EVEN)
		p->flow->n_at[p->tempo]--;
	p->tempo = tempo;
	if (p->tempo != TG_PACE_EVEN)
		p->flow->n_at[p->tempo]++;
}

/* The one place that writes flow->turn. Into another queue it comes as the last one. */
static void
flow_set_turn(struct lane_flow *flow, enum flow_turn turn)
{
	struct lane *lane = flow->lane;

	if (flow->turn == turn)
		return;
	if (flow->turn != TG_FLOW_IDLE)
		TAILQ_REMOVE(&lane->turns[flow->turn], flow, link);
	flow->turn = turn;
	if (turn != TG_FLOW_IDLE)
		TAILQ_INSERT_TAIL(&lane->turns[turn], flow, link);
}

static enum flow_turn
turn_of(const struct lane_flow *flow)
{
	if (TAILQ_EMPTY(&flow->queue) || flow->n_running >= flow->max)
		return TG_FLOW_IDLE;
	return flow->n_running == 0 ? TG_FLOW_FIRST : TG_FLOW_MORE;
}

/* The one place that writes p->state. The caller has armed or clears the timer. */
static void
pace_set_state(struct pace *p, enum pace_state state)
{
	struct lane_flow *flow = p->flow;

	if (p->state == TG_PACE_QUEUED)
		TAILQ_REMOVE(&flow->queue, p, link);
	if (p->state == TG_PACE_RUNNING) {
		p->ops->stop(p);
		flow->n_running--;
		flow->lane->n_running--;
	}
	p->state = state;
	if (state == TG_PACE_QUEUED)
		TAILQ_INSERT_TAIL(&flow->queue, p, link);
	if (state == TG_PACE_RUNNING) {
		flow->n_running++;
		flow->lane->n_running++;
	}
	if (state == TG_PACE_IDLE || state == TG_PACE_QUEUED)
		timer_clear(&p->timer);
	if (state == TG_PACE_IDLE)
		change_tempo(p, TG_PACE_EVEN);
	flow_set_turn(flow, turn_of(flow));
}

static void
pace_begin(struct pace *p)
{
	struct loop *loop = p->flow->lane->loop;

	p->begun = loop_now_update(loop);
	pace_set_state(p, TG_PACE_RUNNING);
	timer_set(loop, &p->timer, mono_add_ms(p->begun, p->conf.timeout_ms));
	p->ops->begin(p);
}

/* Whose turn it is; NULL: nobody's. */
static struct lane_flow *
next_flow(const struct lane *lane)
{
	struct lane_flow *flow = TAILQ_FIRST(&lane->turns[TG_FLOW_FIRST]);

	if (lane->n_running >= lane->max)
		return NULL;
	if (flow == NULL && lane->n_running < lane->common)
		flow = TAILQ_FIRST(&lane->turns[TG_FLOW_MORE]);
	return flow;
}

/* Begins what is due, as far as the bounds allow. */
static void
lane_pump(struct lane *lane)
{
	unsigned begun = 0;
	struct lane_flow *flow;

	if (lane->is_pumping)
		return;
	lane->is_pumping = true;
	while ((flow = next_flow(lane)) != NULL) {
		if (begun++ == BEGIN_PER_TURN) {
			timer_set(lane->loop, &lane->pump_timer, loop_now(lane->loop));
			break;
		}
		flow_set_turn(flow, TG_FLOW_IDLE);
		pace_begin(TAILQ_FIRST(&flow->queue));
	}
	lane->is_pumping = false;
}

static void
on_pump_timer(struct timer *t)
{
	lane_pump(TG_CONTAINER(t, struct lane, pump_timer));
}

static void
on_pace_timer(struct timer *t)
{
	struct pace *p = TG_CONTAINER(t, struct pace, timer);

	switch (p->state) {
	case TG_PACE_WAITING:
		pace_set_state(p, TG_PACE_QUEUED);
		lane_pump(p->flow->lane);
		break;
	case TG_PACE_RUNNING:
		p->ops->expire(p);
		break;
	case TG_PACE_IDLE:
	case TG_PACE_QUEUED:
	case TG_PACE_STATE_COUNT:
		break;
	}
}

/* A part of `us`, evenly spread over those who ask; at least one microsecond. */
static uint64_t
next_phase(struct lane *lane, uint64_t us)
{
	lane->phase += PHASE_STEP;
	return 1 + (uint64_t)((double)(lane->phase >> 11) * 0x1p-53 * (double)us);
}

/* xorshift64*; spreads, protects nothing. */
static uint64_t
next_random(struct lane *lane)
{
	lane->random ^= lane->random >> 12;
	lane->random ^= lane->random << 25;
	lane->random ^= lane->random >> 27;
	return lane->random * 0x2545f4914f6cdd1dull;
}

/* As configured, or as far above it as leaves half of the flow to others, but no further than the even one. */
static uint64_t
interval_of(const struct pace *p)
{
	const struct lane_flow *flow = p->flow;
	uint64_t even_ms = p->conf.interval_ms[TG_PACE_EVEN];
	uint64_t ms = p->conf.interval_ms[p->tempo];
	uint64_t room_ms;

	if (ms >= even_ms)
		return ms;
	room_ms = 2 * p->conf.timeout_ms * flow->n_at[p->tempo] / flow->max;
	if (room_ms > even_ms)
		room_ms = even_ms;
	return ms < room_ms ? room_ms : ms;
}

/* The next time of its phase that is not past. What lasts longer than its interval is not to make an uneven one
 * longer. */
static struct mono
next_due(struct pace *p, uint64_t interval_us, struct mono now)
{
	struct mono due = p->due;

	if (!mono_is_set(due))
		due.us = p->begun.us + next_phase(p->flow->lane, interval_us);
	else
		due.us += interval_us;
	if (due.us >= now.us)
		return due;
	if (p->tempo != TG_PACE_EVEN && mono_diff_us(now, p->begun) >= interval_us)
		return now;
	due.us += (now.us - due.us + interval_us - 1) / interval_us * interval_us;
	return due;
}

/* Half of it to either side: two in a row make the whole. */
static struct mono
add_jitter(struct pace *p, uint64_t interval_us, struct mono due)
{
	uint64_t jitter_us = interval_us / 100 * p->conf.jitter_percent;

	if (jitter_us > 0)
		due.us += next_random(p->flow->lane) % (jitter_us + 1) - jitter_us / 2;
	return due;
}

/* Those of a short interval are close to each other: in a longer one each gets a phase anew. */
void
pace_set_tempo(struct pace *p, enum pace_tempo tempo)
{
	assert(p->state != TG_PACE_IDLE);
	if (p->conf.interval_ms[tempo] > p->conf.interval_ms[p->tempo])
		p->due = (struct mono){0};
	change_tempo(p, tempo);
}

void
pace_rest(struct pace *p)
{
	uint64_t interval_us = interval_of(p) * 1000;

	p->due = next_due(p, interval_us, loop_now(p->flow->lane->loop));
	pace_set_state(p, TG_PACE_WAITING);
	timer_set(p->flow->lane->loop, &p->timer, add_jitter(p, interval_us, p->due));
	lane_pump(p->flow->lane);
}

void
pace_start(struct pace *p)
{
	p->due = (struct mono){0};
	pace_set_state(p, TG_PACE_QUEUED);
	lane_pump(p->flow->lane);
}

/* Its place is for who waits, who begins only from the loop. */
void
pace_stop(struct pace *p)
{
	struct lane *lane = p->flow->lane;
	bool was_running = p->state == TG_PACE_RUNNING;

	pace_set_state(p, TG_PACE_IDLE);
	if (was_running)
		timer_set(lane->loop, &lane->pump_timer, loop_now(lane->loop));
}

void
pace_init(struct pace *p, struct lane_flow *flow, const struct pace_ops *ops,
	  const struct pace_conf *conf)
{
	*p = (struct pace){.flow = lane_flow_ref(flow), .ops = ops, .conf = *conf};
	timer_init(&p->timer, on_pace_timer);
}

void
pace_fini(struct pace *p)
{
	pace_stop(p);
	timer_fini(&p->timer);
	lane_flow_unref(p->flow);
}

struct lane_flow *
lane_flow_new(struct lane *lane, unsigned max)
{
	struct lane_flow *flow = calloc(1, sizeof(*flow));

	if (flow == NULL)
		return NULL;
	flow->lane = lane;
	flow->n_refs = 1;
	flow->max = max;
	TAILQ_INIT(&flow->queue);
	return flow;
}

struct lane_flow *
lane_flow_ref(struct lane_flow *flow)
{
	flow->n_refs++;
	return flow;
}

void
lane_flow_unref(struct lane_flow *flow)
{
	if (flow != NULL && --flow->n_refs == 0)
		free(flow);
}

void
lane_init(struct lane *lane, struct loop *loop, unsigned max, unsigned common, uint64_t seed)
{
	*lane = (struct lane){
		.loop = loop, .max = max, .common = common, .random = seed | 1, .phase = seed};
	for (size_t i = 0; i < TG_FLOW_TURN_COUNT; i++)
		TAILQ_INIT(&lane->turns[i]);
	timer_init(&lane->pump_timer, on_pump_timer);
}

void
lane_fini(struct lane *lane)
{
	timer_fini(&lane->pump_timer);
}
