#include "proc/signing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "base/throttle.h"
#include "ipc/channel.h"
#include "proc/child.h"
#include "proc/supervisor.h"
#include "tls/key_ring.h"

/* The parent does nothing else meanwhile; for its start nobody waits. Ten thousand keys of RSA, 16 MB, take a second. */
#define ANSWERS_MS   2000u
#define FIRST_MS     10000u
#define BYTES_PER_MS 4096u
#define QUESTION_MS 1000u
#define UNHEARD_MAX 5u
/* A second, for each worker: ours ask half as often. */
#define LINES_RATE     2u
#define LINES_BURST_US 1000000u

static void on_timer(struct timer *t);

void
signing_init(struct signing *s)
{
	s->channel = -1;
	timer_init(&s->timer, on_timer);
}

/* the text of keys */

static void
write_keys(const struct conf *conf, FILE *out)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_tls *tls = &conf->listeners[i].tls;

		for (size_t j = 0; j < tls->n_certificates; j++) {
			const struct conf_certificate *c = &tls->certificates[j];

			for (size_t k = 0; k < c->n_loaded; k++)
				key_ring_write(out, SIGN_AS_SERVER, c->loaded[k].pem.key,
					       c->loaded[k].pem.key_n);
		}
	}
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_pem *own = &conf->services[i].tls.own;

		if (own->key != NULL)
			key_ring_write(out, SIGN_AS_CLIENT, own->key, own->key_n);
	}
}

static int
write_text(const struct conf *conf, int fd)
{
	static char unbuffered[1];
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;
	bool is_written;

	if (out == NULL) {
		if (copy >= 0)
			close(copy);
		return -TG_EIO;
	}
	/* No copy of a key stays in a buffer. */
	setvbuf(out, unbuffered, _IONBF, sizeof(unbuffered));
	write_keys(conf, out);
	is_written = ferror(out) == 0;
	return fclose(out) == 0 && is_written ? 0 : -TG_EIO;
}

/* What is long to read is waited for longer. */
static struct mono
allow_for(int fd, struct mono until)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? mono_add_ms(until, (uint64_t)st.st_size / BYTES_PER_MS)
				   : until;
}

static int
send_keys(const struct signing *s, const struct conf *conf, struct mono *until, struct err *err)
{
	int fd = memfd_create("tidegate-keys", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc = fd >= 0 ? write_text(conf, fd) : -TG_EIO;

	if (rc == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		rc = -TG_EIO;
	if (rc < 0)
		err_set_errno(err, "writing the keys");
	else if (!channel_has_room(s->channel) ||
		 channel_send(s->channel, MSG_KEYS, NULL, 0, fd) < 0)
		rc = err_set(err, TG_EIO, "the signer does not take messages");
	if (rc == 0)
		*until = allow_for(fd, *until);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* An answer to a question of before may come first. Whatever it says, it is alive. */
static int
await(struct signing *s, enum msg_type type, struct mono until, struct message *ret,
      struct err *err)
{
	int rc;

	do {
		uint64_t us = mono_diff_us(until, mono_read());

		rc = channel_wait(s->channel, (int)(us / 1000), ret);
		if (rc == 1)
			s->n_unheard = 0;
	} while (rc == 1 && ret->type == MSG_PONG);
	if (rc == 1 && ret->type == type)
		return 0;
	if (rc == 1 && ret->fd >= 0)
		close(ret->fd);
	return err_set(err, TG_EIO, "the signer %s",
		       rc == -TG_EAGAIN ? "does not answer in time" : "has died");
}

/* -TG_EINVAL: it refuses them, and has those of before. */
static int
give_keys(struct signing *s, const struct conf *conf, struct mono *until, struct err *err)
{
	struct message m;
	int rc = send_keys(s, conf, until, err);

	if (rc == 0)
		rc = await(s, MSG_PREPARED, *until, &m, err);
	if (rc == 0 && m.u.prepared.is_ready == 0)
		rc = err_set(err, TG_EINVAL, "the signer: %s", m.u.prepared.reason);
	return rc;
}

/* life */

static void
close_channel(struct signing *s)
{
	watch_stop(s->loop, &s->watch);
	if (s->channel >= 0)
		close(s->channel);
	s->channel = -1;
}

static void
end(struct signing *s)
{
	close_channel(s);
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
}

static void
on_channel(struct watch *w, unsigned what)
{
	struct signing *s = TG_CONTAINER(w, struct signing, watch);
	struct message m;
	int rc = channel_receive(s->channel, &m);

	(void)what;
	if (rc == 1 && m.type == MSG_PONG) {
		s->n_unheard = 0;
	} else if (rc != -TG_EAGAIN) {
		if (rc == 1 && m.fd >= 0)
			close(m.fd);
		end(s); /* mostly it is dead: SIGCHLD tells */
	}
}

static void
set_timer(struct signing *s, uint64_t ms)
{
	timer_set(s->loop, &s->timer, mono_add_ms(loop_now_update(s->loop), ms));
}

/* Up, or gone again. */
static int
spawn(struct signing *s, unsigned limit_ms, struct err *err)
{
	struct mono until;
	struct message ready;
	int rc = child_spawn(CHILD_SIGNER, s->program_fd, s->privileges, &s->pid, &s->channel, err);

	s->started = mono_read();
	s->n_unheard = 0;
	if (rc < 0)
		return rc;
	until = mono_add_ms(s->started, limit_ms);
	/* It may have keys once nobody of its user can look into it. */
	rc = await(s, MSG_READY, until, &ready, err);
	if (rc == 0)
		rc = give_keys(s, *s->conf, &until, err);
	/* In a reload: both, as those of before linger. */
	if (rc == 0 && s->next != NULL && s->next != *s->conf)
		rc = give_keys(s, s->next, &until, err);
	if (rc == 0 && watch_start_level(s->loop, &s->watch, s->channel, on_channel) < 0)
		rc = err_no_memory(err);
	if (rc < 0) {
		end(s);
		waitpid(s->pid, NULL, 0);
		s->pid = 0;
		return rc;
	}
	log_write(TG_LOG_INFO, "child ready", "child=signer pid=%d", (int)s->pid);
	set_timer(s, QUESTION_MS);
	return 0;
}

static void
schedule(struct signing *s)
{
	uint64_t life_us = mono_diff_us(mono_read(), s->started);
	uint64_t wait_ms = supervisor_restart_ms(&s->deaths, life_us);

	set_timer(s, wait_ms);
}

static void
start_again(struct signing *s)
{
	int proxy = s->supervisor->children[CHILD_PROXY].channel;
	struct err err;

	log_write(TG_LOG_INFO, "starting child again", "child=signer");
	if (spawn(s, ANSWERS_MS, &err) < 0) {
		log_write(TG_LOG_ERROR, "cannot start child", "child=signer error=%s", err.text);
		schedule(s);
	} else if (proxy >= 0 && signing_connect(s, proxy) < 0) {
		supervisor_condemn(s->supervisor, CHILD_PROXY, "it does not take messages");
	}
}

static void
ask(struct signing *s)
{
	if (s->n_unheard >= UNHEARD_MAX) {
		log_write(TG_LOG_ERROR, "child hangs, ending it", "child=signer pid=%d for_ms=%u",
			  (int)s->pid, s->n_unheard * QUESTION_MS);
		end(s);
		return;
	}
	s->n_unheard++;
	if (s->n_unheard == 1 && channel_send(s->channel, MSG_PING, NULL, 0, -1) < 0)
		return; /* dying: the channel tells */
	set_timer(s, QUESTION_MS);
}

static void
on_timer(struct timer *t)
{
	struct signing *s = TG_CONTAINER(t, struct signing, timer);

	if (s->pid == 0)
		start_again(s);
	else if (s->channel >= 0)
		ask(s);
}

int
signing_start(struct signing *s, struct err *err)
{
	return (*s->conf)->key_isolation ? spawn(s, FIRST_MS, err) : 0;
}

void
signing_stop(struct signing *s)
{
	if (s->loop == NULL)
		return;
	timer_fini(&s->timer);
	end(s);
	if (s->pid > 0)
		waitpid(s->pid, NULL, 0);
	conf_unref(s->next);
	*s = (struct signing){.channel = -1};
}

void
signing_reap(struct signing *s)
{
	int status;

	if (s->pid <= 0 || waitpid(s->pid, &status, WNOHANG) != s->pid)
		return;
	child_log_death(CHILD_SIGNER, s->pid, status);
	s->pid = 0;
	close_channel(s);
	schedule(s);
}

/* whom it signs for */

static int
connect_worker(const struct signing *s, int proxy, unsigned worker)
{
	struct msg_signer m = {.worker = worker};
	struct err err;
	int ends[2];
	int rc = channel_pair(ends, &err);

	if (rc < 0) {
		log_write(TG_LOG_ERROR, "no line to the signer", "worker=%u reason=%s", worker,
			  err.text);
		return 0;
	}
	/* One that is dying: the next gets its lines. */
	(void)!channel_send(s->channel, MSG_SIGNER, &m, sizeof(m), ends[0]);
	rc = channel_send(proxy, MSG_SIGNER, &m, sizeof(m), ends[1]);
	close(ends[0]);
	close(ends[1]);
	return rc;
}

int
signing_connect(struct signing *s, int proxy)
{
	int rc = 0;

	for (unsigned i = 0; i < (*s->conf)->workers && rc == 0 && s->channel >= 0; i++)
		rc = connect_worker(s, proxy, i);
	return rc;
}

int
signing_give_line(struct signing *s, int proxy, uint32_t worker)
{
	unsigned workers = (*s->conf)->workers;

	if (worker >= workers)
		return -TG_EPROTO;
	if (s->channel < 0 ||
	    !throttle_take(&s->given_ns, workers * LINES_RATE, LINES_BURST_US, mono_read()))
		return 0;
	log_write(TG_LOG_WARN, "a worker without a line to the signer gets another", "worker=%u",
		  worker);
	return connect_worker(s, proxy, worker);
}

int
signing_change(struct signing *s, struct conf *next, struct err *err)
{
	struct mono until = mono_add_ms(mono_read(), ANSWERS_MS);
	int rc;

	if (!(*s->conf)->key_isolation)
		return 0;
	conf_unref(s->next);
	s->next = conf_ref(next);
	if (s->channel < 0)
		return 0;
	rc = give_keys(s, next, &until, err);
	if (rc < 0 && rc != -TG_EINVAL)
		end(s); /* what stands still is not waited for twice */
	return rc;
}
