/* Writes the bash completion of tidectl to the file named, or to standard output. */
#include <stdio.h>
#include <string.h>

#include "admin/command.h"
#include "ctl/ctl.h"

static const char *
argument_of(const struct command *c)
{
	if (strncmp(c->usage, "SERVICE/BACKEND ADDRESS", 23) == 0)
		return "none"; /* one that is not there yet */
	if (strncmp(c->usage, "SERVICE/BACKEND", 15) == 0)
		return "backend";
	if (strcmp(c->usage, "[SERVICE]") == 0)
		return "service";
	if (strncmp(c->usage, "LISTENER", 8) == 0)
		return "listener";
	return "none";
}

/* "up|down", "[graceful|now]": what may stand there, as it is typed; 0: no such choice. */
static size_t
words_of(const struct command *c, const char **ret)
{
	size_t n;

	*ret = c->usage + (c->usage[0] == '[');
	n = strspn(*ret, "abcdefghijklmnopqrstuvwxyz-|");
	return n > 0 && strchr(" ]", (*ret)[n]) != NULL ? n : 0;
}

static void
print_table(FILE *out)
{
	fputs("_tidectl_commands='", out);
	for (size_t i = 0; commands[i] != NULL; i++) {
		const char *words;
		size_t n = words_of(commands[i], &words);

		fprintf(out, "%s%s|%s|", i > 0 ? "\n" : "", commands[i]->name,
			argument_of(commands[i]));
		for (size_t k = 0; k < n; k++)
			fputc(words[k] == '|' ? ' ' : words[k], out);
	}
	fputs("'\n\n", out);
}

/* Of tidectl itself: its options, those of them that have a value, whether a command follows. */
static void
print_own_table(FILE *out)
{
	fputs("_tidectl_own='", out);
	for (size_t i = 0; ctl_commands[i] != NULL; i++)
		fprintf(out, "%s%s|%s|%s|%s", i > 0 ? "\n" : "", ctl_commands[i]->name,
			ctl_commands[i]->options, ctl_commands[i]->valued,
			ctl_commands[i]->takes_command ? "command" : "none");
	fputs("'\n\n", out);
}

static const char head[] =
	"# bash completion of tidectl(1); made of its table of commands, do not edit\n\n";

static const char script[] =
	"# What is typed, as words: COMP_WORDS takes names with colons apart.\n"
	"_tidectl()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} cur='' typed='' name kind rest found=''\n"
	"\tlocal plain valued own=''\n"
	"\tlocal -a words options=()\n"
	"\tread -ra words <<<\"$line\"\n"
	"\t[[ $line == *[[:space:]] ]] || { cur=${words[-1]}; unset 'words[-1]'; }\n"
	"\twords=(\"${words[@]:1}\")\n"
	"\twhile [[ ${words[0]-} == -* ]]; do\n"
	"\t\tcase ${words[0]} in\n"
	"\t\t-s | -c | --socket | --config)\n"
	"\t\t\tif [ ${#words[@]} -lt 2 ]; then\n"
	"\t\t\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\t\t\t\treturn\n"
	"\t\t\tfi\n"
	"\t\t\toptions+=(\"${words[0]}\" \"${words[1]}\")\n"
	"\t\t\twords=(\"${words[@]:2}\") ;;\n"
	"\t\t*) words=(\"${words[@]:1}\") ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tif [[ ${#words[@]} -eq 0 && $cur == -* ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W '-s -c -V -h --socket --config --version --help' -- "
	"\"$cur\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\twhile IFS='|' read -r name plain valued kind; do\n"
	"\t\t[ ${#words[@]} -gt 0 ] || found+=\"$name \"\n"
	"\t\t[[ ${words[0]-} == \"$name\" ]] || continue\n"
	"\t\town=$kind\n"
	"\t\twords=(\"${words[@]:1}\")\n"
	"\t\twhile [[ ${words[0]-} == -* ]]; do\n"
	"\t\t\tif [[ \" $valued \" != *\" ${words[0]} \"* ]]; then\n"
	"\t\t\t\twords=(\"${words[@]:1}\")\n"
	"\t\t\telif [ ${#words[@]} -gt 1 ]; then\n"
	"\t\t\t\twords=(\"${words[@]:2}\")\n"
	"\t\t\telse\n"
	"\t\t\t\treturn\n"
	"\t\t\tfi\n"
	"\t\tdone\n"
	"\t\tif [[ ${#words[@]} -eq 0 && ($cur == -* || $kind == none) ]]; then\n"
	"\t\t\tmapfile -t COMPREPLY < <(compgen -W \"$plain $valued\" -- \"$cur\")\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\t\tbreak\n"
	"\tdone <<<\"$_tidectl_own\"\n"
	"\t[[ $own != none ]] || return\n"
	"\ttyped=\"${words[*]}\"\n"
	"\twhile IFS='|' read -r name kind choice; do\n"
	"\t\tif [[ -z $typed || $name == \"$typed \"* ]]; then\n"
	"\t\t\trest=${name:${#typed}}\n"
	"\t\t\trest=${rest# }\n"
	"\t\t\tfound+=\"${rest%% *} \"\n"
	"\t\telif [[ $name == \"$typed\" && -n $choice ]]; then\n"
	"\t\t\tfound+=\"$choice \"\n"
	"\t\telif [[ $name == \"$typed\" && $kind == backend ]]; then\n"
	"\t\t\tfound+=$(tidectl \"${options[@]}\" show servers state 2>/dev/null |\n"
	"\t\t\t\tawk 'NF > 20 && !/^#/ { print $2 \"/\" $4 }')\n"
	"\t\telif [[ $name == \"$typed\" && $kind == listener ]]; then\n"
	"\t\t\tfound+=$(tidectl \"${options[@]}\" show stat -1 1 -1 2>/dev/null |\n"
	"\t\t\t\tawk -F, '!/^#/ { print $1 }')\n"
	"\t\telif [[ $name == \"$typed\" && $kind == service ]]; then\n"
	"\t\t\tfound+=$(tidectl \"${options[@]}\" show backend 2>/dev/null | sed '/^#/d')\n"
	"\t\tfi\n"
	"\tdone <<<\"$_tidectl_commands\"\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$found\" -- \"$cur\" | sort -u)\n"
	"\t# Readline replaces what stands behind the last colon only.\n"
	"\tif [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then\n"
	"\t\tCOMPREPLY=(\"${COMPREPLY[@]#\"${cur%:*}:\"}\")\n"
	"\tfi\n"
	"}\n"
	"complete -F _tidectl tidectl\n";

int
main(int argc, char **argv)
{
	FILE *out = argc > 1 ? fopen(argv[1], "w") : stdout;

	if (out == NULL) {
		perror(argv[1]);
		return 1;
	}
	fputs(head, out);
	print_table(out);
	print_own_table(out);
	fputs(script, out);
	if (fclose(out) != 0) {
		perror(argc > 1 ? argv[1] : "standard output");
		return 1;
	}
	return 0;
}
