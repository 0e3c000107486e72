#include "proc/predecessor.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/overlay.h"
#include "ipc/channel.h"

/* Its keeper may have the last orders to write first. */
#define GIVE_MS 10000

int
predecessor_check(int channel, struct err *err)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return err_set_errno(err, "cannot tell who started us");
	if (cred.pid != getppid() || cred.uid != geteuid())
		return err_set(err, TG_EINVAL, "started by another process");
	return 0;
}

static int
take_file(int *slot, int fd)
{
	if (*slot >= 0) {
		close(fd);
		return -TG_EPROTO;
	}
	*slot = fd;
	return 1;
}

static int
take_secret(struct conf *conf, const struct msg_give_secret *m)
{
	int rc = conf_keep_secret(conf, m->service, m->secret);

	return rc < 0 ? rc : 1;
}

/* 0 when that was the last one, 1 when more follow. */
static int
take(struct predecessor *p, struct inherited *in, struct message *m)
{
	struct err why;

	if (m->type == MSG_GIVEN)
		return 0;
	if (m->type == MSG_GIVE_SEGMENT)
		return take_file(&p->segment_fd, m->fd);
	if (m->type == MSG_GIVE_STATE)
		return take_file(&p->state_fd, m->fd);
	if (m->type == MSG_TICKETS) {
		p->tickets.hour = m->u.tickets.hour;
		memcpy(p->tickets.secret, m->u.tickets.secret, sizeof(p->tickets.secret));
		return 1;
	}
	if (m->type == MSG_GIVE_SECRET)
		return take_secret(p->conf, &m->u.give_secret);
	if (m->type == MSG_LOG_LEVEL) {
		p->has_log_level = true;
		p->log_level = (enum log_level)m->u.log_level.level;
		return 1;
	}
	if (m->type != MSG_GIVE) {
		if (m->fd >= 0)
			close(m->fd);
		return -TG_EPROTO;
	}
	if (inherited_add(in, m->fd, &m->u.give, &why) < 0)
		log_write(TG_LOG_WARN, "not taking over a socket", "reason=%s", why.text);
	return 1;
}

int
predecessor_ask(struct predecessor *p, struct inherited *in, struct err *err)
{
	struct message m;
	int rc = channel_send(p->channel, MSG_ASK, NULL, 0, -1);

	if (rc == 0)
		rc = 1;
	while (rc == 1) {
		rc = channel_wait(p->channel, GIVE_MS, &m);
		if (rc == 1)
			rc = take(p, in, &m);
		else
			rc = -TG_EPROTO;
	}
	if (rc < 0)
		return err_set(err, TG_EPROTO, "the old tidegate does not hand its sockets over");
	return 0;
}

static void
on_channel(struct watch *w, unsigned what)
{
	struct predecessor *p = TG_CONTAINER(w, struct predecessor, watch);
	struct message m;
	int rc = channel_receive(p->channel, &m);

	(void)what;
	if (rc == -TG_EAGAIN)
		return;
	if (rc == 1 && m.fd >= 0)
		close(m.fd);
	predecessor_fini(p);
	if (rc == 1 && m.type == MSG_YOURS)
		p->on_yours(p);
	else
		p->on_gone(p);
}

int
predecessor_tell_serving(struct predecessor *p, struct loop *loop)
{
	int rc = channel_send(p->channel, MSG_SERVING, NULL, 0, -1);

	if (rc < 0)
		return rc;
	p->loop = loop;
	return watch_start_level(loop, &p->watch, p->channel, on_channel);
}

void
predecessor_refuse(int channel, const char *reason)
{
	struct msg_refused m = {{0}};

	if (channel < 0)
		return;
	snprintf(m.reason, sizeof(m.reason), "%s", reason);
	/* It sees our end anyway. */
	(void)!channel_send(channel, MSG_REFUSED, &m, sizeof(m), -1);
}

static void
close_file(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
predecessor_close_files(struct predecessor *p)
{
	close_file(&p->segment_fd);
	close_file(&p->state_fd);
}

void
predecessor_fini(struct predecessor *p)
{
	if (p->channel < 0)
		return;
	if (p->loop != NULL)
		watch_stop(p->loop, &p->watch);
	close(p->channel);
	p->channel = -1;
}
