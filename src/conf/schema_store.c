/*
 * conf/schema_store.c: the rows of where samples and decisions are kept.
 */
#include "conf/schema_priv.h"
#include "conf/store_url.h"
#include "conf/valid_priv.h"

static const char *const type_words[] = {
	[TG_STORE_MEMORY] = "memory",
	[TG_STORE_REDIS] = "redis",
	NULL,
};

static bool
is_redis(const void *object)
{
	return ((const struct conf_store *)object)->type == TG_STORE_REDIS;
}

#define ONLY_REDIS .when = is_redis, .when_text = "with type = \"redis\""

static bool
has_password(const void *object)
{
	const struct conf_store *store = object;
	struct store_url url;

	return store->url != NULL &&
	       (store_url_parse(store->url, &url, NULL) < 0 || url.password[0] != '\0');
}

static int
valid_instance(const char *text, struct err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

	if (text[strspn(text, allowed)] == '\0')
		return 0;
	return err_set(err, TG_EINVAL,
		       "not the name of an instance; allowed: letters, digits, '-', '_', '.'");
}

static int
valid_url(const char *text, struct err *err)
{
	struct store_url url;

	return store_url_parse(text, &url, err);
}

static const struct conf_field store_fields[] = {
	{
		.key = "type",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_store, type),
		.words = type_words,
		.preset = "memory",
		.help = "memory: in the process that decides; what it knows ends with it. redis: "
			"there too, and each sample and decision is written to redis, where others "
			"can read it. While redis is away or slow, traffic goes on and "
			"no service is made smaller.",
	},
	{
		.key = "url",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_store, url),
		.min = 1,
		.max = 1024,
		.valid = valid_url,
		.preset_note = "none; redis needs one",
		.flags = TG_CONF_SECRET,
		.is_secret = has_password,
		ONLY_REDIS,
		.help = "\\(dqredis://[[user]:password@]host[:port][/database]\\(dq, or "
			"\\(dqredis+unix://[[user]:password@]/path[?db=n]\\(dq, or, of up to 8 sentinels "
			"that are asked where redis is, "
			"\\(dqredis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master[/database]\\(dq, "
			"or, of a Redis Cluster and up to 8 of its nodes, which tell of all others, "
			"\\(dqredis+cluster://[[user]:password@]host[:port][,host[:port]...]\\(dq. "
			"rediss in place of redis: by TLS, where tidegate is built with it (tidegate -VV). "
			"The port is 6379 unless given, of sentinels 26379; the database 0. User and password may have any byte as %XX; "
			"with a password it is shown to nobody.",
	},
	{
		.key = "ca",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_store, ca),
		.min = 1,
		.valid = conf_valid_absolute_file,
		.preset_note = "none; rediss needs one",
		ONLY_REDIS,
		.help = "With rediss: who signed the certificate of redis, and of sentinels: a file in PEM, by its absolute path. The "
			"certificate must have the host of url in it, or the address that sentinels tell, or "
			"the host name or else the address that a Redis Cluster tells.",
	},
	{
		.key = "certificate",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_store, certificate),
		.min = 1,
		.valid = conf_valid_absolute_file,
		.preset_note = "none",
		ONLY_REDIS,
		.help = "With rediss: that of tidegate, a file in PEM, where redis wants one (tls-auth-clients).",
	},
	{
		.key = "key",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_store, key),
		.min = 1,
		.valid = conf_valid_absolute_file,
		.preset_note = "none; a certificate needs one",
		ONLY_REDIS,
		.help = "Of that certificate, a file in PEM that the user of tidegate can read.",
	},
	{
		.key = "sentinel_password",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_store, sentinel_password),
		.min = 1,
		.max = 512,
		.preset_note = "none",
		.flags = TG_CONF_SECRET,
		ONLY_REDIS,
		.help = "Of the sentinels, where they want one: user and password in url are those of redis.",
	},
	{
		.key = "session_secret",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_store, session_secret),
		.min = 32,
		.max = 512,
		.preset_note = "none: each tidegate resumes its own",
		.flags = TG_CONF_SECRET | TG_CONF_TRAFFIC,
		ONLY_REDIS,
		.help = "The same text in several tidegates lets each resume the TLS sessions of all, on listeners of the same "
			"name and certificates. They agree in redis on what the keys of tickets are made of, sealed with this, so "
			"that redis does not know them: they still change each hour. 32 bytes at least, as of openssl rand -base64 32.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_store, timeout_ms),
		.preset = "250ms",
		.min = 10,
		.max = 10 * TG_SECOND,
		ONLY_REDIS,
		.help = "How long redis may take to connect, and to answer what a tick sends. Then it "
			"counts as away, and is connected to again.",
	},
	{
		.key = "decisions",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_store, decisions),
		.preset = "1000",
		.min = 10,
		.max = 1000000,
		ONLY_REDIS,
		.help = "How many of the last decisions about a service its stream in redis keeps, and "
			"up to a hundred more.",
	},
	{
		.key = "share_orders",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_store, share_orders),
		.preset = "true",
		ONLY_REDIS,
		.help = "What operators order one of several tidegates on one redis all do, within a second: state and "
			"weight of backends, the number of a service and the mode of its autoscaler. false: this one "
			"neither tells nor hears of them.",
	},
	{
		.key = "instance",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_store, instance),
		.min = 1,
		.max = 64,
		.valid = valid_instance,
		.preset_note = "the name of the host and a number that stays, made of machine and "
			       "configuration file",
		ONLY_REDIS,
		.help = "What this tidegate is called where several share one redis. Two of one name "
			"take each other for the same.",
	},
	{
		.key = "lease",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_store, lease_ms),
		.preset = "3s",
		.min = 500,
		.max = 60 * TG_SECOND,
		ONLY_REDIS,
		.help = "Of several tidegates on one redis, one decides for a service. When it is not "
			"heard any more for this long, another does. The same for all.",
	},
	{.key = NULL},
};

static void
tls_check(struct conf_check *check, const struct conf_store *store)
{
	struct store_url url;
	bool is_tls = store->url != NULL && store_url_parse(store->url, &url, NULL) == 0 && url.is_tls;

	if (is_tls && store->ca == NULL)
		conf_check_error(check, "ca", "missing; rediss needs it: who signed the certificate of redis");
	if (!is_tls && store->url != NULL && store->ca != NULL)
		conf_check_error(check, "ca", "not with redis://; allowed: with rediss://, by TLS");
	if ((store->certificate != NULL) != (store->key != NULL))
		conf_check_error(check, store->key != NULL ? "certificate" : "key",
				 "missing; certificate and key go together");
	else if (is_tls && store->ca != NULL && !conf_check_is_internal(check))
		conf_look_at_files(check, store->ca, store->certificate, store->key, conf_check_told);
}

static void
store_check(struct conf_check *check, void *object)
{
	const struct conf_store *store = object;

	tls_check(check, store);

	if (store->type == TG_STORE_REDIS && !store->url && !conf_check_given(check, "url"))
		conf_check_error(check, "url",
				 "missing; allowed: "
				 "\"redis://[user:password@]host[:port][/database]\", "
				 "\"redis+unix:///path[?db=n]\", "
				 "\"redis+sentinel://host[:port][,host...]/master[/database]\", "
				 "\"redis+cluster://host[:port][,host...]\"");
}

const struct conf_schema conf_schema_store = {
	.title = "Store",
	.help = "Where samples of services and records of decisions are kept.",
	.fields = store_fields,
	.check = store_check,
};
