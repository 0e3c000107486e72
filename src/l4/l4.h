/*
 * l4/l4.h: mode tcp: one backend connection for each client connection.
 */
#ifndef TG_L4_L4_H
#define TG_L4_L4_H

#include "backend/worker.h"

extern const struct front_ops l4_front_ops;

#endif
