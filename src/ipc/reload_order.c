#include "ipc/reload_order.h"

#include <errno.h>
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
	uint32_t reserved;
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

int
reload_text_save_fd(const char *text, size_t n, int *ret_fd, struct err *err)
{
	int fd = memfd_create("tidegate-reload", MFD_CLOEXEC);

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
		return err_set(err, TG_ENOMEM, "no memory");
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

int
reload_order_save_fd(const struct reload_order *o, int *ret_fd, struct err *err)
{
	const char *const texts[N_TEXTS] = {o->who, o->why, o->service, o->backend, o->text};
	struct head head = {.what = (uint32_t)o->what, .when_us = o->when_us};
	char bytes[TG_RELOAD_ORDER_MAX];
	size_t n = sizeof(head);
	size_t i;

	memcpy(bytes, &head, sizeof(head));
	for (i = 0; i < N_TEXTS; i++) {
		size_t len = strlen(texts[i]) + 1;

		if (len > sizeof(bytes) - n)
			return err_set(err, TG_ELIMIT, "an order of more than %u bytes",
				       TG_RELOAD_ORDER_MAX);
		memcpy(bytes + n, texts[i], len);
		n += len;
	}
	return reload_text_save_fd(bytes, n, ret_fd, err);
}

/* Each text ends within the `n` bytes, and nothing is behind the last. */
static bool
find_texts(const char *at, size_t n, const char *ret[N_TEXTS])
{
	size_t i;

	for (i = 0; i < N_TEXTS; i++) {
		const char *end = memchr(at, '\0', n);

		if (end == NULL)
			return false;
		ret[i] = at;
		n -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	return n == 0;
}

int
reload_order_load_fd(int fd, struct reload_order *ret, struct err *err)
{
	const char *texts[N_TEXTS];
	struct head head;
	char *bytes;
	size_t n;
	int rc = reload_text_load_fd(fd, TG_RELOAD_ORDER_MAX, &bytes, &n, err);

	if (rc < 0)
		return rc;
	if (n >= sizeof(head))
		memcpy(&head, bytes, sizeof(head));
	if (n < sizeof(head) || head.what >= RELOAD_WHAT_COUNT || head.reserved != 0 ||
	    !find_texts(bytes + sizeof(head), n - sizeof(head), texts)) {
		free(bytes);
		return err_set(err, TG_EPROTO, "not an order");
	}
	*ret = (struct reload_order){
		.what = (enum reload_what)head.what,
		.when_us = head.when_us,
		.who = texts[0],
		.why = texts[1],
		.service = texts[2],
		.backend = texts[3],
		.text = texts[4],
		.memory = bytes,
	};
	return 0;
}

void
reload_order_fini(struct reload_order *o)
{
	free(o->memory);
	*o = (struct reload_order){.memory = NULL};
}
