/*
 * Any bytes to a control socket, in pieces: lines and their payloads. The first byte says how long
 * pieces are. However they are cut, what comes out is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/framing.h"
#include "fuzz/fuzz.h"

static void
must(bool holds)
{
	if (!holds)
		abort();
}

struct seen {
	enum framing_result result; /* the last one */
	struct output all;
};

static void
note(struct seen *seen, const struct framing_line *line)
{
	must(strlen(line->text) <= TG_ADMIN_LINE_MAX);
	must(strchr(line->text, '\n') == NULL);
	output_text(&seen->all, line->text);
	output_text(&seen->all, line->payload != NULL ? "\npayload\n" : "\n");
	if (line->payload == NULL)
		return;
	must(line->payload_n <= TG_ADMIN_PAYLOAD_MAX);
	must(line->payload_n == 0 || line->payload[line->payload_n - 1] == '\n');
	output_add(&seen->all, line->payload, line->payload_n);
}

static void
run(const uint8_t *input, size_t len, size_t piece, struct seen *ret)
{
	struct framing *f = malloc(sizeof(*f));
	bool has_ended = false;
	size_t at = 0;

	must(f != NULL);
	framing_init(f);
	*ret = (struct seen){.result = FRAMING_MORE};
	output_init(&ret->all, (size_t)1 << 26);
	for (;;) {
		struct framing_line line;
		size_t room;
		size_t n;
		char *to;

		ret->result = framing_next(f, has_ended, &line);
		if (ret->result == FRAMING_LINE) {
			note(ret, &line);
			if (has_ended && framing_is_empty(f))
				break;
			continue;
		}
		if (ret->result != FRAMING_MORE || has_ended)
			break;
		to = framing_room(f, &room);
		must(room > 0);
		n = len - at < piece ? len - at : piece;
		n = n < room ? n : room;
		if (n > 0)
			memcpy(to, input + at, n);
		framing_add(f, n);
		at += n;
		has_ended = n == 0;
		if (has_ended && framing_is_empty(f))
			break;
	}
	framing_fini(f);
	free(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct seen whole;
	struct seen pieces;

	if (len == 0)
		return 0;
	run(input + 1, len - 1, SIZE_MAX, &whole);
	run(input + 1, len - 1, (size_t)input[0] + 1, &pieces);
	must(whole.result == pieces.result);
	must(whole.all.n == pieces.all.n);
	must(whole.all.n == 0 || memcmp(whole.all.bytes, pieces.all.bytes, whole.all.n) == 0);
	output_fini(&whole.all);
	output_fini(&pieces.all);
	return 0;
}
