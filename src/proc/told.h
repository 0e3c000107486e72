/*
 * proc/told.h: challenges as the keeper tells them, one message each (MSG_CHALLENGE), until all are there.
 */
#ifndef TG_PROC_TOLD_H
#define TG_PROC_TOLD_H

#include "base/challenge.h"
#include "ipc/msg.h"

/* Zeroed first; told_fini(). */
struct told {
	struct challenges *set; /* NULL: none are being told, or it is to be none */
	uint32_t n;             /* that it is to have */
};

/* 1: that was the last, *ret is the caller's, NULL: there are none, and none is awaited. 0: more are to come.
 * -TG_ENOMEM, -TG_EPROTO: one is missing. */
TG_MUST_CHECK int told_hear(struct told *told, const struct msg_challenge *m,
			    struct challenges **ret);
void told_fini(struct told *told);

#endif
