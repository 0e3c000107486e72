/* A module for tests: TG_TEST_MODULE says what is wrong with it. Also the smallest there can be. */
#include <stdlib.h>
#include <string.h>

#include "tidegate/module.h"

static uint32_t
windows(const struct tg_value *options, uint32_t *ret_spans_ms)
{
	(void)options;
	ret_spans_ms[0] = 1000;
	return 1;
}

static void
propose(const struct tg_value *options, const struct tg_snapshot *snapshot, struct tg_proposal *ret)
{
	(void)snapshot;
	ret->desired = (uint32_t)options[0].number;
}

static const struct tg_option options[] = {
	{.name = "always",
	 .type = TG_OPTION_NUMBER,
	 .preset = "3",
	 .min = 0,
	 .max = 100,
	 .help = "How many."},
	{.name = NULL},
};

static struct tg_autoscaler ops = {
	.size = sizeof(ops),
	.windows = windows,
	.propose = propose,
};

static struct tg_module module = {
	.magic = TG_MODULE_MAGIC,
	.major = TG_MODULE_MAJOR,
	.minor = TG_MODULE_MINOR,
	.size = sizeof(module),
	.kind = TG_MODULE_AUTOSCALER,
	.name = "sample",
	.help = "The same number always.",
	.options = options,
	.ops = &ops,
};

const struct tg_module *tidegate_module(const struct tg_host *host);

const struct tg_module *
tidegate_module(const struct tg_host *host)
{
	const char *what = getenv("TG_TEST_MODULE");

	if (host->major != TG_MODULE_MAJOR || host->size < sizeof(*host) || host->log == NULL)
		return NULL;
	if (what == NULL)
		return &module;
	if (strcmp(what, "null") == 0)
		return NULL;
	if (strcmp(what, "magic") == 0)
		module.magic = 1;
	else if (strcmp(what, "major") == 0)
		module.major++;
	else if (strcmp(what, "minor") == 0)
		module.minor++;
	else if (strcmp(what, "size") == 0)
		module.size -= 8;
	else if (strcmp(what, "ops-size") == 0)
		ops.size = offsetof(struct tg_autoscaler, uses) - 8;
	else if (strcmp(what, "propose") == 0)
		ops.propose = NULL;
	else if (strcmp(what, "windows") == 0)
		ops.windows = NULL;
	else if (strcmp(what, "ops") == 0)
		module.ops = NULL;
	else if (strcmp(what, "log") == 0)
		host->log(TG_HOST_INFO, "hello");
	else
		module.name = what;
	return &module;
}
