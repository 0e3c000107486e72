#include "proc/certificate_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/overlay.h"

void
certificate_edit_fini(struct certificate_edit *e)
{
	if (e->pem.key != NULL)
		explicit_bzero(e->pem.key, e->pem.key_n);
	free(e->pem.key);
	free(e->pem.chain);
	free(e->file);
	*e = (struct certificate_edit){.file = NULL};
}

static bool
has_file(const struct conf_certificate *c, const char *file)
{
	for (size_t i = 0; i < c->n_loaded; i++)
		if (strcmp(c->loaded[i].file, file) == 0)
			return true;
	return false;
}

static bool
is_used(const struct conf *conf, const char *file)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_tls *tls = &conf->listeners[i].tls;

		for (size_t j = 0; j < tls->n_certificates; j++)
			if (has_file(&tls->certificates[j], file))
				return true;
	}
	return false;
}

static int
check_file(const struct certificate_edit *e, const char *file, struct err *err)
{
	if (e->file == NULL)
		return err_set(err, TG_ENOENT, "there is no ongoing transaction");
	if (strcmp(e->file, file) != 0)
		return err_set(err, TG_EINVAL, "the ongoing transaction is about \"%.256s\"",
			       e->file);
	return 0;
}

static void
on_warning(void *user, const char *text)
{
	fprintf(user, "warning: %s\n", text);
}

/* As files of certificates are read. */
static int
take(const char *text, struct conf_pem *ret, FILE *said, struct err *err)
{
	const struct conf_pem given = {
		.chain = (char *)(uintptr_t)text,
		.chain_n = strlen(text),
		.key = (char *)(uintptr_t)text,
		.key_n = strlen(text),
	};

	return conf_take_certificate(&given, on_warning, said, ret, err);
}

int
certificate_edit_set(struct certificate_edit *e, const struct conf *conf, const char *file,
		     const char *text, char **ret_said, struct err *err)
{
	struct certificate_edit next = {.file = NULL};
	char *said = NULL;
	size_t n;
	FILE *out;
	int rc = e->file != NULL ? check_file(e, file, err) : 0;

	if (rc == 0 && !is_used(conf, file))
		rc = err_set(
			err, TG_ENOENT,
			"no listener has a certificate of file \"%.256s\"; `show cert` lists them",
			file);
	if (rc < 0)
		return rc;
	out = open_memstream(&said, &n);
	next.file = strdup(file);
	if (out == NULL || next.file == NULL)
		rc = err_no_memory(err);
	else
		rc = take(text, &next.pem, out, err);
	if (rc == 0)
		fprintf(out, "Transaction %s for certificate %s!\n",
			e->file != NULL ? "updated" : "created", file);
	if (out != NULL && fclose(out) != 0 && rc == 0)
		rc = err_no_memory(err);
	if (rc < 0) {
		certificate_edit_fini(&next);
		free(said);
		return rc;
	}
	certificate_edit_fini(e);
	*e = next;
	*ret_said = said;
	return 0;
}

int
certificate_edit_commit(struct certificate_edit *e, struct conf *conf, const char *file,
			struct conf **ret, struct err *err)
{
	struct conf_draft *d = NULL;
	size_t n = 0;
	int rc = check_file(e, file, err);

	if (rc < 0)
		return rc;
	if (conf_draft_open(conf, &d) < 0 || conf_draft_set_certificate(d, file, &e->pem, &n) < 0)
		rc = err_no_memory(err);
	else if (n == 0)
		rc = err_set(err, TG_ENOENT, "no listener has this certificate any more");
	if (rc < 0) {
		conf_draft_drop(d);
		return rc;
	}
	*ret = conf_draft_finish(d);
	certificate_edit_fini(e);
	return 0;
}

int
certificate_edit_abort(struct certificate_edit *e, const char *file, struct err *err)
{
	int rc = check_file(e, file, err);

	if (rc == 0)
		certificate_edit_fini(e);
	return rc;
}
