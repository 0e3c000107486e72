#include "ipc/reload_order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_TEXTS 5

struct head {
	uint32_t what;
	uint32_t slot;
	uint64_t when_us;
};

static int
write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno != EINTR)
			return -1;
		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
		}
	}
	return 0;
}

static int
memory_file(unsigned flags)
{
	return memfd_create("tidegate-reload", MFD_CLOEXEC | flags);
}

int
reload_text_save_fd(const char *text, size_t n, int *ret_fd, struct err *err)
{
	int fd = memory_file(0);

	if (fd < 0)
		return err_set_errno(err, "memfd_create");
	if (write_all(fd, text, n) < 0) {
		err_set_errno(err, "writing to a memory file");
		close(fd);
		return -TG_EIO;
	}
	*ret_fd = fd;
	return 0;
}

int
reload_text_load_fd(int fd, size_t max, char **ret, size_t *ret_n, struct err *err)
{
	struct stat st;
	char *text;
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, "reading a memory file");
	if (st.st_size < 0 || (size_t)st.st_size > max)
		return err_set(err, TG_ELIMIT, "a memory file of more than %zu bytes", max);
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL)
		return err_no_memory(err);
	got = pread(fd, text, (size_t)st.st_size, 0);
	if (got != (ssize_t)st.st_size) {
		free(text);
		return err_set(err, TG_EIO, "a memory file cannot be read");
	}
	text[got] = '\0';
	*ret = text;
	*ret_n = (size_t)got;
	return 0;
}

/* *ret: bytes it takes. */
static int
encode(const struct reload_order *o, char bytes[TG_RELOAD_ORDER_MAX], size_t *ret, struct err *err)
{
	const char *const texts[N_TEXTS] = {o->who, o->why, o->service, o->backend, o->text};
	struct head head = {.what = (uint32_t)o->what, .slot = o->slot, .when_us = o->when_us};
	size_t n = sizeof(head);
	size_t i;

	memcpy(bytes, &head, sizeof(head));
	for (i = 0; i < N_TEXTS; i++) {
		size_t len = strlen(texts[i]) + 1;

		if (len > TG_RELOAD_ORDER_MAX - n)
			return err_set(err, TG_ELIMIT, "an order of more than %u bytes",
				       TG_RELOAD_ORDER_MAX);
		memcpy(bytes + n, texts[i], len);
		n += len;
	}
	*ret = n;
	return 0;
}

int
reload_order_save_fd(const struct reload_order *o, int *ret_fd, struct err *err)
{
	char bytes[TG_RELOAD_ORDER_MAX];
	size_t n;
	int rc = encode(o, bytes, &n, err);

	if (rc == 0)
		rc = reload_text_save_fd(bytes, n, ret_fd, err);
	if (o->what == RELOAD_SET_CERTIFICATE)
		explicit_bzero(bytes, sizeof(bytes));
	return rc;
}

/* Each text ends within the `n` bytes. NULL, else what is behind the last. */
static const char *
find_texts(const char *at, size_t n, const char *ret[N_TEXTS])
{
	size_t i;

	for (i = 0; i < N_TEXTS; i++) {
		const char *end = memchr(at, '\0', n);

		if (end == NULL)
			return NULL;
		ret[i] = at;
		n -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	return at;
}

/* One from the front of `n` bytes. NULL: there is none, else what is behind it. */
static const char *
decode(const char *at, size_t n, struct reload_order *ret)
{
	const char *texts[N_TEXTS];
	struct head head;
	const char *behind;

	if (n < sizeof(head))
		return NULL;
	memcpy(&head, at, sizeof(head));
	behind = find_texts(at + sizeof(head), n - sizeof(head), texts);
	if (head.what >= RELOAD_WHAT_COUNT || behind == NULL ||
	    (size_t)(behind - at) > TG_RELOAD_ORDER_MAX)
		return NULL;
	*ret = (struct reload_order){
		.what = (enum reload_what)head.what,
		.slot = head.slot,
		.when_us = head.when_us,
		.who = texts[0],
		.why = texts[1],
		.service = texts[2],
		.backend = texts[3],
		.text = texts[4],
	};
	return behind;
}

int
reload_order_load_fd(int fd, struct reload_order *ret, struct err *err)
{
	struct reload_order o;
	char *bytes;
	size_t n;
	int rc = reload_text_load_fd(fd, TG_RELOAD_ORDER_MAX, &bytes, &n, err);

	if (rc < 0)
		return rc;
	if (decode(bytes, n, &o) != bytes + n || o.slot != 0) {
		free(bytes);
		return err_set(err, TG_EPROTO, "not an order");
	}
	o.memory = bytes;
	*ret = o;
	return 0;
}

void
reload_order_fini(struct reload_order *o)
{
	if (o->memory != NULL && o->what == RELOAD_SET_CERTIFICATE)
		explicit_bzero((char *)(uintptr_t)o->text, strlen(o->text));
	free(o->memory);
	*o = (struct reload_order){.memory = NULL};
}

/*** Edits ***/

static int
write_order(int fd, const struct reload_order *o, struct err *err)
{
	char bytes[TG_RELOAD_ORDER_MAX];
	size_t n;
	int rc = encode(o, bytes, &n, err);

	if (rc == 0 && write_all(fd, bytes, n) < 0)
		rc = err_set_errno(err, "writing to a memory file");
	return rc;
}

int
reload_edit_save_fd(const struct reload_order *orders, size_t n, int *ret_fd, struct err *err)
{
	size_t i;
	int rc = 0;
	int fd;

	if (n == 0 || n > TG_RELOAD_EDIT_MAX)
		return err_set(err, TG_ELIMIT, "an edit of %zu orders; allowed: 1 to %u", n,
			       TG_RELOAD_EDIT_MAX);
	fd = memory_file(MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_set_errno(err, "memfd_create");
	for (i = 0; rc == 0 && i < n; i++)
		rc = write_order(fd, &orders[i], err);
	if (rc == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		rc = err_set_errno(err, "sealing a memory file");
	if (rc == 0)
		*ret_fd = fd;
	else
		close(fd);
	return rc;
}

/* Which of them have a slot is the parent's to know. */
static bool
is_edit(const struct reload_order *o)
{
	return o->what == RELOAD_ADD || (o->what == RELOAD_DELETE && o->slot == 0);
}

static bool
decode_all(struct reload_edit *e, size_t n)
{
	const char *at = e->memory;
	const char *end = at + n;

	while (at != NULL && at < end && e->n < TG_RELOAD_EDIT_MAX) {
		at = decode(at, (size_t)(end - at), &e->orders[e->n]);
		if (at != NULL && !is_edit(&e->orders[e->n++]))
			at = NULL;
	}
	return e->n > 0 && at == end;
}

int
reload_edit_load_fd(int fd, struct reload_edit *ret, struct err *err)
{
	struct reload_edit e = {.n = 0};
	size_t n;
	int rc = reload_text_load_fd(fd, (size_t)TG_RELOAD_EDIT_MAX * TG_RELOAD_ORDER_MAX,
				     &e.memory, &n, err);

	if (rc < 0)
		return rc;
	e.orders = calloc(TG_RELOAD_EDIT_MAX, sizeof(e.orders[0]));
	if (e.orders == NULL)
		rc = err_no_memory(err);
	else if (!decode_all(&e, n))
		rc = err_set(err, TG_EPROTO, "not an edit");
	if (rc == 0)
		*ret = e;
	else
		reload_edit_fini(&e);
	return rc;
}

void
reload_edit_fini(struct reload_edit *e)
{
	free(e->orders);
	free(e->memory);
	*e = (struct reload_edit){.n = 0};
}
