/*
 * conf/state.c: the state file's text, by the same rows and reader as the configuration.
 */
#include "conf/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "conf/print_priv.h"
#include "conf/reader_priv.h"
#include "conf/report_priv.h"
#include "conf/schema_priv.h"
#include "conf/source_priv.h"

#define HEAD      "# tidegate state 1 xxh64 "
#define HASH_N    16u
#define HEAD_N    (sizeof(HEAD) - 1 + HASH_N + 1)
#define TEXT_MAX  4096u
#define ORDER_MAX 1000000u

struct state_box {
	struct conf_state state; /* first */
	struct arena arena;
};

#define TEXT_ROW(name, what, n_min)                                                                \
	{                                                                                          \
		.key = #name, .kind = &conf_kind_text, TG_MEMBER(conf_state_order, name),          \
		.min = (n_min), .max = TEXT_MAX, .flags = TG_CONF_REQUIRED, .help = (what)         \
	}

#define OPTIONAL_ROW(name, what)                                                                   \
	{                                                                                          \
		.key = #name, .kind = &conf_kind_text, TG_MEMBER(conf_state_order, name),          \
		.min = 1, .max = TEXT_MAX, .help = (what)                                          \
	}

static const struct conf_field order_fields[] = {
	OPTIONAL_ROW(service, "Service."),
	OPTIONAL_ROW(backend, "Backend in it."),
	OPTIONAL_ROW(listener, "Listener, of its own limit."),
	TEXT_ROW(property, "What was ordered.", 1),
	TEXT_ROW(value, "In the words of the command.", 1),
	TEXT_ROW(was, "What was configured then.", 0),
	{
		.key = "when",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_state_order, when_us),
		.max = INT64_MAX,
		.flags = TG_CONF_REQUIRED,
		.help = "Microseconds since 1970.",
	},
	TEXT_ROW(who, "By whom.", 0),
	TEXT_ROW(why, "For what reason.", 0),
	{.key = NULL},
};

static const struct conf_schema schema_order = {
	.fields = order_fields,
	.size = sizeof(struct conf_state_order),
};

static const struct conf_field state_fields[] = {
	{
		.key = "orders",
		TG_LIST(conf_state, orders, n_orders),
		.schema = &schema_order,
		.max = ORDER_MAX,
		.flags = TG_CONF_REQUIRED,
		.help = "Orders of operators.",
	},
	{
		.key = "nodes",
		TG_LIST(conf_state, nodes, n_nodes),
		.schema = &conf_schema_node,
		.max = TG_NODES_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "Where backends could be started.",
	},
	{
		.key = "left_nodes",
		TG_LIST(conf_state, left_nodes, n_left_nodes),
		.schema = &conf_schema_node,
		.max = TG_LEFT_NODES_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "Where they could before a reload.",
	},
	{.key = NULL},
};

static const struct conf_schema schema_state = {
	.fields = state_fields,
	.size = sizeof(struct conf_state),
};

static void
format_head(const char *text, size_t n, char head[HEAD_N + 1])
{
	snprintf(head, HEAD_N + 1, HEAD "%016" PRIx64 "\n", hash_bytes(text, n, 0));
}

/* loading */

static int
check_head(const char *text, size_t n, struct err *err)
{
	char head[HEAD_N + 1];

	if (n < HEAD_N || memcmp(text, HEAD, sizeof(HEAD) - 1) != 0)
		return err_set(err, TG_EPROTO, "it is not a state file of this version");
	format_head(text + HEAD_N, n - HEAD_N, head);
	if (memcmp(text, head, HEAD_N) != 0)
		return err_set(err, TG_EPROTO, "its checksum is wrong: cut, damaged or edited");
	return 0;
}

static int
fail(struct conf_report *report, const struct conf_source *source, struct err *err)
{
	struct conf_errors errors = {.n = 0};

	conf_report_finish(report, source, &errors);
	err_set(err, TG_EINVAL, "%.400s", errors.n > 0 ? errors.list[0].text : "no memory");
	conf_errors_fini(&errors);
	return -TG_EINVAL;
}

int
conf_state_load(const char *text, size_t n, struct conf_state **ret, struct err *err)
{
	struct conf_report report = {.n = 0};
	struct conf_source *source;
	struct state_box *box;
	int rc = check_head(text, n, err);

	if (rc < 0)
		return rc;
	box = calloc(1, sizeof(*box));
	if (!box || conf_source_memory(text, n, TG_CONF_STATE_MAX, "state", &report, &source) < 0) {
		free(box);
		conf_report_fini(&report);
		return err_no_memory(err);
	}
	if (conf_report_is_clean(&report))
		conf_read(source, true, &box->arena, &report, &schema_state, &box->state, NULL,
			  NULL);
	if (conf_report_is_clean(&report)) {
		*ret = &box->state;
	} else {
		rc = fail(&report, source, err);
		conf_state_free(&box->state);
	}
	conf_source_close(source);
	return rc;
}

void
conf_state_free(struct conf_state *state)
{
	struct state_box *box = (struct state_box *)state;

	if (!box)
		return;
	arena_fini(&box->arena);
	free(box);
}

/* saving */

int
conf_state_save(const struct conf_state *state, char **ret, size_t *ret_n)
{
	char head[HEAD_N + 1];
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	bool failed;

	if (!out)
		return -TG_ENOMEM;
	fprintf(out, "%*s", (int)HEAD_N, "");
	conf_print_object(&schema_state, state, out);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return -TG_ENOMEM;
	}
	format_head(text + HEAD_N, n - HEAD_N, head);
	memcpy(text, head, HEAD_N);
	*ret = text;
	*ret_n = n;
	return 0;
}
