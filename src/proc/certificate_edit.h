/*
 * proc/certificate_edit.h: a certificate that an operator gives in the place of one that a listener has.
 *
 *	none --set--> open --set--> open (another one of that file)
 *	              open --commit--> none, and the next configuration
 *	              open --abort--> none
 *
 * One at a time, as HAProxy has it. The parent's: the key rests nowhere else. What was committed stays until its files change,
 * or the configuration is read anew.
 */
#ifndef TG_PROC_CERTIFICATE_EDIT_H
#define TG_PROC_CERTIFICATE_EDIT_H

#include "base/err.h"
#include "conf/conf.h"

/* Storage is the caller's; zeroed: none. */
struct certificate_edit {
	char *file; /* as `show cert` has it; NULL: none */
	struct conf_pem pem;
};

/* `text`: certificate, chain and key in PEM, which must fit. *ret_said, to free(): what is to be told; the error is for the
 * operator. */
TG_MUST_CHECK int certificate_edit_set(struct certificate_edit *e, const struct conf *conf,
				       const char *file, const char *text, char **ret_said,
				       struct err *err);
/* *ret: the next configuration, with one reference. It is over then; on failure it stays open. */
TG_MUST_CHECK int certificate_edit_commit(struct certificate_edit *e, struct conf *conf,
					  const char *file, struct conf **ret, struct err *err);
TG_MUST_CHECK int certificate_edit_abort(struct certificate_edit *e, const char *file,
					 struct err *err);
void certificate_edit_fini(struct certificate_edit *e); /* zeroed is allowed */

#endif
