#include "tls/hello.h"

#include <stdlib.h>
#include <string.h>

/* RFC 8446 5.1, 4 */
#define RECORD_FIXED      5u
#define RECORD_MAX        16384u
#define RECORD_LEAST      20 /* change_cipher_spec */
#define RECORD_HANDSHAKE  22
#define RECORD_MOST       24 /* heartbeat: RFC 6520 */
#define VERSION_MAJOR     3
#define MESSAGE_FIXED     4u
#define MESSAGE_CLIENT    1
#define RANDOM_BYTES      34u /* and legacy_version before it */
#define EXTENSION_NAME    0
#define EXTENSION_ALPN    16

static size_t
read16(const unsigned char *p)
{
	return (size_t)p[0] << 8 | p[1];
}

static size_t
record_length(const unsigned char *record)
{
	return read16(record + 3);
}

/* As far as the first `n` bytes of a record say. */
static bool
is_record(const unsigned char *record, size_t n)
{
	if (n > 0 && record[0] != RECORD_HANDSHAKE)
		return false;
	if (n > 1 && record[1] != VERSION_MAJOR)
		return false;
	return n < RECORD_FIXED ||
	       (record_length(record) > 0 && record_length(record) <= RECORD_MAX);
}

/* Of what is no record that a ClientHello begins in. */
static enum hello_verdict
judge_other(const unsigned char *p, size_t n)
{
	if (p[0] < RECORD_LEAST || p[0] > RECORD_MOST)
		return HELLO_NOT_TLS;
	if (n < 2)
		return HELLO_INCOMPLETE;
	return p[1] == VERSION_MAJOR ? HELLO_WRONG : HELLO_NOT_TLS;
}

/* The first bytes of the message, without the records around them; how many of `max` there are. */
static size_t
gather(const unsigned char *p, size_t n, unsigned char *to, size_t max)
{
	size_t got = 0;
	size_t at = 0;

	while (got < max && n - at > RECORD_FIXED) {
		size_t here = record_length(p + at);

		at += RECORD_FIXED;
		if (here > n - at)
			here = n - at;
		if (here > max - got)
			here = max - got;
		memcpy(to + got, p + at, here);
		got += here;
		at += here;
	}
	return got;
}

/* Whether all is there, of `have` bytes of the message. */
static enum hello_verdict
judge(const unsigned char *p, size_t n, size_t have)
{
	unsigned char head[MESSAGE_FIXED];
	size_t head_n = gather(p, n, head, sizeof(head));
	size_t length;

	if (head_n > 0 && head[0] != MESSAGE_CLIENT)
		return HELLO_WRONG;
	if (head_n < sizeof(head))
		return HELLO_INCOMPLETE;
	length = (size_t)head[1] << 16 | read16(head + 2);
	if (length > TG_HELLO_MAX)
		return HELLO_TOO_LONG;
	return have >= MESSAGE_FIXED + length ? HELLO_WHOLE : HELLO_INCOMPLETE;
}

enum hello_verdict
hello_scan(struct hello_scan *s, const unsigned char *p, size_t n)
{
	enum hello_verdict verdict = HELLO_INCOMPLETE;

	while (verdict == HELLO_INCOMPLETE) {
		const unsigned char *record = p + s->record_at;
		size_t left = n - s->record_at;
		size_t length;

		if (!is_record(record, left))
			return s->record_at == 0 ? judge_other(record, left) : HELLO_WRONG;
		if (left <= RECORD_FIXED)
			break;
		length = record_length(record);
		if (left < RECORD_FIXED + length)
			return judge(p, n, s->body_n + left - RECORD_FIXED);
		s->record_at += RECORD_FIXED + length;
		s->body_n += length;
		verdict = judge(p, s->record_at, s->body_n);
	}
	return verdict;
}

/* What is left to be read. */
struct bytes {
	const unsigned char *p;
	size_t n;
};

static bool
take(struct bytes *from, size_t n, struct bytes *ret)
{
	if (from->n < n)
		return false;
	*ret = (struct bytes){from->p, n};
	from->p += n;
	from->n -= n;
	return true;
}

/* A vector behind its length of `length_n` bytes. */
static bool
take_vector(struct bytes *from, size_t length_n, struct bytes *ret)
{
	struct bytes length;

	if (!take(from, length_n, &length))
		return false;
	return take(from, length_n == 1 ? length.p[0] : read16(length.p), ret);
}

/* RFC 7301 3.1: names that are not empty. */
static bool
read_alpn(struct bytes extension, struct hello *ret)
{
	struct bytes list;
	struct bytes name;

	if (ret->alpn != NULL || !take_vector(&extension, 2, &list) || extension.n > 0 ||
	    list.n == 0)
		return false;
	ret->alpn = list.p;
	ret->alpn_n = list.n;
	while (list.n > 0)
		if (!take_vector(&list, 1, &name) || name.n == 0)
			return false;
	return true;
}

static bool
read_name(struct bytes extension, bool *has_name, struct hello *ret)
{
	int rc;

	if (*has_name)
		return false;
	*has_name = true;
	rc = sni_parse(extension.p, extension.n, ret->name);
	return rc == 0 || rc == -TG_EINVAL;
}

static bool
read_extensions(struct bytes list, struct hello *ret)
{
	bool has_name = false;
	struct bytes type;
	struct bytes extension;

	while (list.n > 0) {
		if (!take(&list, 2, &type) || !take_vector(&list, 2, &extension))
			return false;
		if (read16(type.p) == EXTENSION_NAME && !read_name(extension, &has_name, ret))
			return false;
		if (read16(type.p) == EXTENSION_ALPN && !read_alpn(extension, ret))
			return false;
	}
	return true;
}

/* RFC 8446 4.1.2. Before TLS 1.2 there may be no extensions. */
static bool
read_body(struct bytes body, struct hello *ret)
{
	struct bytes passed;
	struct bytes extensions;

	if (!take(&body, RANDOM_BYTES, &passed) || !take_vector(&body, 1, &passed) ||
	    !take_vector(&body, 2, &passed) || passed.n == 0 || !take_vector(&body, 1, &passed) ||
	    passed.n == 0)
		return false;
	if (body.n == 0)
		return true;
	return take_vector(&body, 2, &extensions) && body.n == 0 && read_extensions(extensions, ret);
}

int
hello_read(const unsigned char *p, size_t n, struct hello *ret)
{
	unsigned char head[MESSAGE_FIXED];
	struct hello hello = {.name = ""};
	size_t message_n;

	(void)gather(p, n, head, sizeof(head));
	message_n = MESSAGE_FIXED + ((size_t)head[1] << 16 | read16(head + 2));
	hello.message = malloc(message_n);
	if (hello.message == NULL)
		return -TG_ENOMEM;
	(void)gather(p, n, hello.message, message_n);
	if (!read_body((struct bytes){hello.message + MESSAGE_FIXED, message_n - MESSAGE_FIXED},
		       &hello)) {
		free(hello.message);
		return -TG_EPROTO;
	}
	*ret = hello;
	return 0;
}

void
hello_fini(struct hello *hello)
{
	free(hello->message);
	hello->message = NULL;
}
