#include "health/kept.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/sockopt.h"

/* The first probe of the kernel comes after whole seconds. */
static uint64_t
silence_ms(const struct conf_health_check *conf)
{
	return (conf->interval_ms + 999) / 1000 * 1000 + conf->timeout_ms;
}

int
kept_take(struct kept *k, int fd, const struct conf_health_check *conf)
{
	const struct conf_tcp options = {.keepalive_ms = conf->interval_ms};

	kept_drop(k);
	k->fd = fd;
	if (sockopt_set(fd, &options) == 0)
		return 0;
	kept_drop(k);
	return -TG_EIO;
}

bool
kept_is_alive(const struct kept *k, const struct conf_health_check *conf)
{
	struct tcp_info info;
	socklen_t n = offsetof(struct tcp_info, tcpi_last_ack_recv) + sizeof(info.tcpi_last_ack_recv);

	return k->fd >= 0 && getsockopt(k->fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
	       info.tcpi_state == TCP_ESTABLISHED &&
	       info.tcpi_last_ack_recv <= silence_ms(conf);
}

void
kept_drop(struct kept *k)
{
	static const struct linger reset = {.l_onoff = 1};

	if (k->fd < 0)
		return;
	(void)setsockopt(k->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(k->fd);
	k->fd = -1;
}
