#include <stddef.h>
#include <string.h>

#include "ipc/msg.h"

/* One row per message type; everything the channel knows of it. */
static const struct msg_kind {
	const char *name;
	uint32_t size;
	bool has_fd;
} kinds[MSG_TYPE_COUNT] = {
	[MSG_CONF] = {"conf", 0, true},
	[MSG_SEGMENT] = {"segment", 0, true},
	[MSG_LISTEN] = {"listen", sizeof(struct msg_listen), true},
	[MSG_PEER] = {"peer", 0, true},
	[MSG_START] = {"start", 0, false},
	[MSG_READY] = {"ready", 0, false},
	[MSG_STOP] = {"stop", sizeof(struct msg_stop), false},
	[MSG_BACKEND] = {"backend", sizeof(struct msg_backend), false},
	[MSG_ADMIN] = {"admin", 0, true},
	[MSG_LOG_FILE] = {"log-file", 0, true},
};

static const struct msg_kind *
kind_find(uint32_t type)
{
	if (type >= MSG_TYPE_COUNT || kinds[type].name == NULL)
		return NULL;
	return &kinds[type];
}

int
msg_payload_size(uint32_t type)
{
	const struct msg_kind *kind = kind_find(type);

	return kind != NULL ? (int)kind->size : -1;
}

bool
msg_has_fd(uint32_t type)
{
	const struct msg_kind *kind = kind_find(type);

	return kind != NULL && kind->has_fd;
}

const char *
msg_type_str(uint32_t type)
{
	const struct msg_kind *kind = kind_find(type);

	return kind != NULL ? kind->name : "?";
}

/* An address another process wrote: its length must fit its family. */
static bool
addr_is_sane(const struct addr *a)
{
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->len == sizeof(a->u.in);
	case AF_INET6:
		return a->len == sizeof(a->u.in6);
	case AF_UNIX:
		return a->len > offsetof(struct sockaddr_un, sun_path) &&
		       a->len <= sizeof(a->u.un) &&
		       memchr(a->u.un.sun_path, '\0', sizeof(a->u.un.sun_path)) != NULL;
	default:
		return false;
	}
}

bool
msg_is_sane(uint32_t type, const union msg_payload *u)
{
	if (type != MSG_BACKEND)
		return kind_find(type) != NULL;
	if (u->backend.health >= TG_BACKEND_HEALTH_COUNT || u->backend.has_addr > 1)
		return false;
	return u->backend.has_addr == 0 || addr_is_sane(&u->backend.addr);
}
