/*
 * conf/schema_tls.c: the rows of TLS of a listener.
 */
#include <string.h>

#include "base/throttle.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

static const char *const version_words[] = {"1.2", "1.3", NULL};
static const char *const client_verify_words[] = {"required", "optional", NULL};

/*** certificates ***/

static const struct conf_field loaded_fields[] = {
	{
		.key = "file",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_loaded, file),
		.flags = TG_CONF_INTERNAL,
		.help = "Its path.",
	},
	{
		.key = "chain_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_loaded, pem.chain),
		.count_offset = offsetof(struct conf_loaded, pem.chain_n),
		.flags = TG_CONF_INTERNAL,
		.help = "Certificates in it.",
	},
	{
		.key = "key_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_loaded, pem.key),
		.count_offset = offsetof(struct conf_loaded, pem.key_n),
		.flags = TG_CONF_INTERNAL | TG_CONF_SECRET | TG_CONF_TRAFFIC | TG_CONF_KEY,
		.help = "The private key.",
	},
	{
		.key = "is_placeholder",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_loaded, is_placeholder),
		.preset = "false",
		.flags = TG_CONF_INTERNAL,
		.help = "Whether there is no such file yet.",
	},
	{
		.key = "is_kept",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_loaded, is_kept),
		.preset = "false",
		.flags = TG_CONF_INTERNAL,
		.help = "Whether the file is of no use any more.",
	},
	{
		.key = "ocsp_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_loaded, ocsp),
		.count_offset = offsetof(struct conf_loaded, ocsp_n),
		.flags = TG_CONF_INTERNAL,
		.help = "What its authority says of it.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_loaded = {
	.title = "Files of certificates",
	.fields = loaded_fields,
	.size = sizeof(struct conf_loaded),
};

static const struct conf_field certificate_fields[] = {
	{
		.key = "file",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_certificate, file),
		.min = 1,
		.valid = conf_valid_file,
		.flags = TG_CONF_REQUIRED,
		.help = "PEM file with the certificate, then those that vouch for it; or a folder: "
			"each file in it whose name ends in .pem or .crt. Relative to the "
			"configuration file that names it.",
	},
	{
		.key = "key",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_certificate, key),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note =
			"in the file itself, else in a file beside it whose name ends in .key",
		.help = "PEM file with the private key, without a passphrase. The key is read by the process that tidegate is "
			"started as, as root mostly, and only the one that signs is told it: that which serves clients, or with "
			"key_isolation one beside it.",
	},
	{
		.key = "ocsp",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_certificate, ocsp),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note =
			"a file beside that of the certificate, with .ocsp behind its whole name, where there is one",
		.help = "The OCSP response (DER) that clients get with the certificate, when they ask. Who issued the "
			"certificate must stand behind it in its file, so that the response can be checked. It is read anew "
			"when it changes: who fetches it (openssl ocsp -respout) does so by cron, and puts it there by mv. One "
			"that is of no use, or over, is warned of, and clients get none; where it came in the place of a good one "
			"they get that until it is over or there is a reload. One that says that the certificate is revoked ends that at once. When a quarter of its time is left, "
			"and when it is over, the log warns, and hooks get ocsp-expires.",
	},
	{
		.key = "acme",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_certificate, acme),
		.min = 1,
		.valid = conf_valid_name,
		.preset_note = "none: who makes it is nothing to tidegate",
		.help = "Name of one of acme, whose command makes the file. As long as there is no such file the listener has one of the same "
			"names that nobody vouches for, made in memory: clients refuse it, and the log tells so. Not with a folder.",
	},
	{
		.key = "pem_files",
		TG_LIST(conf_certificate, loaded, n_loaded),
		.schema = &schema_loaded,
		.max = 10000,
		.flags = TG_CONF_INTERNAL,
		.help = "What was read.",
	},
	{
		.key = "left_out",
		TG_LIST(conf_certificate, left_out, n_left_out),
		.element_kind = &conf_kind_text,
		.max = 10000,
		.flags = TG_CONF_INTERNAL,
		.help = "What was of no use.",
	},
	{.key = NULL},
};

static void
certificate_check(struct conf_check *check, void *object)
{
	struct conf_telling telling = {.check = check, .key = "file"};
	struct conf_certificate *c = object;

	if (!c->file || conf_check_is_internal(check) || !conf_certificates())
		return;
	if (conf_check_find_path(check, "file", c->file, &c->path) &&
	    (!c->key || conf_check_find_path(check, "key", c->key, &c->key_path)) &&
	    (!c->ocsp || conf_check_find_path(check, "ocsp", c->ocsp, &c->ocsp_path))) {
		if (conf_certificate_is_awaited(c))
			conf_check_warn(check, "acme",
					"there is no file %.256s yet: until \"%.64s\" has made it clients get "
					"a certificate that nobody vouches for",
					c->path, c->acme);
		else
			(void)conf_read_certificate(conf_check_arena(check), c, conf_check_told,
						    &telling);
	}
}

static const struct conf_schema schema_certificate = {
	.title = "Certificates",
	.help = "A plain string is the file. A client gets the certificate whose name "
		"(subjectAltName) it asks for: the name itself, then a wildcard in the "
		"place of its first label, else the first certificate of the list. Of one name "
		"there may be certificates with keys of different kinds, RSA and ECDSA: the client "
		"chooses. Of the same kind the first is used. Keys are RSA of 2048 bits and more, ECDSA on the curve "
		"P-256, P-384 or P-521, Ed25519 or Ed448; browsers take RSA, P-256 and P-384. With reload the files are read anew.",
	.fields = certificate_fields,
	.size = sizeof(struct conf_certificate),
	.shorthand = "file",
	.check = certificate_check,
};

/*** tls ***/

static int
valid_ciphers(const char *text, struct err *err)
{
	return conf_certificates() ? conf_certificates()->check_ciphers(text, err) : 0;
}

static bool
has_certificates(const void *object)
{
	return conf_has_tls(object);
}

static bool
asks_clients(const void *object)
{
	return conf_asks_clients(object);
}

static bool
takes_early(const void *object)
{
	return ((const struct conf_listener *)object)->tls.early_data;
}

#define ONLY_ASKING .when = asks_clients, .when_text = "with client_ca"
#define ONLY_TLS .when = has_certificates, .when_text = "with certificates"

static const struct conf_field tls_fields[] = {
	{
		.key = "certificates",
		TG_LIST(conf_listener, tls.certificates, tls.n_certificates),
		.schema = &schema_certificate,
		.max = 4096,
		.preset_note = "none: no TLS",
		.help = "Files, see below. The first is for clients that ask for no name, or for one that no "
			"certificate has.",
	},
	{
		.key = "min_version",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_listener, tls.min_version),
		.words = version_words,
		.preset = "1.2",
		ONLY_TLS,
		.help = "Oldest version of TLS that is spoken.",
	},
	{
		.key = "ciphers",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_listener, tls.ciphers),
		.min = 1,
		.max = 4096,
		.valid = valid_ciphers,
		.preset_note = "ECDHE with AES-GCM or ChaCha20-Poly1305",
		ONLY_TLS,
		.help = "Ciphers of TLS 1.2 as OpenSSL writes them. Those of TLS 1.3 are all good. The "
			"client's order counts. With one that HTTP/2 prohibits (RFC 9113, appendix A: "
			"without ephemeral keys, or not AEAD) h2 is not offered.",
	},
	{
		.key = "alpn",
		TG_LIST(conf_listener, tls.alpn, tls.n_alpn),
		.element_kind = &conf_kind_argument,
		.max = 16,
		.preset_note = "\"h2\", \"http/1.1\"; none with mode = \"tcp\"",
		ONLY_TLS,
		.help = "Protocols to agree on, best first. A client that offers others only is refused; one "
			"that offers none is not. With mode = \\(dqhttp\\(dq only \\(dqh2\\(dq, HTTP/2, and \\(dqhttp/1.1\\(dq.",
	},
	{
		.key = "strict_sni",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_listener, tls.strict_sni),
		.preset = "false",
		ONLY_TLS,
		.help = "Whether clients that ask for a name that no certificate has, or for none, are "
			"refused.",
	},
	{
		.key = "handshake_rate",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_listener, tls.handshake_rate),
		.preset = "0",
		.max = TG_THROTTLE_RATE_MAX,
		ONLY_TLS,
		.help = "How many handshakes a second the listener begins; 0: as many as come. After a rest as many may come "
			"at once as in a tenth of a second. Beyond that new clients wait to be accepted, those with a session to "
			"resume too, and nobody is refused before the backlog is full: who is connected has the processor.",
	},
	{
		.key = "handshake_rate_per_address",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_listener, tls.handshake_rate_per_address),
		.preset = "0",
		.max = TG_THROTTLE_RATE_MAX,
		ONLY_TLS,
		.help = "How many handshakes a second the listener begins with one client; 0: as many as come. A client is an IPv4 "
			"address, or the /64 of an IPv6 one, that of the PROXY header with accept_proxy; those of trusted_proxies "
			"are no clients. After a rest as many may come at once as in a second, and one: a browser opens six connections, "
			"and behind one address there may be an office. Beyond that the connection is closed at its first byte, counted "
			"and logged as reason=rate. How many clients there are does not matter, the memory for it is fixed "
			"(256 kB); with thousands of them at their rate others may be refused with them.",
	},
	{
		.key = "session_lifetime",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_listener, tls.session_lifetime_ms),
		.preset = "1h",
		.max = 23 * TG_HOUR,
		ONLY_TLS,
		.help = "How long a client may resume a session by its ticket instead of a whole "
			"handshake: with the same listener and the same certificates only. Keys of tickets are "
			"made anew each hour, and outlive reloads, upgrades and crashes; store.session_secret shares them. \\(dq0\\(dq: no "
			"tickets. Data before the end of the handshake (0-RTT): early_data.",
	},
	{
		.key = "client_ca",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_listener, tls.client_ca.file),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note = "none: clients are asked for no certificate",
		ONLY_TLS,
		.help = "Authorities whose certificates clients may have: a file in PEM, relative to the configuration "
			"file that names it. Clients are told the names of these. One that has no good "
			"certificate is refused in the handshake.",
	},
	{
		.key = "client_ca_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_listener, tls.client_ca.pem),
		.count_offset = offsetof(struct conf_listener, tls.client_ca.pem_n),
		.flags = TG_CONF_INTERNAL,
		ONLY_TLS,
		.help = "What is in it.",
	},
	{
		.key = "client_crl",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_listener, tls.client_crl.file),
		.min = 1,
		.valid = conf_valid_file,
		.preset_note = "none: nothing is known to be revoked",
		ONLY_ASKING,
		.help = "Lists of what these authorities have revoked: a file in PEM, as above. There must be a list "
			"of each authority up to the first, and none may be older than it says: else no "
			"certificate is taken. Like all of these files it is read anew when it changes; who is "
			"connected stays.",
	},
	{
		.key = "client_crl_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_listener, tls.client_crl.pem),
		.count_offset = offsetof(struct conf_listener, tls.client_crl.pem_n),
		.flags = TG_CONF_INTERNAL,
		ONLY_ASKING,
		.help = "What is in it.",
	},
	{
		.key = "client_verify",
		.kind = &conf_kind_word,
		TG_MEMBER(conf_listener, tls.client_verify),
		.words = client_verify_words,
		.preset = "required",
		ONLY_ASKING,
		.help = "\\(dqoptional\\(dq: a client may have none; one that it shows must be good all the same.",
	},
	{
		.key = "client_depth",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_listener, tls.client_depth),
		.preset = "3",
		.max = 15,
		ONLY_ASKING,
		.help = "How many certificates may stand between that of the client and one of client_ca.",
	},
	{
		.key = "client_headers",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_listener, tls.client_headers),
		.preset = "true",
		ONLY_ASKING,
		.help = "With mode = \\(dqhttp\\(dq: whether backends are told of the client's certificate, by Client-Cert "
			"(RFC 9440: the certificate), X-Client-Cert-Subject (as RFC 2253 writes it), X-Client-Cert-Serial and "
			"X-Client-Cert-Sha256 (both hexadecimal). None of these without one. What clients send under these "
			"names, Client-Cert-Chain and other X-Client-Cert-... is removed, on all listeners; that of "
			"trusted_proxies stays where clients are asked for no certificate.",
	},
	{
		.key = "early_data",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_listener, tls.early_data),
		.preset = "false",
		ONLY_TLS,
		.help = "With mode = \\(dqhttp\\(dq: whether a client that resumes a session of TLS 1.3 may send requests with its first "
			"bytes (0-RTT, RFC 8470). Who has recorded them can send them again, so only requests without a body by "
			"GET, HEAD, OPTIONS and TRACE are passed on before the handshake is over, with Early-Data: 1; "
			"others are answered 425, and their client asks again. Set it only where all backends know that field and "
			"answer 425 where repeating does harm. A ticket is good for it once, and in the process that made "
			"it: not behind an upgrade, nor in another tidegate with the same store.session_secret, where the session "
			"is resumed without.",
	},
	{
		.key = "early_data_size",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_listener, tls.early_data_bytes),
		.preset = "16K",
		.min = 512,
		.max = 1048576,
		.when = takes_early,
		.when_text = "with early_data = true",
		.help = "How many bytes a client may send so.",
	},
	{.key = NULL},
};

static void
set_alpn(struct conf_check *check, struct conf_listener *listener)
{
	static const char *const names[] = {"h2", "http/1.1"};
	struct arena *arena = conf_check_arena(check);
	char **alpn = arena_alloc(arena, 2, sizeof(char *));

	for (size_t i = 0; i < 2 && alpn; i++) {
		alpn[i] = arena_copy(arena, names[i], strlen(names[i]));
		if (!alpn[i])
			alpn = NULL;
	}
	if (!alpn) {
		conf_check_no_memory(check);
		return;
	}
	listener->tls.alpn = alpn;
	listener->tls.n_alpn = 2;
}

static void
check_alpn(struct conf_check *check, const struct conf_listener *listener)
{
	for (size_t i = 0; i < listener->tls.n_alpn; i++) {
		const char *name = listener->tls.alpn[i];

		if (name[0] == '\0' || strlen(name) > 31)
			conf_check_error(check, "alpn", "\"%.40s\": allowed: 1 to 31 bytes", name);
		else if (listener->mode == TG_MODE_HTTP && strcmp(name, "h2") != 0 &&
			 strcmp(name, "http/1.1") != 0)
			conf_check_error(check, "alpn",
					 "\"%s\": not with mode = \"http\"; allowed: \"h2\", \"http/1.1\"",
					 name);
	}
}

static void
check_early(struct conf_check *check, const struct conf_listener *listener)
{
	if (!listener->tls.early_data)
		return;
	if (listener->mode != TG_MODE_HTTP)
		conf_check_error(check, "early_data",
				 "true: not with mode = \"tcp\": what can be repeated is known of "
				 "requests only");
	else if (listener->tls.session_lifetime_ms == 0)
		conf_check_error(check, "early_data",
				 "true: not with session_lifetime = \"0\", which leaves no session "
				 "to resume");
}

/* Where nobody reads certificates nobody is asked for one either. */
static void
read_clients(struct conf_check *check, struct conf_tls *tls)
{
	struct conf_telling ca = {.check = check, .key = "client_ca"};
	struct conf_telling crl = {.check = check, .key = "client_crl"};

	if (conf_check_is_internal(check) || !conf_certificates() || !tls->client_ca.file)
		return;
	if (conf_check_find_path(check, "client_ca", tls->client_ca.file, &tls->client_ca.path))
		(void)conf_read_authorities(conf_check_arena(check), &tls->client_ca,
					    conf_check_told, &ca);
	if (tls->client_crl.file &&
	    conf_check_find_path(check, "client_crl", tls->client_crl.file, &tls->client_crl.path))
		(void)conf_read_revoked(conf_check_arena(check), &tls->client_crl, conf_check_told,
					&crl);
}

static void
tls_check(struct conf_check *check, void *object)
{
	struct conf_listener *listener = object;

	if (!conf_has_tls(listener)) {
		if (conf_check_group_given(check) && !conf_check_given(check, "certificates"))
			conf_check_error(check, "certificates", "missing; without one there is no "
								"TLS");
		return;
	}
	if (listener->mode == TG_MODE_HTTP && !conf_check_given(check, "alpn"))
		set_alpn(check, listener);
	check_alpn(check, listener);
	check_early(check, listener);
	read_clients(check, &listener->tls);
}

const struct conf_schema conf_schema_tls = {
	.title = "TLS of a listener",
	.help = "TLS 1.2 and 1.3, as Mozilla's \\(dqintermediate\\(dq has them; nothing is "
		"negotiated anew, nothing is compressed.",
	.fields = tls_fields,
	.check = tls_check,
};
