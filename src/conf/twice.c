/*
 * conf/twice.c: keys written twice in one group, found in the expanded text.
 *
 * The text is scanned two times: once to gather all keys, which sorting brings
 * together, and once to rename those that were there before.
 */
#include "conf/twice_priv.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/report_priv.h"
#include "conf/source_priv.h"

#define PATH_MAX_BYTES 512u

struct word {
	const char *p; /* into the text; NULL: none */
	size_t n;
	unsigned line;
};

/* A bracket that is open, and at [0] the whole text. */
struct frame {
	unsigned id; /* of this bracket among all */
	bool is_list;
	unsigned index;  /* commas so far in a list */
	struct word key; /* the one before it; none in a list */
};

struct scan {
	const char *p;
	unsigned line;
	unsigned n_frames; /* opened so far, closed ones too */
	unsigned depth;
	struct frame frames[TG_CONF_NESTING_MAX + 1];
	struct word last; /* word, and a key when '=' or ':' follows */
};

struct key {
	struct word word;
	unsigned group;
	size_t order;
};

struct keys {
	struct key *list;
	size_t n;
	size_t size;
	unsigned *first_lines; /* by order: of the same key before; 0: there is none */
};

/*** Scanning ***/

static bool
is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static bool
is_word(char c)
{
	return is_word_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static void
step(struct scan *s, size_t n)
{
	for (; n > 0 && *s->p; n--) {
		if (*s->p++ == '\n')
			s->line++;
	}
}

static void
skip_string(struct scan *s)
{
	for (step(s, 1); *s->p && *s->p != '"';)
		step(s, *s->p == '\\' ? 2 : 1);
	step(s, 1);
}

/* False: no comment begins here. */
static bool
skip_comment(struct scan *s)
{
	const char *end;

	if (s->p[0] == '#' || (s->p[0] == '/' && s->p[1] == '/'))
		end = strchr(s->p, '\n');
	else if (s->p[0] == '/' && s->p[1] == '*')
		end = strstr(s->p + 2, "*/");
	else
		return false;
	if (!end)
		end = s->p + strlen(s->p);
	else if (*end == '*')
		end += 2;
	step(s, (size_t)(end - s->p));
	return true;
}

static void
take_word(struct scan *s)
{
	size_t n = 1;

	while (is_word(s->p[n]))
		n++;
	/* A number has letters too: 0x10L. */
	s->last = (struct word){.p = is_word_start(*s->p) ? s->p : NULL, .n = n, .line = s->line};
	s->p += n;
}

/* A bracket, comma or semicolon. */
static void
take_mark(struct scan *s, struct word *key)
{
	switch (*s->p) {
	case '{':
	case '(':
	case '[':
		/* conf/source.c lets no text pass that is nested deeper. */
		if (s->depth == TG_CONF_NESTING_MAX)
			break;
		s->frames[++s->depth] =
			(struct frame){.id = ++s->n_frames, .is_list = *s->p != '{', .key = *key};
		*key = (struct word){.p = NULL};
		break;
	case '}':
	case ')':
	case ']':
		if (s->depth > 0)
			s->depth--;
		break;
	case ',':
		s->frames[s->depth].index++;
		break;
	default:
		break;
	}
	s->p++;
}

/* Up to behind the '=' of the next key, which is *ret; false: there is none. */
static bool
next_key(struct scan *s, struct word *ret)
{
	while (*s->p) {
		if (*s->p == '"') {
			skip_string(s);
		} else if (skip_comment(s)) {
			continue;
		} else if (is_word(*s->p)) {
			take_word(s);
		} else if ((*s->p == '=' || *s->p == ':') && s->last.p) {
			*ret = s->last;
			s->last.p = NULL;
			s->p++;
			return true;
		} else if (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r') {
			step(s, 1);
		} else {
			take_mark(s, ret);
			s->last.p = NULL;
		}
	}
	return false;
}

/*** Finding ***/

static int
compare(const void *a, const void *b)
{
	const struct key *x = a;
	const struct key *y = b;
	int c;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->word.n != y->word.n)
		return x->word.n < y->word.n ? -1 : 1;
	c = memcmp(x->word.p, y->word.p, x->word.n);
	if (c != 0)
		return c;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool
is_same(const struct key *x, const struct key *y)
{
	return x->group == y->group && x->word.n == y->word.n &&
	       memcmp(x->word.p, y->word.p, x->word.n) == 0;
}

static bool
gather(struct keys *keys, const char *text)
{
	struct scan s = {.p = text, .line = 1};
	struct word word = {.p = NULL};

	while (next_key(&s, &word)) {
		if (keys->n == keys->size) {
			size_t size = keys->size ? keys->size * 2 : 256;
			struct key *bigger = realloc(keys->list, size * sizeof(*bigger));

			if (!bigger)
				return false;
			keys->list = bigger;
			keys->size = size;
		}
		keys->list[keys->n] =
			(struct key){.word = word, .group = s.frames[s.depth].id, .order = keys->n};
		keys->n++;
	}
	return true;
}

/* How many are there again; -1: no memory. */
static long
find(struct keys *keys)
{
	long found = 0;

	keys->first_lines = calloc(keys->n + 1, sizeof(*keys->first_lines));
	if (!keys->first_lines)
		return -1;
	if (keys->n > 1)
		qsort(keys->list, keys->n, sizeof(*keys->list), compare);
	for (size_t i = 1, first = 0; i < keys->n; i++) {
		if (!is_same(&keys->list[i], &keys->list[first])) {
			first = i;
			continue;
		}
		keys->first_lines[keys->list[i].order] = keys->list[first].word.line;
		found++;
	}
	return found;
}

/*** Telling and renaming ***/

/* "services[2].": what stands before a key; cut when it is too long. */
static void
path_write(const struct scan *s, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 1; i <= s->depth && n < size; i++) {
		const struct frame *f = &s->frames[i];
		int len;

		if (s->frames[i - 1].is_list)
			len = snprintf(buf + n, size - n, "[%u]", s->frames[i - 1].index);
		else
			len = snprintf(buf + n, size - n, "%.*s", f->key.p ? (int)f->key.n : 0,
				       f->key.p ? f->key.p : "");
		n += len > 0 ? (size_t)len : 0;
		if (n < size && !f->is_list)
			n += (size_t)snprintf(buf + n, size - n, ".");
	}
}

static void
tell(const struct scan *s, const struct word *word, unsigned first_line,
     const struct conf_source *source, struct conf_report *report)
{
	struct conf_place here = conf_source_place(source, word->line);
	struct conf_place first = conf_source_place(source, first_line);
	bool same_file = strcmp(here.file, first.file) == 0;
	char path[PATH_MAX_BYTES];

	path_write(s, path, sizeof(path));
	conf_report_add(report, word->line, "%s%.*s: given twice, first at %s%s%u", path,
			(int)word->n, word->p, same_file ? "line " : first.file,
			same_file ? "" : ":", first.line);
}

static void
rename_all(const struct keys *keys, const struct conf_source *source, struct conf_report *report,
	   FILE *out)
{
	const char *text = conf_source_text(source);
	struct scan s = {.p = text, .line = 1};
	struct word word = {.p = NULL};

	for (size_t i = 0; next_key(&s, &word); i++) {
		if (keys->first_lines[i] == 0)
			continue;
		tell(&s, &word, keys->first_lines[i], source, report);
		fwrite(text, 1, (size_t)(word.p - text), out);
		fprintf(out, TG_CONF_TWICE_PREFIX "%zu", i);
		text = word.p + word.n;
	}
	fputs(text, out);
}

char *
conf_twice_rename(const struct conf_source *source, struct conf_report *report)
{
	struct keys keys = {.n = 0};
	char *renamed = NULL;
	FILE *out = NULL;
	size_t n;
	long found = -1;

	if (gather(&keys, conf_source_text(source)))
		found = find(&keys);
	if (found > 0)
		out = open_memstream(&renamed, &n);
	if (out) {
		rename_all(&keys, source, report, out);
		if (fclose(out) != 0) {
			free(renamed);
			renamed = NULL;
		}
	}
	if (found < 0 || (found > 0 && !renamed))
		conf_report_no_memory(report);
	free(keys.first_lines);
	free(keys.list);
	return renamed;
}
