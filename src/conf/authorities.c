/*
 * conf/authorities.c: files that say whose certificates are taken, and which are revoked.
 *
 * Read while the configuration is, as those of certificates.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/schema_priv.h"

#define AUTHORITIES_MAX (UINT64_C(2) << 20)
#define REVOKED_MAX     (UINT64_C(8) << 20)

struct pem_reading {
	const char *path;
	conf_certificate_told *told;
	void *user;
};

static void
say(const struct pem_reading *r, bool is_error, const char *what)
{
	char text[512];

	snprintf(text, sizeof(text), "%.256s: %.200s", r->path, what);
	r->told(r->user, is_error, false, text);
}

static void
warn(void *user, const char *text)
{
	say(user, false, text);
}

typedef int check_cb(const char *pem, size_t n, void (*warn)(void *user, const char *text),
		     void *user, struct err *err);

static bool
read_pem(struct arena *arena, struct conf_pem_file *f, size_t max, check_cb *check,
	 conf_certificate_told *told, void *user)
{
	struct pem_reading r = {.path = f->path, .told = told, .user = user};
	char *text;
	size_t n;
	struct err err;
	int rc = conf_read_file(f->path, max, &text, &n, &err);

	if (rc < 0) {
		say(&r, true, err.text);
		return false;
	}
	rc = check(text, n, warn, &r, &err);
	f->pem = rc == 0 ? arena_copy(arena, text, n) : NULL;
	f->pem_n = n;
	free(text);
	if (!f->pem)
		say(&r, true, rc == 0 ? "no memory" : err.text);
	return f->pem != NULL;
}

bool
conf_read_authorities(struct arena *arena, struct conf_pem_file *f, conf_certificate_told *told,
		      void *user)
{
	return read_pem(arena, f, AUTHORITIES_MAX, conf_certificates()->check_authorities, told,
			user);
}

bool
conf_read_revoked(struct arena *arena, struct conf_pem_file *f, conf_certificate_told *told,
		  void *user)
{
	return read_pem(arena, f, REVOKED_MAX, conf_certificates()->check_revoked, told, user);
}

void
conf_look_at_files(struct conf_check *check, char *ca, char *certificate, char *key,
		   conf_certificate_told *told)
{
	struct conf_telling telling = {.check = check, .key = "ca"};
	struct conf_pem_file authorities = {.file = ca, .path = ca};
	struct conf_certificate own = {
		.file = certificate, .key = key, .path = certificate, .key_path = key};
	struct conf_pem pem;
	struct arena arena = {0};

	if (!conf_certificates())
		return;
	(void)conf_read_authorities(&arena, &authorities, told, &telling);
	telling.key = "certificate";
	if (certificate)
		(void)conf_read_own(&arena, &own, &pem, told, &telling);
	arena_wipe(&arena);
}

uint64_t
conf_pem_file_look(const struct conf_pem_file *f)
{
	return f->path ? conf_look(f->path, 0) : 0;
}

/* SSL_CERT_FILE is OpenSSL's own; then where Debian and Alpine, Fedora, SUSE and the BSDs have them. */
const char *
conf_system_authorities(void)
{
	static const char *const paths[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};
	const char *named = getenv("SSL_CERT_FILE");

	if (named && named[0] != '\0')
		return named;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (access(paths[i], R_OK) == 0)
			return paths[i];
	}
	return NULL;
}
