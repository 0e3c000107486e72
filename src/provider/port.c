#include "provider/port.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIES 64

static bool
is_recent(const struct port_recent *recent, uint16_t port)
{
	for (size_t i = 0; i < TG_PORT_RECENT; i++)
		if (recent->list[i] == port)
			return true;
	return false;
}

/* The kernel chooses one for `a`. */
static int
ask_kernel(struct addr *a, struct err *err)
{
	struct addr bound = {.len = sizeof(bound.u)};
	int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return err_set_errno(err, "no port for a backend: socket");
	if (bind(fd, &a->u.sa, a->len) < 0 || getsockname(fd, &bound.u.sa, &bound.len) < 0)
		rc = err_set_errno(err, "no port for a backend: bind");
	close(fd);
	if (rc == 0)
		addr_set_port(a, addr_port(&bound));
	return rc;
}

int
port_take(struct port_recent *recent, const char *ip, struct addr *ret, struct err *err)
{
	struct addr a;
	struct ip where;
	int rc = 0;

	if (ip_parse(ip, strlen(ip), &where) < 0)
		return err_set(err, TG_EINVAL, "no port for a backend: \"%.64s\" is no address", ip);
	for (int i = 0; i < TRIES && rc == 0; i++) {
		a = ip_addr(&where, 0);
		rc = ask_kernel(&a, err);
		if (rc < 0 || is_recent(recent, addr_port(&a)))
			continue;
		recent->list[recent->next++ % TG_PORT_RECENT] = addr_port(&a);
		*ret = a;
		return 0;
	}
	return rc < 0 ? rc : err_set(err, TG_EIO, "no port for a backend: %d tries", TRIES);
}
