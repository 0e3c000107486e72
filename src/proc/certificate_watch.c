#include "proc/certificate_watch.h"

#include "base/container.h"
#include "base/hash.h"

static uint64_t
add(uint64_t mark, uint64_t seen)
{
	const uint64_t both[2] = {mark, seen};

	return hash_bytes(both, sizeof(both), 0) | 1;
}

/* 0: there is none. */
static uint64_t
look(const struct conf *conf)
{
	uint64_t mark = 0;

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_tls *tls = &conf->listeners[i].tls;

		for (size_t j = 0; j < tls->n_certificates; j++)
			mark = add(mark, conf_certificate_look(&tls->certificates[j]));
		if (conf_asks_clients(&conf->listeners[i]))
			mark = add(add(mark, conf_pem_file_look(&tls->client_ca)),
				   conf_pem_file_look(&tls->client_crl));
	}
	for (size_t i = 0; i < conf->n_services; i++) {
		if (conf->services[i].tls.enable)
			mark = add(mark, conf_back_tls_look(&conf->services[i].tls));
	}
	return mark;
}

static void
set_timer(struct certificate_watch *w)
{
	uint64_t ms = (*w->conf)->certificate_watch_ms;

	if (ms > 0)
		timer_set(w->loop, &w->timer, mono_add_ms(loop_now(w->loop), ms));
	else
		timer_clear(&w->timer);
}

static void
on_timer(struct timer *t)
{
	struct certificate_watch *w = TG_CONTAINER(t, struct certificate_watch, timer);
	uint64_t mark = look(*w->conf);
	bool is_settled = mark == w->seen;

	w->seen = mark;
	set_timer(w);
	if (mark == w->told || !is_settled)
		return;
	if (w->on_changed(w))
		w->told = mark;
}

void
certificate_watch_start(struct certificate_watch *w)
{
	timer_init(&w->timer, on_timer);
	certificate_watch_again(w);
}

void
certificate_watch_again(struct certificate_watch *w)
{
	w->told = 0;
	w->seen = look(*w->conf);
	set_timer(w);
}

void
certificate_watch_stop(struct certificate_watch *w)
{
	if (w->loop != NULL)
		timer_fini(&w->timer);
}
