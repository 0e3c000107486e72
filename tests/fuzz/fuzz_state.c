/*
 * The state file under a first line that fits: any text may be refused, in words; one
 * that is accepted must read the same after it was saved, and what it says of backends must lie
 * over a configuration so that our own processes can read that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "conf/overlay.h"
#include "conf/state.h"
#include "fuzz/fuzz.h"

#define HEAD "# tidegate state 1 xxh64 %016" PRIx64 "\n"

static char *
with_head(const uint8_t *input, size_t len, size_t *ret_n)
{
	char head[64];
	int n = snprintf(head, sizeof(head), HEAD, hash_bytes(input, len, 0));
	char *text = malloc((size_t)n + len + 1);

	if (!text)
		abort();
	memcpy(text, head, (size_t)n);
	memcpy(text + n, input, len);
	*ret_n = (size_t)n + len;
	return text;
}

static void
check_same_again(const struct conf_state *state)
{
	struct conf_state *again;
	struct err err;
	char *first;
	char *second;
	size_t n_first;
	size_t n_second;

	if (conf_state_save(state, &first, &n_first) < 0 ||
	    conf_state_load(first, n_first, &again, &err) < 0 ||
	    conf_state_save(again, &second, &n_second) < 0)
		abort();
	if (n_first != n_second || memcmp(first, second, n_first) != 0)
		abort();
	conf_state_free(again);
	free(first);
	free(second);
}

static struct conf *
some_conf(void)
{
	static const char text[] =
		"workers = 1; listeners = ( { name = \"web\"; bind = \"127.0.0.1:1\"; } );\n"
		"services = ( { name = \"a\"; backends = (\n"
		"  { name = \"b\"; address = \"127.0.0.1:1\"; },\n"
		"  { name = \"p\"; address = \"a.b:1\"; slots = 2; } ); } );\n";
	struct conf_errors errors;
	struct conf *conf;

	if (conf_load_text(text, sizeof(text) - 1, "fuzz", &conf, &errors) < 0)
		abort();
	return conf;
}

static void
check_laid_over(const struct conf_state *state)
{
	struct conf *conf = some_conf();
	struct conf_draft *d;
	struct conf *next;
	struct conf *child;
	struct err err;
	int fd;

	if (conf_draft_open(conf, &d) < 0 || conf_draft_apply(d, state, NULL, NULL) < 0)
		abort();
	next = conf_draft_finish(d);
	conf_number(next);
	if (conf_save_fd(next, &fd, &err) < 0 || conf_load_fd(fd, &child, &err) < 0)
		abort();
	if (!conf_service_equal(&next->services[0], &child->services[0]))
		abort();
	close(fd);
	conf_unref(child);
	conf_unref(next);
	conf_unref(conf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct conf_state *state;
	struct err err = {.text = ""};
	size_t n;
	char *text = with_head(input, len, &n);

	if (conf_state_load(text, n, &state, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
	} else {
		check_same_again(state);
		check_laid_over(state);
		conf_state_free(state);
	}
	free(text);
	/* As it comes: refused for its first line, or good. */
	if (conf_state_load((const char *)input, len, &state, &err) == 0)
		conf_state_free(state);
	return 0;
}
