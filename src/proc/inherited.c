#include "proc/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static bool
has_option(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t n = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &n) == 0 && value == wanted;
}

static bool
is_listening_stream(int fd)
{
	return has_option(fd, SO_TYPE, SOCK_STREAM) && has_option(fd, SO_ACCEPTCONN, 1);
}

static int
prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return 0;
}

/* The file that the giver says is this socket's must be at its address. */
static bool
find_file(int fd, const struct msg_give *give, struct listen_file *ret)
{
	struct addr a = {.len = sizeof(a.u)};
	struct listen_file file;

	*ret = (struct listen_file){.addr = {.len = 0}};
	if (give->device == 0 && give->inode == 0)
		return true;
	if (getsockname(fd, &a.u.sa, &a.len) < 0 || a.u.sa.sa_family != AF_UNIX)
		return false;
	file = listen_file_of(&a);
	if (file.addr.len == 0 || (uint64_t)file.device != give->device ||
	    (uint64_t)file.inode != give->inode)
		return false;
	*ret = file;
	return true;
}

static int
check(int fd, const struct msg_give *give, struct listen_file *ret_file, struct err *err)
{
	if (!is_listening_stream(fd))
		return err_set(err, TG_EINVAL, "a descriptor that is no listening socket");
	if (prepare(fd) < 0)
		return err_set_errno(err, "cannot set up a socket");
	if (!find_file(fd, give, ret_file))
		return err_set(err, TG_EINVAL, "a socket whose file is not its own");
	return 0;
}

int
inherited_add(struct inherited *in, int fd, const struct msg_give *give, struct err *err)
{
	struct inherited_socket s = {.fd = fd, .use = (enum give_use)give->use};
	struct inherited_socket *list = NULL;
	int rc = check(fd, give, &s.file, err);

	if (rc == 0)
		list = realloc(in->list, (in->n + 1) * sizeof(in->list[0]));
	if (list == NULL) {
		close(fd);
		return rc < 0 ? rc : err_set(err, TG_ENOMEM, "no memory for sockets");
	}
	in->list = list;
	in->list[in->n++] = s;
	return 0;
}

static bool
is_wanted(const struct inherited_socket *s, const struct addr *a, enum listen_family family,
	  enum give_use use)
{
	return s->fd >= 0 && (s->use == use || s->use == TG_GIVE_ANY) &&
	       listen_is_at(s->fd, a, family);
}

size_t
inherited_count(const struct inherited *in, const struct addr *a, enum listen_family family,
		enum give_use use)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < in->n; i++)
		n += is_wanted(&in->list[i], a, family, use);
	return n;
}

bool
inherited_take(struct inherited *in, const struct addr *a, enum listen_family family,
	       enum give_use use, struct inherited_socket *ret)
{
	size_t i;

	for (i = 0; i < in->n; i++) {
		struct inherited_socket *s = &in->list[i];

		if (!is_wanted(s, a, family, use))
			continue;
		*ret = *s;
		s->fd = -1;
		s->file.addr.len = 0;
		return true;
	}
	return false;
}

void
inherited_warn_unused(const struct inherited *in)
{
	size_t i;

	for (i = 0; i < in->n; i++) {
		struct addr a = {.len = sizeof(a.u)};
		char text[TG_ADDR_STRLEN];

		if (in->list[i].fd < 0 || getsockname(in->list[i].fd, &a.u.sa, &a.len) < 0)
			continue;
		log_write(TG_LOG_WARN, "nothing in the configuration is at a socket we were given",
			  "address=%s", addr_format(&a, text, sizeof(text)));
	}
}

void
inherited_close(struct inherited *in)
{
	size_t i;

	for (i = 0; i < in->n; i++) {
		if (in->list[i].fd >= 0)
			close(in->list[i].fd);
		in->list[i].fd = -1;
	}
}

void
inherited_remove_files(const struct inherited *in)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		listen_file_remove(&in->list[i].file);
}

void
inherited_fini(struct inherited *in)
{
	inherited_close(in);
	free(in->list);
	*in = (struct inherited){.list = NULL};
}
