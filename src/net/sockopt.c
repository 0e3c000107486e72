#include "net/sockopt.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* From one probe to the next, as a part of the silence before the first. */
#define PROBE_PART 6u

static int
set(int fd, int level, int option, uint64_t value)
{
	int v = (int)value;

	return setsockopt(fd, level, option, &v, sizeof(v)) == 0 ? 0 : -TG_EIO;
}

/* A part of the time in whole seconds, rounded up: the kernel refuses 0. */
static uint64_t
seconds(uint64_t ms, uint64_t part)
{
	return (ms + part * 1000 - 1) / (part * 1000);
}

static int
set_keepalive(int fd, uint64_t ms)
{
	int rc = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(ms, 1));

	if (rc == 0)
		rc = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(ms, PROBE_PART));
	if (rc == 0)
		rc = set(fd, IPPROTO_TCP, TCP_KEEPCNT, TG_KEEPALIVE_PROBES);
	if (rc == 0)
		rc = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	return rc;
}

int
sockopt_set_anew(int fd, const struct conf_tcp *conf)
{
	int rc = set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);

	if (rc == 0)
		rc = set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
	return rc == 0 ? sockopt_set(fd, conf) : rc;
}

int
sockopt_set(int fd, const struct conf_tcp *conf)
{
	int rc = 0;

	if (conf->keepalive_ms != 0)
		rc = set_keepalive(fd, conf->keepalive_ms);
	if (rc == 0 && conf->user_timeout_ms != 0)
		rc = set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, conf->user_timeout_ms);
	return rc;
}
