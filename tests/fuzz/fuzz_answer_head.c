/* Any bytes as the head of an answer, also to a HEAD request, in any pieces: all agree. */
#include "fuzz/fuzz.h"
#include "fuzz/heads.h"

static struct http1_parser *parser;

static void
check_answer(const struct http_head *head, const char *data, size_t n)
{
	check_fields(head, data, n);
	must_lie_in(head->reason, data, n);
	must(head->is_answer && head->minor <= 1);
	must(head->status >= 100 && head->status <= 599);
	must(head->body != HTTP_BODY_UNTIL_CLOSE || !head->keep_alive);
	if (head->status < 200 || head->status == 204 || head->status == 304)
		must(head->body == HTTP_BODY_NONE);
	if (head->body == HTTP_BODY_LENGTH)
		must(head->has_content_length && head->content_length > 0);
	if (head->wants_upgrade)
		must(head->upgrade.n > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static const struct http1_limits limits[] = {
		{.head_bytes = 32768, .headers = FUZZ_HEADERS},
		{.head_bytes = 64, .headers = 2},
	};
	const char *data = (const char *)input;

	if (parser == NULL)
		parser = http1_parser_new(FUZZ_HEADERS);
	must(parser != NULL);
	if (len > 8192)
		return 0;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct outcome plain = parse_all_ways(parser, ANSWER, data, len, &limits[i]);
		struct outcome to_head;

		if (plain.result == HTTP1_HEAD)
			check_answer(&plain.head, data, len);
		to_head = parse_all_ways(parser, ANSWER_TO_HEAD, data, len, &limits[i]);
		/* Only the body depends on the request. */
		must(plain.result == to_head.result && plain.fault == to_head.fault &&
		     plain.n == to_head.n);
		if (to_head.result == HTTP1_HEAD)
			must(to_head.head.body == HTTP_BODY_NONE);
	}
	return 0;
}
