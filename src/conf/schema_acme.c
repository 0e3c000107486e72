/*
 * conf/schema_acme.c: the rows of certificates that a program gets from an authority.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/machine_priv.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

static const struct conf_field acme_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_acme, name),
		.min = 1,
		.valid = conf_valid_name,
		.flags = TG_CONF_REQUIRED,
		.help = "By which certificates of listeners refer to it (acme).",
	},
	{
		.key = "names",
		TG_LIST(conf_acme, names, n_names),
		.element_kind = &conf_kind_argument,
		.min = 1,
		.max = TG_ACME_NAMES_MAX,
		.flags = TG_CONF_REQUIRED,
		.help = "Host names that the certificate is to be for. Where one of them is not in it, it is made anew. The "
			"command has to ask for the same.",
	},
	{
		.key = "command",
		TG_LIST(conf_acme, command, n_command),
		.element_kind = &conf_kind_argument,
		.min = 1,
		.max = 1024,
		.flags = TG_CONF_REQUIRED,
		.help = "A program by its absolute path, and its arguments; no shell is involved. It gets a new "
			"certificate each time it is run, puts it and its key where the listener has them, and ends with status 0. "
			"It has the user and group of tidegate, no other descriptor, nothing on standard input, and of the "
			"environment PATH, TIDEGATE_ACME_NAME, TIDEGATE_ACME_NAMES (with commas "
			"between them) and TIDEGATE_ACME_CHALLENGES.",
	},
	{
		.key = "challenges",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_acme, challenges),
		.min = 1,
		.max = 1024,
		.valid = conf_valid_absolute_file,
		.preset_note = "none: the command says them by set acme-challenge, see tidectl(1)",
		.help = "Folder in which the command leaves what the authority will ask for (lego --http.webroot, certbot --webroot-path): "
			"files of .well-known/acme-challenge below it are read while it runs. The user of tidegate must be able to read "
			"it, else -t warns; nobody else should be able to write there. Keep it on a disk of this machine: a network "
			"folder that hangs would hold up the keeper.",
	},
	{
		.key = "renew_before",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_acme, renew_before_ms),
		.preset = "30d",
		.min = TG_HOUR,
		.max = 365 * TG_DAY,
		.help = "How long before its certificate ends it is run; no more than a third of the time that the certificate is good for.",
	},
	{
		.key = "timeout",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_acme, timeout_ms),
		.preset = "10m",
		.min = TG_SECOND,
		.max = TG_HOUR,
		.help = "How long a run may take; then it is killed with all it started, and has failed.",
	},
	{
		.key = "retry",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_acme, retry_ms),
		.preset = "10m",
		.min = TG_SECOND,
		.max = TG_DAY,
		.help = "How long after a failure it is run again, give or take; twice as long after each further one, to a day. "
			"Authorities allow a few failures an hour.",
	},
	{.key = NULL},
};

static void
acme_check(struct conf_check *check, void *object)
{
	const struct conf_acme *acme = object;
	struct err err;

	/* RFC 8555 8.3: HTTP-01 is for names, and not for wildcards. */
	for (size_t i = 0; i < acme->n_names; i++) {
		if (acme->names[i] && conf_valid_dns_name(acme->names[i], &err) < 0)
			conf_check_error(check, "names", "%s", err.text);
	}
	if (!conf_check_is_internal(check) && acme->n_command > 0)
		conf_check_argv(check, "command", "acme", acme->command, acme->n_command);
}

static const char *
acme_name(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_acme *)element)->name;
}

static const struct conf_unique acme_unique[] = {
	{.key = "name", .what = "name", .text = acme_name},
	{.text = NULL},
};

const struct conf_schema conf_schema_acme = {
	.title = "Certificates by ACME",
	.help = "Programs as lego and certbot get certificates from an authority (RFC 8555) by HTTP-01: it asks for a token at "
		"http://NAME/.well-known/acme-challenge/TOKEN, on port 80, and all listeners with mode = \\(dqhttp\\(dq answer, "
		"before any route. Of several tidegates on one redis one at a time runs the program of a name, all answer, and the file is to be in a folder that all have. doc/acme.md has recipes.",
	.fields = acme_fields,
	.size = sizeof(struct conf_acme),
	.unique = acme_unique,
	.check = acme_check,
};
