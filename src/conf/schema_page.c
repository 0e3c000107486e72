/*
 * conf/schema_page.c: the rows of error pages.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/schema_priv.h"
#include "conf/source_priv.h"
#include "conf/valid_priv.h"

#define ERROR_PAGE_MAX 65536u

static const struct conf_field page_fields[] = {
	{
		.key = "status",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_error_page, status),
		.min = 400,
		.max = 599,
		.flags = TG_CONF_REQUIRED,
		.help = "One of 400 403 404 405 408 413 414 417 429 431 500 501 502 503 504 505.",
	},
	{
		.key = "file",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_error_page, path),
		.min = 1,
		.valid = conf_valid_file,
		.flags = TG_CONF_REQUIRED,
		.help = "File with the body of the answer, at most 64K, read when the "
			"configuration is; relative to the configuration file that names it.",
	},
	{
		.key = "body_base64",
		.kind = &conf_kind_base64,
		TG_MEMBER(conf_error_page, body),
		.count_offset = offsetof(struct conf_error_page, body_len),
		.flags = TG_CONF_INTERNAL,
		.help = "The body itself.",
	},
	{.key = NULL},
};

static bool
is_page_status(unsigned status)
{
	static const unsigned allowed[] = {400, 403, 404, 405, 408, 413, 414, 417,
					   429, 431, 500, 501, 502, 503, 504, 505};

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (allowed[i] == status)
			return true;
	}
	return false;
}

static void
page_read(struct conf_check *check, struct conf_error_page *page)
{
	char path[4096];
	char *text;
	struct err err;

	if (!conf_check_path(check, "file", page->path, path, sizeof(path)))
		return;
	if (conf_read_file(path, ERROR_PAGE_MAX, &text, &page->body_len, &err) < 0) {
		conf_check_error(check, "file", "%.256s: %.200s", path, err.text);
		return;
	}
	page->body = arena_copy(conf_check_arena(check), text, page->body_len);
	if (!page->body)
		conf_check_no_memory(check);
	free(text);
}

static void
page_check(struct conf_check *check, void *object)
{
	struct conf_error_page *page = object;

	if (page->status != 0 && !is_page_status(page->status))
		conf_check_error(
			check, "status",
			"no page for %u; allowed: 400 403 404 405 408 413 414 417 429 431 500 501 "
			"502 503 504 505",
			page->status);
	if (page->path && !page->body)
		page_read(check, page);
}

static const char *
page_status(const void *element, char *buf, size_t size)
{
	snprintf(buf, size, "%u", ((const struct conf_error_page *)element)->status);
	return buf;
}

static const struct conf_unique page_unique[] = {
	{.key = "status", .what = "status", .text = page_status},
	{.text = NULL},
};

const struct conf_schema conf_schema_page = {
	.title = "Error pages",
	.help = "The body of answers that tidegate itself gives in place of the service.",
	.fields = page_fields,
	.size = sizeof(struct conf_error_page),
	.unique = page_unique,
	.check = page_check,
};
