/*
 * conf/schema_node.c: the rows of places where backends can be started.
 */
#include <string.h>

#include "conf/docker_url.h"
#include "conf/schema_priv.h"
#include "conf/valid_priv.h"

/*** tls ***/

static const struct conf_field tls_fields[] = {
	{
		.key = "ca",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_node_tls, ca),
		.min = 1,
		.valid = conf_valid_absolute_file,
		.preset_note = "none; required with the others",
		.help = "Who signed the certificate of the daemon: a file in PEM, by its absolute path. The "
			"certificate must have the host of docker in it.",
	},
	{
		.key = "certificate",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_node_tls, certificate),
		.min = 1,
		.valid = conf_valid_absolute_file,
		.preset_note = "none; required with the others",
		.help = "By which tidegate is known to the daemon.",
	},
	{
		.key = "key",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_node_tls, key),
		.min = 1,
		.valid = conf_valid_absolute_file,
		.preset_note = "none; required with the others",
		.help = "Its private key. Who reads it is root on the node: keep it for root and a group that "
			"the user of tidegate is not in; of its processes only the keeper is given that group. Where it belongs to another "
			"group later, a reload starts new processes, as for user.",
	},
	{.key = NULL},
};

static void
warn(void *user, bool is_error, bool is_of_key, const char *text)
{
	const struct conf_telling *t = user;

	conf_check_warn(t->check, is_of_key ? "key" : t->key, "%s%s", text,
			is_error ? "; until it is mended the node is down" : "");
}

/* All, or none. */
static void
tls_check(struct conf_check *check, void *object)
{
	static const char *const keys[] = {"ca", "certificate", "key"};
	const struct conf_node_tls *tls = object;
	size_t n_given = 0;

	for (size_t i = 0; i < 3; i++)
		n_given += conf_check_given(check, keys[i]);
	for (size_t i = 0; i < 3 && n_given > 0; i++) {
		if (!conf_check_given(check, keys[i]))
			conf_check_error(check, keys[i],
					 "missing; tls needs ca, certificate and key");
	}
	if (tls->ca != NULL && tls->certificate != NULL && tls->key != NULL &&
	    !conf_check_is_internal(check))
		conf_look_at_files(check, tls->ca, tls->certificate, tls->key, warn);
}

static const struct conf_schema schema_tls = {
	.title = "TLS to a node",
	.help = "Certificates of both sides, as dockerd wants them with --tlsverify. A file that is replaced counts from the next "
		"request on, 10 s later at most, without a reload.",
	.fields = tls_fields,
	.check = tls_check,
};

/*** labels ***/

#define LABELS_MAX 64u

static const struct conf_field label_fields[] = {
	{.key = NULL},
};

static const struct conf_field label_rest = {
	.key = "name",
	TG_LIST(conf_labels, list, n),
	.element_kind = &conf_kind_label,
	.max = LABELS_MAX,
	.help = "Any key, with a string.",
};

const struct conf_schema conf_schema_labels = {
	.title = "Labels",
	.help = "What distinguishes nodes, in words of yours: zone = \\(dqa\\(dq.",
	.fields = label_fields,
	.rest = &label_rest,
};

const char *
conf_node_label(const struct conf_node *node, const char *key)
{
	for (size_t i = 0; i < node->labels.n; i++) {
		if (strcmp(node->labels.list[i].key, key) == 0)
			return node->labels.list[i].text;
	}
	return NULL;
}

/*** nodes ***/

/* Which port it is without one does not matter here. */
static int
valid_docker(const char *text, struct err *err)
{
	struct endpoint ignored;

	return docker_url_parse(text, true, &ignored, err);
}

static const struct conf_field node_fields[] = {
	{
		.key = "name",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_node, name),
		.min = 1,
		.max = TG_NODE_NAME - 1,
		.valid = conf_valid_name,
		.flags = TG_CONF_REQUIRED,
		.help = "By which it is known.",
	},
	{
		.key = "docker",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_node, docker),
		.min = 1,
		.max = 512,
		.valid = valid_docker,
		.flags = TG_CONF_REQUIRED,
		.help = "Where its Docker daemon listens: \\(dqunix:///var/run/docker.sock\\(dq, or "
			"\\(dqtcp://host:port\\(dq, the port 2376 with tls and 2375 without unless given. No other node has the "
			"same; where two lead to one daemon, the second is down. "
			"Whoever may speak to a Docker daemon is root on its machine: only the keeper does, with the "
			"group that the socket belongs to.",
	},
	{
		.key = "tls",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_node, tls),
		.schema = &schema_tls,
		.help = "Certificates for \\(dqtcp://\\(dq.",
	},
	{
		.key = "insecure",
		.kind = &conf_kind_boolean,
		TG_MEMBER(conf_node, is_insecure),
		.preset = "false",
		.help = "Whether \\(dqtcp://\\(dq to another machine may go without tls. Whoever can reach that port, or "
			"is on the way to it, is root there.",
	},
	{
		.key = "address",
		.kind = &conf_kind_text,
		TG_MEMBER(conf_node, address),
		.min = 2,
		.max = 45,
		.valid = conf_valid_own_address,
		.preset_note = "127.0.0.1 with \"unix://\", else the address that the daemon is reached at",
		.help = "Where the ports of backends on this node are published and reached, without a port.",
	},
	{
		.key = "cpu",
		.kind = &conf_kind_ratio,
		TG_MEMBER(conf_node, cpu_permille),
		.preset = "0",
		.preset_note = "what the daemon tells",
		.max = 65536 * 1000,
		.help = "Processors that backends on this node may have in all. 0: as many as the daemon tells. More "
			"than it tells are believed, with a warning.",
	},
	{
		.key = "memory",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_node, memory),
		.preset = "0",
		.preset_note = "what the daemon tells",
		.max = UINT64_C(1) << 50,
		.help = "Memory that backends on this node may have in all. 0: what the daemon tells. Of more than it "
			"tells that counts, with a warning.",
	},
	{
		.key = "labels",
		.kind = &conf_kind_group,
		TG_MEMBER(conf_node, labels),
		.schema = &conf_schema_labels,
		.help = "What distinguishes it.",
	},
	{
		.key = "left_ms",
		.kind = &conf_kind_integer,
		TG_MEMBER(conf_node, left_ms),
		.max = INT64_MAX,
		.flags = TG_CONF_INTERNAL,
		.help = "When it left the configuration.",
	},
	{.key = NULL},
};

bool
conf_node_has_tls(const struct conf_node *node)
{
	return node->tls.ca != NULL;
}

const char *
conf_node_socket(const struct conf_node *node)
{
	static const char scheme[] = "unix://";

	return strncmp(node->docker, scheme, sizeof(scheme) - 1) == 0
		       ? node->docker + sizeof(scheme) - 1
		       : NULL;
}

static bool
is_near(const struct endpoint *e)
{
	if (e->kind == TG_ENDPOINT_NAME)
		return strcasecmp(e->host, "localhost") == 0;
	return addr_is_local(&e->addr);
}

static void
node_check(struct conf_check *check, void *object)
{
	const struct conf_node *node = object;
	bool has_tls = conf_node_has_tls(node);
	struct endpoint at;
	struct err err;

	if (conf_check_errors(check) > 0 || docker_url_parse(node->docker, has_tls, &at, &err) < 0)
		return; /* what is wrong may be part of it */
	if (at.kind == TG_ENDPOINT_ADDR && at.addr.u.sa.sa_family == AF_UNIX) {
		if (has_tls)
			conf_check_error(check, "tls", "only allowed with docker = \"tcp://...\"");
	} else if (!has_tls && !node->is_insecure && !is_near(&at)) {
		conf_check_error(check, "docker",
				 "\"%.128s\" without tls: whoever can reach that port is root there; "
				 "allowed: tls = { ca; certificate; key; }, or insecure = true",
				 node->docker);
	}
}

static const char *
node_name(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_node *)element)->name;
}

static const char *
node_docker(const void *element, char *buf, size_t size)
{
	(void)buf;
	(void)size;
	return ((const struct conf_node *)element)->docker;
}

static const struct conf_unique node_unique[] = {
	{.key = "name", .what = "name", .text = node_name},
	{.key = "docker", .what = "docker", .text = node_docker},
	{.text = NULL},
};

const struct conf_schema conf_schema_node = {
	.title = "Nodes",
	.help = "Where backends can be started by a provider that has places: type = \\(dqdocker\\(dq. What runs on one that a reload "
		"takes out is replaced on those that stay, drained, stopped and removed; where its daemon does not answer for 10 s, a "
		"warning tells what may be left running. Another name, or another docker that leads to the same daemon, is the "
		"same node. Speaking to them needs "
		"libcurl on this machine (Debian: package libcurl4, or libcurl4t64), which the keeper loads then.",
	.fields = node_fields,
	.size = sizeof(struct conf_node),
	.unique = node_unique,
	.check = node_check,
};

const struct conf_node *
conf_find_node(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_nodes; i++) {
		if (strcmp(conf->nodes[i].name, name) == 0)
			return &conf->nodes[i];
	}
	return NULL;
}
