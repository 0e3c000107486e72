/* admin/show_cert.c: which certificates, authorities and lists of what is revoked are in use, and until when. */
#include "admin/command.h"
#include "base/log.h"
#include "tls/inventory.h"

static void
print_time(struct output *out, struct wall t)
{
	char text[32];

	if (t.us == 0) {
		output_text(out, "-");
		return;
	}
	/* Whole seconds are all there is. */
	(void)log_time(text, sizeof(text), t);
	output_format(out, "%.19sZ", text);
}

static void
print_text(struct output *out, const struct inventory_entry *e, struct wall now)
{
	output_plain(out, e->listener != NULL ? e->listener : e->service);
	output_text(out, " ");
	output_plain(out, e->file);
	output_text(out, " ");
	print_time(out, e->not_after);
	if (e->not_after.us != 0)
		output_format(out, " %lld", inventory_days_left(e->not_after, now));
	else
		output_text(out, " -");
	output_format(out, " %s %s ", e->kind, e->fingerprint);
	output_plain(out, e->names[0] != '\0' ? e->names : "-");
	output_text(out, " ");
	print_time(out, e->ocsp.until);
	output_format(out, " %s %s %s\n", e->listener != NULL ? "listener" : "service",
		      inventory_use_str(e->use), inventory_state_str(e->state));
}

static void
print_json_text(struct output *out, const char *key, const char *value)
{
	output_format(out, ",\"%s\":", key);
	if (value != NULL)
		output_json(out, value);
	else
		output_text(out, "null");
}

static void
print_json_time(struct output *out, const char *key, struct wall t)
{
	const char *quote = t.us != 0 ? "\"" : "";

	output_format(out, ",\"%s\":%s", key, quote);
	if (t.us != 0)
		print_time(out, t);
	else
		output_text(out, "null");
	output_text(out, quote);
}

static void
print_json(struct output *out, const struct inventory_entry *e, struct wall now, bool is_first)
{
	output_format(out, "%s{\"use\":\"%s\",\"state\":\"%s\"", is_first ? "[" : ",\n",
		      inventory_use_str(e->use), inventory_state_str(e->state));
	print_json_text(out, "listener", e->listener);
	print_json_text(out, "service", e->service);
	print_json_text(out, "file", e->file);
	print_json_text(out, "names", e->names);
	print_json_text(out, "issuer", e->issuer);
	print_json_time(out, "not_before", e->not_before);
	print_json_time(out, "not_after", e->not_after);
	if (e->not_after.us != 0)
		output_format(out, ",\"days_left\":%lld", inventory_days_left(e->not_after, now));
	else
		output_text(out, ",\"days_left\":null");
	output_format(out, ",\"kind\":\"%s\",\"sha256\":\"%s\",\"in_file\":%u", e->kind,
		      e->fingerprint, e->n_in_file);
	print_json_time(out, "ocsp_until", e->ocsp.until);
	output_text(out, "}");
}

static void
run(const struct command *c, struct command_call *call)
{
	struct output *out = call->out;
	struct wall now = wall_read();
	struct inventory *inventory;

	if (!command_has_none(c, call))
		return;
	inventory = inventory_new(call->source->conf, now);
	if (inventory == NULL) {
		command_fail(call, TG_COMMAND_LIMIT, "%s", "no memory");
		return;
	}
	if (!call->json)
		output_text(
			out,
			"# name file not_after days_left kind sha256 names ocsp_until of use state\n");
	for (size_t i = 0; i < inventory->n; i++) {
		if (call->json)
			print_json(out, &inventory->list[i], now, i == 0);
		else
			print_text(out, &inventory->list[i], now);
	}
	if (call->json)
		output_text(out, inventory->n > 0 ? "]\n" : "[]\n");
	inventory_free(inventory);
}

const struct command command_show_cert = {
	.name = "show cert",
	.usage = "",
	.help = "certificates of listeners and services, authorities, lists of revoked ones: file, names, until when",
	.run = run,
};
