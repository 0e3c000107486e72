/* health/exec.c: a backend passes when a program ends with status 0. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/check.h"

/* Backend names and addresses have bounds; see conf/valid_priv.h. */
#define VARIABLE_MAX 512

enum variable {
	VARIABLE_SERVICE = 0,
	VARIABLE_BACKEND,
	VARIABLE_ADDRESS,
	VARIABLE_PORT,
	VARIABLE_COUNT
};

/* What a program is given: these, and the PATH of the server, which may be long. */
struct environment {
	char text[VARIABLE_COUNT][VARIABLE_MAX];
	char *path; /* owned */
	char *list[VARIABLE_COUNT + 2];
};

/* The address without its port; the path of a unix socket. */
static void
format_address(const struct addr *addr, char *buf, size_t size)
{
	struct ip ip;

	if (addr_ip(addr, &ip))
		ip_format(&ip, buf, size);
	else
		snprintf(buf, size, "%s", addr->u.un.sun_path);
}

/* False: no memory. */
static bool
fill_environment(const struct check_target *target, struct environment *ret)
{
	char address[TG_ADDR_STRLEN];

	format_address(&target->addr, address, sizeof(address));
	snprintf(ret->text[VARIABLE_SERVICE], VARIABLE_MAX, "TIDEGATE_SERVICE=%s",
		 target->service->name);
	snprintf(ret->text[VARIABLE_BACKEND], VARIABLE_MAX, "TIDEGATE_BACKEND=%s",
		 target->backend->name);
	snprintf(ret->text[VARIABLE_ADDRESS], VARIABLE_MAX, "TIDEGATE_ADDRESS=%s", address);
	snprintf(ret->text[VARIABLE_PORT], VARIABLE_MAX, "TIDEGATE_PORT=%u",
		 (unsigned)addr_port(&target->addr));
	if (asprintf(&ret->path, "PATH=%s", process_path()) < 0)
		return false;
	for (size_t i = 0; i < VARIABLE_COUNT; i++)
		ret->list[i] = ret->text[i];
	ret->list[VARIABLE_COUNT] = ret->path;
	ret->list[VARIABLE_COUNT + 1] = NULL;
	return true;
}

static void
judge(const struct check_target *target, const struct process_end *end, struct check_outcome *ret)
{
	char own[TG_CHECK_TEXT_SIZE];

	if (end->error != 0) {
		check_outcome_set(ret, TG_CHECK_EXEC_FAIL, "cannot run %.48s: %s",
				  target->conf->command[0], strerror(end->error));
		return;
	}
	if (end->signal != 0)
		snprintf(own, sizeof(own), "killed by signal %d", end->signal);
	else
		snprintf(own, sizeof(own), "exit status %d", end->status);
	check_outcome_set_said(
		ret, end->signal == 0 && end->status == 0 ? TG_CHECK_EXEC_OK : TG_CHECK_EXEC_FAIL,
		end->output, end->output_n, own);
	ret->status = (uint16_t)end->status;
}

static void
on_end(void *user, const struct process_end *end)
{
	struct check *c = user;
	struct check_outcome outcome;

	c->state = NULL; /* gone when this returns */
	judge(c->target, end, &outcome);
	check_finish(c, &outcome);
}

static void
explain_start(int rc, struct check_outcome *ret)
{
	if (rc == -TG_ELIMIT)
		check_outcome_set(ret, TG_CHECK_EXEC_FAIL, "too many programs that do not end");
	else if (rc == -TG_ENOMEM)
		check_outcome_set(ret, TG_CHECK_EXEC_FAIL, "no memory");
	else
		check_outcome_set_errno(ret, TG_CHECK_EXEC_FAIL, errno);
}

static int
exec_start(struct check *c, struct check_outcome *ret)
{
	const struct conf_health_check *conf = c->target->conf;
	char **argv = calloc(conf->n_command + 1, sizeof(argv[0]));
	struct environment environment;
	struct process *process;
	int rc = -TG_ENOMEM;

	if (argv != NULL && fill_environment(c->target, &environment)) {
		memcpy(argv, conf->command, conf->n_command * sizeof(argv[0]));
		rc = process_start(c->target->programs, argv, environment.list, on_end, c,
				   &process);
		free(environment.path);
	}
	if (rc < 0)
		explain_start(rc, ret);
	else
		c->state = process;
	free(argv);
	return rc;
}

static void
exec_stop(struct check *c)
{
	struct process *process = c->state;

	process_kill(&process);
	c->state = NULL;
}

static void
exec_timeout(const struct check *c, struct check_outcome *ret)
{
	(void)c;
	check_outcome_set(ret, TG_CHECK_EXEC_TIMEOUT, "timeout of the program");
}

const struct check_ops check_exec = {
	.name = "exec",
	.start = exec_start,
	.stop = exec_stop,
	.timeout = exec_timeout,
};
