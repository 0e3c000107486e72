/* Any bytes as an order about the configuration: refused in words, or read the same once it is saved again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "ipc/reload_order.h"

static void
check_same_again(const struct reload_order *o, const uint8_t *input, size_t len)
{
	struct err err;
	char *bytes;
	size_t n;
	int fd;

	if (reload_order_save_fd(o, &fd, &err) < 0 ||
	    reload_text_load_fd(fd, TG_RELOAD_ORDER_MAX, &bytes, &n, &err) < 0)
		abort();
	if (n != len || memcmp(bytes, input, len) != 0)
		abort();
	free(bytes);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct err err = {.text = ""};
	struct reload_order o;
	int fd;

	if (reload_text_save_fd((const char *)input, len, &fd, &err) < 0)
		return 0;
	if (reload_order_load_fd(fd, &o, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
	} else {
		check_same_again(&o, input, len);
		reload_order_fini(&o);
	}
	close(fd);
	return 0;
}
