/*
 * conf/kind.c: the sorts of value a key can have.
 */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "conf/schema_priv.h"

#define TEXT_MAX 1024u

#define ACCEPT_TEXT    (1u << TG_VALUE_TEXT)
#define ACCEPT_INTEGER (1u << TG_VALUE_INTEGER)
#define ACCEPT_BOOLEAN (1u << TG_VALUE_BOOLEAN)
#define ACCEPT_DECIMAL (1u << TG_VALUE_DECIMAL)

/*** Integers of several widths ***/

static void
store_integer(const struct conf_field *f, uint64_t value, void *dest)
{
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (f->size) {
	case 2:
		memcpy(dest, &u16, 2);
		break;
	case 4:
		memcpy(dest, &u32, 4);
		break;
	default:
		assert(f->size == 8);
		memcpy(dest, &value, 8);
	}
}

static uint64_t
load_integer(const struct conf_field *f, const void *src)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (f->size) {
	case 2:
		memcpy(&u16, src, 2);
		return u16;
	case 4:
		memcpy(&u32, src, 4);
		return u32;
	default:
		assert(f->size == 8);
		memcpy(&u64, src, 8);
		return u64;
	}
}

static void
print_plain_limit(uint64_t limit, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRIu64, limit);
}

static int
out_of_range(const struct conf_field *f, const char *shown, struct err *err)
{
	char low[32];
	char high[32];

	f->kind->print_limit(f->min, low, sizeof(low));
	f->kind->print_limit(f->max, high, sizeof(high));
	return err_set(err, TG_ERANGE, "%s is out of range; allowed: %s to %s", shown, low, high);
}

/*** text ***/

static int
store_text(struct arena *arena, const char *text, void *dest, struct err *err)
{
	char *copy = arena_copy(arena, text, strlen(text));

	if (!copy)
		return err_no_memory(err);
	memcpy(dest, &copy, sizeof(copy));
	return 0;
}

static const char *
load_text(const void *src)
{
	const char *text;

	memcpy(&text, src, sizeof(text));
	return text;
}

static int
text_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	  struct err *err)
{
	size_t n = strlen(v->text);
	uint64_t max = f->max ? f->max : TEXT_MAX;
	int r;

	if (n < f->min && f->min > 1)
		return err_set(err, TG_ERANGE, "shorter than %" PRIu64 " bytes", f->min);
	if (n < f->min)
		return err_set(err, TG_ERANGE, "must not be empty");
	if (n > max)
		return err_set(err, TG_ERANGE, "longer than %" PRIu64 " bytes", max);
	r = f->valid ? f->valid(v->text, err) : 0;
	return r < 0 ? r : store_text(arena, v->text, dest, err);
}

static void
text_print(const struct conf_field *f, const void *src, FILE *out)
{
	(void)f;
	conf_print_text(load_text(src), out);
}

static bool
text_is_equal(const struct conf_field *f, const void *a, const void *b)
{
	(void)f;
	return strcmp(load_text(a), load_text(b)) == 0;
}

static bool
pointer_is_set(const struct conf_field *f, const void *src)
{
	const void *p;

	(void)f;
	memcpy(&p, src, sizeof(p));
	return p != NULL;
}

const struct conf_kind conf_kind_text = {
	.name = "string",
	.wanted = "a string",
	.accepts = ACCEPT_TEXT,
	.take = text_take,
	.print = text_print,
	.is_equal = text_is_equal,
	.is_set = pointer_is_set,
};

/*** argument: a text whose length is not that of the list it stands in ***/

#define ARGUMENT_MAX 4096u

static int
argument_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v,
	      void *dest, struct err *err)
{
	(void)f;
	if (strlen(v->text) > ARGUMENT_MAX)
		return err_set(err, TG_ERANGE, "longer than %u bytes", ARGUMENT_MAX);
	return store_text(arena, v->text, dest, err);
}

const struct conf_kind conf_kind_argument = {
	.name = "string",
	.wanted = "a string",
	.accepts = ACCEPT_TEXT,
	.take = argument_take,
	.print = text_print,
	.is_equal = text_is_equal,
};

/*** module: the file of one ***/

static int
module_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	    struct err *err)
{
	(void)f;
	if (v->text[0] != '/')
		return err_set(err, TG_EINVAL, "\"%.200s\" is no absolute path", v->text);
	if (strlen(v->text) > TEXT_MAX)
		return err_set(err, TG_ERANGE, "longer than %u bytes", TEXT_MAX);
	return store_text(arena, v->text, dest, err);
}

const struct conf_kind conf_kind_module = {
	.name = "string",
	.wanted = "an absolute path as a string",
	.accepts = ACCEPT_TEXT,
	.take = module_take,
	.print = text_print,
	.is_equal = text_is_equal,
};

/*** setting: of a module, which says what it means ***/

static int
setting_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v,
	     void *dest, struct err *err)
{
	struct conf_setting *s = dest;

	(void)f;
	switch (v->type) {
	case TG_VALUE_TEXT:
		s->type = TG_SETTING_TEXT;
		if (strlen(v->text) > TEXT_MAX)
			return err_set(err, TG_ERANGE, "longer than %u bytes", TEXT_MAX);
		return store_text(arena, v->text, &s->text, err);
	case TG_VALUE_BOOLEAN:
		s->type = TG_SETTING_BOOLEAN;
		s->number = v->integer != 0;
		return 0;
	case TG_VALUE_INTEGER:
		s->number = (double)v->integer;
		break;
	case TG_VALUE_DECIMAL:
		s->number = v->decimal;
		break;
	case TG_VALUE_TYPE_COUNT:
		break;
	}
	s->type = TG_SETTING_NUMBER;
	return isfinite(s->number) ? 0 : err_set(err, TG_ERANGE, "is not a finite number");
}

/* The shortest text that reads back as the same. */
static void
print_number(double number, FILE *out)
{
	char buf[32];

	if (fabs(number) < 1e15 && floor(number) == number) {
		fprintf(out, "%.0f", number);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, number);
		if (strtod(buf, NULL) == number)
			break;
	}
	fputs(buf, out);
}

static void
setting_print(const struct conf_field *f, const void *src, FILE *out)
{
	const struct conf_setting *s = src;

	(void)f;
	switch (s->type) {
	case TG_SETTING_NUMBER:
		print_number(s->number, out);
		break;
	case TG_SETTING_BOOLEAN:
		fputs(s->number != 0 ? "true" : "false", out);
		break;
	case TG_SETTING_TEXT:
		conf_print_text(s->text, out);
		break;
	case TG_SETTING_TYPE_COUNT:
		break;
	}
}

static bool
setting_is_equal(const struct conf_field *f, const void *a, const void *b)
{
	const struct conf_setting *x = a;
	const struct conf_setting *y = b;

	(void)f;
	if (x->type != y->type)
		return false;
	return x->type == TG_SETTING_TEXT ? strcmp(x->text, y->text) == 0 : x->number == y->number;
}

const struct conf_kind conf_kind_setting = {
	.name = "number, boolean or string",
	.wanted = "a number, a string, or true or false",
	.accepts = ACCEPT_TEXT | ACCEPT_INTEGER | ACCEPT_BOOLEAN | ACCEPT_DECIMAL,
	.take = setting_take,
	.print = setting_print,
	.is_equal = setting_is_equal,
};

/*** label: a text under a key of one's own ***/

#define LABEL_MAX 255u

static int
label_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	   struct err *err)
{
	struct conf_setting *s = dest;

	(void)f;
	s->type = TG_SETTING_TEXT;
	if (strlen(v->text) > LABEL_MAX)
		return err_set(err, TG_ERANGE, "longer than %u bytes", LABEL_MAX);
	return store_text(arena, v->text, &s->text, err);
}

const struct conf_kind conf_kind_label = {
	.name = "string",
	.wanted = "a string",
	.accepts = ACCEPT_TEXT,
	.take = label_take,
	.print = setting_print,
	.is_equal = setting_is_equal,
};

/*** boolean ***/

static int
boolean_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v,
	     void *dest, struct err *err)
{
	bool value = v->integer != 0;

	(void)arena;
	(void)f;
	(void)err;
	memcpy(dest, &value, sizeof(value));
	return 0;
}

static void
boolean_print(const struct conf_field *f, const void *src, FILE *out)
{
	bool value;

	(void)f;
	memcpy(&value, src, sizeof(value));
	fputs(value ? "true" : "false", out);
}

const struct conf_kind conf_kind_boolean = {
	.name = "boolean",
	.wanted = "true or false",
	.accepts = ACCEPT_BOOLEAN,
	.take = boolean_take,
	.print = boolean_print,
};

/*** integer ***/

static int
integer_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v,
	     void *dest, struct err *err)
{
	char shown[32];

	(void)arena;
	if (v->integer < 0 || (uint64_t)v->integer < f->min || (uint64_t)v->integer > f->max) {
		snprintf(shown, sizeof(shown), "%lld", v->integer);
		return out_of_range(f, shown, err);
	}
	store_integer(f, (uint64_t)v->integer, dest);
	return 0;
}

static void
integer_print(const struct conf_field *f, const void *src, FILE *out)
{
	uint64_t value = load_integer(f, src);

	fprintf(out, "%" PRIu64 "%s", value, value > INT32_MAX ? "L" : "");
}

const struct conf_kind conf_kind_integer = {
	.name = "integer",
	.wanted = "an integer",
	.accepts = ACCEPT_INTEGER,
	.take = integer_take,
	.print = integer_print,
	.print_limit = print_plain_limit,
};

/*** ratio: a decimal number, kept in thousandths ***/

static void
print_thousandths(uint64_t value, char *buf, size_t size)
{
	size_t n =
		(size_t)snprintf(buf, size, "%" PRIu64 ".%03" PRIu64, value / 1000, value % 1000);

	/* At least one digit stays behind the point. */
	while (n > 2 && n < size && buf[n - 1] == '0' && buf[n - 2] != '.')
		buf[--n] = '\0';
}

static int
ratio_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	   struct err *err)
{
	double value = v->type == TG_VALUE_DECIMAL ? v->decimal : (double)v->integer;
	double thousandths = value * 1000 + 0.5;
	char shown[48];

	(void)arena;
	/* Written so that what is not a number is out of range too. */
	if (!(value >= 0 && thousandths >= (double)f->min && value * 1000 <= (double)f->max)) {
		snprintf(shown, sizeof(shown), "%g", value);
		return out_of_range(f, shown, err);
	}
	store_integer(f, (uint64_t)thousandths, dest);
	return 0;
}

static void
ratio_print(const struct conf_field *f, const void *src, FILE *out)
{
	char buf[32];

	print_thousandths(load_integer(f, src), buf, sizeof(buf));
	fputs(buf, out);
}

const struct conf_kind conf_kind_ratio = {
	.name = "decimal number",
	.wanted = "a decimal number",
	.accepts = ACCEPT_INTEGER | ACCEPT_DECIMAL,
	.take = ratio_take,
	.print = ratio_print,
	.print_limit = print_thousandths,
};

/*** cause: why a request is tried again ***/

static const char *const cause_words[] = {"connect", "empty-response", "response-timeout"};

static int
cause_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	   struct err *err)
{
	unsigned long status;
	char *end;

	(void)arena;
	for (size_t i = 0; i < TG_CAUSE_COUNT; i++) {
		if (strcmp(v->text, cause_words[i]) == 0) {
			store_integer(f, i, dest);
			return 0;
		}
	}
	status = v->text[0] >= '4' && v->text[0] <= '5' ? strtoul(v->text, &end, 10) : 0;
	if (status < TG_CAUSE_STATUS_MIN || status > TG_CAUSE_STATUS_MAX || *end != '\0')
		return err_set(
			err, TG_EINVAL,
			"unknown cause \"%.64s\"; allowed: \"connect\", "
			"\"empty-response\", \"response-timeout\", a status \"400\" to \"599\"",
			v->text);
	store_integer(f, status, dest);
	return 0;
}

static void
cause_print(const struct conf_field *f, const void *src, FILE *out)
{
	uint64_t cause = load_integer(f, src);

	if (cause < TG_CAUSE_COUNT)
		fprintf(out, "\"%s\"", cause_words[cause]);
	else
		fprintf(out, "\"%" PRIu64 "\"", cause);
}

const struct conf_kind conf_kind_cause = {
	.name = "cause",
	.wanted = "a cause as a string",
	.accepts = ACCEPT_TEXT,
	.take = cause_take,
	.print = cause_print,
};

/*** duration and size ***/

static int
duration_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v,
	      void *dest, struct err *err)
{
	uint64_t ms;
	int r = conf_duration_parse(v->text, &ms, err);

	(void)arena;
	if (r == 0 && (ms < f->min || ms > f->max))
		r = out_of_range(f, v->text, err);
	if (r == 0)
		store_integer(f, ms, dest);
	return r;
}

static void
duration_print(const struct conf_field *f, const void *src, FILE *out)
{
	char buf[32];

	conf_duration_format(load_integer(f, src), buf, sizeof(buf));
	fprintf(out, "\"%s\"", buf);
}

const struct conf_kind conf_kind_duration = {
	.name = "duration",
	.wanted = "a duration",
	.allowed = "\"500ms\", \"1s\", \"2m\", \"1h\", \"1d\"",
	.accepts = ACCEPT_TEXT,
	.take = duration_take,
	.print = duration_print,
	.print_limit = conf_duration_format,
};

static int
size_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	  struct err *err)
{
	char shown[32];
	uint64_t bytes = 0;
	bool negative = false;
	int r = 0;

	(void)arena;
	if (v->type == TG_VALUE_TEXT) {
		r = conf_size_parse(v->text, &bytes, err);
		snprintf(shown, sizeof(shown), "%.31s", v->text);
	} else {
		negative = v->integer < 0;
		bytes = (uint64_t)v->integer;
		snprintf(shown, sizeof(shown), "%lld", v->integer);
	}
	if (r == 0 && (negative || bytes < f->min || bytes > f->max))
		r = out_of_range(f, shown, err);
	if (r == 0)
		store_integer(f, bytes, dest);
	return r;
}

static void
size_print(const struct conf_field *f, const void *src, FILE *out)
{
	char buf[32];

	conf_size_format(load_integer(f, src), buf, sizeof(buf));
	fprintf(out, "\"%s\"", buf);
}

const struct conf_kind conf_kind_size = {
	.name = "size",
	.wanted = "a size",
	.allowed = "\"64K\", \"1M\", \"1G\", or bytes as an integer",
	.accepts = ACCEPT_TEXT | ACCEPT_INTEGER,
	.take = size_take,
	.print = size_print,
	.print_limit = conf_size_format,
};

/*** word ***/

static void
words_join(const char *const *words, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (; *words && n < size; words++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", *words);
}

static bool
words_have(const char *const *words, const char *word)
{
	for (; words && *words; words++) {
		if (strcmp(*words, word) == 0)
			return true;
	}
	return false;
}

static int
word_unknown(const struct conf_field *f, const char *word, struct err *err)
{
	struct conf_suggest near;
	char all[256];

	words_join(f->words, all, sizeof(all));
	if (words_have(f->later_words, word))
		return err_set(err, TG_ENOTSUP,
			       "\"%s\" is not available in this version; allowed: %s", word, all);
	conf_suggest_start(&near, word);
	for (const char *const *w = f->words; *w; w++)
		conf_suggest_offer(&near, *w);
	if (near.best)
		return err_set(err, TG_EINVAL,
			       "unknown value \"%.64s\"; allowed: %s (did you mean \"%s\"?)", word,
			       all, near.best);
	return err_set(err, TG_EINVAL, "unknown value \"%.64s\"; allowed: %s", word, all);
}

static int
word_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	  struct err *err)
{
	(void)arena;
	for (unsigned i = 0; f->words[i]; i++) {
		if (strcmp(f->words[i], v->text) == 0) {
			store_integer(f, i, dest);
			return 0;
		}
	}
	return word_unknown(f, v->text, err);
}

static void
word_print(const struct conf_field *f, const void *src, FILE *out)
{
	fprintf(out, "\"%s\"", f->words[load_integer(f, src)]);
}

const struct conf_kind conf_kind_word = {
	.name = "string",
	.wanted = "a string",
	.accepts = ACCEPT_TEXT,
	.take = word_take,
	.print = word_print,
};

/*** prefix ***/

static int
prefix_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	    struct err *err)
{
	(void)arena;
	(void)f;
	return prefix_parse(v->text, dest, err);
}

static void
prefix_print(const struct conf_field *f, const void *src, FILE *out)
{
	const struct prefix *p = src;
	char buf[64];

	(void)f;
	ip_format(&p->ip, buf, sizeof(buf));
	fprintf(out, "\"%s/%u\"", buf, ip_is_v4(&p->ip) ? p->bits - 96u : p->bits);
}

const struct conf_kind conf_kind_prefix = {
	.name = "prefix",
	.wanted = "an address or prefix as a string",
	.accepts = ACCEPT_TEXT,
	.take = prefix_take,
	.print = prefix_print,
};

/*** server: where a name server listens ***/

#define DNS_PORT 53u

static int
server_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	    struct err *err)
{
	char with_port[TG_ADDR_STRLEN];
	struct endpoint e;
	struct ip ip;
	int r;

	(void)arena;
	(void)f;
	snprintf(with_port, sizeof(with_port), strchr(v->text, ':') ? "[%s]:%u" : "%s:%u", v->text,
		 DNS_PORT);
	r = endpoint_parse(ip_parse(v->text, strlen(v->text), &ip) == 0 ? with_port : v->text, 0,
			   &e, err);
	if (r < 0)
		return r;
	if (e.addr.u.sa.sa_family == AF_UNIX)
		return err_set(err, TG_EINVAL,
			       "\"%s\" is a file; allowed: address, or address:port", v->text);
	memcpy(dest, &e.addr, sizeof(e.addr));
	return 0;
}

static void
server_print(const struct conf_field *f, const void *src, FILE *out)
{
	char buf[TG_ADDR_STRLEN];

	(void)f;
	fprintf(out, "\"%s\"", addr_format(src, buf, sizeof(buf)));
}

static bool
server_is_equal(const struct conf_field *f, const void *a, const void *b)
{
	(void)f;
	return addr_equal(a, b);
}

const struct conf_kind conf_kind_server = {
	.name = "address",
	.wanted = "an address as a string",
	.accepts = ACCEPT_TEXT,
	.take = server_take,
	.print = server_print,
	.is_equal = server_is_equal,
};

/*** service: a name here, a pointer once all services are known ***/

static const char *
service_name(const void *src)
{
	const struct conf_service *service;

	memcpy(&service, src, sizeof(service));
	return service->name;
}

static void
service_print(const struct conf_field *f, const void *src, FILE *out)
{
	(void)f;
	conf_print_text(service_name(src), out);
}

static bool
service_is_equal(const struct conf_field *f, const void *a, const void *b)
{
	(void)f;
	return strcmp(service_name(a), service_name(b)) == 0;
}

const struct conf_kind conf_kind_service = {
	.name = "name of a service",
	.wanted = "the name of a service as a string",
	.accepts = ACCEPT_TEXT,
	.print = service_print,
	.is_equal = service_is_equal,
	.is_set = pointer_is_set,
};

/*** base64: bytes between our own processes; the length goes to count_offset ***/

/* The length member beside the pointer at `at`. */
static size_t
length_offset(const struct conf_field *f)
{
	return f->count_offset - f->offset;
}

static int
base64_take(struct arena *arena, const struct conf_field *f, const struct conf_value *v, void *dest,
	    struct err *err)
{
	size_t n = strlen(v->text);
	unsigned char *bytes = arena_alloc(arena, n + 1, 1);
	size_t decoded;

	if (!bytes)
		return err_no_memory(err);
	if (base64_decode(v->text, n, bytes, &decoded) < 0)
		return err_set(err, TG_EINVAL, "is not base64");
	bytes[decoded] = '\0';
	memcpy(dest, &bytes, sizeof(bytes));
	memcpy((char *)dest + length_offset(f), &decoded, sizeof(decoded));
	return 0;
}

static size_t
base64_length(const struct conf_field *f, const void *src)
{
	size_t n;

	memcpy(&n, (const char *)src + length_offset(f), sizeof(n));
	return n;
}

static bool
base64_is_equal(const struct conf_field *f, const void *a, const void *b)
{
	size_t n = base64_length(f, a);

	return n == base64_length(f, b) && memcmp(load_text(a), load_text(b), n) == 0;
}

static void
base64_print(const struct conf_field *f, const void *src, FILE *out)
{
	const char *bytes = load_text(src);
	char four[TG_BASE64_LEN(3) + 1];
	size_t n;

	n = base64_length(f, src);
	fputc('"', out);
	for (size_t i = 0; i < n; i += 3) {
		base64_encode(bytes + i, n - i < 3 ? n - i : 3, four);
		fputs(four, out);
	}
	fputc('"', out);
}

const struct conf_kind conf_kind_base64 = {
	.name = "base64",
	.wanted = "a string",
	.accepts = ACCEPT_TEXT,
	.take = base64_take,
	.print = base64_print,
	.is_equal = base64_is_equal,
	.is_set = pointer_is_set,
};

/*** kinds without a value of their own ***/

const struct conf_kind conf_kind_group = {.name = "group", .wanted = "a group { }"};
const struct conf_kind conf_kind_list = {.name = "list", .wanted = "a list ( )"};
const struct conf_kind conf_kind_later = {.name = "later"};
