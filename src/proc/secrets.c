#include "proc/secrets.h"

static int
walk_nodes(const struct conf_node *nodes, size_t n, int (*seen)(void *user, const char *path),
	   void *user)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const char *socket = conf_node_socket(&nodes[i]);
		const char *key = nodes[i].tls.key;

		if (socket != NULL)
			rc = seen(user, socket);
		if (rc == 0 && key != NULL)
			rc = seen(user, key);
	}
	return rc;
}

/* Of each path: what `seen` returns, until that is not 0. */
static int
walk(const struct conf *conf, int (*seen)(void *user, const char *path), void *user)
{
	int rc = walk_nodes(conf->nodes, conf->n_nodes, seen, user);

	if (rc == 0)
		rc = walk_nodes(conf->left_nodes, conf->n_left_nodes, seen, user);
	for (size_t i = 0; rc == 0 && i < conf->n_services; i++) {
		const char *credentials = conf->services[i].provider.registry_credentials;

		if (credentials != NULL)
			rc = seen(user, credentials);
	}
	return rc;
}

struct adding {
	struct privileges *privileges;
	struct err *err;
};

static int
add(void *user, const char *path)
{
	struct adding *a = user;

	return privileges_add_secret(a->privileges, path, a->err);
}

int
secrets_add(struct privileges *p, const struct conf *conf, struct err *err)
{
	struct adding a = {.privileges = p, .err = err};

	return walk(conf, add, &a);
}

struct looking {
	const struct privileges *privileges;
	FILE *out;
};

static int
look(void *user, const char *path)
{
	struct looking *l = user;

	if (!privileges_lack_secret(l->privileges, path))
		return 0;
	fprintf(l->out, "the keeper lacks the group of %s", path);
	return 1;
}

bool
secrets_are_out_of_reach(const struct privileges *p, const struct conf *conf, FILE *out)
{
	struct looking l = {.privileges = p, .out = out};

	return p->drop && !privileges_are_root(p) && walk(conf, look, &l) != 0;
}
