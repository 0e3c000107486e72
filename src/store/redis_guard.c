#include "store/redis_guard.h"

#include <stddef.h>

#define NO_ANSWER_OF_OURS "an answer that no command of ours has"

/* How long an array is, to who makes one. */
#if HIREDIS_MAJOR > 0
#define ARRAY_LENGTH size_t
#else
#define ARRAY_LENGTH int
#endif

/*
 * What hiredis makes of answers. NULL ends the connection as if there were no memory: before any is taken for
 * an array, and before it asserts that an answer to nothing is one to a subscription.
 */
static void *
refuse(const redisReadTask *task, const char *odd)
{
	struct redis_guard *g = task->privdata;

	g->odd = odd;
	return NULL;
}

/* Its own functions, with ours in front. */
static redisReplyObjectFunctions *
real(const redisReadTask *task)
{
	struct redis_guard *g = task->privdata;

	if (g->pending > 0)
		return &g->functions;
	(void)refuse(task, "an answer to nothing");
	return NULL;
}

static void *
make_string(const redisReadTask *task, char *text, size_t n)
{
	redisReplyObjectFunctions *f = real(task);

	return f != NULL ? f->createString(task, text, n) : NULL;
}

static void *
make_integer(const redisReadTask *task, long long number)
{
	redisReplyObjectFunctions *f = real(task);

	return f != NULL ? f->createInteger(task, number) : NULL;
}

static void *
make_nil(const redisReadTask *task)
{
	redisReplyObjectFunctions *f = real(task);

	return f != NULL ? f->createNil(task) : NULL;
}

/* A sentinel tells an address and a port. */
static void *
make_array(const redisReadTask *task, ARRAY_LENGTH n)
{
	struct redis_guard *g = task->privdata;

	if (g->takes_pair && n == 2 && task->parent == NULL && g->pending > 0)
		return g->functions.createArray(task, n);
	return refuse(task, NO_ANSWER_OF_OURS);
}

#if HIREDIS_MAJOR > 0
static void *
refuse_double(const redisReadTask *task, double number, char *text, size_t n)
{
	(void)number;
	(void)text;
	(void)n;
	return refuse(task, NO_ANSWER_OF_OURS);
}

static void *
refuse_boolean(const redisReadTask *task, int is_true)
{
	(void)is_true;
	return refuse(task, NO_ANSWER_OF_OURS);
}
#endif

void
redis_guard_start(struct redis_guard *g, redisReader *reader, bool takes_pair)
{
	g->takes_pair = takes_pair;
	g->functions = *reader->fn;
	g->guarded = g->functions;
	g->guarded.createString = make_string;
	g->guarded.createInteger = make_integer;
	g->guarded.createNil = make_nil;
	g->guarded.createArray = make_array;
#if HIREDIS_MAJOR > 0
	g->guarded.createDouble = refuse_double;
	g->guarded.createBool = refuse_boolean;
#endif
	reader->fn = &g->guarded;
	reader->privdata = g;
}
