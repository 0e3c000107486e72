/*
 * tidectl: says one line of commands to a running tidegate, prints the answers; or runs
 * one of the commands of its own, ctl/ctl.h.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

#define DEFAULT_SOCKET     "/run/tidegate/admin.sock"
#define SOCKET_VARIABLE    "TIDEGATE_SOCKET"
#define ANSWER_TIMEOUT_MS  40000 /* longer than tidegate waits for a reload */
#define FAILURE_PREFIX_MAX 9u /* {"error": */

struct options {
	const char *socket;    /* NULL: from elsewhere */
	const char *conf_path; /* NULL: not given */
	bool help;
	bool version;
};

/* Answers as they come: each is some lines and an empty one. */
struct printer {
	bool in_answer;  /* a line of this answer was seen */
	bool in_failure; /* that line was "error ...", as text */
	bool in_line;    /* the line under way has printed its beginning */
	bool has_some;
	bool has_answer; /* one is whole; it may be empty */
	bool has_failed;
	size_t pending_n;
	char pending[FAILURE_PREFIX_MAX]; /* beginning of a line, until it is clear what it is */
};

static void
print_usage(FILE *out)
{
	fputs("usage: tidectl [-s SOCKET | -c FILE] COMMAND...\n"
	      "       tidectl [-s SOCKET | -c FILE] top [OPTION...]\n"
	      "       tidectl [-s SOCKET | -c FILE] watch [-i SECONDS] COMMAND...\n"
	      "       tidectl -V | -h\n"
	      "\n"
	      "  -s, --socket SOCKET  the control socket of tidegate; default $" SOCKET_VARIABLE
	      ",\n"
	      "                       else " DEFAULT_SOCKET "\n"
	      "  -c, --config FILE    take admin.socket of this configuration\n"
	      "  -V, --version        print the version\n"
	      "  -h, --help           print this\n"
	      "\n"
	      "\"tidectl help\" lists the commands; tidectl itself has two more, and \"-h\" behind\n"
	      "them lists their options:\n",
	      out);
	for (size_t i = 0; ctl_commands[i] != NULL; i++)
		fprintf(out, "  %-10s %s\n", ctl_commands[i]->name, ctl_commands[i]->help);
}

static bool
parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option long_options[] = {
		{"socket", required_argument, NULL, 's'},
		{"config", required_argument, NULL, 'c'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	*ret = (struct options){.socket = NULL};
	/* '+': what stands behind the first word of the command is the command's. */
	while ((c = getopt_long(argc, argv, "+s:c:Vh", long_options, NULL)) != -1) {
		switch (c) {
		case 's':
			ret->socket = optarg;
			break;
		case 'c':
			ret->conf_path = optarg;
			break;
		case 'V':
			ret->version = true;
			break;
		case 'h':
			ret->help = true;
			break;
		default:
			return false; /* getopt said why */
		}
	}
	if (ret->socket != NULL && ret->conf_path != NULL) {
		fputs("tidectl: -s and -c exclude each other\n", stderr);
		return false;
	}
	return true;
}

static bool
begins_with(const struct printer *p, const char *prefix)
{
	size_t n = strlen(prefix);

	return p->pending_n >= n && memcmp(p->pending, prefix, n) == 0;
}

/* The first bytes of a line tell whether it begins a failure. One in JSON is printed like any answer. */
static void
begin_line(struct printer *p)
{
	if (!p->in_answer) {
		p->in_failure = begins_with(p, "error ");
		p->has_failed = p->has_failed || begins_with(p, "{\"error\":");
	}
	if (!p->in_answer && p->has_some && !p->in_failure)
		putchar('\n');
	p->in_answer = true;
	p->has_some = p->has_some || !p->in_failure;
	p->has_failed = p->has_failed || p->in_failure;
	if (p->in_failure)
		fputs("tidectl: ", stderr);
	fwrite(p->pending, 1, p->pending_n, p->in_failure ? stderr : stdout);
	p->pending_n = 0;
	p->in_line = true;
}

static void
print_byte(struct printer *p, char c)
{
	if (!p->in_line && c == '\n' && p->pending_n == 0) {
		p->in_answer = false;
		p->has_answer = true;
		return;
	}
	if (!p->in_line && c != '\n' && p->pending_n < FAILURE_PREFIX_MAX) {
		p->pending[p->pending_n++] = c;
		return;
	}
	if (!p->in_line)
		begin_line(p);
	fputc(c, p->in_failure ? stderr : stdout);
	if (c == '\n')
		p->in_line = false;
}

/* Until the other side closes. False: it did so inside an answer, or stopped answering for
 * `timeout_ms` (-1: it may). */
static bool
print_answers(int fd, int timeout_ms, struct printer *p)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char bytes[65536];

	for (;;) {
		ssize_t n;

		if (poll(&wait, 1, timeout_ms) == 0) {
			fputs("tidectl: no answer\n", stderr);
			return false;
		}
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			print_byte(p, bytes[i]);
	}
	if (!p->in_answer && !p->in_line && p->pending_n == 0)
		return true;
	fputs("tidectl: the answer is cut\n", stderr);
	return false;
}

/* Its answer comes bit by bit, and has no end. */
static bool
is_stream(const char *line)
{
	return strcmp(line, "events\n") == 0;
}

/* A command that rests as long as it is told to. */
static bool
is_patient(const char *line)
{
	return is_stream(line) || strstr(line, "wait ") != NULL ||
	       strstr(line, "del server ") != NULL;
}

/* Standard input, and what ends it. */
static bool
send_payload(int fd, const char *mark)
{
	char bytes[65536];
	char end[32];
	size_t n;
	char last = '\n';

	while ((n = fread(bytes, 1, sizeof(bytes), stdin)) > 0) {
		last = bytes[n - 1];
		if (!client_send(fd, bytes, n))
			return false;
	}
	n = (size_t)snprintf(end, sizeof(end), "%s%.8s\n", last != '\n' ? "\n" : "", mark);
	return client_send(fd, end, n);
}

/* What ends the payload that the line is to have, without its newline; NULL: it has none. */
static const char *
mark_of(const char *line, char mark[9])
{
	const char *word = strrchr(line, ' ');

	word = word != NULL ? word + 1 : line;
	if (strncmp(word, "<<", 2) != 0)
		return NULL;
	snprintf(mark, 9, "%.*s", (int)strcspn(word + 2, "\n"), word + 2);
	return mark;
}

static int
talk(const char *path, const char *line)
{
	char mark_bytes[9];
	const char *mark = mark_of(line, mark_bytes);
	struct printer p = {.in_answer = false};
	int fd = client_connect(path, 0);
	bool is_whole;

	if (is_stream(line))
		setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0) {
		fprintf(stderr, "tidectl: cannot connect to %s: %s\n", path, strerror(errno));
		return EXIT_NO_CONNECTION;
	}
	/* One that refuses us may have answered all the same. */
	if (!client_send(fd, line, strlen(line)) || (mark != NULL && !send_payload(fd, mark)))
		fprintf(stderr, "tidectl: cannot send: %s\n", strerror(errno));
	is_whole = print_answers(fd, is_patient(line) ? -1 : ANSWER_TIMEOUT_MS, &p);
	close(fd);
	if (!p.has_answer && is_whole) {
		fputs("tidectl: closed without an answer\n", stderr);
		is_whole = false;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "tidectl: cannot write: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return is_whole && !p.has_failed ? EXIT_OK : EXIT_FAILED;
}

/* To the daemon, or by a command of our own. */
static int
run(const char *path, int argc, char **argv)
{
	static char line[TG_CTL_LINE_MAX];
	const struct ctl_command *own = ctl_find(argv[0]);

	if (own != NULL)
		return own->run(path, argc, argv);
	if (ctl_join(argc, argv, line) < 0) {
		fputs("tidectl: the command is too long or not one line\n", stderr);
		return EXIT_USAGE;
	}
	return talk(path, line);
}

/* With the socket of a configuration. */
static int
run_by_conf(const char *conf_path, int argc, char **argv)
{
	struct conf_errors errors = {.list = NULL};
	struct conf *conf = NULL;
	int status = EXIT_USAGE;

	if (conf_load_file(conf_path, &conf, &errors) < 0) {
		for (size_t i = 0; i < errors.n; i++)
			fprintf(stderr, "%s\n", errors.list[i].text);
	} else if (conf->admin.socket == NULL) {
		fprintf(stderr, "tidectl: %s: admin.socket is not set\n", conf_path);
	} else {
		status = run(conf->admin.socket, argc, argv);
	}
	conf_errors_fini(&errors);
	conf_unref(conf);
	return status;
}

int
main(int argc, char **argv)
{
	struct options options;
	const char *path;

	setlocale(LC_CTYPE, "");
	if (!parse_options(argc, argv, &options)) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (options.help) {
		print_usage(stdout);
		return EXIT_OK;
	}
	if (options.version) {
		puts("tidectl " PACKAGE_VERSION);
		return EXIT_OK;
	}
	if (optind == argc) {
		fputs("tidectl: no command\n", stderr);
		print_usage(stderr);
		return EXIT_USAGE;
	}
	argc -= optind;
	argv += optind;
	if (options.conf_path != NULL)
		return run_by_conf(options.conf_path, argc, argv);
	path = options.socket != NULL ? options.socket : getenv(SOCKET_VARIABLE);
	return run(path != NULL && *path != '\0' ? path : DEFAULT_SOCKET, argc, argv);
}
