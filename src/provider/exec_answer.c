#include "provider/exec_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/provider_priv.h"

#define SHOWN 48

static const char *const states[TG_INSTANCE_STATE_COUNT] = {
	[TG_INSTANCE_STARTING] = "starting",
	[TG_INSTANCE_RUNNING] = "running",
	[TG_INSTANCE_STOPPING] = "stopping",
	[TG_INSTANCE_ENDED] = "ended",
};

/* Keys of an object, and the same in words. */
struct keys {
	const char *list[5]; /* NULL at the end */
	const char *words;
};

static const struct keys list_keys = {{"name", "state", "address", "why", NULL},
				      "name, state, address, why"};
static const struct keys start_keys = {{"address", NULL}, "address"};
static const struct keys no_keys = {{NULL}, "none"};

char *
exec_question_text(const struct exec_question *q, size_t *ret_n)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "verb", q->verb, "run", q->run, "service",
			      q->service);
	char *text = NULL;
	char *line = NULL;
	int n;

	if (o != NULL &&
	    (q->name == NULL || json_object_set_new(o, "name", json_string(q->name)) == 0) &&
	    (!q->has_grace ||
	     json_object_set_new(o, "grace_ms", json_integer((json_int_t)q->grace_ms)) == 0) &&
	    (q->epoch == 0 ||
	     json_object_set_new(o, "epoch", json_integer((json_int_t)q->epoch)) == 0))
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text == NULL)
		return NULL;
	n = asprintf(&line, "%s\n", text);
	free(text);
	if (n < 0)
		return NULL;
	*ret_n = (size_t)n;
	return line;
}

/* answers */

/* Only blanks, as of a program that has nothing to say. */
static bool
is_blank(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memchr(" \t\r\n", text[i], 4) == NULL)
			return false;
	return true;
}

/* NULL: `err` says why. */
static json_t *
load(const char *text, size_t n, const char *wanted, struct err *err)
{
	json_error_t wrong;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &wrong);
	char shown[2 * SHOWN] = "";

	if (root != NULL)
		return root;
	if (is_blank(text, n)) {
		(void)err_set(err, TG_EPROTO, "it answered nothing; allowed: %s", wanted);
		return NULL;
	}
	provider_quote(shown, sizeof(shown), wrong.text, strlen(wrong.text));
	(void)err_set(err, TG_EPROTO, "its answer is not JSON, line %d: %s; allowed: %s", wrong.line,
		      shown, wanted);
	return NULL;
}

static bool
has_key(const struct keys *keys, const char *key)
{
	for (const char *const *k = keys->list; *k != NULL; k++)
		if (strcmp(*k, key) == 0)
			return true;
	return false;
}

static int
check_keys(json_t *object, const struct keys *keys, const char *where, struct err *err)
{
	char shown[SHOWN] = "";

	for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
		const char *key = json_object_iter_key(i);

		if (has_key(keys, key))
			continue;
		provider_quote(shown, sizeof(shown), key, strlen(key));
		return err_set(err, TG_EPROTO, "%sunknown key \"%s\"; allowed: %s", where, shown,
			       keys->words);
	}
	return 0;
}

/* *ret: its text, without NUL inside; NULL: the key is not there. */
static int
get_text(const json_t *object, const char *key, const char *where, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(object, key);

	*ret = NULL;
	if (value == NULL)
		return 0;
	if (!json_is_string(value) || json_string_length(value) == 0 ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return err_set(err, TG_EPROTO, "%s%s: allowed: a text", where, key);
	*ret = json_string_value(value);
	return 0;
}

static int
parse_address(const char *text, const char *where, struct addr *ret, struct err *err)
{
	struct endpoint e;
	char shown[SHOWN] = "";
	int rc = endpoint_parse(text, 0, &e, NULL);

	if (rc == 0 && e.addr.u.sa.sa_family != AF_UNIX) {
		*ret = e.addr;
		return 0;
	}
	provider_quote(shown, sizeof(shown), text, strlen(text));
	return err_set(err, TG_EPROTO,
		       "%saddress: bad value \"%s\"; allowed: \"10.0.0.7:8080\", \"[fd00::7]:8080\"",
		       where, shown);
}

static int
parse_started(json_t *root, bool *ret_has_addr, struct addr *ret, struct err *err)
{
	const char *text;
	int rc;

	if (!json_is_object(root))
		return err_set(err, TG_EPROTO,
			       "its answer is no object; allowed: {\"address\": \"10.0.0.7:8080\"}");
	rc = check_keys(root, &start_keys, "", err);
	if (rc == 0)
		rc = get_text(root, "address", "", &text, err);
	if (rc < 0)
		return rc;
	*ret_has_addr = text != NULL;
	return text != NULL ? parse_address(text, "", ret, err) : 0;
}

int
exec_parse_start(const char *text, size_t n, bool *ret_has_addr, struct addr *ret, struct err *err)
{
	json_t *root;
	int rc;

	if (is_blank(text, n)) {
		*ret_has_addr = false;
		return 0;
	}
	root = load(text, n, "nothing, or {\"address\": \"10.0.0.7:8080\"}", err);
	if (root == NULL)
		return -TG_EPROTO;
	rc = parse_started(root, ret_has_addr, ret, err);
	json_decref(root);
	return rc;
}

int
exec_parse_stop(const char *text, size_t n, struct err *err)
{
	json_t *root;
	int rc;

	if (is_blank(text, n))
		return 0;
	root = load(text, n, "nothing, or {}", err);
	if (root == NULL)
		return -TG_EPROTO;
	if (json_is_object(root))
		rc = check_keys(root, &no_keys, "", err);
	else
		rc = err_set(err, TG_EPROTO, "its answer is no object; allowed: nothing, or {}");
	json_decref(root);
	return rc;
}

static int
parse_state(const char *text, const char *where, struct instance *ret, struct err *err)
{
	char shown[SHOWN] = "";

	if (text == NULL) {
		ret->state = ret->has_addr ? TG_INSTANCE_RUNNING : TG_INSTANCE_STARTING;
		return 0;
	}
	for (unsigned i = 0; i < TG_INSTANCE_STATE_COUNT; i++) {
		if (strcmp(text, states[i]) != 0)
			continue;
		ret->state = (enum instance_state)i;
		if (ret->state == TG_INSTANCE_RUNNING && !ret->has_addr)
			return err_set(err, TG_EPROTO,
				       "%saddress: missing; required with state \"running\"", where);
		return 0;
	}
	provider_quote(shown, sizeof(shown), text, strlen(text));
	return err_set(err, TG_EPROTO,
		       "%sstate: unknown value \"%s\"; allowed: starting, running, stopping, ended",
		       where, shown);
}

static int
parse_name(const char *text, const char *where, struct instance *ret, struct err *err)
{
	char shown[SHOWN] = "";

	if (text == NULL)
		return err_set(err, TG_EPROTO, "%sname: missing", where);
	if (provider_name_is_good(text)) {
		snprintf(ret->name, sizeof(ret->name), "%s", text);
		return 0;
	}
	provider_quote(shown, sizeof(shown), text, strlen(text));
	return err_set(err, TG_EPROTO,
		       "%sname: bad value \"%s\"; allowed: up to %u letters, digits, -, _ and .",
		       where, shown, TG_INSTANCE_NAME - 1);
}

static int
parse_instance(json_t *object, const char *where, struct instance *ret, struct err *err)
{
	const char *name = NULL;
	const char *state = NULL;
	const char *address = NULL;
	const char *why = NULL;
	int rc;

	if (!json_is_object(object))
		return err_set(err, TG_EPROTO, "%sis no object", where);
	rc = check_keys(object, &list_keys, where, err);
	if (rc == 0)
		rc = get_text(object, "name", where, &name, err);
	if (rc == 0)
		rc = parse_name(name, where, ret, err);
	if (rc == 0)
		rc = get_text(object, "address", where, &address, err);
	if (rc == 0 && address != NULL)
		rc = parse_address(address, where, &ret->addr, err);
	ret->has_addr = rc == 0 && address != NULL;
	if (rc == 0)
		rc = get_text(object, "state", where, &state, err);
	if (rc == 0)
		rc = parse_state(state, where, ret, err);
	if (rc == 0)
		rc = get_text(object, "why", where, &why, err);
	if (rc == 0 && why != NULL)
		provider_quote(ret->why, sizeof(ret->why), why, strlen(why));
	return rc;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct instance *)a)->name, ((const struct instance *)b)->name);
}

/* In the order of their names; none twice. */
static int
parse_instances(const json_t *root, struct instance *list, size_t n, struct err *err)
{
	char where[32];
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		snprintf(where, sizeof(where), "[%zu] ", i);
		rc = parse_instance(json_array_get(root, i), where, &list[i], err);
	}
	if (rc < 0)
		return rc;
	qsort(list, n, sizeof(list[0]), compare_names);
	for (size_t i = 1; i < n; i++)
		if (strcmp(list[i - 1].name, list[i].name) == 0)
			return err_set(err, TG_EPROTO, "name: \"%s\" is there twice", list[i].name);
	return 0;
}

static int
parse_array(const json_t *root, struct instance **ret, size_t *ret_n, struct err *err)
{
	struct instance *list;
	size_t n;
	int rc;

	if (!json_is_array(root))
		return err_set(err, TG_EPROTO,
			       "its answer is no array; allowed: [{\"name\", \"state\", "
			       "\"address\"}, ...]");
	n = json_array_size(root);
	if (n > TG_EXEC_INSTANCES_MAX)
		return err_set(err, TG_EPROTO, "it lists %zu backends; allowed: up to %u", n,
			       TG_EXEC_INSTANCES_MAX);
	list = calloc(n + 1, sizeof(list[0]));
	if (list == NULL)
		return err_no_memory(err);
	rc = parse_instances(root, list, n, err);
	if (rc < 0) {
		free(list);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int
exec_parse_list(const char *text, size_t n, struct instance **ret, size_t *ret_n, struct err *err)
{
	json_t *root = load(text, n, "[{\"name\", \"state\", \"address\"}, ...]", err);
	int rc;

	if (root == NULL)
		return -TG_EPROTO;
	rc = parse_array(root, ret, ret_n, err);
	json_decref(root);
	return rc;
}
