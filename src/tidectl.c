/*
 * tidectl: says one line of commands to a running tidegate, prints the answers.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/conf.h"

#define DEFAULT_SOCKET     "/run/tidegate/admin.sock"
#define SOCKET_VARIABLE    "TIDEGATE_SOCKET"
#define COMMAND_BYTES_MAX  16384u
#define ANSWER_TIMEOUT_MS  40000 /* longer than tidegate waits for a reload */
#define FAILURE_PREFIX_MAX 9u /* {"error": */

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* a command failed, or its answer did not come */
	EXIT_USAGE = 2,
	EXIT_NO_CONNECTION = 3,
};

struct options {
	const char *socket;    /* NULL: from elsewhere */
	const char *conf_path; /* NULL: not given */
	bool help;
	bool version;
};

/* Answers as they come: each is some lines and an empty one. */
struct printer {
	bool in_answer;  /* a line of this answer was seen */
	bool in_failure; /* that line was "error ..." */
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
	      "       tidectl -V | -h\n"
	      "\n"
	      "  -s, --socket SOCKET  the control socket of tidegate; default $" SOCKET_VARIABLE
	      ",\n"
	      "                       else " DEFAULT_SOCKET "\n"
	      "  -c, --config FILE    take admin.socket of this configuration\n"
	      "  -V, --version        print the version\n"
	      "  -h, --help           print this\n"
	      "\n"
	      "\"tidectl help\" lists the commands.\n",
	      out);
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

/* The words as one line with its newline. False: too long, or a newline inside. */
static bool
join_words(int n, char **words, char *line, size_t size)
{
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		int len = snprintf(line + at, size - at, "%s%s", i > 0 ? " " : "", words[i]);

		if (len < 0 || (size_t)len >= size - at - 1 || strchr(words[i], '\n') != NULL)
			return false;
		at += (size_t)len;
	}
	line[at] = '\n';
	line[at + 1] = '\0';
	return true;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static bool
send_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		bytes += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool
begins_with(const struct printer *p, const char *prefix)
{
	size_t n = strlen(prefix);

	return p->pending_n >= n && memcmp(p->pending, prefix, n) == 0;
}

/* The first bytes of a line tell whether it begins a failure. */
static void
begin_line(struct printer *p)
{
	if (!p->in_answer)
		p->in_failure = begins_with(p, "error ") || begins_with(p, "{\"error\":");
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

static int
talk(const char *path, const char *line)
{
	struct printer p = {.in_answer = false};
	int fd = connect_to(path);
	bool is_whole;

	if (is_stream(line))
		setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0) {
		fprintf(stderr, "tidectl: cannot connect to %s: %s\n", path, strerror(errno));
		return EXIT_NO_CONNECTION;
	}
	/* One that refuses us may have answered all the same. */
	if (!send_all(fd, line, strlen(line)))
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

/* With the socket of a configuration. */
static int
talk_by_conf(const char *conf_path, const char *line)
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
		status = talk(conf->admin.socket, line);
	}
	conf_errors_fini(&errors);
	conf_unref(conf);
	return status;
}

int
main(int argc, char **argv)
{
	static char line[COMMAND_BYTES_MAX];
	struct options options;
	const char *path;

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
	if (!join_words(argc - optind, argv + optind, line, sizeof(line))) {
		fputs("tidectl: the command is too long or not one line\n", stderr);
		return EXIT_USAGE;
	}
	if (options.conf_path != NULL)
		return talk_by_conf(options.conf_path, line);
	path = options.socket != NULL ? options.socket : getenv(SOCKET_VARIABLE);
	return talk(path != NULL && *path != '\0' ? path : DEFAULT_SOCKET, line);
}
