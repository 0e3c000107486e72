/* Any bytes as a request to the HTTP port of the keeper: read as the port reads it. */
#include <stdlib.h>
#include <string.h>

#include "admin/http_ask.h"
#include "fuzz/fuzz.h"
#include "fuzz/heads.h"

static const char text[] =
	"listeners = ( { name = \"l\"; bind = \"127.0.0.1:1\"; service = \"a\"; } );\n"
	"services = ( { name = \"a\"; }, { name = \"b.c:d-e\"; } );\n";

static struct http1_parser *parser;
static struct conf *conf;

static void
check_ask(const struct http_head *head)
{
	struct http_ask ask;
	struct http_ask again;
	const char *why = NULL;
	unsigned status = http_ask_read(conf, head, &ask, &why);

	if (status != 200) {
		must(status >= 400 && status < 600 && why != NULL);
		return;
	}
	must(ask.page < TG_PAGE_COUNT);
	must(head->body == HTTP_BODY_NONE || head->content_length == 0);
	must(ask.is_head == slice_equal(head->method, SLICE("HEAD")));
	must(ask.backends == TG_BACKENDS_AS_BOUND || ask.page == TG_PAGE_METRICS);
	must(ask.ready == TG_READY_ANY || ask.page == TG_PAGE_READY);
	must(ask.ready != TG_READY_ONE || ask.service < conf->n_services);
	must(http_ask_read(conf, head, &again, &why) == 200);
	must(again.page == ask.page && again.ready == ask.ready && again.backends == ask.backends);
}

static void
start(void)
{
	struct conf_errors errors = {.list = NULL};

	parser = http1_parser_new(FUZZ_HEADERS);
	must(parser != NULL);
	must(conf_load_text(text, sizeof(text) - 1, "fuzz", &conf, &errors) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static const struct http1_limits limits = {
		.head_bytes = 8192, .uri_bytes = 2048, .headers = FUZZ_HEADERS};
	/* A copy of its own, so that a read past its end is seen. */
	char *data = malloc(len + (len == 0));
	struct outcome o;

	if (parser == NULL)
		start();
	must(data != NULL);
	if (len > 0)
		memcpy(data, input, len);
	o = parse_whole(parser, REQUEST, data, len, &limits);
	if (o.result == HTTP1_HEAD)
		check_ask(&o.head);
	free(data);
	return 0;
}
