/*
 * Any bytes as an edit, over a small configuration: refused in words, or read the same once it is saved
 * again; and what can be applied gives a configuration that a child reads.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "proc/edit.h"

static const char file[] =
	"listeners = ( { name = \"web\"; bind = \"127.0.0.1:8080\"; service = \"api\"; } );"
	"services = ( { name = \"api\"; backends = ("
	"{ name = \"b1\"; address = \"127.0.0.1:1\"; },"
	"{ name = \"pool\"; address = \"pool.example:80\"; slots = 3; } ); } );";

static void
check_same_again(const struct reload_edit *e, const uint8_t *input, size_t len)
{
	struct err err;
	char *bytes;
	size_t n;
	int fd;

	if (reload_edit_save_fd(e->orders, e->n, &fd, &err) < 0 ||
	    reload_text_load_fd(fd, len, &bytes, &n, &err) < 0)
		abort();
	if (n != len || memcmp(bytes, input, len) != 0)
		abort();
	free(bytes);
	close(fd);
}

static void
check_readable(const struct conf *conf)
{
	struct conf *again;
	struct err err;
	int fd;

	if (conf_save_fd(conf, &fd, &err) < 0 || conf_load_fd(fd, &again, &err) < 0)
		abort();
	close(fd);
	conf_unref(again);
}

static void
apply(int fd)
{
	struct conf_errors errors = {.n = 0};
	struct edit edit = {.conf = NULL};
	struct err err = {.text = ""};
	struct conf *conf;

	if (conf_load_text(file, sizeof(file) - 1, "fuzz", &conf, &errors) < 0)
		abort();
	if (edit_load_fd(fd, conf, &edit, &err) == 0)
		check_readable(edit.conf);
	else if (err.text[0] == '\0')
		abort();
	edit_fini(&edit);
	conf_unref(conf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct err err = {.text = ""};
	struct reload_edit e;
	int fd;

	if (reload_text_save_fd((const char *)input, len, &fd, &err) < 0)
		return 0;
	if (reload_edit_load_fd(fd, &e, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
	} else {
		check_same_again(&e, input, len);
		reload_edit_fini(&e);
		apply(fd);
	}
	close(fd);
	return 0;
}
