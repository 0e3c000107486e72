#include "sample/usage.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files of one line, and memory.stat with some fifty. */
#define FILE_MAX       ((size_t)8 << 10)
#define PATH_MAX_BYTES 1024u
/* Where version 1 says "no limit": the most pages a counter can have. */
#define V1_NO_LIMIT (UINT64_C(1) << 60)

/*** Text of the kernel ***/

/* False: there is none, it cannot be read, or it is longer. */
static bool
read_file(const char *path, char *buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t rc = 1;

	if (fd < 0)
		return false;
	while (rc > 0 && n < FILE_MAX) {
		rc = read(fd, buf + n, FILE_MAX - n);
		if (rc > 0)
			n += (size_t)rc;
	}
	close(fd);
	buf[n < FILE_MAX ? n : FILE_MAX - 1] = '\0';
	return rc == 0;
}

/* A decimal number at *text, which moves behind it and the blanks after it. False: none, or too large. */
static bool
take_number(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t n = 0;

	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	while (*p == ' ' || *p == '\n')
		p++;
	*text = p;
	*ret = n;
	return true;
}

/* "key number\n" on a line of its own. */
static bool
find_number(const char *text, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);

	for (; text != NULL && *text != '\0'; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, key, n) == 0 && text[n] == ' ') {
			text += n + 1;
			return take_number(&text, ret);
		}
	}
	return false;
}

/*** Cgroups ***/

/* What may be used; 0: not said. */
struct limits {
	double cpu;
	uint64_t memory;
};

/* Those of a folder and of all above it: others below it ask for the same. */
struct known_limits {
	bool is_known;
	const char *mount;
	char name[PATH_MAX_BYTES];
	struct limits limits;
};

struct cgroup {
	const char *root;
	const char *name;
	char *buf; /* FILE_MAX */
	struct known_limits *above; /* of version 2, and of 1 */
};

/* `mount` is below sys/fs/cgroup; "": itself. */
static bool
read_cgroup(const struct cgroup *c, const char *mount, const char *file)
{
	char path[PATH_MAX_BYTES];
	int n = snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s/%s/%s", c->root, mount, c->name,
			 file);

	return n > 0 && (size_t)n < sizeof(path) && read_file(path, c->buf);
}

static bool
read_number(const struct cgroup *c, const char *mount, const char *file, uint64_t *ret)
{
	const char *text = c->buf;

	return read_cgroup(c, mount, file) && take_number(&text, ret);
}

static bool
has_cgroup(const struct cgroup *c, const char *mount, const char *file)
{
	char path[PATH_MAX_BYTES];
	int n = snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s/%s/%s", c->root, mount, c->name,
			 file);

	return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0;
}

static void
set_memory(struct usage *u, uint64_t current, uint64_t inactive)
{
	u->has_memory = true;
	u->memory = current > inactive ? current - inactive : 0;
}

static void
read_memory(const struct cgroup *c, const char *mount, const char *current_file,
	    const char *inactive_key, struct usage *u)
{
	uint64_t current;
	uint64_t inactive;

	if (read_number(c, mount, current_file, &current) && read_cgroup(c, mount, "memory.stat") &&
	    find_number(c->buf, inactive_key, &inactive))
		set_memory(u, current, inactive);
}

/*** Limits ***/

static void
tighten(struct limits *l, const struct limits *by)
{
	if (by->cpu > 0 && (l->cpu <= 0 || by->cpu < l->cpu))
		l->cpu = by->cpu;
	if (by->memory > 0 && (l->memory == 0 || by->memory < l->memory))
		l->memory = by->memory;
}

/* "max" is no number: no limit. "max 100000", "50000 100000" */
static void
limits_of_v2(const struct cgroup *c, const char *mount, struct limits *ret)
{
	const char *text = c->buf;
	uint64_t quota;
	uint64_t period;

	*ret = (struct limits){.cpu = 0};
	if (!read_number(c, mount, "memory.max", &ret->memory))
		ret->memory = 0;
	if (read_cgroup(c, mount, "cpu.max") && take_number(&text, &quota) &&
	    take_number(&text, &period) && period > 0)
		ret->cpu = (double)quota / (double)period;
}

/* A quota of -1 is no number: no limit. Each controller has a mount of its own. */
static void
limits_of_v1(const struct cgroup *c, const char *mount, struct limits *ret)
{
	uint64_t quota;
	uint64_t period;

	(void)mount;
	*ret = (struct limits){.cpu = 0};
	if (!read_number(c, "memory", "memory.limit_in_bytes", &ret->memory) ||
	    ret->memory >= V1_NO_LIMIT)
		ret->memory = 0;
	if (read_number(c, "cpu", "cpu.cfs_quota_us", &quota) &&
	    read_number(c, "cpu", "cpu.cfs_period_us", &period) && period > 0)
		ret->cpu = (double)quota / (double)period;
}

/* To the folder above; false: it was the root of the mount. */
static bool
go_up(char *name)
{
	size_t n = strlen(name);

	while (n > 0 && name[n - 1] == '/')
		n--;
	if (n == 0)
		return false;
	while (n > 0 && name[n - 1] != '/')
		n--;
	name[n] = '\0';
	return true;
}

typedef void limits_at(const struct cgroup *c, const char *mount, struct limits *ret);

static void
tighten_by_above(const struct cgroup *c, limits_at *at, const char *mount,
		 struct known_limits *known, struct limits *l)
{
	char name[PATH_MAX_BYTES];
	struct cgroup above = {.root = c->root, .name = name, .buf = c->buf};
	struct limits limits;

	if ((size_t)snprintf(name, sizeof(name), "%s", c->name) >= sizeof(name) || !go_up(name))
		return;
	if (!known->is_known || known->mount != mount || strcmp(known->name, name) != 0) {
		*known = (struct known_limits){.is_known = true, .mount = mount};
		memcpy(known->name, name, sizeof(name));
		do {
			at(&above, mount, &limits);
			tighten(&known->limits, &limits);
		} while (go_up(name));
	}
	tighten(l, &known->limits);
}

static void
read_limits(const struct cgroup *c, limits_at *at, const char *mount, struct known_limits *known,
	    struct usage *u)
{
	struct limits l = {.cpu = u->cpu_limit, .memory = u->memory_limit};
	struct limits own;

	at(c, mount, &own);
	tighten(&l, &own);
	tighten_by_above(c, at, mount, known, &l);
	u->cpu_limit = l.cpu;
	u->memory_limit = l.memory;
}

/*** Both versions ***/

/* False: no folder of version 2 here. */
static bool
read_v2(const struct cgroup *c, const char *mount, struct usage *u)
{
	if (!has_cgroup(c, mount, "memory.current") && !has_cgroup(c, mount, "cpu.stat"))
		return false;
	read_memory(c, mount, "memory.current", "inactive_file", u);
	u->has_cpu =
		read_cgroup(c, mount, "cpu.stat") && find_number(c->buf, "usage_usec", &u->cpu_us);
	read_limits(c, limits_of_v2, mount, &c->above[0], u);
	return true;
}

/* What is above the mount, the memory of a group tells: it has the tightest of all. */
static void
read_v1_hierarchy(const struct cgroup *c, struct usage *u)
{
	struct limits l = {.cpu = 0};
	struct limits all = {.cpu = u->cpu_limit, .memory = u->memory_limit};

	if (!read_cgroup(c, "memory", "memory.stat") ||
	    !find_number(c->buf, "hierarchical_memory_limit", &l.memory) ||
	    l.memory >= V1_NO_LIMIT)
		return;
	tighten(&all, &l);
	u->memory_limit = all.memory;
}

static void
read_v1(const struct cgroup *c, struct usage *u)
{
	uint64_t used_ns;

	if (!u->has_memory)
		read_memory(c, "memory", "memory.usage_in_bytes", "total_inactive_file", u);
	if (!u->has_cpu && read_number(c, "cpuacct", "cpuacct.usage", &used_ns)) {
		u->has_cpu = true;
		u->cpu_us = used_ns / 1000;
	}
	read_limits(c, limits_of_v1, "", &c->above[1], u);
	read_v1_hierarchy(c, u);
}

/* Not out of the file system of cgroups. */
static bool
is_inside(const char *name)
{
	for (const char *p = strstr(name, ".."); p != NULL; p = strstr(p + 1, "..")) {
		if ((p == name || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return false;
	}
	return true;
}

/* Where both are mounted, controllers are in one of them each. */
static void
read_cgroups(const struct cgroup *c, struct usage *u)
{
	bool is_alone;

	if (!is_inside(c->name))
		return;
	is_alone = read_v2(c, "", u); /* no version 1 beside it */
	if (!is_alone)
		(void)read_v2(c, "unified", u);
	if (!u->has_cpu || !u->has_memory ||
	    (!is_alone && (u->cpu_limit <= 0 || u->memory_limit == 0)))
		read_v1(c, u);
}

/*** Processes ***/

struct process {
	pid_t group;
	uint64_t ticks;    /* with those of children it has waited for */
	uint64_t resident; /* pages */
	uint64_t shared;
};

/* Fields 5 and 14 to 17, behind the name in parentheses, which may have any byte. */
static bool
parse_stat(const char *text, struct process *p)
{
	const char *at = strrchr(text, ')');
	uint64_t fields[18] = {0};

	if (at == NULL || at[1] != ' ' || at[2] == '\0' || at[3] != ' ')
		return false;
	at += 4;
	for (unsigned i = 4; i <= 17; i++) {
		at += *at == '-'; /* of no terminal */
		if (!take_number(&at, &fields[i]))
			return false;
	}
	p->group = (pid_t)fields[5];
	p->ticks = fields[14] + fields[15] + fields[16] + fields[17];
	return true;
}

/* "size resident shared ..." */
static bool
parse_statm(const char *text, struct process *p)
{
	uint64_t size;

	return take_number(&text, &size) && take_number(&text, &p->resident) &&
	       take_number(&text, &p->shared);
}

static bool
read_process(const char *root, const char *pid, const char *file, char *buf)
{
	char path[PATH_MAX_BYTES];
	int n = snprintf(path, sizeof(path), "%s/proc/%s/%s", root, pid, file);

	return n > 0 && (size_t)n < sizeof(path) && read_file(path, buf);
}

/* What is summed up of a group. */
struct group {
	size_t n;
	uint64_t ticks;
	uint64_t own; /* pages */
	uint64_t shared;
};

static void
add_process(struct group *g, const struct process *p)
{
	g->n++;
	g->ticks += p->ticks;
	g->own += p->resident > p->shared ? p->resident - p->shared : 0;
	if (p->shared > g->shared)
		g->shared = p->shared;
}

static bool
is_wanted(const struct usage_place *places, size_t n, pid_t group)
{
	for (size_t i = 0; i < n; i++) {
		if (places[i].group == group)
			return true;
	}
	return false;
}

static void
read_pid(const char *root, const char *pid, const struct usage_place *places, size_t n, char *buf,
	 struct group *groups)
{
	struct process p = {.group = 0};

	/* One that ends meanwhile is none. */
	if (!read_process(root, pid, "stat", buf) || !parse_stat(buf, &p) || p.group <= 0 ||
	    !is_wanted(places, n, p.group))
		return;
	if (!read_process(root, pid, "statm", buf) || !parse_statm(buf, &p))
		return;
	for (size_t i = 0; i < n; i++) {
		if (places[i].group == p.group)
			add_process(&groups[i], &p);
	}
}

static void
read_groups(const char *root, const struct usage_place *places, size_t n, char *buf,
	    struct group *groups)
{
	char path[PATH_MAX_BYTES];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc", root);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]))
			read_pid(root, entry->d_name, places, n, buf, groups);
	}
	closedir(dir);
}

static void
set_group(const struct group *g, struct usage *u)
{
	long tick = sysconf(_SC_CLK_TCK);
	long page = sysconf(_SC_PAGESIZE);

	if (g->n == 0)
		return;
	if (!u->has_cpu && tick > 0) {
		u->has_cpu = true;
		u->cpu_us = g->ticks * (UINT64_C(1000000) / (uint64_t)tick);
	}
	if (!u->has_memory && page > 0) {
		u->has_memory = true;
		u->memory = (g->own + g->shared) * (uint64_t)page;
	}
}

static bool
needs_group(const struct usage_place *place, const struct usage *u)
{
	return place->group > 0 && (!u->has_cpu || !u->has_memory);
}

int
usage_read_below(const char *root, const struct usage_place *places, size_t n, struct mono now,
		 struct usage *ret)
{
	char buf[FILE_MAX];
	struct known_limits above[2] = {{.is_known = false}, {.is_known = false}};
	struct cgroup c = {.root = root, .buf = buf, .above = above};
	struct group *groups;
	bool has_groups = false;

	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct usage){.at = now};
		c.name = places[i].cgroup;
		if (c.name != NULL)
			read_cgroups(&c, &ret[i]);
		has_groups = has_groups || needs_group(&places[i], &ret[i]);
	}
	if (!has_groups)
		return 0;
	groups = calloc(n, sizeof(*groups));
	if (groups == NULL)
		return -TG_ENOMEM;
	read_groups(root, places, n, buf, groups);
	for (size_t i = 0; i < n; i++)
		set_group(&groups[i], &ret[i]);
	free(groups);
	return 0;
}

int
usage_read_all(const struct usage_place *places, size_t n, struct mono now, struct usage *ret)
{
	return usage_read_below("", places, n, now, ret);
}

void
usage_read(const struct usage_place *place, struct mono now, struct usage *ret)
{
	if (usage_read_all(place, 1, now, ret) < 0)
		*ret = (struct usage){.at = now};
}

/*** Rates ***/

static double
cpu_rate(const struct usage *before, const struct usage *now, double limit)
{
	uint64_t span_us = mono_diff_us(now->at, before->at);

	if (!before->has_cpu || !now->has_cpu || span_us == 0 || limit <= 0 ||
	    now->cpu_us < before->cpu_us)
		return NAN;
	return (double)(now->cpu_us - before->cpu_us) / (double)span_us / limit;
}

struct usage_rate
usage_rate(const struct usage *before, const struct usage *now, double cpu_limit,
	   uint64_t memory_limit, struct mono at, uint64_t stale_ms)
{
	struct usage_rate rate = {.cpu = NAN, .memory = NAN};
	bool is_stale = mono_diff_us(at, now->at) > stale_ms * 1000;

	if (is_stale ||
	    (now->has_cpu && now->has_memory && now->memory == 0 && now->cpu_us == before->cpu_us))
		return rate;
	if (cpu_limit <= 0)
		cpu_limit = now->cpu_limit;
	if (memory_limit == 0)
		memory_limit = now->memory_limit;
	rate.cpu = cpu_rate(before, now, cpu_limit);
	if (now->has_memory && memory_limit > 0)
		rate.memory = (double)now->memory / (double)memory_limit;
	return rate;
}
