/*
 * base/log.h: one event per line to one descriptor, key=value or JSON.
 *
 * A line is one write(2); it never blocks a worker longer than the kernel
 * takes the bytes. Levels: error = an operator must act; warn = degraded,
 * going on; info = state changes; debug = the rest.
 *
 *	log_write(TG_LOG_INFO, "worker started", "worker=%u", id);
 * text: 2026-11-23T08:00:00.123456Z level=info role=proxy msg="worker started" worker=3
 * json: {"time":"...","level":"info","role":"proxy","msg":"worker started","worker":3}
 *
 * The format is a list of key=value pairs separated by one space; a value
 * that may hold spaces or quotes is given as key=%s and is quoted by the
 * writer when it must be (so each pair has exactly one conversion at most).
 * In JSON a value that is one of %d %i %u, of any length and without a width,
 * is a number; every other one is a string.
 */
#ifndef TG_BASE_LOG_H
#define TG_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"

enum log_level {
	TG_LOG_ERROR = 0,
	TG_LOG_WARN = 1,
	TG_LOG_INFO = 2,
	TG_LOG_DEBUG = 3,
	TG_LOG_LEVEL_COUNT
};

enum log_format { TG_LOG_TEXT = 0, TG_LOG_JSON = 1, TG_LOG_FORMAT_COUNT };

/* Before threads start; `role` must outlive the log (a string literal). Descriptor stays the caller's. */
void log_init(int fd, enum log_format format, enum log_level level, const char *role);
/* Later, from any thread. */
void log_set_level(enum log_level level);
/* The same of the format. */
void log_set_format(enum log_format format);
enum log_level log_level(void);
bool log_is_on(enum log_level level);
/* "error", "warn", "info", "debug"; false: none of them. */
const char *log_level_str(enum log_level level);
bool log_level_find(const char *word, enum log_level *ret);
/* `pairs` may be NULL. Thread-safe. Longer than 4096 bytes is cut with "..." */
void log_write(enum log_level level, const char *msg, const char *pairs, ...) TG_PRINTF(3, 4);

/*
 * Who else hears every line up to TG_LOG_INFO, whatever level is written, with its newline:
 * in the thread that logs, which must be one only. NULL: nobody.
 */
typedef void log_heard_cb(void *user, const char *line, size_t n);
void log_listen(log_heard_cb *heard, void *user);

/* While on, the listener hears nothing: for lines that are no events of ours. In its thread. */
void log_hush(bool is_on);

/* Repeats of one site, limited and counted: true when this one is to be
 * written; *ret_suppressed tells how many were not since the last. */
struct log_limit {
	_Atomic unsigned long window; /* which the budget belongs to, counted from the clock's zero */
	_Atomic unsigned used;        /* lines in it */
	_Atomic unsigned suppressed;
};
/* `n` in each window of so many seconds. */
bool log_limit_pass_in(struct log_limit *limit, unsigned window_s, unsigned n, struct mono now,
		       unsigned *ret_suppressed);
bool log_limit_pass(struct log_limit *limit, unsigned per_second, struct mono now,
		    unsigned *ret_suppressed);

/* "2026-11-23T08:00:00.123456Z"; returns the length. Needs 28 bytes. */
size_t log_time(char *buf, size_t size, struct wall t);
/* Appends `s` as the inside of a JSON string (no quotes), escaping what RFC 8259
 * section 7 demands and every byte above 0x7e that is not valid UTF-8. Returns bytes written, never
 * more than `size`; a value that does not fit is cut at a character. */
size_t log_json_escape(char *buf, size_t size, const char *s, size_t n);
/* Appends `s` as a text value: bare when it is made of visible ASCII without
 * space, '"' and '='; else in double quotes with \" \\ \xNN escapes. */
size_t log_text_escape(char *buf, size_t size, const char *s, size_t n);

#endif
