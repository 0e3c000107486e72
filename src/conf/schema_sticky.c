/*
 * conf/schema_sticky.c: the rows of sticky clients.
 */
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

static const char *const same_site_words[] = {"lax", "strict", "none", NULL};

static bool
is_sticky(const void *object)
{
	return ((const struct conf_sticky *)object)->cookie != NULL;
}

#define ONLY_STICKY .when = is_sticky, .when_text = "with cookie"

static const struct conf_field sticky_fields[] = {
	{
		.key = "cookie",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, cookie),
		.min = 1,
		.max = 64,
		.valid = conf_valid_token,
		.preset_note = "none: clients go where the balancer says",
		.help = "Name of the cookie. With the prefix __Secure- it needs secure = true; with "
			"__Host- also path = \\(dq/\\(dq and no domain, or clients "
			"drop it. Its value is a code for the name of a backend that only "
			"who knows the secret can make; it stays good when backends come, go or "
			"change places.",
	},
	{
		.key = "secret",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, secret),
		.min = 16,
		.max = 256,
		.flags = TG_CONF_SECRET,
		.preset_note = "made at the start",
		ONLY_STICKY,
		.help = "What the codes are made with. One that was made lasts over "
			"reloads and upgrades. Give all instances the same, and cookies outlive a start: \\(dq${STICKY_SECRET}\\(dq.",
	},
	{
		.key = "path",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, path),
		.preset = "/",
		.min = 1,
		.max = 255,
		.valid = conf_valid_attribute,
		ONLY_STICKY,
		.help = "Path attribute; begins with a slash.",
	},
	{
		.key = "domain",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_sticky, domain),
		.min = 1,
		.max = 255,
		.valid = conf_valid_attribute,
		.preset_note = "none: the host that was asked",
		ONLY_STICKY,
		.help = "Domain attribute.",
	},
	{
		.key = "max_age",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_sticky, max_age_ms),
		.preset = "0",
		.max = 400 * TG_DAY,
		ONLY_STICKY,
		.help = "How long the client keeps it: a second at least. 0: until it ends.",
	},
	{
		.key = "secure",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_sticky, secure),
		.preset = "false",
		ONLY_STICKY,
		.help = "Whether the client may send it over TLS only. Set it where clients "
			"come over TLS.",
	},
	{
		.key = "http_only",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_sticky, http_only),
		.preset = "true",
		ONLY_STICKY,
		.help = "Whether scripts of a page cannot read it.",
	},
	{
		.key = "same_site",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_sticky, same_site),
		.words = same_site_words,
		.preset = "lax",
		ONLY_STICKY,
		.help = "Which requests from pages of other sites carry it.",
	},
	{.key = NULL},
};

/* A secret for those who gave none: 128 bits in hexadecimal. */
static void
sticky_make_secret(struct conf_check *check, struct conf_sticky *sticky)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[16];
	char text[2 * sizeof(bytes)];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		conf_check_error(check, "secret", "missing, and this system has no randomness");
		return;
	}
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = hex[bytes[i / 2] >> (i % 2 * 4) & 15];
	sticky->secret = arena_copy(conf_check_arena(check), text, sizeof(text));
	sticky->has_made_secret = true;
	if (!sticky->secret)
		conf_check_no_memory(check);
}

static bool
has_prefix(const char *name, const char *prefix)
{
	return strncasecmp(name, prefix, strlen(prefix)) == 0;
}

/* What clients demand of such names, dropping the cookie without a word. */
static void
check_prefix(struct conf_check *check, const struct conf_sticky *sticky)
{
	bool is_host = has_prefix(sticky->cookie, "__Host-");

	if ((is_host || has_prefix(sticky->cookie, "__Secure-")) && !sticky->secure)
		conf_check_error(check, "cookie",
				 "clients take names with \"__Host-\" and \"__Secure-\" only "
				 "with secure = true");
	if (is_host && ((sticky->path && strcmp(sticky->path, "/") != 0) || sticky->domain))
		conf_check_error(check, "cookie",
				 "clients take names with \"__Host-\" only with path = \"/\" and "
				 "without domain");
}

static void
sticky_check(struct conf_check *check, void *object)
{
	struct conf_sticky *sticky = object;

	if (!sticky->cookie)
		return;
	check_prefix(check, sticky);
	if (sticky->path && sticky->path[0] != '/')
		conf_check_error(check, "path",
				 "bad value \"%.64s\"; clients ignore a path that does not begin "
				 "with /",
				 sticky->path);
	if (sticky->max_age_ms > 0 && sticky->max_age_ms < TG_SECOND)
		conf_check_error(check, "max_age",
				 "less than a second, and it is told in seconds; allowed: 0, or 1s "
				 "to 400d");
	if (sticky->same_site == TG_SAME_SITE_NONE && !sticky->secure)
		conf_check_error(check, "same_site",
				 "clients take \"none\" only with secure = true");
	if (!sticky->secret && !conf_check_given(check, "secret"))
		sticky_make_secret(check, sticky);
}

const struct conf_schema conf_schema_sticky = {
	.title = "Sticky clients",
	.help = "A client is served by the same backend as long as it may serve and is not full.",
	.fields = sticky_fields,
	.check = sticky_check,
};
