/*
 * proc/isolation.h: whether key_isolation keeps from the proxy what it is meant to.
 *
 * A process of its own has the private keys then. That is of no use where the proxy can open their files, or is
 * of the user who may trace the other one.
 */
#ifndef TG_PROC_ISOLATION_H
#define TG_PROC_ISOLATION_H

#include "conf/conf.h"

/* For conf_set_isolation(). */
void isolation_check(const struct conf *conf, conf_isolation_warn *warn, void *user);

#endif
