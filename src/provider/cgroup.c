#include "provider/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD_US 100000u

/* One mount of a hierarchy, and where in it we are. */
struct hierarchy {
	char mount[PATH_MAX];
	char own[PATH_MAX]; /* below the mount */
};

/* Whether `word` is one of the words of `list`, between commas or spaces. */
static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
		if ((at == list || strchr(", ", at[-1]) != NULL) && strchr(", \n", at[n]) != NULL)
			return true;
	return false;
}

/* Our own path: "4:memory:/x", v2: "0::/x". */
static bool
find_own(const char *controller, char *ret)
{
	FILE *in = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX + 256];
	bool found = false;

	while (in != NULL && !found && fgets(line, sizeof(line), in) != NULL) {
		char *list = strchr(line, ':');
		char *path = list != NULL ? strchr(list + 1, ':') : NULL;

		if (path == NULL)
			continue;
		*path = '\0';
		found = controller == NULL ? list[1] == '\0' : has_word(list + 1, controller);
		path[strcspn(path + 1, "\n") + 1] = '\0';
		if (found)
			snprintf(ret, PATH_MAX, "%s", path + 1);
	}
	if (in != NULL)
		fclose(in);
	return found;
}

/* The part of a mount line behind " - ": type, source, options. */
static bool
is_mount_of(const char *rest, const char *controller)
{
	char type[32];
	char options[512];

	if (sscanf(rest, "%31s %*s %511s", type, options) != 2)
		return false;
	if (controller == NULL)
		return strcmp(type, "cgroup2") == 0;
	return strcmp(type, "cgroup") == 0 && has_word(options, controller);
}

/* Of `own` what is below the root of a mount; that may be a part of the hierarchy, as in containers. */
static void
strip_root(char *own, const char *root)
{
	size_t n = strlen(root);

	if (strcmp(root, "/") != 0 && strncmp(own, root, n) == 0 &&
	    (own[n] == '/' || own[n] == '\0'))
		memmove(own, own + n, strlen(own + n) + 1);
	if (strcmp(own, "/") == 0)
		own[0] = '\0';
}

/* NULL: v2. */
static bool
find_hierarchy(const char *controller, struct hierarchy *ret)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	char line[3 * PATH_MAX];
	char root[PATH_MAX];
	bool found = false;

	while (in != NULL && !found && fgets(line, sizeof(line), in) != NULL) {
		char *rest = strstr(line, " - ");

		found = rest != NULL && is_mount_of(rest + 3, controller) &&
			sscanf(line, "%*s %*s %*s %4095s %4095s", root, ret->mount) == 2;
	}
	if (in != NULL)
		fclose(in);
	if (!found || !find_own(controller, ret->own))
		return false;
	strip_root(ret->own, root);
	return true;
}

static bool
read_file(const char *folder, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX + 64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, ret, size - 1);
	close(fd);
	ret[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

static int
write_file(const char *folder, const char *name, const char *text, struct err *err)
{
	char path[PATH_MAX + 64];
	size_t n = strlen(text);
	int rc = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		rc = err_set_errno(err, "cannot write %.200s", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* finding */

static bool
has_controllers(const char *folder, const struct cgroup_limits *limits)
{
	char list[512];

	return read_file(folder, "cgroup.controllers", list, sizeof(list)) &&
	       (limits->cpu_permille == 0 || has_word(list, "cpu")) &&
	       (limits->memory == 0 || has_word(list, "memory"));
}

/* No process may be in a group that hands controllers down: ours is beside those of backends, in a
 * group that was given to us (systemd: Delegate, DelegateSubgroup). */
static bool
find_v2(const struct cgroup_limits *limits, struct cgroup_root *ret)
{
	struct hierarchy h;

	if (!find_hierarchy(NULL, &h) || h.own[0] == '\0')
		return false;
	snprintf(ret->below, sizeof(ret->below), "%s", dirname(h.own));
	if (strcmp(ret->below, "/") == 0)
		ret->below[0] = '\0';
	if (snprintf(ret->folders[0], PATH_MAX, "%s%s", h.mount, ret->below) >= PATH_MAX ||
	    !has_controllers(ret->folders[0], limits))
		return false;
	ret->n = 1;
	ret->is_v2 = true;
	return true;
}

static bool
add_v1(const char *controller, struct cgroup_root *ret)
{
	struct hierarchy h;

	if (!find_hierarchy(controller, &h))
		return false;
	return snprintf(ret->folders[ret->n++], PATH_MAX, "%s%s", h.mount, h.own) < PATH_MAX;
}

int
cgroup_find(const struct cgroup_limits *limits, struct cgroup_root *ret, struct err *err)
{
	*ret = (struct cgroup_root){.n = 0};
	if (find_v2(limits, ret))
		return 0;
	if ((limits->cpu_permille == 0 || add_v1("cpu", ret)) &&
	    (limits->memory == 0 || add_v1("memory", ret)))
		return 0;
	*ret = (struct cgroup_root){.n = 0};
	return err_set(err, TG_ENOTSUP,
		       "no control group that hands cpu and memory down to groups beside ours");
}

/* making */

static int
limit_v2(const struct cgroup_root *root, const char *folder, const struct cgroup_limits *limits,
	 struct err *err)
{
	char text[64];
	int rc = 0;

	if (limits->cpu_permille > 0) {
		snprintf(text, sizeof(text), "%" PRIu64 " %u",
			 (uint64_t)limits->cpu_permille * PERIOD_US / 1000, PERIOD_US);
		rc = write_file(root->folders[0], "cgroup.subtree_control", "+cpu", err);
		if (rc == 0)
			rc = write_file(folder, "cpu.max", text, err);
	}
	if (limits->memory > 0 && rc == 0) {
		snprintf(text, sizeof(text), "%" PRIu64, limits->memory);
		rc = write_file(root->folders[0], "cgroup.subtree_control", "+memory", err);
		if (rc == 0)
			rc = write_file(folder, "memory.max", text, err);
	}
	return rc;
}

static int
limit_v1(unsigned part, const char *folder, const struct cgroup_limits *limits, struct err *err)
{
	char text[64];

	if (part == 0 && limits->cpu_permille > 0) {
		snprintf(text, sizeof(text), "%" PRIu64,
			 (uint64_t)limits->cpu_permille * PERIOD_US / 1000);
		return write_file(folder, "cpu.cfs_quota_us", text, err);
	}
	snprintf(text, sizeof(text), "%" PRIu64, limits->memory);
	return write_file(folder, "memory.limit_in_bytes", text, err);
}

static int
make_part(const struct cgroup_root *root, unsigned part, const char *name,
	  const struct cgroup_limits *limits, int *ret_fd, struct err *err)
{
	char folder[PATH_MAX + 256];
	char procs[PATH_MAX + 300];
	int rc;

	snprintf(folder, sizeof(folder), "%s/%s", root->folders[part], name);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return err_set_errno(err, "cannot make the control group %.200s", folder);
	rc = root->is_v2 ? limit_v2(root, folder, limits, err) : limit_v1(part, folder, limits, err);
	if (rc < 0)
		return rc;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", folder);
	*ret_fd = open(procs, O_WRONLY | O_CLOEXEC);
	return *ret_fd >= 0 ? 0 : err_set_errno(err, "cannot use the control group %.200s", folder);
}

int
cgroup_make(const struct cgroup_root *root, const char *name, const struct cgroup_limits *limits,
	    struct cgroup_door *ret, struct err *err)
{
	struct cgroup_door door = {.fds = {-1, -1}};
	int rc = 0;

	for (unsigned i = 0; i < root->n && rc == 0; i++)
		rc = make_part(root, i, name, limits, &door.fds[i], err);
	if (rc == 0) {
		*ret = door;
		return 0;
	}
	cgroup_door_close(&door);
	(void)cgroup_remove(root, name);
	return -TG_EIO;
}

bool
cgroup_enter(const struct cgroup_door *door)
{
	for (unsigned i = 0; i < TG_CGROUP_PARTS; i++)
		if (door->fds[i] >= 0 && write(door->fds[i], "0", 1) != 1)
			return false;
	return true;
}

void
cgroup_door_close(struct cgroup_door *door)
{
	for (unsigned i = 0; i < TG_CGROUP_PARTS; i++) {
		if (door->fds[i] >= 0)
			close(door->fds[i]);
		door->fds[i] = -1;
	}
}

bool
cgroup_remove(const struct cgroup_root *root, const char *name)
{
	char folder[PATH_MAX + 256];
	bool is_gone = true;

	for (unsigned i = 0; i < root->n; i++) {
		snprintf(folder, sizeof(folder), "%s/%s", root->folders[i], name);
		if (rmdir(folder) < 0 && errno != ENOENT)
			is_gone = false;
	}
	return is_gone;
}

bool
cgroup_place(const struct cgroup_root *root, const char *name, char *ret, size_t size)
{
	char folder[PATH_MAX + 256];

	if (root->n == 0 || !root->is_v2)
		return false;
	snprintf(folder, sizeof(folder), "%s/%s", root->folders[0], name);
	return access(folder, F_OK) == 0 &&
	       (size_t)snprintf(ret, size, "%s/%s", root->below, name) < size;
}
