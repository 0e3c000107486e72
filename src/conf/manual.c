/*
 * conf/manual.c: tidegate.conf(5) from the tables.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "conf/schema_priv.h"

/* The day the words below were last gone over. */
#define MANUAL_DATE "November 26, 2026"

static const char head[] =
	".Dd " MANUAL_DATE "\n"
	".Dt TIDEGATE.CONF 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm tidegate.conf\n"
	".Nd configuration of tidegate\n"
	".Sh DESCRIPTION\n"
	".Xr tidegate 8\n"
	"reads one configuration file, whole or not at all:\n"
	"every error is reported with its file and line, and nothing half-read is ever used.\n"
	".Ql tidegate -t -c FILE\n"
	"checks a file;\n"
	".Ql tidegate -t -v -c FILE\n"
	"also shows what is in effect, defaults included and routes in the order they match.\n"
	".Pp\n"
	"A setting is\n"
	".Ql key = value;\n"
	"a group is\n"
	".Ql { key = value; ... } ,\n"
	"a list is\n"
	".Ql \\&( value, value \\&) .\n"
	"Comments begin with\n"
	".Ql #\n"
	"or\n"
	".Ql //\n"
	"or stand between\n"
	".Ql /*\n"
	"and\n"
	".Ql */ .\n"
	"Values are of these kinds:\n"
	".Bl -tag -width duration\n"
	".It string\n"
	"in double quotes, with \\e\\(dq, \\e\\e, \\en and \\exNN for what cannot be written "
	"plainly;\n"
	"strings that follow each other are joined.\n"
	".It integer\n"
	"a plain number.\n"
	".It boolean\n"
	".Ql true\n"
	"or\n"
	".Ql false .\n"
	".It duration\n"
	"a string with a unit: \\(dq500ms\\(dq, \\(dq1s\\(dq, \\(dq2m\\(dq, \\(dq1h\\(dq, "
	"\\(dq1d\\(dq; \\(dq0\\(dq needs none.\n"
	".It size\n"
	"a string with a unit of 1024, \\(dq64K\\(dq, \\(dq1M\\(dq, \\(dq1G\\(dq, or bytes as an "
	"integer.\n"
	".It prefix\n"
	"an address or network as a string: \\(dq10.0.0.0/8\\(dq, \\(dq::1\\(dq.\n"
	".El\n"
	".Pp\n"
	"In every string,\n"
	".Ql ${NAME}\n"
	"is the value of an environment variable, which must be set;\n"
	".Ql ${NAME:-text}\n"
	"is\n"
	".Ql text\n"
	"when the variable is unset or empty, and\n"
	".Ql $${\n"
	"is a plain\n"
	".Ql ${ .\n"
	".Pp\n"
	"A line that begins with\n"
	".Ql @include \\(dqfile\\(dq\n"
	"is replaced by the text of that file.\n"
	"Its name is relative to the folder of the main configuration file.\n"
	".Pp\n"
	"Unknown keys are errors.\n";

/* Which status tidegate answers with by itself. */
struct status_row {
	unsigned status;
	const char *help;
};

static const struct status_row status_rows[] = {
	{400, "The request is not valid HTTP."},
	{404, "No route matches."},
	{405,
	 "A TRACE whose Max-Forwards is 0: it would have to be sent back, with all it carries."},
	{408, "The request did not come in time."},
	{413, "The body is larger than its limit."},
	{414, "The request target is longer than its limit."},
	{417, "Expect asks for something other than 100-continue."},
	{425, "The request came as early data, and is none that may be passed on so: early_data of a listener."},
	{431, "The head, or the number of its fields, is beyond its limit."},
	{501, "The method is not known or is CONNECT, or the transfer coding is not known."},
	{502, "The answer of the backend is missing or not valid."},
	{503, "No backend may serve, or none accepts a connection; with Retry-After: 1, or the seconds that are left until a start of one is tried again."},
	{504, "Connecting to the backend, or its answer, took too long."},
	{505, "The version of HTTP is not one that is spoken here."},
};

static const char http_notes[] =
	".Pp\n"
	"A request whose\n"
	".Ql Connection\n"
	"names\n"
	".Ql host ,\n"
	".Ql content-length ,\n"
	".Ql transfer-encoding\n"
	"or\n"
	".Ql expect\n"
	"is refused with 400: taking these fields out would change what the request is.\n"
	"So is one whose\n"
	".Ql Connection\n"
	"fields name more than 16 different fields, or more than 64 options in all.\n"
	".Pp\n"
	".Ql Max-Forwards\n"
	"of a TRACE or OPTIONS request is counted down by one.\n"
	"Where it is 0 the request goes no further:\n"
	"OPTIONS is answered with 200 and no body, TRACE with 405.\n"
	".Pp\n"
	"An answer of a backend without\n"
	".Ql Date\n"
	"gets one.\n"
	".Pp\n"
	"A request whose\n"
	".Ql Content-Type\n"
	"is that of gRPC gets these answers as gRPC has them: status 200, and\n"
	".Ql grpc-status\n"
	"14 (unavailable) for 429, 502, 503 and where connecting took too long,\n"
	"4 (deadline exceeded) for 408 and other 504,\n"
	"16 for 401, 7 for 403, 12 for 404, 405 and 501, 8 for 413, 414 and 431, 13 for 400, 2 for others.\n"
	"The log and statistics have the status above.\n"
	"Its\n"
	".Ql grpc-timeout\n"
	"(of several the shortest) bounds the whole exchange beside\n"
	".Ic timeouts ;\n"
	"when it is over the backend's part is ended too,\n"
	"and what has begun of the answer ends with that status where it can.\n"
	"The backend hears what is left of it when the request goes out, behind a queue or another try less.\n"
	"A stream that a client sends for long needs\n"
	".Ql limits = { body = \"0\"; } ,\n"
	"and one on which nobody says anything for a minute an\n"
	".Ql idle\n"
	"of listener and service that is longer.\n"
	".Pp\n"
	"A route is no access rule.\n"
	"It compares the path with its dot segments removed and its plain characters\n"
	"unescaped, but slashes are not merged:\n"
	".Ql //admin\n"
	"is not below\n"
	".Ql /admin ,\n"
	"though a backend may take the two for one.\n"
	"Who may see what is for the backend to decide.\n";

static const char example[] =
	".Sh EXAMPLES\n"
	"Two web servers behind one address, checked by a request every second:\n"
	".Bd -literal -offset indent\n"
	"listeners = (\n"
	"\t{ name = \"web\"; bind = \"*:80\"; service = \"site\"; }\n"
	");\n"
	"services = (\n"
	"\t{ name = \"site\";\n"
	"\t  health = { type = \"http\"; path = \"/healthz\"; interval = \"1s\"; };\n"
	"\t  backends = ( \"192.0.2.11:8080\", \"192.0.2.12:8080\" ); }\n"
	");\n"
	".Ed\n"
	".Sh SEE ALSO\n"
	".Xr tidectl 1 ,\n"
	".Xr tidegate 8\n";

/*** Text ***/

/* One sentence per line, as mdoc wants it. */
static void
print_sentences(const char *text, FILE *out)
{
	for (const char *p = text; *p; p++) {
		if (p[0] == ' ' && p > text && p[-1] == '.' && isupper((unsigned char)p[1]))
			fputc('\n', out);
		else
			fputc(*p, out);
	}
	fputc('\n', out);
}

static void
print_escaped(const char *text, FILE *out)
{
	for (const char *p = text; *p; p++) {
		if (*p == '"')
			fputs("\\(dq", out);
		else if (*p == '\\')
			fputs("\\e", out);
		else
			fputc(*p, out);
	}
}

/* Plain text, one sentence per line; a line must not begin like a request. */
static void
print_plain(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (text[0] == '.' && text[1] == ' ' && isupper((unsigned char)text[2])) {
			fputs(".\n", out);
			text++;
		} else if (*text == '"') {
			fputs("\\(dq", out);
		} else if (*text == '\\') {
			fputs("\\e", out);
		} else {
			fputc(*text == '\n' ? ' ' : *text, out);
		}
	}
	fputc('\n', out);
}

static void
print_upper(const char *text, FILE *out)
{
	for (; *text; text++)
		fputc(toupper((unsigned char)*text), out);
}

/*** Rows ***/

static const char *
kind_name(const struct conf_field *f)
{
	if (f->kind != &conf_kind_list)
		return f->kind->name;
	if (f->element_kind == &conf_kind_prefix)
		return "list of prefixes";
	if (f->element_kind == &conf_kind_server)
		return "list of addresses";
	if (f->element_kind == &conf_kind_argument || f->element_kind == &conf_kind_module)
		return "list of strings";
	if (f->element_kind == &conf_kind_cause)
		return "list of strings";
	if (f->element_kind == &conf_kind_service)
		return "list of names of services";
	return f->schema->shorthand ? "list of groups or strings" : "list of groups";
}

static void
print_default(const struct conf_field *f, FILE *out)
{
	bool quoted = f->kind->accepts & 1u << TG_VALUE_TEXT;

	if (f->flags & TG_CONF_REQUIRED) {
		fputs("Required.\n", out);
	} else if (f->preset) {
		fputs("Default:\n.Ql ", out);
		if (quoted)
			fprintf(out, "\\(dq%s\\(dq", f->preset);
		else
			fputs(f->preset, out);
		fputs(" .\n", out);
	} else if (f->preset_note) {
		fputs("Default: ", out);
		print_escaped(f->preset_note, out);
		fputs(".\n", out);
	}
}

static void
print_range(const struct conf_field *f, FILE *out)
{
	char low[32];
	char high[32];

	if (f->kind == &conf_kind_list) {
		fprintf(out, "At most %" PRIu64 ".\n", f->max);
		return;
	}
	if (!f->kind->print_limit)
		return;
	f->kind->print_limit(f->min, low, sizeof(low));
	f->kind->print_limit(f->max, high, sizeof(high));
	fprintf(out, "From %s to %s.\n", low, high);
}

static void
print_list_of_words(const char *const *words, FILE *out)
{
	fputs("One of\n", out);
	for (unsigned i = 0; words[i]; i++)
		fprintf(out, ".Ql \\(dq%s\\(dq%s\n", words[i], words[i + 1] ? " ," : " .");
}

static void
print_row(const struct conf_field *f, FILE *out)
{
	fprintf(out, ".It Ic %s No = Ar %s\n", f->key, kind_name(f));
	print_sentences(f->help, out);
	if (f->words)
		print_list_of_words(f->words, out);
	print_range(f, out);
	print_default(f, out);
	if (f->when_text) {
		fputs("Only allowed ", out);
		print_escaped(f->when_text, out);
		fputs(".\n", out);
	}
}

static void
print_rest(const struct conf_field *rest, FILE *out)
{
	fprintf(out, ".It Ar %s No = Ar %s\n", rest->key, rest->element_kind->name);
	print_sentences(rest->help, out);
}

/*** Modules ***/

static void
print_module(FILE *out, const char *key, const char *name, const char *help)
{
	fprintf(out, ".Pp\n.Em %s :\n", name);
	print_plain(help, out);
	fprintf(out, ".Bl -tag -width Ds\n.It Ic %s No = \\(dq", key);
	print_escaped(name, out);
	fputs("\\(dq\n.El\n", out);
}

static void
print_autoscaler(void *user, const char *name, const char *help)
{
	print_module(user, "module", name, help);
}

static void
print_scheduler(void *user, const char *name, const char *help)
{
	print_module(user, "scheduler", name, help);
}

static void
print_option(void *user, const struct conf_module_option *o)
{
	FILE *out = user;

	fprintf(out, ".Bl -tag -width Ds\n.It Ic %s No = Ar %s\n", o->key, o->kind);
	print_plain(o->help, out);
	if (o->words)
		print_list_of_words(o->words, out);
	if (o->range)
		fprintf(out, "%s\n", o->range);
	if (o->preset)
		fprintf(out, "Default:\n.Ql %s .\n", o->preset);
	fputs(".El\n", out);
}

static void
print_modules(FILE *out)
{
	if (conf_modules() == NULL)
		return;
	fputs(".Sh AUTOSCALERS\n"
	      "What is built in for\n"
	      ".Ic services[].autoscale.module ,\n"
	      "each with the keys that it adds to\n"
	      ".Ic services[].autoscale .\n",
	      out);
	conf_modules()->describe(TG_CONF_AUTOSCALER, print_autoscaler, print_option, out);
	fputs(".Sh SCHEDULERS\n"
	      "What is built in for\n"
	      ".Ic services[].scheduler ,\n"
	      "each with the keys that it adds to\n"
	      ".Ic services[].placement .\n",
	      out);
	conf_modules()->describe(TG_CONF_SCHEDULER, print_scheduler, print_option, out);
}

/*** Sections ***/

/* `path` is where the group stands: "listeners[].timeouts"; "" is the top. */
static void
print_section(const struct conf_schema *schema, const char *path, FILE *out)
{
	char below[256];

	fputs(".Sh ", out);
	print_upper(schema->title, out);
	fputc('\n', out);
	if (path[0])
		fprintf(out, "Keys of\n.Ic %s .\n", path);
	if (schema->help)
		print_sentences(schema->help, out);
	fputs(".Bl -tag -width Ds\n", out);
	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (f->kind != &conf_kind_later && !(f->flags & TG_CONF_INTERNAL))
			print_row(f, out);
	}
	if (schema->rest)
		print_rest(schema->rest, out);
	fputs(".El\n", out);
	for (const struct conf_field *f = schema->fields; f->key; f++) {
		if (!f->schema || (f->flags & TG_CONF_INTERNAL))
			continue;
		snprintf(below, sizeof(below), "%s%s%s%s", path, path[0] ? "." : "", f->key,
			 f->kind == &conf_kind_list ? "[]" : "");
		print_section(f->schema, below, out);
	}
}

static void
print_later(const struct conf_schema *schema, const char *path, FILE *out)
{
	char below[256];

	for (const struct conf_field *f = schema->fields; f->key; f++) {
		snprintf(below, sizeof(below), "%s%s%s%s", path, path[0] ? "." : "", f->key,
			 f->kind == &conf_kind_list ? "[]" : "");
		if (f->kind == &conf_kind_later)
			fprintf(out, ".It\n.Ic %s\n", below);
		else if (f->schema)
			print_later(f->schema, below, out);
	}
}

static void
print_statuses(FILE *out)
{
	fputs(".Sh STATUS CODES\n"
	      "Answers that come from no backend have these statuses:\n"
	      ".Bl -tag -width 000\n",
	      out);
	for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++)
		fprintf(out, ".It %u\n%s\n", status_rows[i].status, status_rows[i].help);
	fputs(".El\n", out);
	fputs(http_notes, out);
}

void
conf_print_manual(FILE *out)
{
	fputs(head, out);
	print_section(&conf_schema_top, "", out);
	print_modules(out);
	fputs(".Sh KEYS OF LATER VERSIONS\n"
	      "These names are taken.\n"
	      "This version refuses them, so that nothing is silently left undone.\n"
	      ".Pp\n"
	      ".Bl -item -compact\n",
	      out);
	print_later(&conf_schema_top, "", out);
	fputs(".El\n", out);
	print_statuses(out);
	fputs(example, out);
}
