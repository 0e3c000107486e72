/*
 * conf/schema_priv.h: one table per struct, which everything is made from.
 *
 * A row (struct conf_field) names a key, where its value goes, what is allowed
 * and what it means. Reader, defaults, checks, conf_print() and the manual
 * page all walk these rows; none of them knows a key by name.
 */
#ifndef TG_CONF_SCHEMA_PRIV_H
#define TG_CONF_SCHEMA_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "conf/conf.h"
#include "conf/suggest.h"

struct conf_check;
struct conf_schema;

/* What stands behind '=', when it is no group and no list. */
enum conf_value_type {
	TG_VALUE_TEXT = 0,
	TG_VALUE_INTEGER = 1,
	TG_VALUE_BOOLEAN = 2,
	TG_VALUE_DECIMAL = 3,
	TG_VALUE_TYPE_COUNT
};

struct conf_value {
	enum conf_value_type type;
	const char *text;
	long long integer; /* and boolean: 0 or 1 */
	double decimal;
};

#define TG_CONF_REQUIRED (1u << 0) /* no default */
#define TG_CONF_INTERNAL (1u << 1) /* only between our own processes */
#define TG_CONF_SECRET   (1u << 2) /* shown to nobody but our own processes */
#define TG_CONF_CONTROL  (1u << 3) /* of the control plane: the proxy is not told */
#define TG_CONF_TRAFFIC  (1u << 4) /* of who serves clients: the keeper is not told */
#define TG_CONF_KEY	 (1u << 5) /* of who signs: with key_isolation the proxy is not told */

struct conf_field {
	const char *key; /* NULL ends the table */
	const struct conf_kind *kind;
	size_t offset;	     /* in the struct that is read */
	size_t size;	     /* of the member; of an element for lists */
	size_t count_offset; /* lists: the member that takes the length */
	const char *preset;  /* default, as it would be written; NULL: unset (0, NULL, false) */
	const char *preset_note; /* the manual's words for a default that is worked out */
	uint64_t min;		 /* number, milliseconds, bytes, length of a list or text */
	uint64_t max;
	const char *const *words;	/* by value of the enum, NULL at the end */
	const char *const *later_words; /* known, not available yet */
	const struct conf_schema *schema;      /* group, or elements of a list */
	const struct conf_kind *element_kind; /* list of plain values */
	int (*valid)(const char *text, struct err *err); /* beyond the kind's own checks */
	bool (*when)(const void *object);		 /* NULL: always allowed */
	const char *when_text;				 /* "with mode = \"http\"" */
	unsigned flags;
	bool (*is_secret)(const void *object); /* with TG_CONF_SECRET; NULL: always */
	const char *help; /* mdoc text, one or more sentences */
};

/* How one sort of value is read, shown and described. */
struct conf_kind {
	const char *name;    /* manual: "duration" */
	const char *wanted;  /* errors: "a duration" */
	const char *allowed; /* errors, behind "allowed: "; NULL: the range says it */
	unsigned accepts;    /* 1u << enum conf_value_type */
	/* Checks `v` and stores it at `dest`, with memory of `arena`. NULL: group, list, later. */
	int (*take)(struct arena *arena, const struct conf_field *f, const struct conf_value *v,
		    void *dest, struct err *err);
	/* As it would be written. */
	void (*print)(const struct conf_field *f, const void *src, FILE *out);
	bool (*is_set)(const struct conf_field *f, const void *src); /* NULL: always */
	/* Whether two that are set are printed the same; of a setting, which has it besides its key. NULL: when their bytes
	 * are the same. */
	bool (*is_equal)(const struct conf_field *f, const void *a, const void *b);
	/* A limit in words, for range errors and the manual. NULL: plain number. */
	void (*print_limit)(uint64_t limit, char *buf, size_t size);
};

/* What may be there only once in a list; the text of one element, NULL: does not count. */
struct conf_unique {
	const char *key;  /* where the error is shown; NULL: at the element */
	const char *what; /* "name": "already the name of services[0]" */
	const char *(*text)(const void *element, char *buf, size_t size);
};

struct conf_schema {
	const char *title; /* manual section */
	const char *help;
	const struct conf_field *fields;
	size_t size;		/* of an element when it stands in a list */
	const char *shorthand;	/* a plain string instead of { } is this key */
	const struct conf_unique *unique; /* among the elements of a list; text NULL at the end */
	bool (*is_copy)(const void *element); /* made of the one before: not shown; NULL: none */
	/* Takes the keys that have no row: a list of struct conf_setting; its `key` is what the manual calls them.
	 * NULL: such keys are errors. */
	const struct conf_field *rest;
	void (*check)(struct conf_check *check, void *object); /* after all rows are read */
};

extern const struct conf_kind conf_kind_text;	  /* char * */
extern const struct conf_kind conf_kind_argument; /* char *, as element of a list */
extern const struct conf_kind conf_kind_boolean;  /* bool */
extern const struct conf_kind conf_kind_integer;  /* uint16_t, uint32_t, uint64_t, unsigned */
extern const struct conf_kind conf_kind_duration; /* uint64_t milliseconds */
extern const struct conf_kind conf_kind_size;	  /* uint32_t or uint64_t bytes */
extern const struct conf_kind conf_kind_ratio;	  /* uint32_t thousandths; range too */
extern const struct conf_kind conf_kind_cause;	  /* uint16_t, see conf.h */
extern const struct conf_kind conf_kind_word;	  /* an enum */
extern const struct conf_kind conf_kind_prefix;	  /* struct prefix */
extern const struct conf_kind conf_kind_server;	  /* struct addr of a name server */
extern const struct conf_kind conf_kind_base64;	  /* struct conf_bytes */
extern const struct conf_kind conf_kind_service;  /* const struct conf_service *; linked by the reader */
extern const struct conf_kind conf_kind_module;   /* char *, as element of a list: a file, which is loaded */
extern const struct conf_kind conf_kind_setting;  /* struct conf_setting without its key */
extern const struct conf_kind conf_kind_label;    /* the same; a text */
extern const struct conf_kind conf_kind_group;
extern const struct conf_kind conf_kind_list;
extern const struct conf_kind conf_kind_later; /* known, refused */

extern const struct conf_schema conf_schema_top;
extern const struct conf_schema conf_schema_listener;
extern const struct conf_schema conf_schema_service;
extern const struct conf_schema conf_schema_buffer_request;
extern const struct conf_schema conf_schema_buffer_response;
extern const struct conf_schema conf_schema_health;
extern const struct conf_schema conf_schema_agent;
extern const struct conf_schema conf_schema_hold; /* of a struct conf_service, its autoscale read */
extern const struct conf_schema conf_schema_hook;
extern const struct conf_schema conf_schema_acme;

/* It is one of acme, and there is no such file yet. */
bool conf_certificate_is_awaited(const struct conf_certificate *c);
/* Makes one for the while. -TG_ENOMEM, -TG_EINVAL. */
TG_MUST_CHECK int conf_place_certificate(struct arena *arena, struct conf_certificate *c,
					 const struct conf_acme *acme, struct err *err);
extern const struct conf_schema conf_schema_node;
extern const struct conf_schema conf_schema_outlier;
extern const struct conf_schema conf_schema_placement;
extern const struct conf_schema conf_schema_labels;
extern const struct conf_schema conf_schema_provider;
extern const struct conf_schema conf_schema_retry;
extern const struct conf_schema conf_schema_sticky;
extern const struct conf_schema conf_schema_back_http2;
extern const struct conf_schema conf_schema_back_tls;
extern const struct conf_schema conf_schema_tls; /* of a struct conf_listener, its mode read */
extern const struct conf_schema conf_schema_store;
extern const struct conf_schema conf_schema_page;
extern const struct conf_schema conf_schema_autoscale;
extern const struct conf_schema conf_schema_backend;

/* Whether its `when` holds. */
static inline bool
conf_field_applies(const struct conf_field *f, const void *object)
{
	return !f->when || f->when(object);
}

/* The same, and its value is there: of all kinds but groups and lists. */
static inline bool
conf_field_is_set(const struct conf_field *f, const void *object)
{
	return conf_field_applies(f, object) &&
	       (!f->kind->is_set || f->kind->is_set(f, (const char *)object + f->offset));
}

/* Of a list, or of keys that have no row: the first one, and how many they are. */
static inline const void *
conf_field_elements(const struct conf_field *f, const void *object, size_t *ret_n)
{
	const void *elements;

	memcpy(&elements, (const char *)object + f->offset, sizeof(elements));
	memcpy(ret_n, (const char *)object + f->count_offset, sizeof(*ret_n));
	return elements;
}

/* Whether the value of this row is for our own processes alone. */
static inline bool
conf_field_is_secret(const struct conf_field *f, const void *object)
{
	return (f->flags & TG_CONF_SECRET) != 0 && (f->is_secret == NULL || f->is_secret(object));
}

/* Milliseconds, for ranges. */
#define TG_SECOND UINT64_C(1000)
#define TG_HOUR   (3600 * TG_SECOND)
#define TG_DAY    (24 * TG_HOUR)

/* Rows. `m` is the member of struct `s`. */
#define TG_MEMBER(s, m) .offset = offsetof(struct s, m), .size = sizeof(((struct s *)0)->m)
#define TG_LIST(s, m, n) \
	.kind = &conf_kind_list, .offset = offsetof(struct s, m), \
	.size = sizeof(*((struct s *)0)->m), .count_offset = offsetof(struct s, n)
/* Rows of struct conf_http2 that listeners and services have. */
#define TG_HTTP2_STREAMS(help_text)                                                                \
	{                                                                                          \
		.key = "max_streams", .kind = &conf_kind_integer,                                  \
		TG_MEMBER(conf_http2, max_streams), .preset = "100", .min = 1, .max = 10000,       \
		.help = (help_text),                                                               \
	}
#define TG_HTTP2_WINDOW(help_text)                                                                 \
	{                                                                                          \
		.key = "stream_window", .kind = &conf_kind_size,                                   \
		TG_MEMBER(conf_http2, stream_window), .preset = "64K", .min = 16384,               \
		.max = 16777216, .help = (help_text),                                              \
	}
#define TG_HTTP2_CONNECTION_WINDOW(preset_text, help_text)                                         \
	{                                                                                          \
		.key = "connection_window", .kind = &conf_kind_size,                               \
		TG_MEMBER(conf_http2, connection_window), .preset = (preset_text), .min = 65536,   \
		.max = 67108864, .help = (help_text),                                              \
	}
#define TG_LATER(name) {.key = name, .kind = &conf_kind_later}

/*** For check functions ***/

/* Whether the key was written in this group. */
bool conf_check_given(const struct conf_check *check, const char *key);
/* Errors so far, of the whole text. */
size_t conf_check_errors(const struct conf_check *check);
/* Whether the text is of our own processes. */
bool conf_check_is_internal(const struct conf_check *check);
/* Whether the group was written at all: presets are checked too. */
bool conf_check_group_given(const struct conf_check *check);
/* An error at `key`, or at the group when it was not written. */
void conf_check_error(struct conf_check *check, const char *key, const char *fmt, ...)
	TG_PRINTF(3, 4);
/* A warning there. */
void conf_check_warn(struct conf_check *check, const char *key, const char *fmt, ...)
	TG_PRINTF(3, 4);
/* An error at `key` of element `i` of the list at `list`. */
void conf_check_element_error(struct conf_check *check, const char *list, unsigned i,
			      const char *key, const char *fmt, ...) TG_PRINTF(5, 6);
/* A warning there. */
void conf_check_element_warn(struct conf_check *check, const char *list, unsigned i,
			     const char *key, const char *fmt, ...) TG_PRINTF(5, 6);
struct arena *conf_check_arena(struct conf_check *check);
void conf_check_no_memory(struct conf_check *check);
/* The file that `key` was written in; NULL: memory, where relative names mean nothing. */
const char *conf_check_file(const struct conf_check *check, const char *key);

/* Longest path of a configuration file, and of the working directory before it. */
#define TG_CONF_ORIGIN_MAX 8192u

/* The checks of `autoscale` that need the rest of its service. */
void conf_check_scaled(struct conf_check *check, const struct conf_service *service);

/* Who places backends of a service, and what is set for it. */
void conf_check_placed(struct conf_check *check, const struct conf_service *service);

/* What reads certificates; NULL: nobody. */
const struct conf_certificates *conf_certificates(void);
/* An error or a warning; `is_of_key`: of the file of the key. */
typedef void conf_certificate_told(void *user, bool is_error, bool is_of_key, const char *text);
/* A conf_certificate_told, of this as `user`: at `key`, or at "key" what is of the key. */
struct conf_telling {
	struct conf_check *check;
	const char *key;
};
void conf_check_told(void *user, bool is_error, bool is_of_key, const char *text);
/* Reads what is at c->path, c->key_path: c->loaded, in `arena`. What an operator gave stays where its files have not changed.
 * False: an error was told. Where c->loaded was read before, an error of one file of a folder costs none of the others: it
 * is told, and what was read of that file stays, else it is left out; false where nothing is left. */
bool conf_read_certificate(struct arena *arena, struct conf_certificate *c,
			   conf_certificate_told *told, void *user);
/* A copy in `arena`. False: no memory. */
bool conf_loaded_copy(struct arena *arena, const struct conf_loaded *from, struct conf_loaded *ret);
bool conf_left_out_copy(struct arena *arena, struct conf_certificate *c);
/* How the files of this one look. */
uint64_t conf_loaded_look(const struct conf_loaded *l);
/* Checks an OCSP response that was read for another certificate of the file. False: it is of no use. */
bool conf_ocsp_fits(const struct conf_loaded *l);
/* The same of one file: a folder is an error. What was read in *ret. */
bool conf_read_own(struct arena *arena, struct conf_certificate *c, struct conf_pem *ret,
		   conf_certificate_told *told, void *user);
/* The same of what is at f->path: f->pem. */
bool conf_read_authorities(struct arena *arena, struct conf_pem_file *f, conf_certificate_told *told,
			   void *user);
bool conf_read_revoked(struct arena *arena, struct conf_pem_file *f, conf_certificate_told *told,
		       void *user);
/* Files of TLS to another program, at the keys ca, certificate and key, for what is told of them only: who speaks to it reads
 * them by itself. `certificate` and `key` may be NULL both. `told` has a conf_telling. */
void conf_look_at_files(struct conf_check *check, char *ca, char *certificate, char *key,
			conf_certificate_told *told);
/* Where the authorities of this system are. NULL: nowhere that is known. */
const char *conf_system_authorities(void);
/* What can be seen of a file without reading it, with what was seen before. */
uint64_t conf_look(const char *path, uint64_t so_far);
/* `name` as the file says it that has `key`: beside that file, where it is relative. False: too long, or relative
 * where there is no file, which is an error at `key`. */
bool conf_check_path(struct conf_check *check, const char *key, const char *name, char *buf,
		     size_t size);
/* The same, with memory of the configuration. False: it was told. */
bool conf_check_find_path(struct conf_check *check, const char *key, const char *name, char **ret);

/* What knows modules; NULL: nobody. */
const struct conf_modules *conf_modules(void);
/* As conf_set_web() was told; 0: nobody did. */
int conf_web_check(struct err *err);

/* Longest text of who ordered something, and why. */
#define TG_CONF_NOTE_MAX 4096u

/* As many backends as an entry has slots, to `ret`, with memory of `arena`. False: no memory. */
bool conf_make_slots(struct arena *arena, const struct conf_backend *entry,
		     struct conf_backend *ret);
/* Makes as many backends of each entry as it has slots. */
void conf_expand_slots(struct conf_check *check, struct conf_service *service);

/*** Text of values ***/

/* "64K", "1M", "1G", "4096". */
TG_MUST_CHECK int conf_size_parse(const char *text, uint64_t *ret_bytes, struct err *err);
void conf_duration_format(uint64_t ms, char *buf, size_t size);
void conf_size_format(uint64_t bytes, char *buf, size_t size);
/* Escaped so that reading it gives the same bytes, `${` included. */
void conf_print_text(const char *text, FILE *out);

/* "${NAME}", "${NAME:-default}"; "$${" is a plain "${". Takes memory of `arena`. */
TG_MUST_CHECK int conf_expand(struct arena *arena, const char *text, const char **ret,
			      struct err *err);

#endif
