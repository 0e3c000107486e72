/* ctl/commands.c: the list of commands that tidectl has itself. */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

const struct ctl_command *const ctl_commands[] = {
	&ctl_top,
	&ctl_watch,
	NULL,
};

const struct ctl_command *
ctl_find(const char *name)
{
	for (size_t i = 0; ctl_commands[i] != NULL; i++) {
		if (strcmp(ctl_commands[i]->name, name) == 0)
			return ctl_commands[i];
	}
	return NULL;
}

int
ctl_join(int n, char **words, char *line)
{
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		size_t room = TG_CTL_LINE_MAX - at;
		int len = snprintf(line + at, room, "%s%s", i > 0 ? " " : "", words[i]);

		if (len < 0 || (size_t)len >= room - 1 || strchr(words[i], '\n') != NULL)
			return -1;
		at += (size_t)len;
	}
	line[at] = '\n';
	line[at + 1] = '\0';
	return 0;
}

int
ctl_usage(const struct ctl_command *c, int exit_status)
{
	fprintf(exit_status == EXIT_OK ? stdout : stderr, "usage: tidectl %s %s\n", c->name,
		c->usage);
	return exit_status;
}
