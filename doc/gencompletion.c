/* Writes the bash completion of tidectl to the file named, or to standard output. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "admin/command.h"
#include "ctl/ctl.h"

/* What stands for what is asked of tidegate. */
static const struct {
	const char *name;
	const char *kind;
} kinds[] = {
	{"SERVICE/BACKEND", "@backend"},
	{"SERVICE", "@service"},
	{"LISTENER", "@listener"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* "up|down|ID" is up,down; what nobody can guess is "-". */
static void
print_slot(FILE *out, const char *word, size_t n)
{
	const char *end = word + n;
	const char *comma = "";

	for (size_t i = 0; i < KINDS; i++) {
		if (strlen(kinds[i].name) == n && memcmp(kinds[i].name, word, n) == 0) {
			fputs(kinds[i].kind, out);
			return;
		}
	}
	for (const char *at = word; at < end; at += n + (at + n < end)) {
		n = strcspn(at, "|] ");
		if (islower((unsigned char)*at)) {
			fprintf(out, "%s%.*s", comma, (int)n, at);
			comma = ",";
		}
	}
	if (comma[0] == '\0')
		fputc('-', out);
}

/*
 * Of "[word]" or "[word VALUE]": "word" or "word=slot", "word=*" where the value is the rest of the line;
 * "first>word" for one inside the brackets of another, which stands directly behind it. The end of it.
 */
static const char *
print_option(FILE *out, const char *at, const char *first, size_t first_n)
{
	size_t n = strcspn(at, " ]");

	if (first_n > 0)
		fprintf(out, "%.*s>", (int)first_n, first);
	fprintf(out, "%.*s", (int)n, at);
	first = at;
	at += n;
	if (strncmp(at, " WORDS", 6) == 0) {
		fputs("=*", out);
	} else if (strncmp(at, " [", 2) == 0) {
		fputc(' ', out);
		return print_option(out, at + 2, first, n) + 1;
	} else if (*at == ' ') {
		fputc('=', out);
		print_slot(out, at + 1, strcspn(at + 1, " ]"));
	}
	return at + strcspn(at, "]");
}

/* "[SERVICE]" or "[up|down]", where nothing stands behind it. */
static bool
is_slot_in_brackets(const char *at)
{
	return *at == '[' && (isupper((unsigned char)at[1]) || at[1 + strcspn(at + 1, "| ]")] == '|');
}

/* "slots|options" of a usage. One with commas tells several in words: only its first slot is for us. */
static void
print_usage(FILE *out, const char *at)
{
	const char *separator = "";
	bool is_told = strchr(at, ',') != NULL;

	while (*at != '\0' && (*at != '[' || is_slot_in_brackets(at))) {
		at += *at == '[';
		fputs(separator, out);
		if (strncmp(at, "SERVICE/BACKEND ADDRESS", 23) == 0)
			fputs("@place", out); /* of one that is not there yet */
		else
			print_slot(out, at, strcspn(at, " ]"));
		at += strcspn(at, " ]");
		at += strspn(at, " ]");
		separator = " ";
		if (is_told)
			break;
	}
	fputc('|', out);
	for (separator = ""; *at == '[' && !is_told; separator = " ") {
		fputs(separator, out);
		at = print_option(out, at + 1, "", 0);
		at += strspn(at, " ]");
	}
}

static void
print_table(FILE *out)
{
	fputs("_tidectl_commands='", out);
	for (size_t i = 0; commands[i] != NULL; i++) {
		fprintf(out, "%s%s|", i > 0 ? "\n" : "", commands[i]->name);
		print_usage(out, commands[i]->usage);
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
	"# Words for a slot: @kind is asked of tidegate, called with the options given.\n"
	"_tidectl_slot()\n"
	"{\n"
	"\tlocal slot=$1\n"
	"\tshift\n"
	"\tcase $slot in\n"
	"\t@backend)\n"
	"\t\ttidectl \"$@\" show servers state 2>/dev/null |\n"
	"\t\t\tawk 'NF > 20 && !/^#/ { print $2 \"/\" $4 }' ;;\n"
	"\t@listener) tidectl \"$@\" show stat -1 1 -1 2>/dev/null | awk -F, '!/^#/ { print $1 }' ;;\n"
	"\t@service) tidectl \"$@\" show backend 2>/dev/null | sed '/^#/d' ;;\n"
	"\t@place) tidectl \"$@\" show backend 2>/dev/null | sed '/^#/d; s,$,/,' ;;\n"
	"\t-) ;;\n"
	"\t*) echo \"${slot//,/ }\" ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"# $1 what is typed behind the name, $2 the slots, $3 the options: sets `slot` and `offered`.\n"
	"_tidectl_argument()\n"
	"{\n"
	"\tlocal option outer word last=''\n"
	"\tlocal -a given slots options_of\n"
	"\tread -ra given <<<\"$1\"\n"
	"\tread -ra slots <<<\"$2\"\n"
	"\tread -ra options_of <<<\"$3\"\n"
	"\tslot=- offered=''\n"
	"\tif [ ${#given[@]} -lt ${#slots[@]} ]; then\n"
	"\t\tslot=${slots[${#given[@]}]}\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tgiven=(\"${given[@]:${#slots[@]}}\")\n"
	"\t[ ${#given[@]} -eq 0 ] || last=${given[-1]}\n"
	"\tfor option in \"${options_of[@]}\"; do\n"
	"\t\touter=''\n"
	"\t\t[[ $option != *'>'* ]] || outer=${option%%>*}\n"
	"\t\toption=${option#*>}\n"
	"\t\tword=${option%%=*}\n"
	"\t\tif [[ $option == *=* && ($last == \"$word\" || $option == *'=*' && \" ${given[*]} \" == *\" $word \"*) ]]; then\n"
	"\t\t\toffered='' slot=${option#*=}\n"
	"\t\t\t[[ $slot != '*' ]] || slot=-\n"
	"\t\t\treturn\n"
	"\t\tfi\n"
	"\t\t[[ \" ${given[*]} \" == *\" $word \"* || -n $outer && $last != \"$outer\" ]] || offered+=\"$word \"\n"
	"\tdone\n"
	"}\n"
	"\n"
	"# What is typed, as words: COMP_WORDS takes names with colons apart.\n"
	"_tidectl()\n"
	"{\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} cur='' typed='' name kind rest found=''\n"
	"\tlocal slots options_of longest='' slot=- offered=''\n"
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
	"\twhile IFS='|' read -r name slots options_of; do\n"
	"\t\tif [[ -z $typed || $name == \"$typed \"* ]]; then\n"
	"\t\t\trest=${name:${#typed}}\n"
	"\t\t\trest=${rest# }\n"
	"\t\t\tfound+=\"${rest%% *} \"\n"
	"\t\telif [[ \"$typed \" == \"$name \"* && ${#name} -ge ${#longest} ]]; then\n"
	"\t\t\tlongest=$name\n"
	"\t\t\t_tidectl_argument \"${typed:${#name}}\" \"$slots\" \"$options_of\"\n"
	"\t\tfi\n"
	"\tdone <<<\"$_tidectl_commands\"\n"
	"\t[[ $slot != @place ]] || compopt -o nospace 2>/dev/null\n"
	"\t[ -z \"$longest\" ] || found+=\"$offered $(_tidectl_slot \"$slot\" \"${options[@]}\")\"\n"
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
