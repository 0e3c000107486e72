/*
 * Text to configuration. Any text may be refused, in words; one that is
 * accepted must read the same after the way through the descriptor that our
 * processes share.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "fuzz/fuzz.h"

static char *
text_of(const struct conf *conf)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		abort();
	conf_print(conf, out);
	fclose(out);
	return text;
}

static void
check_same_again(struct conf *conf)
{
	char *first = text_of(conf);
	struct conf *again;
	char *second;
	struct err err;
	int fd;

	if (conf_save_fd(conf, &fd, &err) < 0 || conf_load_fd(fd, &again, &err) < 0)
		abort();
	second = text_of(again);
	if (strcmp(first, second) != 0)
		abort();
	free(first);
	free(second);
	conf_unref(again);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct conf_errors errors;
	struct conf *conf;

	if (conf_load_text((const char *)input, len, "fuzz", &conf, &errors) < 0) {
		if (errors.n == 0)
			abort();
		conf_errors_fini(&errors);
		return 0;
	}
	check_same_again(conf);
	conf_unref(conf);
	return 0;
}
