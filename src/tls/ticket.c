#include "tls/ticket.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/mac.h"

#define HOUR_US (UINT64_C(3600) * 1000000)
/* A clock that jumps: the seed is turned no further than two years at once, and stays behind. */
#define TURNS_MAX 17520u

struct hour_key {
	uint64_t hour; /* 0: none */
	struct ticket_key key;
};

struct tickets {
	pthread_mutex_t lock;
	struct ticket_seed next; /* of the hour after that of the newest key */
	bool has_key;		 /* the first is made when it is asked for */
	struct hour_key keys[TG_TICKET_HOURS];   /* by hour */
	struct hour_key before[TG_TICKET_HOURS]; /* of another seed: to open with */
	struct replay *replay;
};

static uint64_t
hour_of(struct wall now)
{
	return now.us / HOUR_US;
}

static int
derive(const struct ticket_seed *seed, const char *what, unsigned char ret[TG_MAC_BYTES])
{
	return mac_bytes(seed->secret, sizeof(seed->secret), what, strlen(what), ret);
}

/* To the next hour. */
static int
turn(struct ticket_seed *seed)
{
	int rc = derive(seed, "next", seed->secret);

	if (rc == 0)
		seed->hour++;
	return rc;
}

int
ticket_seed_make(struct ticket_seed *ret, struct wall now)
{
	struct ticket_seed seed = {.hour = hour_of(now)};

	/* Not by the library: a parent without TLS has no use for it. */
	if (getentropy(seed.secret, sizeof(seed.secret)) != 0)
		return -TG_EIO;
	*ret = seed;
	OPENSSL_cleanse(&seed, sizeof(seed));
	return 0;
}

/* To this hour, if that is later. */
static int
turn_to(struct ticket_seed *seed, uint64_t hour)
{
	unsigned i;
	int rc = 0;

	for (i = 0; i < TURNS_MAX && seed->hour < hour && rc == 0; i++)
		rc = turn(seed);
	return rc;
}

int
ticket_seed_turn(struct ticket_seed *seed, struct wall now)
{
	struct ticket_seed next = *seed;
	uint64_t hour = hour_of(now);
	int rc = turn_to(&next, hour > TG_TICKET_HOURS ? hour - TG_TICKET_HOURS + 1 : 0);

	if (rc == 0)
		*seed = next;
	OPENSSL_cleanse(&next, sizeof(next));
	return rc;
}

bool
ticket_seed_is_same(const struct ticket_seed *a, const struct ticket_seed *b)
{
	struct ticket_seed x = *a;
	struct ticket_seed y = *b;
	bool is_same = turn_to(&x, b->hour) == 0 && turn_to(&y, a->hour) == 0 && x.hour == y.hour &&
		       CRYPTO_memcmp(x.secret, y.secret, sizeof(x.secret)) == 0;

	OPENSSL_cleanse(&x, sizeof(x));
	OPENSSL_cleanse(&y, sizeof(y));
	return is_same;
}

/* The key of the hour of t->next, which is turned on. */
static int
add_key(struct tickets *t)
{
	struct ticket_key key;
	unsigned char name[TG_MAC_BYTES];
	uint64_t hour = t->next.hour;
	int rc = derive(&t->next, "name", name);

	if (rc == 0)
		rc = derive(&t->next, "seal", key.seal);
	if (rc == 0)
		rc = derive(&t->next, "mac", key.mac);
	if (rc == 0)
		rc = turn(&t->next);
	if (rc == 0) {
		memcpy(key.name, name, sizeof(key.name));
		t->keys[hour % TG_TICKET_HOURS].hour = hour;
		t->keys[hour % TG_TICKET_HOURS].key = key;
		t->has_key = true;
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return rc;
}

/* Up to this hour; the first one whatever the clock says, which may have been set back. Those that are too old are written over, or too far behind the newest. */
static int
advance(struct tickets *t, uint64_t hour)
{
	int rc = 0;

	if (!t->has_key && hour < t->next.hour)
		hour = t->next.hour;
	if (hour >= TG_TICKET_HOURS)
		rc = turn_to(&t->next, hour - TG_TICKET_HOURS + 1);
	/* It is not there yet; the next call goes on. */
	if (rc == 0 && t->next.hour + TG_TICKET_HOURS <= hour)
		rc = -TG_EAGAIN;
	while (rc == 0 && t->next.hour <= hour)
		rc = add_key(t);
	return rc;
}

static uint64_t
newest_hour(const struct tickets *t)
{
	return t->next.hour - 1;
}

struct tickets *
tickets_new(const struct ticket_seed *seed)
{
	struct tickets *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->replay = replay_new();
	if (t->replay == NULL) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	t->next = *seed;
	return t;
}

void
tickets_free(struct tickets *t)
{
	if (t == NULL)
		return;
	replay_free(t->replay);
	pthread_mutex_destroy(&t->lock);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

void
tickets_change(struct tickets *t, const struct ticket_seed *seed)
{
	pthread_mutex_lock(&t->lock);
	if (t->has_key)
		memcpy(t->before, t->keys, sizeof(t->before));
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	t->next = *seed;
	t->has_key = false;
	pthread_mutex_unlock(&t->lock);
}

struct replay *
tickets_replay(struct tickets *t)
{
	return t->replay;
}

static const struct hour_key *
find_in(const struct hour_key keys[TG_TICKET_HOURS], uint64_t newest,
	const unsigned char name[TG_TICKET_NAME_BYTES])
{
	for (size_t i = 0; i < TG_TICKET_HOURS; i++) {
		const struct hour_key *k = &keys[i];

		if (k->hour != 0 && newest - k->hour < TG_TICKET_HOURS &&
		    memcmp(k->key.name, name, TG_TICKET_NAME_BYTES) == 0)
			return k;
	}
	return NULL;
}

int
tickets_newest(struct tickets *t, struct wall now, struct ticket_key *ret)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = advance(t, hour_of(now));
	if (rc == 0)
		*ret = t->keys[newest_hour(t) % TG_TICKET_HOURS].key;
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int
tickets_find(struct tickets *t, struct wall now, const unsigned char name[TG_TICKET_NAME_BYTES],
	     struct ticket_key *ret, int *ret_is_newest)
{
	const struct hour_key *key = NULL;
	bool is_before = false;
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = advance(t, hour_of(now));
	if (rc == 0)
		key = find_in(t->keys, newest_hour(t), name);
	if (rc == 0 && key == NULL) {
		key = find_in(t->before, newest_hour(t), name);
		is_before = true;
	}
	if (key != NULL) {
		*ret = key->key;
		*ret_is_newest = !is_before && key->hour == newest_hour(t);
	}
	pthread_mutex_unlock(&t->lock);
	return key != NULL ? 0 : -TG_ENOENT;
}
