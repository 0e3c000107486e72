#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/listen.h"
#include "net/sockopt.h"

#define SOCKET_FLAGS (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static int
set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

/* A bound socket, or -1 with errno. */
static int
open_bound(const struct addr *a, bool v6_only, bool shared)
{
	int fd = socket(a->u.sa.sa_family, SOCKET_FLAGS, 0);
	int saved;

	if (fd < 0)
		return -1;
	if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
	    (!shared || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0) &&
	    (a->u.sa.sa_family != AF_INET6 ||
	     set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6_only) == 0) &&
	    bind(fd, &a->u.sa, a->len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static struct addr
any_v4(uint16_t port)
{
	struct addr a = {.len = sizeof(struct sockaddr_in)};

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_port = htons(port);
	a.u.in.sin_addr.s_addr = htonl(INADDR_ANY);
	return a;
}

static int
open_bound_family(const struct addr *a, enum listen_family family, bool shared)
{
	struct addr v4;
	int fd = open_bound(a, family == TG_LISTEN_AS_GIVEN, shared);

	if (fd >= 0 || family != TG_LISTEN_BOTH)
		return fd;
	if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)
		return -1;
	v4 = any_v4(addr_port(a));
	return open_bound(&v4, false, shared);
}

int
listen_probe(const struct addr *a, enum listen_family family, struct err *err)
{
	int fd = open_bound_family(a, family, false);

	if (fd < 0)
		return err_set_errno(err, "cannot bind");
	close(fd);
	return 0;
}

int
listen_bind(const struct addr *a, enum listen_family family, int *ret_fd, struct err *err)
{
	int fd = open_bound_family(a, family, true);

	if (fd < 0)
		return err_set_errno(err, "cannot bind");
	*ret_fd = fd;
	return 0;
}

int
listen_begin(int fd, unsigned backlog, const struct conf_tcp *tcp)
{
	if (tcp != NULL &&
	    (set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 || sockopt_set_anew(fd, tcp) < 0))
		return -TG_EIO;
	return listen(fd, (int)backlog) < 0 ? -TG_EIO : 0;
}

int
listen_open(const struct addr *a, enum listen_family family, unsigned backlog,
	    const struct conf_tcp *tcp, int *ret_fd, struct err *err)
{
	int fd = -1;
	int rc = listen_bind(a, family, &fd, err);

	if (rc < 0)
		return rc;
	if (listen_begin(fd, backlog, tcp) < 0) {
		rc = err_set_errno(err, "cannot listen");
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

bool
listen_is_at(int fd, const struct addr *a, enum listen_family family)
{
	struct addr have = {.len = sizeof(have.u)};
	int v6_only = 0;
	socklen_t n = sizeof(v6_only);

	if (getsockname(fd, &have.u.sa, &have.len) < 0)
		return false;
	if (have.u.sa.sa_family == AF_UNIX)
		return a->u.sa.sa_family == AF_UNIX && have.len > sizeof(sa_family_t) &&
		       strcmp(have.u.un.sun_path, a->u.un.sun_path) == 0;
	if (have.u.sa.sa_family == AF_INET6 &&
	    (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &n) < 0 ||
	     (v6_only != 0) != (family == TG_LISTEN_AS_GIVEN)))
		return false;
	if (have.u.sa.sa_family == AF_INET && family == TG_LISTEN_BOTH) {
		struct addr v4 = any_v4(addr_port(a));

		return addr_equal(&have, &v4);
	}
	return addr_equal(&have, a);
}

/* True when somebody accepts connections at `a`. */
static bool
is_answered(const struct addr *a)
{
	int fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
	bool answered;

	if (fd < 0)
		return true; /* cannot know: leave the file alone */
	answered = connect(fd, &a->u.sa, a->len) == 0 || errno != ECONNREFUSED;
	close(fd);
	return answered;
}

/* Makes the path free to bind. */
static int
clear_path(const struct addr *a, struct err *err)
{
	const char *path = a->u.un.sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, "cannot bind");
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, TG_EEXIST, "cannot bind: a file that is no socket is there");
	if (is_answered(a))
		return err_set(err, TG_EEXIST, "cannot bind: Address already in use");
	if (unlink(path) < 0)
		return err_set_errno(err, "cannot remove the stale socket");
	return 0;
}

int
listen_open_unix(const struct addr *a, unsigned backlog, mode_t mode, int *ret_fd, struct err *err)
{
	mode_t saved_mask;
	int fd;
	int rc = clear_path(a, err);

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
	if (fd < 0)
		return err_set_errno(err, "cannot make a socket");
	saved_mask = umask(0777 & ~mode);
	rc = bind(fd, &a->u.sa, a->len);
	umask(saved_mask);
	if (rc < 0 || listen(fd, (int)backlog) < 0) {
		rc = err_set_errno(err, rc < 0 ? "cannot bind" : "cannot listen");
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

struct listen_file
listen_file_of(const struct addr *a)
{
	struct listen_file file = {.addr = *a};
	struct stat st;

	if (lstat(a->u.un.sun_path, &st) < 0)
		return (struct listen_file){.addr = {.len = 0}};
	file.device = st.st_dev;
	file.inode = st.st_ino;
	return file;
}

void
listen_file_remove(const struct listen_file *file)
{
	struct stat st;

	if (file->addr.len == 0 || lstat(file->addr.u.un.sun_path, &st) < 0)
		return;
	if (st.st_dev == file->device && st.st_ino == file->inode)
		unlink(file->addr.u.un.sun_path);
}
