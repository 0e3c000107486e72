/*
 * admin/http_ask.h: what a request to the HTTP port of the keeper asks for. Pure.
 *
 *	/metrics[?backends=0|1|times]
 *	/status
 *	/healthz
 *	/readyz[?services=any|all][?service=NAME]
 *
 * Read to the letter: a word that is not known is refused, so that a mistake in
 * it is seen.
 */
#ifndef TG_ADMIN_HTTP_ASK_H
#define TG_ADMIN_HTTP_ASK_H

#include "admin/ready.h"
#include "conf/conf.h"
#include "http/message.h"

enum http_page {
	TG_PAGE_METRICS = 0,
	TG_PAGE_STATUS = 1,
	TG_PAGE_HEALTH = 2,
	TG_PAGE_READY = 3,
	TG_PAGE_COUNT
};

enum http_backends {
	TG_BACKENDS_AS_BOUND = 0, /* unless there are too many */
	TG_BACKENDS_NO = 1,
	TG_BACKENDS_YES = 2, /* their histograms unless there are too many */
	TG_BACKENDS_TIMES = 3 /* with histograms */
};

struct http_ask {
	enum http_page page;
	bool is_head; /* the answer without its body */
	enum http_backends backends;
	enum ready_wanted ready;
	size_t service; /* of TG_READY_ONE */
};

/* 200: *ret is filled; 400, 404, 405 and others: *ret_why says why, static text. */
unsigned http_ask_read(const struct conf *conf, const struct http_head *head, struct http_ask *ret,
		       const char **ret_why);

#endif
