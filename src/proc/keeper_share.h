/*
 * proc/keeper_share.h: what operators order here is told to the other tidegates of one store, and what they order
 * there is ordered here: state and weight of backends, number and mode of services that are scaled. What the autoscaler
 * orders is not: fleets have their own way (autoscale/fleet.h).
 */
#ifndef TG_PROC_KEEPER_SHARE_H
#define TG_PROC_KEEPER_SHARE_H

#include "proc/keeper_priv.h"
#include "steer/scales.h"

/* The store is there, or is another one. */
void keeper_share_listen(struct keeper *k);
/* What the parent tells of tickets is to be agreed on with others. */
void keeper_share_tickets(struct keeper *k);
/* Something is ordered here. */
void keeper_share_backend(struct keeper *k, unsigned service, unsigned backend,
			  enum steer_property property);
void keeper_share_service(struct keeper *k, unsigned service, enum steer_scale what);

#endif
