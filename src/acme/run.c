/* acme/run.c: the program of a certificate, from its start to what it said at its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acme/acme_priv.h"
#include "base/log.h"

#define OUTPUT_MAX 65536u
#define LINES      3u

/* Where the last lines of a text begin. */
static size_t
find_last_lines(const char *text, size_t n)
{
	unsigned lines = 0;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	while (n > 0) {
		if (text[n - 1] == '\n' && ++lines == LINES)
			break;
		n--;
	}
	return n;
}

/* What it said last, on one line; its end, where there is no room for all. */
static void
add_said(char *why, size_t size, const struct process_end *end)
{
	size_t at = find_last_lines(end->output, end->output_n);
	size_t n = strlen(why);
	size_t room;

	if (end->output_n == 0)
		return;
	n += (size_t)snprintf(why + n, size - n, "; it said: ");
	room = n < size ? size - n - 1 : 0;
	if (end->output_n - at > room)
		at = end->output_n - room;
	for (; at < end->output_n && n + 1 < size; at++) {
		char c = end->output[at];

		if (c == '\n')
			c = at + 1 < end->output_n ? '|' : ' ';
		why[n++] = c >= ' ' && c <= '~' ? c : '?';
	}
	while (n > 0 && why[n - 1] == ' ')
		n--;
	why[n < size ? n : size - 1] = '\0';
}

static void
on_end(void *user, const struct process_end *end)
{
	struct acme_order *o = user;
	char why[TG_ACME_WHY];

	o->process = NULL; /* gone when this returns */
	process_end_why(end, why, sizeof(why));
	if (why[0] != '\0' && end->error == 0)
		add_said(why, sizeof(why), end);
	order_ended(o, why);
}

/* "a.example,b.example"; NULL: no memory. */
static char *
join_names(const struct conf_acme *conf)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		return NULL;
	fputs("TIDEGATE_ACME_NAMES=", out);
	for (size_t i = 0; i < conf->n_names; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "", conf->names[i]);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

#define ENVIRONMENT 4u

/* False: no memory; what is there is to be freed. */
static bool
make_environment(const struct conf_acme *conf, char *ret[ENVIRONMENT + 1])
{
	size_t n = 0;

	memset(ret, 0, (ENVIRONMENT + 1) * sizeof(ret[0]));
	if (asprintf(&ret[n], "PATH=%s", process_path()) < 0)
		ret[n] = NULL;
	if (ret[n] != NULL && asprintf(&ret[++n], "TIDEGATE_ACME_NAME=%s", conf->name) < 0)
		ret[n] = NULL;
	if (ret[n] != NULL && conf->challenges != NULL &&
	    asprintf(&ret[++n], "TIDEGATE_ACME_CHALLENGES=%s", conf->challenges) < 0)
		ret[n] = NULL;
	if (ret[n] != NULL)
		ret[++n] = join_names(conf);
	return ret[n] != NULL;
}

int
order_start(struct acme_order *o, char *why)
{
	const struct conf_acme *conf = o->conf;
	char **argv = calloc(conf->n_command + 1, sizeof(argv[0]));
	char *environment[ENVIRONMENT + 1];
	bool has_environment = make_environment(conf, environment);
	struct acme_program program = {.argv = argv, .envp = environment};
	struct process_order order = {
		.work = o->all->ops->run,
		.work_user = &program,
		.is_guard = true,
		.input_fd = -1,
		.output_max = OUTPUT_MAX,
		.end = on_end,
		.user = o,
	};
	int rc = -TG_ENOMEM;

	if (argv != NULL && has_environment) {
		memcpy((void *)argv, conf->command, conf->n_command * sizeof(argv[0]));
		rc = process_run(o->all->programs, &order, &o->process);
	}
	if (rc < 0)
		process_run_why(rc, why, TG_ACME_WHY);
	for (size_t i = 0; i < ENVIRONMENT; i++)
		free(environment[i]);
	free((void *)argv);
	return rc;
}
