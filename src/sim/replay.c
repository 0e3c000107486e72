#include "sim/replay.h"

#include <stdlib.h>
#include <string.h>

#include "autoscale/record.h"

#define FILE_MAX ((size_t)1 << 30)

struct replaying {
	const char *path;
	const struct policy *other;
	bool is_json;
	FILE *out;
	size_t line;
	struct replay_counts counts;
	struct record_plan plan;
};

static void
tell(const struct replaying *r, const struct decide_input *in, uint32_t recorded, uint32_t decided)
{
	if (r->is_json)
		fprintf(r->out,
			"{\"line\": %zu, \"now_ms\": %lld, \"recorded\": %u, \"decided\": %u, \"same\": %s}\n",
			r->line, (long long)in->snapshot.now_ms, recorded, decided,
			recorded == decided ? "true" : "false");
	else if (recorded != decided)
		fprintf(r->out, "%s:%zu: recorded %u, decided %u\n", r->path, r->line, recorded, decided);
}

static int
replay_line(struct replaying *r, const char *text, size_t n, struct err *err)
{
	struct decide_input in;
	struct decision decision;
	struct record *record;
	struct err why;
	int rc = record_read(text, n, &record, &why);

	if (rc < 0)
		return err_set(err, (enum tg_errno)-rc, "%s:%zu: no record of a decision: %.400s", r->path,
			       r->line, why.text);
	rc = record_plan(record, &r->plan, &why);
	if (rc < 0) {
		record_free(record);
		return err_set(err, (enum tg_errno)-rc, "%s:%zu: %.400s", r->path, r->line, why.text);
	}
	in = record_input(record);
	if (r->other != NULL)
		policy_judge(r->other, &in);
	decide(&in, &decision);
	r->counts.n++;
	if (decision.desired == record_desired(record))
		r->counts.same++;
	else
		r->counts.different++;
	tell(r, &in, record_desired(record), decision.desired);
	record_free(record);
	return 0;
}

static bool
is_any(char c, const char *of)
{
	return c != '\0' && strchr(of, c) != NULL;
}

/* Of a list in JSON its brackets and commas, too. */
static int
replay_text(struct replaying *r, const char *text, size_t n, struct err *err)
{
	const char *end = text + n;
	int rc = 0;

	while (rc == 0 && text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		const char *next = stop != NULL ? stop + 1 : end;
		const char *last = stop != NULL ? stop : end;

		r->line++;
		while (text < last && is_any(*text, "[ \t"))
			text++;
		while (last > text && is_any(last[-1], "], \t\r"))
			last--;
		if (last > text)
			rc = replay_line(r, text, (size_t)(last - text), err);
		text = next;
	}
	return rc;
}

int
replay_file(const char *path, const struct policy *other, bool is_json, FILE *out,
	    struct replay_counts *ret, struct err *err)
{
	struct replaying r = {.path = path, .other = other, .is_json = is_json, .out = out};
	struct err why;
	char *text;
	size_t n;
	int rc = conf_read_file(path, FILE_MAX, &text, &n, &why);

	if (rc < 0)
		return err_set(err, (enum tg_errno)-rc, "%s: %.400s", path, why.text);
	rc = replay_text(&r, text, n, err);
	record_plan_fini(&r.plan);
	free(text);
	*ret = r.counts;
	return rc;
}
