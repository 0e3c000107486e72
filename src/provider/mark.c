#include "provider/mark.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/process.h"
#include "provider/provider_priv.h"

/* Shells put the variables in an order of their own: all are read, as much as a kernel allows. */
#define READ_FIRST 16384u
#define READ_MAX   (4u << 20)
#define PID_DIGITS 10
/* As its link shows it. */
#define FILE_NAME "tidegate"
#define FILE_LINK "/memfd:" FILE_NAME " (deleted)"

enum variable {
	VARIABLE_RUN = 0,
	VARIABLE_SERVICE = 1,
	VARIABLE_NAME = 2,
	VARIABLE_ADDRESS = 3,
	VARIABLE_PORT = 4,
	VARIABLE_OUTPUT = 5,
	VARIABLE_PID = 6,
	VARIABLE_COUNT
};

static const char *const names[VARIABLE_COUNT] = {
	[VARIABLE_RUN] = "TIDEGATE_RUN=",         [VARIABLE_SERVICE] = "TIDEGATE_SERVICE=",
	[VARIABLE_NAME] = "TIDEGATE_BACKEND=",    [VARIABLE_ADDRESS] = "TIDEGATE_ADDRESS=",
	[VARIABLE_PORT] = "TIDEGATE_PORT=",       [VARIABLE_OUTPUT] = "TIDEGATE_OUTPUT=",
	[VARIABLE_PID] = "TIDEGATE_PID=",
};

/* making */

static char *TG_PRINTF(2, 3) arena_format(struct arena *arena, const char *fmt, ...)
{
	char *text;
	char *copy;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	copy = arena_copy(arena, text, (size_t)n);
	free(text);
	return copy;
}

/* What `text` begins with, to *ret; how long the word is, 0: none of ours. */
static size_t
find_word(const char *text, const struct mark_owner *owner, const struct mark *mark,
	  const char *port, const char **ret)
{
	const struct {
		const char *word;
		const char *value;
	} words[] = {{"{port}", port}, {"{name}", mark->name}, {"{service}", owner->service}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(text, words[i].word, strlen(words[i].word)) == 0) {
			*ret = words[i].value;
			return strlen(words[i].word);
		}
	}
	return 0;
}

char *
mark_replace(struct arena *arena, const char *text, const struct mark_owner *owner,
	     const struct mark *mark)
{
	char *bytes = NULL;
	char *copy = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	const char *value;
	char port[8];
	size_t n;

	if (out == NULL)
		return NULL;
	snprintf(port, sizeof(port), "%u", (unsigned)addr_port(&mark->addr));
	while (*text != '\0') {
		n = find_word(text, owner, mark, port, &value);
		if (n > 0)
			fputs(value, out);
		else
			fputc(*text, out);
		text += n > 0 ? n : 1;
	}
	if (fclose(out) == 0)
		copy = arena_copy(arena, bytes, size);
	free(bytes);
	return copy;
}

/* False: no memory. */
static bool
make_mark(struct arena *arena, const struct mark_owner *owner, const struct mark *mark, char **list)
{
	char address[64] = "";
	struct ip ip;

	if (addr_ip(&mark->addr, &ip))
		ip_format(&ip, address, sizeof(address));
	list[VARIABLE_RUN] = arena_format(arena, "%s%s", names[VARIABLE_RUN], owner->run);
	list[VARIABLE_SERVICE] =
		arena_format(arena, "%s%s", names[VARIABLE_SERVICE], owner->service);
	list[VARIABLE_NAME] = arena_format(arena, "%s%s", names[VARIABLE_NAME], mark->name);
	list[VARIABLE_ADDRESS] = arena_format(arena, "%s%s", names[VARIABLE_ADDRESS], address);
	list[VARIABLE_PORT] = arena_format(arena, "%s%u", names[VARIABLE_PORT],
					   (unsigned)addr_port(&mark->addr));
	list[VARIABLE_OUTPUT] =
		arena_format(arena, "%s%" PRIu64, names[VARIABLE_OUTPUT], mark->output);
	list[VARIABLE_PID] = arena_format(arena, "%s%*s", names[VARIABLE_PID], PID_DIGITS, "");
	for (int i = 0; i < VARIABLE_COUNT; i++)
		if (list[i] == NULL)
			return false;
	return true;
}

bool
mark_has_path(char *const *variables, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(variables[i], "PATH=", 5) == 0)
			return true;
	return false;
}

int
mark_make_environment(struct arena *arena, const struct mark_owner *owner, const struct mark *mark,
		      char *const *variables, size_t n, struct mark_environment *ret)
{
	char **list = arena_alloc(arena, VARIABLE_COUNT + n + 2, sizeof(list[0]));
	size_t used = VARIABLE_COUNT;

	if (list == NULL || !make_mark(arena, owner, mark, list))
		return -TG_ENOMEM;
	if (!mark_has_path(variables, n)) {
		list[used] = arena_format(arena, "PATH=%s", process_path());
		if (list[used++] == NULL)
			return -TG_ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		list[used] = mark_replace(arena, variables[i], owner, mark);
		if (list[used++] == NULL)
			return -TG_ENOMEM;
	}
	ret->list = list;
	ret->pid = list[VARIABLE_PID] + strlen(names[VARIABLE_PID]);
	return 0;
}

void
mark_set_pid(const struct mark_environment *e)
{
	unsigned long pid = (unsigned long)getpid();
	char digits[PID_DIGITS];
	int n = 0;
	int i = 0;

	do {
		digits[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0 && n < PID_DIGITS);
	while (n > 0)
		e->pid[i++] = digits[--n];
	e->pid[i] = '\0';
}

int
mark_open_file(void)
{
	return memfd_create(FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

bool
mark_keep(const struct mark_environment *e)
{
	for (int i = 0; i < VARIABLE_COUNT; i++) {
		size_t n = strlen(e->list[i]) + 1;

		if (write(STDIN_FILENO, e->list[i], n) != (ssize_t)n)
			return false;
	}
	return fcntl(STDIN_FILENO, F_ADD_SEALS,
		     F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
}

/* finding */

/* Digits alone, of a value up to `max`. */
static bool
parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text) || value > (max - (uint64_t)(*text - '0')) / 10)
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*ret = value;
	return true;
}

static bool
parse_address(const char *address, const char *port, struct addr *ret)
{
	char text[TG_ADDR_STRLEN];
	struct endpoint e;

	snprintf(text, sizeof(text), strchr(address, ':') != NULL ? "[%.64s]:%.8s" : "%.64s:%.8s",
		 address, port);
	if (endpoint_parse(text, 0, &e, NULL) < 0 || e.kind != TG_ENDPOINT_ADDR ||
	    e.addr.u.sa.sa_family == AF_UNIX)
		return false;
	*ret = e.addr;
	return true;
}

/* Where each variable's value begins; false: one is not there. */
static bool
find_variables(const char *bytes, size_t n, const char *ret[VARIABLE_COUNT])
{
	unsigned found = 0;
	const char *end;

	for (; n > 0 && (end = memchr(bytes, '\0', n)) != NULL; bytes = end + 1) {
		n -= (size_t)(end + 1 - bytes);
		for (int i = 0; i < VARIABLE_COUNT; i++) {
			if ((found & 1u << i) != 0 ||
			    strncmp(bytes, names[i], strlen(names[i])) != 0)
				continue;
			ret[i] = bytes + strlen(names[i]);
			found |= 1u << i;
		}
	}
	return found == (1u << VARIABLE_COUNT) - 1;
}

bool
mark_parse(const char *bytes, size_t n, const struct mark_owner *owner, struct mark *ret)
{
	const char *values[VARIABLE_COUNT];
	struct mark mark;
	uint64_t pid;

	if (!find_variables(bytes, n, values) || strcmp(values[VARIABLE_RUN], owner->run) != 0 ||
	    strcmp(values[VARIABLE_SERVICE], owner->service) != 0 ||
	    !provider_name_is_good(values[VARIABLE_NAME]) ||
	    !parse_address(values[VARIABLE_ADDRESS], values[VARIABLE_PORT], &mark.addr) ||
	    !parse_number(values[VARIABLE_OUTPUT], UINT64_MAX, &mark.output) ||
	    !parse_number(values[VARIABLE_PID], INT_MAX, &pid) || pid == 0)
		return false;
	snprintf(mark.name, sizeof(mark.name), "%s", values[VARIABLE_NAME]);
	mark.pid = (pid_t)pid;
	*ret = mark;
	return true;
}

/* One walk through the processes. */
struct scan {
	const struct mark_owner *owner;
	DIR *proc;
	char *bytes; /* of the environment that was read last */
	size_t size;
};

static bool
make_room(struct scan *s)
{
	size_t size = s->size > 0 ? 2 * s->size : READ_FIRST;
	char *bytes = size <= READ_MAX ? realloc(s->bytes, size) : NULL;

	if (bytes == NULL)
		return false;
	s->bytes = bytes;
	s->size = size;
	return true;
}

/* How many bytes of "PID/NAME"; 0: none, or not ours to read. */
static size_t
read_file(struct scan *s, const char *pid, const char *name)
{
	char path[32];
	size_t n = 0;
	ssize_t got = 1;
	int fd;

	snprintf(path, sizeof(path), "%.10s/%s", pid, name);
	fd = openat(dirfd(s->proc), path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	while (fd >= 0 && got > 0 && (n < s->size || make_room(s))) {
		got = read(fd, s->bytes + n, s->size - n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	return n;
}

/* Whether its standard input is a file of ours: no other is to be opened. */
static bool
has_file(const struct scan *s, const char *pid)
{
	char path[32];
	char link[sizeof(FILE_LINK)];

	snprintf(path, sizeof(path), "%.10s/fd/0", pid);
	return readlinkat(dirfd(s->proc), path, link, sizeof(link)) ==
		       (ssize_t)strlen(FILE_LINK) &&
	       memcmp(link, FILE_LINK, strlen(FILE_LINK)) == 0;
}

static bool
has_ended(int pid_fd)
{
	struct pollfd fd = {.fd = pid_fd, .events = POLLIN};

	return poll(&fd, 1, 0) != 0;
}

static bool
is_of_owner(const struct scan *s, const char *pid)
{
	struct stat st;

	return fstatat(dirfd(s->proc), pid, &st, 0) == 0 && st.st_uid == s->owner->uid;
}

static bool
parse_file(struct scan *s, const char *pid, const char *name, struct mark *ret)
{
	size_t n = read_file(s, pid, name); /* and s->bytes is where they are now */

	return n > 0 && mark_parse(s->bytes, n, s->owner, ret);
}

/* Whose descriptor is still that of a living process, what was read is its. */
static bool
read_mark(struct scan *s, const char *pid, int pid_fd, struct mark *ret)
{
	bool is_found;

	if (!is_of_owner(s, pid))
		return false;
	is_found = parse_file(s, pid, "environ", ret) ||
		   (has_file(s, pid) && parse_file(s, pid, "fd/0", ret));
	return is_found && !has_ended(pid_fd);
}

int
mark_scan(const struct mark_owner *owner,
	  void (*found)(void *user, const struct mark *mark, pid_t pid, int pid_fd), void *user)
{
	struct scan s = {.owner = owner, .proc = opendir("/proc")};
	const struct dirent *entry;
	struct mark mark;
	uint64_t pid;
	int fd;

	if (s.proc == NULL)
		return -TG_EIO;
	while ((entry = readdir(s.proc)) != NULL) {
		if (!parse_number(entry->d_name, INT_MAX, &pid) || pid == 0 ||
		    !is_of_owner(&s, entry->d_name))
			continue;
		fd = pidfd_open((pid_t)pid, 0);
		if (fd < 0)
			continue;
		if (read_mark(&s, entry->d_name, fd, &mark))
			found(user, &mark, (pid_t)pid, fd);
		close(fd);
	}
	closedir(s.proc);
	free(s.bytes);
	return 0;
}
