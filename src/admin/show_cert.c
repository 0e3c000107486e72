/* admin/show_cert.c: which certificates listeners have, and until when. */
#include "admin/command.h"
#include "base/log.h"
#include "tls/inventory.h"

static void
print_time(struct output *out, struct wall t)
{
	char text[32];

	/* Whole seconds are all there is. */
	(void)log_time(text, sizeof(text), t);
	output_format(out, "%.19sZ", text);
}

static void
print_ocsp(struct output *out, const struct inventory_entry *e)
{
	if (e->ocsp.until.us != 0)
		print_time(out, e->ocsp.until);
	else
		output_text(out, "-");
}

static void
print_text(struct output *out, const struct inventory_entry *e, struct wall now)
{
	output_plain(out, e->listener);
	output_text(out, " ");
	output_plain(out, e->file);
	output_text(out, " ");
	print_time(out, e->not_after);
	output_format(out, " %lld %s %s ", inventory_days_left(e->not_after, now), e->kind,
		      e->fingerprint);
	output_plain(out, e->names[0] != '\0' ? e->names : "-");
	output_text(out, " ");
	print_ocsp(out, e);
	output_text(out, "\n");
}

static void
print_json(struct output *out, const struct inventory_entry *e, struct wall now, bool is_first)
{
	output_text(out, is_first ? "[{\"listener\":" : ",\n{\"listener\":");
	output_json(out, e->listener);
	output_text(out, ",\"file\":");
	output_json(out, e->file);
	output_text(out, ",\"names\":");
	output_json(out, e->names);
	output_text(out, ",\"issuer\":");
	output_json(out, e->issuer);
	output_text(out, ",\"not_before\":\"");
	print_time(out, e->not_before);
	output_text(out, "\",\"not_after\":\"");
	print_time(out, e->not_after);
	output_format(out,
		      "\",\"days_left\":%lld,\"kind\":\"%s\",\"sha256\":\"%s\",\"ocsp_until\":",
		      inventory_days_left(e->not_after, now), e->kind, e->fingerprint);
	output_text(out, e->ocsp.until.us != 0 ? "\"" : "null}");
	if (e->ocsp.until.us == 0)
		return;
	print_ocsp(out, e);
	output_text(out, "\"}");
}

static void
run(const struct command *c, struct command_call *call)
{
	struct output *out = call->out;
	struct wall now = wall_read();
	struct inventory *inventory;

	if (!command_has_none(c, call))
		return;
	inventory = inventory_new(call->source->conf);
	if (inventory == NULL) {
		command_fail(call, TG_COMMAND_LIMIT, "%s", "no memory");
		return;
	}
	if (!call->json)
		output_text(out,
			    "# listener file not_after days_left kind sha256 names ocsp_until\n");
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
	.help = "certificates of listeners: file, names, until when, fingerprint, OCSP",
	.run = run,
};
