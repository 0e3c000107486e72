/*
 * conf/schema_hook.c: the rows of who is told when something happens.
 */
#include <string.h>

#include "conf/hook_url.h"
#include "conf/machine_priv.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

#define URL_MAX    2048u
#define SECRET_MIN 16u

static const char *const event_words[TG_HOOK_EVENT_COUNT] = {
#define EVENT_WORD(id, word, help) [TG_HOOK_##id] = word,
	TG_HOOK_EVENTS(EVENT_WORD)
#undef EVENT_WORD
};

/* As the manual lists them. */
#define EVENT_HELP(id, word, help) "\\(dq" word "\\(dq, " help "; "

static bool
has_url(const void *object)
{
	return ((const struct conf_hook *)object)->url != NULL;
}

#define ONLY_URL .when = has_url, .when_text = "with url"

static int
valid_url(const char *text, struct err *err)
{
	struct hook_url ignored;

	return hook_url_parse(text, &ignored, err);
}

static const struct conf_field hook_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_hook, name),
		.min = 1,
		.valid = conf_valid_name,
		.flags = TG_CONF_REQUIRED,
		.help = "By which it is known. A hook of the same name goes on over a reload, with what waits.",
	},
	{
		.key = "on",
		TG_LIST(conf_hook, on, n_on),
		.element_kind = &conf_kind_argument,
		.min = 1,
		.max = 64,
		.flags = TG_CONF_REQUIRED,
		.help = "What is told: " TG_HOOK_EVENTS(EVENT_HELP) "or \\(dqall\\(dq of them.",
	},
	{
		.key = "services",
		TG_LIST(conf_hook, services, n_services),
		.element_kind = &conf_kind_argument,
		.max = 4096,
		.preset_note = "all",
		.help = "Of these services only. What is of no service (store-down, store-up) is told "
			"all the same.",
	},
	{
		.key = "exec",
		TG_LIST(conf_hook, exec, n_exec),
		.element_kind = &conf_kind_argument,
		.max = 1024,
		.preset_note = "none; this or url is required",
		.help = "A program by its absolute path, and its arguments; no shell is involved. It gets "
			"the event as JSON on standard input, PATH as its only variable, the user and "
			"group of tidegate, and must end with status 0.",
	},
	{
		.key = "url",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_hook, url),
		.min = 1,
		.max = URL_MAX,
		.valid = valid_url,
		.preset_note = "none; this or exec is required",
		.flags = TG_CONF_SECRET,
		.help = "\\(dqhttps://host[:port]/path\\(dq or \\(dqhttp://host[:port]/path\\(dq: the event is sent "
			"there as the JSON body of a POST, to be answered with a status of 2xx. As its "
			"path may be a secret it is shown to nobody. Redirects are not followed.",
	},
	{
		.key = "ca",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_hook, ca),
		.min = 1,
		.valid = conf_valid_absolute_file,
		.preset_note = "those that the system trusts",
		ONLY_URL,
		.help = "With \\(dqhttps://\\(dq: who signed the certificate of the host, a file in PEM by its absolute path. "
			"One that is replaced counts from the next request on, without a reload.",
	},
	{
		.key = "secret",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_hook, secret),
		.min = SECRET_MIN,
		.max = 1024,
		.preset_note = "none: nothing is signed",
		.flags = TG_CONF_SECRET,
		ONLY_URL,
		.help = "By which the receiver knows that it was tidegate, 16 bytes at least: the header "
			"Tidegate-Signature: t=T,v1=S has the time T, in seconds since 1970, and S, the HMAC-SHA256 in "
			"hexadecimal of T, a dot and the body.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_hook, timeout_ms),
		.preset = "5s",
		.min = 10,
		.max = 60 * TG_SECOND,
		.help = "How long a try may take; then the connection is closed, or the program "
			"killed with its process group.",
	},
	{
		.key = "retries",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_hook, retries),
		.preset = "5",
		.max = 20,
		.help = "Tries after the first, half a second later and then twice as long each time, to 30 s, give or "
			"take: of what was not answered, of 408, 429 and 5xx, and of a program that failed. "
			"Events behind it wait meanwhile. An event that is tried again has the same id.",
	},
	{
		.key = "queue",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_hook, queue),
		.preset = "256",
		.min = 1,
		.max = 10000,
		.help = "Events that may wait behind the one under way. The oldest goes for one more, and is counted.",
	},
	{.key = NULL},
};

unsigned
conf_hook_event_of(const char *word)
{
	unsigned i = 0;

	while (i < TG_HOOK_EVENT_COUNT && strcmp(event_words[i], word) != 0)
		i++;
	return i;
}

const char *
conf_hook_event_str(enum conf_hook_event event)
{
	return event < TG_HOOK_EVENT_COUNT ? event_words[event] : "?";
}

static void
unknown_event(struct conf_check *check, const char *word)
{
	struct conf_suggest near;

	conf_suggest_start(&near, word);
	conf_suggest_offer(&near, "all");
	for (unsigned i = 0; i < TG_HOOK_EVENT_COUNT; i++)
		conf_suggest_offer(&near, event_words[i]);
	if (near.best)
		conf_check_error(check, "on", "unknown event \"%.64s\" (did you mean \"%s\"?)", word,
				 near.best);
	else
		conf_check_error(check, "on", "unknown event \"%.64s\"; allowed: \"all\""
#define EVENT_ALLOWED(id, text, help) ", \"" text "\""
				 TG_HOOK_EVENTS(EVENT_ALLOWED)
#undef EVENT_ALLOWED
				 , word);
}

static void
read_events(struct conf_check *check, struct conf_hook *hook)
{
	for (size_t i = 0; i < hook->n_on; i++) {
		unsigned event;

		if (!hook->on[i])
			continue; /* an error already */
		event = conf_hook_event_of(hook->on[i]);
		if (event < TG_HOOK_EVENT_COUNT)
			hook->events |= 1u << event;
		else if (strcmp(hook->on[i], "all") == 0)
			hook->events |= (1u << TG_HOOK_EVENT_COUNT) - 1;
		else
			unknown_event(check, hook->on[i]);
	}
}

static void
hook_check(struct conf_check *check, void *object)
{
	struct conf_hook *hook = object;
	struct hook_url url;
	bool has_exec = hook->n_exec > 0;
	bool has_bad_url = !hook->url && conf_check_given(check, "url");

	read_events(check, hook);
	if (has_bad_url)
		return; /* an error already */
	if (has_exec == (hook->url != NULL))
		conf_check_error(check, "exec",
				 "%s; allowed: exec = ( \"/path/of/program\", ... ), or url = "
				 "\"https://host/path\"",
				 has_exec ? "not together with url" : "nobody to tell");
	else if (has_exec)
		conf_check_argv(check, "exec", "exec", hook->exec, hook->n_exec);
	if (hook->ca && hook->url && hook_url_parse(hook->url, &url, NULL) == 0 && !url.is_secure)
		conf_check_error(check, "ca", "only allowed with url = \"https://...\"");
}

static const char *
hook_name(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_hook *)element)->name;
}

static const struct conf_unique hook_unique[] = {
	{.key = "name", .what = "name", .text = hook_name},
	{.text = NULL},
};

const struct conf_schema conf_schema_hook = {
	.title = "Hooks",
	.help = "Programs that are run, and addresses that are posted to, when something happens. A url "
		"needs libcurl on this machine (Debian: package libcurl4, or libcurl4t64), which the keeper loads then.",
	.fields = hook_fields,
	.size = sizeof(struct conf_hook),
	.unique = hook_unique,
	.check = hook_check,
};
