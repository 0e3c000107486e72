/*
 * conf/valid_priv.h: what the text of a key must look like.
 *
 * Each returns 0, or -TG_EINVAL with what is wrong and what is allowed.
 */
#ifndef TG_CONF_VALID_PRIV_H
#define TG_CONF_VALID_PRIV_H

#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"

#define TG_CONF_NAME_MAX 64u
#define TG_CONF_BACKEND_NAME_MAX 127u
#define TG_CONF_EXPECT_MAX 32u /* ranges */

int conf_valid_name(const char *text, struct err *err);
int conf_valid_backend_name(const char *text, struct err *err);
int conf_valid_account(const char *text, struct err *err);
int conf_valid_file(const char *text, struct err *err);
/* A file, by its absolute path. */
int conf_valid_absolute_file(const char *text, struct err *err);
/* A unix socket, or a port of a loopback address. */
int conf_valid_control(const char *text, struct err *err);
int conf_valid_bind(const char *text, struct err *err);
int conf_valid_http(const char *text, struct err *err);
/* "127.0.0.1:9100", "*:9100", "unix:/path"; "9100" is on 127.0.0.1. */
int conf_read_http(const char *text, struct addr *ret, struct err *err);
int conf_valid_address(const char *text, struct err *err);
int conf_valid_route_host(const char *text, struct err *err);
int conf_valid_route_path(const char *text, struct err *err);
int conf_valid_request_path(const char *text, struct err *err);
/* A host name, or an address without a port. */
int conf_valid_tls_name(const char *text, struct err *err);
/* A host name, no address. `err` may be NULL. */
int conf_valid_dns_name(const char *text, struct err *err);
int conf_valid_request_host(const char *text, struct err *err);
/* Where a process of this machine can be reached: an address without a port. */
int conf_valid_own_address(const char *text, struct err *err);
int conf_valid_method(const char *text, struct err *err);
int conf_valid_hash_on(const char *text, struct err *err);
/* 0, or -TG_EINVAL. *ret_name points into `text`, or is NULL where there is no name. */
int conf_hash_on_parse(const char *text, enum conf_hash_on *ret_kind, const char **ret_name);
int conf_valid_token(const char *text, struct err *err);
/* Of a cookie's attribute: no control characters, no ";". */
int conf_valid_attribute(const char *text, struct err *err);
int conf_valid_expect(const char *text, struct err *err);

/* "200,204,300-399" to inclusive pairs, at most TG_CONF_EXPECT_MAX; how many, or -TG_EINVAL. */
int conf_expect_parse(const char *text, uint16_t (*ret)[2], struct err *err);

#endif
