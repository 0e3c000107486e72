/*
 * provider/docker_auth.h: by which credentials a daemon fetches an image from its registry.
 *
 * They are in a file as `docker login` and `podman login` write it, {"auths":{"registry.example.org":{"auth":"..."}}}, which is
 * read for each pull: a password that changes there is used from the next one on. Nothing of it is in any error.
 */
#ifndef TG_PROVIDER_DOCKER_AUTH_H
#define TG_PROVIDER_DOCKER_AUTH_H

#include <stddef.h>

#include "base/err.h"

#define TG_DOCKER_AUTH_MAX (256u << 10) /* bytes of the file */

/* "X-Registry-Auth: ..." for this image, by the text of such a file; the caller's to free(). *ret NULL: it has nothing for this
 * registry. -TG_EINVAL, -TG_ENOMEM. */
TG_MUST_CHECK int docker_auth_header(const char *text, size_t n, const char *image, char **ret,
				     struct err *err);
/* The same, by the file. -TG_EINVAL also: it cannot be read. */
TG_MUST_CHECK int docker_auth_read(const char *path, const char *image, char **ret,
				   struct err *err);
/* Clears the header, and frees it. NULL allowed. */
void docker_auth_free(char *header);

#endif
