/* Any bytes as an access record: one line or nothing, never a byte outside. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "ipc/ring.h"
#include "observe/access.h"

#define LINE_SIZE 49152

static char name[] = "name with space";
static struct conf_backend backends[] = {{.name = name, .segment_slot = 3},
					 {.name = name, .segment_slot = 4}};
static struct conf_service services[] = {
	{.name = name, .segment_slot = 2, .backends = backends, .n_backends = 2}};
static struct conf_listener listeners[] = {{.name = name, .segment_slot = 0},
					   {.name = name, .segment_slot = 1}};
static const struct conf conf = {
	.listeners = listeners,
	.n_listeners = 2,
	.services = services,
	.n_services = 1,
};

static struct slot_names *names;

static void
render(const struct access_record *record, size_t n, enum conf_access format)
{
	static char line[LINE_SIZE];
	size_t written = access_render(names, format, record, n, line, sizeof(line));

	if (written > sizeof(line))
		abort();
	if (written > 0 && memchr(line, '\n', written) != line + written - 1)
		abort();
	for (size_t i = 0; i + 1 < written; i++) {
		if ((unsigned char)line[i] < ' ')
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct access_record *record;

	if (names == NULL)
		names = slot_names_new(5);
	if (names == NULL || slot_names_set(names, &conf) != 0)
		abort();
	if (len == 0 || len > TG_RING_RECORD_MAX)
		return 0;
	record = malloc(len);
	if (record == NULL)
		abort();
	memcpy(record, input, len);
	render(record, len, TG_ACCESS_TEXT);
	render(record, len, TG_ACCESS_JSON);
	free(record);
	return 0;
}
