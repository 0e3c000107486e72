/*
 * proc/proc.h: the three processes of tidegate.
 *
 *	parent   root if it must be: reads configuration, binds sockets,
 *		 supervises; never reads a client byte
 *	proxy    worker threads; all client bytes, no credential
 *	keeper   control plane: probes, names, admin socket, access log
 *
 * Children are the same binary executed again with TG_ROLE_ARG and their
 * channel to the parent on descriptor TG_CHANNEL_FD; they see nothing else.
 * The parent of an upgrade is started by the old one in the same way.
 */
#ifndef TG_PROC_PROC_H
#define TG_PROC_PROC_H

#include "conf/conf.h"

#define TG_ROLE_ARG       "--role="
#define TG_ROLE_SUCCESSOR "successor"
#define TG_CHANNEL_FD     3
/* In the environment of one whose predecessors stay, as the first is process 1: how many they are. */
#define TG_GENERATION     "TIDEGATE_GENERATION"

/* How the parent was started. */
struct parent_start {
	struct conf *conf; /* one reference, taken over */
	const char *conf_path;
	const char *argv0;
	int predecessor; /* channel to the parent whose place it takes, taken over; -1: none */
};

/* Runs until stopped; returns the exit status. */
int parent_main(const struct parent_start *start);
/* The proxy process: start-up messages, then workers. Returns the exit status. */
int proxy_main(int channel_fd);
/* The keeper process. Returns the exit status. */
int keeper_main(int channel_fd);
/* The signer process, where keys are kept apart. Returns the exit status. */
int signer_main(int channel_fd);

#endif
