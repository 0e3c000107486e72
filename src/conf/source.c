/*
 * conf/source.c: @include, the map of lines, and the bounds of the text.
 *
 * The scanner knows as much of the syntax as it takes to tell code from
 * strings and comments, in the way libconfig's own scanner does.
 */
#include "conf/source_priv.h"

#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/report_priv.h"

#define LARGE_BYTES 65536u /* of text */

enum scan_mode {
	SCAN_CODE = 0,
	SCAN_STRING = 1,
	SCAN_LINE_COMMENT = 2,
	SCAN_BLOCK_COMMENT = 3,
};

/* From expanded line `first` on, lines are those of `file` from `line` on. */
struct piece {
	unsigned first;
	unsigned file;
	unsigned line;
};

struct conf_source {
	char *text;
	size_t n;
	size_t size;
	size_t max;
	unsigned lines; /* the expanded line being written, from 1 */
	char **files;
	size_t n_files;
	struct piece *pieces;
	size_t n_pieces;
	size_t pieces_size;
	char *folder; /* of the main file, with '/'; NULL: relative includes are refused */
};

struct scan {
	struct conf_source *source;
	struct conf_report *report;
	enum scan_mode mode;
	bool at_line_start; /* nothing but blanks so far on this line */
	bool in_word;       /* inside a name or a decimal fraction */
	bool stop;          /* a bound is passed or memory is out */
	unsigned depth;     /* of includes */
	unsigned nesting;
	unsigned keys[TG_CONF_NESTING_MAX + 1];
};

/* The text of one file, or of memory, while it is scanned. */
struct input {
	const char *p;
	size_t n;
	unsigned file;
	unsigned line;
};

static bool scan_file(struct scan *s, const char *path, struct err *err);

/*** Reading files ***/

static int
read_all(int fd, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	size_t size = 4096;
	size_t n = 0;
	char *buf = NULL;
	char *bigger;
	ssize_t got;

	for (;;) {
		if (!buf || n == size - 1) {
			size *= 2;
			bigger = realloc(buf, size);
			if (!bigger) {
				free(buf);
				return err_no_memory(err);
			}
			buf = bigger;
		}
		got = read(fd, buf + n, size - 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n > max)
			break;
	}
	if (got >= 0 && n <= max) {
		buf[n] = '\0';
		*ret = buf;
		*ret_n = n;
		return 0;
	}
	free(buf);
	if (got < 0)
		return err_set(err, TG_EIO, "%s", strerror(errno));
	return err_set(err, TG_ELIMIT, "larger than %zu bytes", max);
}

int
conf_read_file(const char *path, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	struct stat st;
	int fd;
	int r;

	/* Non-blocking: opening a FIFO must not wait for its writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_set(err, errno == ENOENT ? TG_ENOENT : TG_EIO, "%s", strerror(errno));
	if (fstat(fd, &st) < 0)
		r = err_set(err, TG_EIO, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		r = err_set(err, TG_EINVAL, "not a regular file");
	else
		r = read_all(fd, max, ret, ret_n, err);
	close(fd);
	return r;
}

/*** Building the expanded text ***/

static void
stop_no_memory(struct scan *s)
{
	conf_report_no_memory(s->report);
	s->stop = true;
}

/* For `n` bytes more and the NUL. */
static bool
make_room(struct scan *s, size_t n)
{
	struct conf_source *source = s->source;
	size_t size = source->size;
	char *bigger;

	if (size - source->n > n)
		return true;
	while (size - source->n <= n)
		size *= 2;
	bigger = realloc(source->text, size);
	if (!bigger) {
		stop_no_memory(s);
		return false;
	}
	source->text = bigger;
	source->size = size;
	return true;
}

/* Without an end of line in it, unless it is one. False: a bound, or no memory. */
static bool
emit_run(struct scan *s, const char *p, size_t n)
{
	struct conf_source *source = s->source;
	size_t fitting = n < source->max - source->n ? n : source->max - source->n;

	if (!make_room(s, fitting))
		return false;
	memcpy(source->text + source->n, p, fitting);
	source->n += fitting;
	source->text[source->n] = '\0';
	if (fitting == n)
		return true;
	conf_report_add(s->report, source->lines, "the configuration is larger than %zu bytes",
			source->max);
	s->stop = true;
	return false;
}

static void
emit(struct scan *s, char c)
{
	if (emit_run(s, &c, 1) && c == '\n')
		s->source->lines++;
}

/* The next line written is `line` of `file`. */
static void
add_piece(struct scan *s, unsigned file, unsigned line)
{
	struct conf_source *source = s->source;
	size_t size = source->pieces_size ? source->pieces_size * 2 : 16;
	struct piece *bigger;

	if (source->n_pieces == source->pieces_size) {
		bigger = realloc(source->pieces, size * sizeof(*bigger));
		if (!bigger) {
			stop_no_memory(s);
			return;
		}
		source->pieces = bigger;
		source->pieces_size = size;
	}
	source->pieces[source->n_pieces++] =
		(struct piece){.first = source->lines, .file = file, .line = line};
}

static int
add_file(struct conf_source *source, const char *name, unsigned *ret)
{
	char **bigger = realloc(source->files, (source->n_files + 1) * sizeof(*bigger));

	if (!bigger)
		return -TG_ENOMEM;
	source->files = bigger;
	bigger[source->n_files] = strdup(name);
	if (!bigger[source->n_files])
		return -TG_ENOMEM;
	*ret = (unsigned)source->n_files++;
	return 0;
}

/*** Scanning ***/

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* `@include "` at `i`: the index after the quote; else 0. */
static size_t
include_at(const struct input *in, size_t i)
{
	static const char word[] = "@include";
	size_t after = i + sizeof(word) - 1;

	if (in->n - i < sizeof(word) || memcmp(in->p + i, word, sizeof(word) - 1) != 0)
		return 0;
	if (!is_blank(in->p[after]))
		return 0;
	while (after < in->n && is_blank(in->p[after]))
		after++;
	return after < in->n && in->p[after] == '"' ? after + 1 : 0;
}

/* The quoted name from `i`; returns the index after its quote, 0 when it does not end. */
static size_t
include_name(const struct input *in, size_t i, char *buf, size_t size)
{
	size_t n = 0;

	for (; i < in->n && in->p[i] != '\n'; i++) {
		if (in->p[i] == '"') {
			buf[n] = '\0';
			return i + 1;
		}
		if (in->p[i] == '\\' && i + 1 < in->n &&
		    (in->p[i + 1] == '\\' || in->p[i + 1] == '"'))
			i++;
		if (n + 1 >= size)
			return 0;
		buf[n++] = in->p[i];
	}
	return 0;
}

static void
include(struct scan *s, const char *name)
{
	struct conf_source *source = s->source;
	unsigned line = source->lines;
	const char *folder = "";
	char path[4096];
	struct err err;

	if (name[0] != '/' && !source->folder) {
		conf_report_add(s->report, line,
				"@include \"%s\": a relative name is not allowed here", name);
		return;
	}
	if (name[0] != '/')
		folder = source->folder;
	if ((size_t)snprintf(path, sizeof(path), "%s%s", folder, name) >= sizeof(path)) {
		conf_report_add(s->report, line, "@include \"%.64s...\": the name is too long",
				name);
		return;
	}
	if (s->depth >= TG_CONF_INCLUDE_DEPTH || source->n_files >= TG_CONF_FILES_MAX) {
		conf_report_add(s->report, line, "@include \"%s\": %s; allowed: %u", name,
				s->depth >= TG_CONF_INCLUDE_DEPTH ? "too many levels of includes"
								  : "too many files",
				s->depth >= TG_CONF_INCLUDE_DEPTH ? TG_CONF_INCLUDE_DEPTH
								  : TG_CONF_FILES_MAX);
		s->stop = true;
		return;
	}
	s->depth++;
	if (!scan_file(s, path, &err) && !s->stop)
		conf_report_add(s->report, line, "@include \"%s\": %s: %s", name, path, err.text);
	s->depth--;
}

/* At the line's first character that is no blank. Returns the index to go on from; 0: no include. */
static size_t
scan_include(struct scan *s, struct input *in, size_t i)
{
	size_t start = include_at(in, i);
	char name[2048];
	size_t end;

	if (start == 0)
		return 0;
	end = include_name(in, start, name, sizeof(name));
	if (end == 0) {
		conf_report_add(s->report, s->source->lines,
				"@include: the name does not end on its line or is too long");
		s->stop = true;
		return in->n;
	}
	include(s, name);
	/* What follows on the line begins a new one, so that libconfig sees no line grow. */
	emit(s, '\n');
	add_piece(s, in->file, in->line);
	s->at_line_start = true;
	return end;
}

static void
count_key(struct scan *s)
{
	if (++s->keys[s->nesting] <= TG_CONF_KEYS_MAX)
		return;
	conf_report_add(s->report, s->source->lines, "too many settings in one group; allowed: %u",
			TG_CONF_KEYS_MAX);
	s->stop = true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits from `i` on; returns the index behind them. */
static size_t
skip_digits(const struct input *in, size_t i, bool hex)
{
	while (i < in->n &&
	       (is_digit(in->p[i]) || (hex && is_letter(in->p[i]) && (in->p[i] | 0x20) <= 'f')))
		i++;
	return i;
}

/* What follows the digits at `i` makes them a decimal fraction. */
static bool
is_fraction(const struct input *in, size_t i)
{
	if (i < in->n && in->p[i] == '.')
		return true;
	if (i >= in->n || (in->p[i] | 0x20) != 'e')
		return false;
	i++;
	if (i < in->n && (in->p[i] == '+' || in->p[i] == '-'))
		i++;
	return i < in->n && is_digit(in->p[i]);
}

/* An integer at `i`, copied, with the mark for long ones. Returns the index behind it. */
static size_t
scan_integer(struct scan *s, const struct input *in, size_t i)
{
	bool hex = in->n - i > 2 && in->p[i] == '0' && (in->p[i + 1] | 0x20) == 'x' &&
		   skip_digits(in, i + 2, true) > i + 2;
	size_t end = skip_digits(in, hex ? i + 2 : i, hex);
	char digits[32];
	uint64_t value = 0;

	if (!hex && is_fraction(in, end)) {
		s->in_word = true;
	} else {
		snprintf(digits, sizeof(digits), "%.*s", end - i < 30 ? (int)(end - i) : 30,
			 in->p + i);
		errno = 0;
		value = strtoull(digits, NULL, hex ? 16 : 10);
		if (errno != 0 || value > INT64_MAX || end - i >= 30)
			conf_report_add(s->report, s->source->lines, "the number %s%s is too large",
					digits, end - i > 30 ? "..." : "");
	}
	(void)emit_run(s, in->p + i, end - i);
	if (!s->in_word && value > INT32_MAX && (end == in->n || in->p[end] != 'L'))
		emit(s, 'L');
	s->at_line_start = false;
	return end;
}

static void
scan_code(struct scan *s, char c, char next)
{
	s->in_word = is_letter(c) || c == '*' || c == '.' ||
		     (s->in_word && (is_digit(c) || c == '-' || c == '_'));
	switch (c) {
	case '"':
		s->mode = SCAN_STRING;
		break;
	case '#':
		s->mode = SCAN_LINE_COMMENT;
		break;
	case '/':
		if (next == '/')
			s->mode = SCAN_LINE_COMMENT;
		else if (next == '*')
			s->mode = SCAN_BLOCK_COMMENT;
		break;
	case '=':
	case ':':
		count_key(s);
		break;
	case '{':
	case '(':
	case '[':
		if (s->nesting == TG_CONF_NESTING_MAX) {
			conf_report_add(s->report, s->source->lines,
					"nested too deeply; allowed: %u levels",
					TG_CONF_NESTING_MAX);
			s->stop = true;
			break;
		}
		s->keys[++s->nesting] = 0;
		break;
	case '}':
	case ')':
	case ']':
		if (s->nesting > 0)
			s->nesting--;
		break;
	default:
		break;
	}
}

/* One character of any mode. Returns how many were taken: an escape or a comment mark is two. */
static size_t
scan_one(struct scan *s, const struct input *in, size_t i)
{
	char c = in->p[i];
	char next = i + 1 < in->n ? in->p[i + 1] : '\0';

	switch (s->mode) {
	case SCAN_CODE:
		scan_code(s, c, next);
		return s->mode == SCAN_BLOCK_COMMENT ? 2 : 1;
	case SCAN_STRING:
		if (c == '"')
			s->mode = SCAN_CODE;
		if (in->n - i >= 4 && memcmp(in->p + i, "\\x00", 4) == 0)
			conf_report_add(s->report, s->source->lines,
					"\\x00 in a string: strings cannot hold a zero byte");
		return c == '\\' && i + 1 < in->n ? 2 : 1;
	case SCAN_LINE_COMMENT:
		if (c == '\n')
			s->mode = SCAN_CODE;
		return 1;
	case SCAN_BLOCK_COMMENT:
		if (c == '*' && next == '/') {
			s->mode = SCAN_CODE;
			return 2;
		}
		return 1;
	}
	return 1;
}

static bool
is_plain(const struct scan *s, char c)
{
	switch (s->mode) {
	case SCAN_CODE:
		return s->in_word ? is_letter(c) || is_digit(c) || c == '-' || c == '_'
				  : is_blank(c);
	case SCAN_STRING:
		return c != '"' && c != '\\' && c != '\n';
	case SCAN_LINE_COMMENT:
		return c != '\n';
	case SCAN_BLOCK_COMMENT:
		return c != '*' && c != '\n';
	}
	return false;
}

/* What changes nothing, from `i` on, copied. Returns the index behind it. */
static size_t
scan_plain(struct scan *s, const struct input *in, size_t i)
{
	size_t end = i;

	while (end < in->n && is_plain(s, in->p[end]))
		end++;
	if (end > i)
		(void)emit_run(s, in->p + i, end - i);
	return end;
}

static void
scan_input(struct scan *s, struct input *in)
{
	size_t i = 0;
	size_t taken;
	size_t after;

	while (i < in->n && !s->stop) {
		if (s->mode == SCAN_CODE && s->at_line_start && in->p[i] == '@') {
			after = scan_include(s, in, i);
			if (after > 0) {
				i = after;
				continue;
			}
		}
		if (s->mode == SCAN_CODE && !s->in_word && is_digit(in->p[i])) {
			i = scan_integer(s, in, i);
			continue;
		}
		taken = scan_one(s, in, i);
		for (; taken > 0 && !s->stop; taken--, i++) {
			emit(s, in->p[i]);
			if (in->p[i] == '\n')
				in->line++;
			s->at_line_start =
				in->p[i] == '\n' || (s->at_line_start && is_blank(in->p[i]));
		}
		if (!s->stop)
			i = scan_plain(s, in, i);
	}
	if (s->mode == SCAN_LINE_COMMENT)
		s->mode = SCAN_CODE;
	if (!s->stop && s->mode != SCAN_CODE) {
		conf_report_add(s->report, s->source->lines, "the file ends inside a %s",
				s->mode == SCAN_STRING ? "string" : "comment");
		s->stop = true;
	}
}

static void
scan_text(struct scan *s, const char *text, size_t n, unsigned file)
{
	struct input in = {.p = text, .n = n, .file = file, .line = 1};
	const char *zero = memchr(text, '\0', n);
	unsigned line = 1;

	add_piece(s, file, 1);
	s->at_line_start = true;
	if (!zero) {
		scan_input(s, &in);
		return;
	}
	for (const char *p = text; p < zero; p++)
		line += *p == '\n';
	conf_report_add(s->report, s->source->lines + line - 1, "a zero byte is not text");
	s->stop = true;
}

/* False: could not be read, or (with s->stop) no memory. */
static bool
scan_file(struct scan *s, const char *path, struct err *err)
{
	char *text;
	unsigned file;
	size_t n;

	if (conf_read_file(path, s->source->max, &text, &n, err) < 0)
		return false;
	if (add_file(s->source, path, &file) < 0)
		stop_no_memory(s);
	else
		scan_text(s, text, n, file);
	free(text);
	return !s->stop;
}

/*** The source ***/

static struct conf_source *
source_new(size_t max)
{
	struct conf_source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->max = max;
	source->lines = 1;
	source->size = 1;
	source->text = calloc(1, 1);
	if (!source->text) {
		free(source);
		return NULL;
	}
	return source;
}

/* "conf/a.conf" gives "conf/"; "a.conf" gives "". */
static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
}

int
conf_source_open(const char *path, struct conf_report *report, struct conf_source **ret)
{
	struct conf_source *source = source_new(TG_CONF_TEXT_MAX);
	struct scan s = {.source = source, .report = report};
	unsigned file;
	struct err err;

	if (!source)
		return -TG_ENOMEM;
	source->folder = folder_of(path);
	if (!source->folder)
		goto no_memory;
	if (!scan_file(&s, path, &err) && !s.stop) {
		if (add_file(source, path, &file) < 0)
			goto no_memory;
		add_piece(&s, file, 1);
		conf_report_add(report, TG_CONF_REPORT_NO_LINE, "cannot read: %s", err.text);
	}
	if (source->n_pieces == 0)
		goto no_memory;
	*ret = source;
	return 0;
no_memory:
	conf_source_close(source);
	return -TG_ENOMEM;
}

int
conf_source_memory(const char *text, size_t n, size_t max, const char *name,
		   struct conf_report *report, struct conf_source **ret)
{
	struct conf_source *source = source_new(max);
	struct scan s = {.source = source, .report = report};
	unsigned file;

	if (!source)
		return -TG_ENOMEM;
	if (add_file(source, name, &file) == 0)
		scan_text(&s, text, n, file);
	if (source->n_pieces == 0) {
		conf_source_close(source);
		return -TG_ENOMEM;
	}
	*ret = source;
	return 0;
}

/* To the system: what is read makes many small pieces, which are kept for nobody else. */
static void
give_memory_back(size_t n)
{
#ifdef __GLIBC__
	if (n >= LARGE_BYTES)
		malloc_trim(0);
#else
	(void)n;
#endif
}

void
conf_source_close(struct conf_source *source)
{
	size_t n;

	if (!source)
		return;
	n = source->n;
	for (size_t i = 0; i < source->n_files; i++)
		free(source->files[i]);
	free(source->files);
	free(source->pieces);
	free(source->folder);
	free(source->text);
	free(source);
	give_memory_back(n);
}

const char *
conf_source_text(const struct conf_source *source)
{
	return source->text;
}

bool
conf_source_is_file(const struct conf_source *source)
{
	return source->folder != NULL;
}

struct conf_place
conf_source_place(const struct conf_source *source, unsigned line)
{
	size_t low = 0;
	size_t high = source->n_pieces;
	const struct piece *piece;

	if (line == 0)
		line = 1;
	/* The last piece that begins at or before `line`. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (source->pieces[middle].first <= line)
			low = middle;
		else
			high = middle;
	}
	piece = &source->pieces[low];
	return (struct conf_place){.file = source->files[piece->file],
				   .line = piece->line + (line - piece->first)};
}
