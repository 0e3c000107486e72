/* Any bytes as the answer of a program that starts backends: what is taken is whole and fit to be used. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "provider/exec_answer.h"

static void
check_instance(const struct instance *i)
{
	if (i->name[0] == '\0' || memchr(i->name, '\0', sizeof(i->name)) == NULL ||
	    memchr(i->why, '\0', sizeof(i->why)) == NULL || i->state >= TG_INSTANCE_STATE_COUNT)
		abort();
	if (i->state == TG_INSTANCE_RUNNING && !i->has_addr)
		abort();
	if (i->has_addr && (i->addr.len == 0 || addr_port(&i->addr) == 0))
		abort();
	for (const char *c = i->why; *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	/* A copy of its own, so that a read past its end is seen. */
	char *text = malloc(len + (len == 0));
	struct instance *list = NULL;
	struct addr addr = {.len = 0};
	struct err err = {.text = ""};
	bool has_addr = false;
	size_t n = 0;

	if (text == NULL)
		return 0;
	if (len > 0)
		memcpy(text, input, len);
	if (exec_parse_list(text, len, &list, &n, &err) == 0) {
		for (size_t i = 0; i < n; i++) {
			check_instance(&list[i]);
			if (i > 0 && strcmp(list[i - 1].name, list[i].name) >= 0)
				abort();
		}
		free(list);
	} else if (err.text[0] == '\0') {
		abort();
	}
	if (exec_parse_start(text, len, &has_addr, &addr, &err) == 0 && has_addr &&
	    addr_port(&addr) == 0)
		abort();
	(void)!exec_parse_stop(text, len, &err);
	free(text);
	return 0;
}
