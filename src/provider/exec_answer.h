/*
 * provider/exec_answer.h: what programs that start backends are told and say, in JSON. tidegate(8) has the format.
 */
#ifndef TG_PROVIDER_EXEC_ANSWER_H
#define TG_PROVIDER_EXEC_ANSWER_H

#include "base/err.h"
#include "provider/provider.h"

#define TG_EXEC_INSTANCES_MAX 4096u
#define TG_EXEC_OUTPUT_MAX    (1024u * 1024u)

/* What is asked. */
struct exec_question {
	const char *verb;
	const char *run;
	const char *service;
	const char *name; /* NULL: none */
	bool has_grace;
	uint64_t grace_ms;
	uint64_t epoch; /* of who leads the service; 0: there is nobody else */
};

/* One object and a newline, the caller's to free(). NULL: no memory. */
char *exec_question_text(const struct exec_question *q, size_t *ret_n);

/* Of start: whether there is an address, and which. -TG_EPROTO, with what is wrong and what is allowed. */
TG_MUST_CHECK int exec_parse_start(const char *text, size_t n, bool *ret_has_addr, struct addr *ret,
				   struct err *err);
/* Of stop: nothing, or an empty object. */
TG_MUST_CHECK int exec_parse_stop(const char *text, size_t n, struct err *err);
/* Of list: the caller's to free(). -TG_EPROTO, -TG_ENOMEM. */
TG_MUST_CHECK int exec_parse_list(const char *text, size_t n, struct instance **ret, size_t *ret_n,
				  struct err *err);

#endif
