/*
 * conf/schema_back_tls.c: the rows of TLS to backends.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

static const char *const version_words[] = {"1.2", "1.3", NULL};
static const char *const verify_words[] = {"full", "chain", "none", NULL};

static bool
is_on(const void *object)
{
	return !((const struct conf_back_tls *)object)->is_off;
}

#define ONLY_ON .when = is_on, .when_text = "with enable = true"

static int
valid_ciphers(const char *text, struct err *err)
{
	return conf_certificates() ? conf_certificates()->check_ciphers(text, err) : 0;
}

static const struct conf_field back_tls_fields[] = {
	{
		.key = "enable",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_back_tls, enable),
		.preset_note = "true where tls is written, if only as { }",
		.help = "Whether connections to backends speak TLS, those of checks too.",
	},
	{
		.key = "ca",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_back_tls, ca.file),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note = "those of the system",
		ONLY_ON,
		.help = "Authorities whose certificates are taken: a file in PEM, relative to the configuration "
			"file that names it. Those of the system are in the file that SSL_CERT_FILE of the "
			"environment says, else in /etc/ssl/certs/ca-certificates.crt or where other systems have it.",
	},
	{
		.key = "ca_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_back_tls, ca.pem),
		.count_offset = offsetof(struct conf_back_tls, ca.pem_n),
		.flags = TG_CONF_INTERNAL,
		ONLY_ON,
		.help = "What is in it.",
	},
	{
		.key = "crl",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_back_tls, crl.file),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note = "none: nothing is known to be revoked",
		ONLY_ON,
		.help = "Lists of what these authorities have revoked: a file in PEM, as above. There must be a list "
			"of each authority up to the first, and none may be older than it says: else no "
			"certificate is taken.",
	},
	{
		.key = "crl_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_back_tls, crl.pem),
		.count_offset = offsetof(struct conf_back_tls, crl.pem_n),
		.flags = TG_CONF_INTERNAL,
		ONLY_ON,
		.help = "What is in it.",
	},
	{
		.key = "verify",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_back_tls, verify),
		.words = verify_words,
		.preset = "full",
		ONLY_ON,
		.help = "What of a backend's certificate must be right. \\(dqfull\\(dq: one of the authorities "
			"vouches for it, it is valid now, not revoked, its key is strong, and it has the name. "
			"\\(dqchain\\(dq: all of that but the name. \\(dqnone\\(dq: nothing; who is in between "
			"can read and change everything.",
	},
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_back_tls, name),
		.min = 1,
		.max = 255,
		.valid = conf_valid_tls_name,
		.preset_note = "the host in the backend's address",
		ONLY_ON,
		.help = "Name, or address, that the certificate must have in its subjectAltName; a name is also what the "
			"backend is asked for (SNI). Required with \\(dqunix:\\(dq and \\(dqsrv:\\(dq, unless "
			"verify is another.",
	},
	{
		.key = "certificate",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_back_tls, certificate.file),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note = "none",
		ONLY_ON,
		.help = "That of tidegate, for backends that ask for one: a file in PEM, as above, with those behind "
			"it that vouch for it.",
	},
	{
		.key = "key",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_back_tls, certificate.key),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note = "in that file, else in a file beside it whose name ends in .key",
		ONLY_ON,
		.help = "Its private key in PEM, without a passphrase. The key is read as root.",
	},
	{
		.key = "certificate_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_back_tls, own.chain),
		.count_offset = offsetof(struct conf_back_tls, own.chain_n),
		.flags = TG_CONF_INTERNAL,
		ONLY_ON,
		.help = "Certificates in it.",
	},
	{
		.key = "key_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_back_tls, own.key),
		.count_offset = offsetof(struct conf_back_tls, own.key_n),
		.flags = TG_CONF_INTERNAL | TG_CONF_SECRET | TG_CONF_KEY,
		ONLY_ON,
		.help = "The private key.",
	},
	{
		.key = "min_version",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_back_tls, min_version),
		.words = version_words,
		.preset = "1.2",
		ONLY_ON,
		.help = "Oldest version of TLS that is spoken.",
	},
	{
		.key = "ciphers",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_back_tls, ciphers),
		.min = 1,
		.max = 4096,
		.valid = valid_ciphers,
		.preset_note = "ECDHE with AES-GCM or ChaCha20-Poly1305",
		ONLY_ON,
		.help = "Ciphers of TLS 1.2 as OpenSSL writes them. Those of TLS 1.3 are all good. With "
			"protocol \"h2\" one that HTTP/2 prohibits (RFC 9113, appendix A) is no TLS.",
	},
	{.key = NULL},
};

static void
read_authorities(struct conf_check *check, struct conf_back_tls *tls)
{
	struct conf_telling telling = {.check = check, .key = "ca"};
	const char *system = tls->ca.file ? NULL : conf_system_authorities();

	if (tls->ca.file && !conf_check_find_path(check, "ca", tls->ca.file, &tls->ca.path))
		return;
	if (!tls->ca.file && !system) {
		conf_check_error(check, "ca",
				 "missing; this system has no file of authorities that is known");
		return;
	}
	if (system) {
		tls->ca.path = arena_copy(conf_check_arena(check), system, strlen(system));
		if (!tls->ca.path) {
			conf_check_no_memory(check);
			return;
		}
	}
	(void)conf_read_authorities(conf_check_arena(check), &tls->ca, conf_check_told, &telling);
}

static void
read_revoked(struct conf_check *check, struct conf_back_tls *tls)
{
	struct conf_telling telling = {.check = check, .key = "crl"};

	if (conf_check_find_path(check, "crl", tls->crl.file, &tls->crl.path))
		(void)conf_read_revoked(conf_check_arena(check), &tls->crl, conf_check_told, &telling);
}

static void
read_own(struct conf_check *check, struct conf_back_tls *tls)
{
	struct conf_telling telling = {.check = check, .key = "certificate"};
	struct conf_certificate *c = &tls->certificate;

	if (conf_check_find_path(check, "certificate", c->file, &c->path) &&
	    (!c->key || conf_check_find_path(check, "key", c->key, &c->key_path)))
		(void)conf_read_own(conf_check_arena(check), c, &tls->own, conf_check_told, &telling);
}

static void
check_keys(struct conf_check *check, const struct conf_back_tls *tls)
{
	if (tls->certificate.key && !tls->certificate.file)
		conf_check_error(check, "certificate", "missing; a key is of a certificate");
	if (tls->verify == TG_VERIFY_NONE && (tls->ca.file || tls->crl.file))
		conf_check_error(check, tls->ca.file ? "ca" : "crl",
				 "of no use with verify = \"none\"; allowed: verify = \"full\" or "
				 "\"chain\"");
	if (tls->verify == TG_VERIFY_NONE)
		conf_check_warn(check, "verify",
				"no certificate is checked: who is in between can read and "
				"change everything");
}

static void
back_tls_check(struct conf_check *check, void *object)
{
	struct conf_back_tls *tls = object;

	if (conf_check_group_given(check) && !conf_check_given(check, "enable"))
		tls->enable = true;
	tls->is_off = !tls->enable;
	if (tls->is_off || conf_check_is_internal(check))
		return;
	check_keys(check, tls);
	if (!conf_certificates())
		return;
	if (tls->verify != TG_VERIFY_NONE)
		read_authorities(check, tls);
	if (tls->verify != TG_VERIFY_NONE && tls->crl.file)
		read_revoked(check, tls);
	if (tls->certificate.file)
		read_own(check, tls);
}

const struct conf_schema conf_schema_back_tls = {
	.title = "TLS to backends",
	.help = "TLS 1.2 and 1.3 with ciphers as listeners have them, at least 112 bits of strength (RSA of 2048 bits), "
		"sessions resumed. A header of send_proxy goes before it. The handshake is part of connecting, and timeouts.connect that of both. One that "
		"fails is told in the log, with the reason, and is a failed connect to retry: nothing of the "
		"request was sent. Files are read with the configuration, and anew when they change "
		"(certificate_watch); connections that are open stay.",
	.fields = back_tls_fields,
	.check = back_tls_check,
};

const char *
conf_back_tls_name(const struct conf_back_tls *tls, const struct conf_backend *backend)
{
	if (tls->name)
		return tls->name;
	return backend->endpoint.kind == TG_ENDPOINT_NAME ? backend->endpoint.host : NULL;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
is_same(const char *a, size_t a_n, const char *b, size_t b_n)
{
	return a == b || (a && b && a_n == b_n && memcmp(a, b, a_n) == 0);
}

bool
conf_back_tls_equal(const struct conf_back_tls *a, const struct conf_back_tls *b)
{
	if (!a->enable || !b->enable)
		return a->enable == b->enable;
	return a->verify == b->verify && a->min_version == b->min_version &&
	       is_same_text(a->name, b->name) && is_same_text(a->ciphers, b->ciphers) &&
	       is_same(a->ca.pem, a->ca.pem_n, b->ca.pem, b->ca.pem_n) &&
	       is_same(a->crl.pem, a->crl.pem_n, b->crl.pem, b->crl.pem_n) &&
	       is_same(a->own.chain, a->own.chain_n, b->own.chain, b->own.chain_n);
}

uint64_t
conf_back_tls_look(const struct conf_back_tls *tls)
{
	const uint64_t all[] = {conf_pem_file_look(&tls->ca), conf_pem_file_look(&tls->crl),
				tls->own.chain ? conf_certificate_look(&tls->certificate) : 0};

	return hash_bytes(all, sizeof(all), 0);
}
