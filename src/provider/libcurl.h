/*
 * provider/libcurl.h: libcurl, loaded by the process that calls a server, and by no other.
 *
 * Debian's brings thirty more libraries (LDAP, Kerberos, TLS), which the proxy, that strangers speak to, must not
 * have, and which nearly double the time of a start. Here is the door to its headers; call.c uses what is loaded.
 */
#ifndef TG_PROVIDER_LIBCURL_H
#define TG_PROVIDER_LIBCURL_H

#include <curl/curl.h>

#include "base/err.h"

/* Without their prefix. */
#define TG_LIBCURL_FUNCTIONS(X)                                                                    \
	X(global_init)                                                                             \
	X(version_info)                                                                            \
	X(slist_append)                                                                            \
	X(slist_free_all)                                                                          \
	X(easy_init)                                                                               \
	X(easy_cleanup)                                                                            \
	X(easy_setopt)                                                                             \
	X(easy_getinfo)                                                                            \
	X(easy_strerror)                                                                           \
	X(multi_init)                                                                              \
	X(multi_cleanup)                                                                           \
	X(multi_setopt)                                                                            \
	X(multi_assign)                                                                            \
	X(multi_add_handle)                                                                        \
	X(multi_remove_handle)                                                                     \
	X(multi_info_read)                                                                         \
	X(multi_socket_action)

/* Storage is the caller's, zeroed first. */
struct libcurl {
	void *object;
#define TG_LIBCURL_MEMBER(f) __typeof__(&curl_##f) f;
	TG_LIBCURL_FUNCTIONS(TG_LIBCURL_MEMBER)
#undef TG_LIBCURL_MEMBER
};

/* Ready for use. It stays in the process, closed or not: what was loaded once is loaded at once again.
 * -TG_ENOTSUP: it is not there, or too old; `err` says which is needed, and the package that brings it. */
TG_MUST_CHECK int libcurl_open(struct libcurl *ret, struct err *err);
/* Nothing of it is in use any more. Idempotent. */
void libcurl_close(struct libcurl *lib);

#endif
