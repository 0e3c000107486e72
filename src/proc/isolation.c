#include "proc/isolation.h"

#include <stdio.h>

#include "proc/privileges.h"

struct looking {
	const struct privileges *privileges;
	conf_isolation_warn *warn;
	void *user;
};

static void
look_at(const struct looking *l, const char *key_file)
{
	char text[512];

	if (!privileges_can_read(l->privileges, key_file))
		return;
	snprintf(text, sizeof(text),
		 "does not protect %.256s, which the proxy's user may read; wanted: root's, mode 0600",
		 key_file);
	l->warn(l->user, text);
}

static void
look_at_all(const struct looking *l, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_tls *tls = &conf->listeners[i].tls;

		for (size_t j = 0; j < tls->n_certificates; j++)
			for (size_t k = 0; k < tls->certificates[j].n_loaded; k++)
				look_at(l, tls->certificates[j].loaded[k].key_file);
	}
	for (size_t i = 0; i < conf->n_services; i++) {
		const struct conf_certificate *own = &conf->services[i].tls.certificate;

		for (size_t k = 0; k < own->n_loaded; k++)
			look_at(l, own->loaded[k].key_file);
	}
}

void
isolation_check(const struct conf *conf, conf_isolation_warn *warn, void *user)
{
	struct privileges privileges;
	struct looking l = {&privileges, warn, user};
	struct err err;

	/* Who is not root and checks what root is to start knows nothing of it. */
	if (privileges_resolve(conf->user, conf->group, &privileges, &err) < 0)
		return;
	if (!privileges.drop)
		warn(user, "protects nothing where all processes are of one user; wanted: a start as root, and user");
	else if (privileges_are_root(&privileges))
		warn(user, "protects nothing while the proxy is root; wanted: another user");
	else
		look_at_all(&l, conf);
	privileges_fini(&privileges);
}
