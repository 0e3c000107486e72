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
#include <unistd.h>

#include "base/hash.h"
#include "conf/schema_priv.h"

#define PATH_BYTES 4096u
#define CHAIN_MAX  262144u
#define KEY_MAX    65536u
#define OCSP_MAX   16384u
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

int
conf_take_certificate(const struct conf_pem *pem, void (*warn)(void *user, const char *text),
		      void *user, struct conf_pem *ret, struct err *err)
{
	if (!known)
		return err_set(err, TG_EINVAL, "certificates are not read here");
	return known->take(pem, warn, user, ret, err);
}

struct reading {
	struct arena *arena; /* for what is read */
	conf_certificate_told *told;
	void *user;
	const char *file; /* the one under way */
	const char *ocsp; /* where its OCSP response must be; NULL: it may be beside it */
	const struct conf_certificate *before; /* NULL: it is read for the first time */
	bool wants_ocsp;
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
say(const struct reading *r, bool is_error, const char *path, const char *what)
{
	char text[512];

	snprintf(text, sizeof(text), "%.256s: %.200s", path, what);
	r->told(r->user, is_error, is_error && strcmp(path, r->file) != 0, text);
}

static void
warn(void *user, const char *text)
{
	const struct reading *r = user;

	say(r, false, r->file, text);
}

static void
fail(const struct reading *r, const char *path, const char *why)
{
	say(r, true, path, why);
}

static bool
fail_no_memory(const struct reading *r)
{
	fail(r, r->file, "no memory");
	return false;
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
		say(r, false, path, text);
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

/* False: no memory. */
static bool
keep_quietly(const struct reading *r, const struct conf_pem *pem, const char *key,
	     struct conf_loaded *ret)
{
	struct arena *arena = r->arena;
	struct conf_loaded l = {
		.file = arena_copy(arena, r->file, strlen(r->file)),
		.key_file = arena_copy(arena, key, strlen(key)),
		.pem = {arena_copy(arena, pem->chain, pem->chain_n), pem->chain_n,
			arena_copy(arena, pem->key, pem->key_n), pem->key_n},
	};

	if (!l.file || !l.key_file || !l.pem.chain || !l.pem.key)
		return false;
	*ret = l;
	return true;
}

/* False: it was told. */
static bool
keep(const struct reading *r, const struct conf_pem *pem, const char *key, struct conf_loaded *ret)
{
	return keep_quietly(r, pem, key, ret) || fail_no_memory(r);
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
	if (rc != -TG_ENOENT || !name_beside(r->file, beside, size) || strcmp(beside, r->file) == 0)
		return rc;
	rc = take(r, t, beside, ret, &why);
	if (rc == -TG_ENOENT && t->key == NULL)
		return err_set(err, TG_ENOENT, "there is no private key in it, and no file %.200s",
			       beside);
	*err = why;
	*ret_path = beside;
	return rc;
}

/* One that is of no use is told of, and is no reason to do without the certificate. */
static bool
take_ocsp(struct reading *r, const char *path, const char *der, size_t n, struct conf_loaded *ret)
{
	struct reading of_it = *r;
	struct err err;
	int rc;

	of_it.file = path;
	rc = known->check_ocsp(&ret->pem, der, n, warn, &of_it, &err);
	ret->has_bad_ocsp = rc < 0 && rc != -TG_ENOENT;
	if (rc < 0) {
		say(r, false, path, err.text);
		return true;
	}
	ret->ocsp = arena_copy(r->arena, der, n);
	ret->ocsp_n = n;
	return ret->ocsp || fail_no_memory(r);
}

static void
warn_nobody(void *user, const char *text)
{
	(void)user;
	(void)text;
}

bool
conf_ocsp_fits(const struct conf_loaded *l)
{
	return l->ocsp &&
	       known->check_ocsp(&l->pem, l->ocsp, l->ocsp_n, warn_nobody, NULL, NULL) == 0;
}

/* False: an error was told. */
static bool
read_ocsp(struct reading *r, struct conf_loaded *ret)
{
	char beside[PATH_BYTES];
	const char *path = r->ocsp;
	char *der;
	size_t n;
	struct err err;
	bool ok;

	if (!path && (size_t)snprintf(beside, sizeof(beside), "%s.ocsp", r->file) < sizeof(beside))
		path = beside;
	if (!r->wants_ocsp || !path)
		return true;
	ret->ocsp_file = arena_copy(r->arena, path, strlen(path));
	if (!ret->ocsp_file)
		return fail_no_memory(r);
	if (!r->ocsp && access(path, F_OK) != 0)
		return true;
	if (conf_read_file(path, OCSP_MAX, &der, &n, &err) < 0) {
		say(r, r->ocsp != NULL, path, err.text);
		return r->ocsp == NULL;
	}
	ok = take_ocsp(r, path, der, n, ret);
	free(der);
	return ok;
}

uint64_t
conf_loaded_look(const struct conf_loaded *l)
{
	return conf_look(l->key_file, conf_look(l->file, 0)) | 1;
}

/* What an operator gave for this file, which has not changed since. NULL: nothing. */
static const struct conf_loaded *
find_given(const struct reading *r)
{
	for (size_t i = 0; r->before && i < r->before->n_loaded; i++) {
		const struct conf_loaded *l = &r->before->loaded[i];

		if (l->set_mark != 0 && strcmp(l->file, r->file) == 0)
			return conf_loaded_look(l) == l->set_mark ? l : NULL;
	}
	return NULL;
}

static bool
keep_given(struct reading *r, const struct conf_loaded *given, struct conf_loaded *ret)
{
	if (!keep(r, &given->pem, given->key_file, ret))
		return false;
	ret->set_mark = given->set_mark;
	return read_ocsp(r, ret);
}

/* Of an error of take(). Where there is no key at all it is about that. */
static bool
is_of_chain(const struct texts *t)
{
	struct conf_pem pem = {t->chain, t->chain_n, t->key, t->key_n};

	return t->key != NULL && !known->is_of_key(&pem);
}

/* `key` NULL: as above. */
static bool
read_pair(struct reading *r, const char *key, struct conf_loaded *ret)
{
	const struct conf_loaded *given = find_given(r);
	struct conf_pem pem = {.chain = NULL};
	struct texts t = {.chain = NULL};
	char beside[PATH_BYTES];
	const char *path = key;
	struct err err;
	bool ok;
	int rc;

	if (given)
		return keep_given(r, given, ret);
	rc = conf_read_file(r->file, CHAIN_MAX, &t.chain, &t.chain_n, &err);
	if (rc < 0) {
		fail(r, r->file, err.text);
		return false;
	}
	rc = key ? take(r, &t, key, &pem, &err)
		 : take_somewhere(r, &t, beside, sizeof(beside), &path, &pem, &err);
	if (rc < 0)
		fail(r, is_of_chain(&t) ? r->file : path, err.text);
	texts_free(&t);
	ok = rc == 0 && check_mode(r, path) && keep(r, &pem, path, ret) && read_ocsp(r, ret);
	texts_free(&(struct texts){pem.chain, pem.key, pem.chain_n, pem.key_n});
	return ok;
}

bool
conf_loaded_copy(struct arena *arena, const struct conf_loaded *from, struct conf_loaded *ret)
{
	struct conf_loaded l = *from;

	l.file = arena_copy(arena, from->file, strlen(from->file));
	l.key_file = arena_copy(arena, from->key_file, strlen(from->key_file));
	l.pem.chain = arena_copy(arena, from->pem.chain, from->pem.chain_n);
	l.pem.key = arena_copy(arena, from->pem.key, from->pem.key_n);
	if (from->ocsp_file)
		l.ocsp_file = arena_copy(arena, from->ocsp_file, strlen(from->ocsp_file));
	if (from->ocsp)
		l.ocsp = arena_copy(arena, from->ocsp, from->ocsp_n);
	*ret = l;
	return l.file && l.key_file && l.pem.chain && l.pem.key &&
	       (l.ocsp_file || !from->ocsp_file) && (l.ocsp || !from->ocsp);
}

bool
conf_left_out_copy(struct arena *arena, struct conf_certificate *c)
{
	char *const *from = c->left_out;

	if (c->n_left_out == 0)
		return true;
	c->left_out = arena_alloc(arena, c->n_left_out, sizeof(c->left_out[0]));
	for (size_t i = 0; c->left_out && i < c->n_left_out; i++) {
		c->left_out[i] = arena_copy(arena, from[i], strlen(from[i]));
		if (!c->left_out[i])
			return false;
	}
	return c->left_out != NULL;
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

/* One of a folder is of no use: what was read of it before stays. False: there is none of this folder. */
static bool
do_without(const struct reading *r, struct conf_certificate *c)
{
	const struct conf_certificate *before = r->before;
	struct conf_loaded *kept = &c->loaded[c->n_loaded];

	if (!before || before->n_loaded == 0)
		return false;
	for (size_t i = 0; i < before->n_loaded; i++) {
		if (strcmp(before->loaded[i].file, r->file) != 0)
			continue;
		if (!conf_loaded_copy(r->arena, &before->loaded[i], kept))
			return fail_no_memory(r);
		kept->is_kept = true;
		c->n_loaded++;
		return true;
	}
	c->left_out[c->n_left_out] = arena_copy(r->arena, r->file, strlen(r->file));
	if (!c->left_out[c->n_left_out])
		return fail_no_memory(r);
	c->n_left_out++;
	return true;
}

static bool
read_files(struct reading *r, const char *folder, struct dirent **list, size_t n,
	   struct conf_certificate *c)
{
	char path[PATH_BYTES];
	bool ok = true;

	c->loaded = arena_alloc(r->arena, n, sizeof(c->loaded[0]));
	c->left_out = arena_alloc(r->arena, n, sizeof(c->left_out[0]));
	if (!c->loaded || !c->left_out)
		return fail_no_memory(r);
	for (size_t i = 0; i < n; i++) {
		struct reading one = *r;

		one.file = path;
		if ((size_t)snprintf(path, sizeof(path), "%s%s%s", folder,
				     has_ending(folder, "/") ? "" : "/",
				     list[i]->d_name) >= sizeof(path)) {
			fail(r, folder, "a name in it is too long");
			ok = false;
		} else if (read_pair(&one, NULL, &c->loaded[c->n_loaded])) {
			c->n_loaded++;
		} else if (!do_without(&one, c)) {
			ok = false;
		}
	}
	return ok && c->n_loaded > 0;
}

static bool
read_folder(struct reading *r, struct conf_certificate *c)
{
	struct dirent **list = NULL;
	int n = scandir(r->file, &list, is_certificate, alphasort);
	bool ok = false;

	if (n < 0)
		fail(r, r->file, strerror(errno));
	else if (n == 0)
		fail(r, r->file, "there is no file in it whose name ends in .pem or .crt");
	else if (n > FOLDER_MAX)
		fail(r, r->file, "there are more than 10000 files in it");
	else
		ok = read_files(r, r->file, list, (size_t)n, c);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return ok;
}

static bool
read_file(struct reading *r, struct conf_certificate *c)
{
	c->loaded = arena_alloc(r->arena, 1, sizeof(c->loaded[0]));
	if (!c->loaded)
		return fail_no_memory(r);
	if (!read_pair(r, c->key_path, c->loaded))
		return false;
	c->n_loaded = 1;
	return true;
}

uint64_t
conf_look(const char *path, uint64_t so_far)
{
	struct {
		uint64_t device, number, size, changed, changed_ns, before;
	} seen = {.before = so_far};
	struct stat st;

	if (stat(path, &st) == 0) {
		seen.device = st.st_dev;
		seen.number = st.st_ino;
		seen.size = (uint64_t)st.st_size;
		seen.changed = (uint64_t)st.st_mtim.tv_sec;
		seen.changed_ns = (uint64_t)st.st_mtim.tv_nsec;
	}
	return hash_bytes(&seen, sizeof(seen), 0);
}

/* With its key, which may be what it lacks. */
static uint64_t
look_at_left_out(const char *path, uint64_t so_far)
{
	char beside[PATH_BYTES];
	uint64_t mark = conf_look(path, so_far);

	return name_beside(path, beside, sizeof(beside)) ? conf_look(beside, mark) : mark;
}

uint64_t
conf_certificate_look(const struct conf_certificate *c)
{
	uint64_t mark = conf_look(c->path, 0);

	for (size_t i = 0; i < c->n_loaded; i++) {
		const struct conf_loaded *l = &c->loaded[i];

		mark = conf_look(l->key_file, conf_look(l->file, mark));
		if (l->ocsp_file)
			mark = conf_look(l->ocsp_file, mark);
	}
	for (size_t i = 0; i < c->n_left_out; i++)
		mark = look_at_left_out(c->left_out[i], mark);
	return mark;
}

static bool
read_certificate(struct reading *r, struct conf_certificate *c)
{
	struct stat st;
	bool is_folder = stat(c->path, &st) == 0 && S_ISDIR(st.st_mode);

	c->loaded = NULL;
	c->n_loaded = 0;
	c->left_out = NULL;
	c->n_left_out = 0;
	if (!is_folder)
		return read_file(r, c);
	if (!c->key && !c->ocsp && !c->acme)
		return read_folder(r, c);
	say(r, true,
	    c->key    ? "key"
	    : c->ocsp ? "ocsp"
		      : "acme",
	    "not with a folder: each file in it has its own");
	return false;
}

bool
conf_read_certificate(struct arena *arena, struct conf_certificate *c, conf_certificate_told *told,
		      void *user)
{
	const struct conf_certificate before = *c;
	struct reading r = {
		.arena = arena,
		.told = told,
		.user = user,
		.file = c->path,
		.ocsp = c->ocsp_path,
		.before = &before,
		.wants_ocsp = true,
	};

	return read_certificate(&r, c);
}

bool
conf_certificate_is_awaited(const struct conf_certificate *c)
{
	struct stat st;

	return c->acme && stat(c->path, &st) < 0 && errno == ENOENT;
}

int
conf_place_certificate(struct arena *arena, struct conf_certificate *c,
		       const struct conf_acme *acme, struct err *err)
{
	struct reading r = {.arena = arena, .file = c->path};
	struct conf_pem pem;
	const char *key = c->key_path ? c->key_path : c->path;
	bool ok;
	int rc;

	if (!known)
		return 0;
	rc = known->make_placeholder(acme->names, acme->n_names, &pem, err);
	if (rc < 0)
		return rc;
	c->loaded = arena_alloc(arena, 1, sizeof(c->loaded[0]));
	ok = c->loaded && keep_quietly(&r, &pem, key, c->loaded);
	texts_free(&(struct texts){pem.chain, pem.key, pem.chain_n, pem.key_n});
	if (!ok)
		return err_no_memory(err);
	c->loaded[0].is_placeholder = true;
	c->n_loaded = 1;
	return 0;
}

bool
conf_read_own(struct arena *arena, struct conf_certificate *c, struct conf_pem *ret,
	      conf_certificate_told *told, void *user)
{
	struct reading r = {.arena = arena, .told = told, .user = user, .file = c->path};
	struct stat st;

	if (stat(c->path, &st) == 0 && S_ISDIR(st.st_mode)) {
		fail(&r, c->path, "is a folder; allowed: a file");
		return false;
	}
	if (!read_certificate(&r, c))
		return false;
	*ret = c->loaded[0].pem;
	return true;
}
