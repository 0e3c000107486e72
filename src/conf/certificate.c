/*
 * conf/certificate.c: the files of certificates, and folders of them.
 *
 * Read while the configuration is, by whoever reads it: the parent, which may open what the others may not.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/schema_priv.h"

#define PATH_BYTES 4096u
#define CHAIN_MAX  262144u
#define KEY_MAX    65536u
/* Files of one folder. */
#define FOLDER_MAX 10000

static const struct conf_certificates *known;

void
conf_set_certificates(const struct conf_certificates *certificates)
{
	known = certificates;
}

const struct conf_certificates *
conf_certificates(void)
{
	return known;
}

struct reading {
	struct conf_check *check;
	const char *file; /* the one under way */
};

/* Texts of one file. `key` may be missing. */
struct texts {
	char *chain;
	char *key;
	size_t chain_n;
	size_t key_n;
};

static void
texts_free(struct texts *t)
{
	if (t->key)
		explicit_bzero(t->key, t->key_n);
	if (t->chain)
		explicit_bzero(t->chain, t->chain_n);
	free(t->chain);
	free(t->key);
}

static void
warn(void *user, const char *text)
{
	const struct reading *r = user;

	conf_check_warn(r->check, "file", "%.256s: %.200s", r->file, text);
}

static void
fail(const struct reading *r, const char *path, const char *why)
{
	conf_check_error(r->check, strcmp(path, r->file) == 0 ? "file" : "key", "%.256s: %.200s",
			 path, why);
}

/* Whose key may be changed by anybody has no key; one that may be read by anybody is a secret no more, but files
 * that are mounted into containers often are so. False: an error was told. */
static bool
check_mode(const struct reading *r, const char *path)
{
	struct stat st;
	char text[128];

	if (stat(path, &st) != 0 || (st.st_mode & S_IRWXO) == 0)
		return true;
	snprintf(text, sizeof(text), "everybody may %s this key: mode %04o; wanted: 0640 or less",
		 (st.st_mode & S_IWOTH) != 0 ? "change" : "read", (unsigned)st.st_mode & 07777u);
	if ((st.st_mode & S_IWOTH) != 0)
		fail(r, path, text);
	else if ((st.st_mode & S_IROTH) != 0)
		conf_check_warn(r->check, "file", "%.256s: %.200s", path, text);
	return (st.st_mode & S_IWOTH) == 0;
}

/* "site.pem" to "site.key"; false: too long. */
static bool
name_beside(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash ? slash : path, '.');
	int n = dot ? (int)(dot - path) : (int)strlen(path);

	return (size_t)snprintf(buf, size, "%.*s.key", n, path) < size;
}

/* False: it was told. */
static bool
keep(const struct reading *r, const struct conf_pem *pem, struct conf_loaded *ret)
{
	struct arena *arena = conf_check_arena(r->check);
	struct conf_loaded l = {
		.file = arena_copy(arena, r->file, strlen(r->file)),
		.pem = {arena_copy(arena, pem->chain, pem->chain_n), pem->chain_n,
			arena_copy(arena, pem->key, pem->key_n), pem->key_n},
	};

	if (l.file && l.pem.chain && l.pem.key) {
		*ret = l;
		return true;
	}
	conf_check_no_memory(r->check);
	return false;
}

/* The key in its own file at `path`; NULL: in that of the certificate. */
static int
take(struct reading *r, struct texts *t, const char *path, struct conf_pem *ret, struct err *err)
{
	struct conf_pem pem = {t->chain, t->chain_n, t->chain, t->chain_n};

	if (path) {
		int rc = conf_read_file(path, KEY_MAX, &t->key, &t->key_n, err);

		if (rc < 0)
			return rc;
		pem.key = t->key;
		pem.key_n = t->key_n;
	}
	return known->take(&pem, warn, r, ret, err);
}

/* Where nobody said where the key is: in the file itself, else beside it. *ret_path is where it was found. */
static int
take_somewhere(struct reading *r, struct texts *t, char *beside, size_t size, const char **ret_path,
	       struct conf_pem *ret, struct err *err)
{
	struct err why;
	int rc = take(r, t, NULL, ret, err);

	*ret_path = r->file;
	if (rc != -TG_ENOENT || !name_beside(r->file, beside, size) ||
	    strcmp(beside, r->file) == 0)
		return rc;
	rc = take(r, t, beside, ret, &why);
	if (rc == -TG_ENOENT && t->key == NULL)
		return err_set(err, TG_ENOENT, "there is no private key in it, and no file %.200s",
			       beside);
	*err = why;
	*ret_path = beside;
	return rc;
}

/* `key` NULL: as above. */
static bool
read_pair(struct reading *r, const char *key, struct conf_loaded *ret)
{
	struct conf_pem pem = {.chain = NULL};
	struct texts t = {.chain = NULL};
	char beside[PATH_BYTES];
	const char *path = key;
	struct err err;
	bool ok;
	int rc = conf_read_file(r->file, CHAIN_MAX, &t.chain, &t.chain_n, &err);

	if (rc < 0) {
		fail(r, r->file, err.text);
		return false;
	}
	rc = key ? take(r, &t, key, &pem, &err)
		 : take_somewhere(r, &t, beside, sizeof(beside), &path, &pem, &err);
	texts_free(&t);
	if (rc < 0)
		fail(r, path, err.text);
	ok = rc == 0 && check_mode(r, path) && keep(r, &pem, ret);
	texts_free(&(struct texts){pem.chain, pem.key, pem.chain_n, pem.key_n});
	return ok;
}

static bool
has_ending(const char *name, const char *ending)
{
	size_t n = strlen(name);
	size_t ending_n = strlen(ending);

	return n > ending_n && strcmp(name + n - ending_n, ending) == 0;
}

static int
is_certificate(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
	       (has_ending(entry->d_name, ".pem") || has_ending(entry->d_name, ".crt"));
}

static void
read_files(struct conf_check *check, const char *folder, struct dirent **list, size_t n,
	   struct conf_certificate *c)
{
	char path[PATH_BYTES];

	c->loaded = arena_alloc(conf_check_arena(check), n, sizeof(c->loaded[0]));
	if (!c->loaded) {
		conf_check_no_memory(check);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct reading r = {.check = check, .file = path};

		if ((size_t)snprintf(path, sizeof(path), "%s%s%s", folder,
				     has_ending(folder, "/") ? "" : "/",
				     list[i]->d_name) >= sizeof(path))
			conf_check_error(check, "file", "%.256s: a name in it is too long", folder);
		else if (read_pair(&r, NULL, &c->loaded[c->n_loaded]))
			c->n_loaded++;
	}
}

static void
read_folder(struct conf_check *check, const char *folder, struct conf_certificate *c)
{
	struct dirent **list = NULL;
	int n = scandir(folder, &list, is_certificate, alphasort);

	if (n < 0)
		conf_check_error(check, "file", "%.256s: %s", folder, strerror(errno));
	else if (n == 0)
		conf_check_error(check, "file",
				 "%.256s: there is no file in it whose name ends in .pem or .crt",
				 folder);
	else if (n > FOLDER_MAX)
		conf_check_error(check, "file", "%.256s: %d files in it; allowed: %d", folder, n,
				 FOLDER_MAX);
	else
		read_files(check, folder, list, (size_t)n, c);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static void
read_file(struct conf_check *check, const char *path, struct conf_certificate *c)
{
	struct reading r = {.check = check, .file = path};
	char key[PATH_BYTES];

	if (c->key && !conf_check_path(check, "key", c->key, key, sizeof(key)))
		return;
	c->loaded = arena_alloc(conf_check_arena(check), 1, sizeof(c->loaded[0]));
	if (!c->loaded)
		conf_check_no_memory(check);
	else if (read_pair(&r, c->key ? key : NULL, c->loaded))
		c->n_loaded = 1;
}

void
conf_read_certificate(struct conf_check *check, struct conf_certificate *c)
{
	char path[PATH_BYTES];
	struct stat st;

	if (!conf_check_path(check, "file", c->file, path, sizeof(path)))
		return;
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		read_file(check, path, c);
	else if (c->key)
		conf_check_error(check, "key", "not with a folder: each file in it has its own");
	else
		read_folder(check, path, c);
}
