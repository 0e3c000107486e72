/*
 * conf/tls.h: what the configuration says of TLS, on both sides. Part of conf/conf.h, whose rules hold.
 */
#ifndef TG_CONF_TLS_H
#define TG_CONF_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"


/* What is in files of certificates, as PEM and nothing else. */
struct conf_pem {
	char *chain; /* the server's own certificate first */
	size_t chain_n;
	char *key; /* NULL: in processes that have no use for it */
	size_t key_n;
};

/* What conf/ asks of certificates while it reads a file: it cannot read them. */
struct conf_certificates {
	/* `pem->key` may be the same text as the chain. *ret is made of what is in it, each text to free(). What is odd and
	 * no error is told to `warn`. -TG_EINVAL with what is wrong, -TG_ENOENT: there is no key, -TG_ENOMEM. */
	int (*take)(const struct conf_pem *pem, void (*warn)(void *user, const char *text), void *user,
		    struct conf_pem *ret, struct err *err);
	/* Behind an error of take(): whether it is about the key. */
	bool (*is_of_key)(const struct conf_pem *pem);
	/* A list of ciphers. -TG_EINVAL with what is wrong. */
	int (*check_ciphers)(const char *text, struct err *err);
	/* A list of ciphers of a listener with key_isolation. The same. */
	int (*check_isolated)(const char *text, struct err *err);
	/* Certificates of authorities, lists of what they have revoked. What is odd is told to `warn`. -TG_EINVAL with what
	 * is wrong. */
	int (*check_authorities)(const char *pem, size_t n, void (*warn)(void *user, const char *text),
				 void *user, struct err *err);
	int (*check_revoked)(const char *pem, size_t n, void (*warn)(void *user, const char *text),
			     void *user, struct err *err);
	/* A certificate of these names that nobody vouches for, and its key, both texts to free(). -TG_ENOMEM, -TG_EINVAL. */
	int (*make_placeholder)(char *const *names, size_t n, struct conf_pem *ret, struct err *err);
	/* An OCSP response (DER), of the first certificate of a chain. -TG_EINVAL: it is of no use, with what is wrong;
	 * -TG_ENOENT: the certificate is revoked, whatever was said of it before. That it is over is told to `warn`. */
	int (*check_ocsp)(const struct conf_pem *pem, const char *der, size_t n,
			  void (*warn)(void *user, const char *text), void *user, struct err *err);
};
/* Once, before the first configuration is read; NULL, as at start: files of certificates are not read,
 * and any ciphers will do. */
/* What conf/ asks of a configuration with key_isolation: each reason why it does not protect what it should. Not set: none. */
struct conf;
typedef void conf_isolation_warn(void *user, const char *text);
void conf_set_isolation(void (*check)(const struct conf *conf, conf_isolation_warn *warn, void *user));
void conf_set_certificates(const struct conf_certificates *certificates);

/* certificates->take(), by those; -TG_EINVAL where nobody reads certificates. */
TG_MUST_CHECK int conf_take_certificate(const struct conf_pem *pem,
					void (*warn)(void *user, const char *text), void *user,
					struct conf_pem *ret, struct err *err);

/* One file that was read. */
struct conf_loaded {
	char *file;
	char *key_file; /* known where it was read, not to our other processes */
	struct conf_pem pem;
	char *ocsp_file; /* where its OCSP response is, or would be; known where it was read */
	char *ocsp;      /* DER; NULL: none that is of use */
	size_t ocsp_n;
	uint64_t set_mark; /* an operator gave what is in it, and its files looked so then; 0: it was read */
	bool has_bad_ocsp; /* there is one in that file that is not, nor says that what was said before is not so */
	bool is_placeholder; /* there is no such file yet: made for the while */
	bool is_kept; /* of what was read since nothing was of use: it is as it was before */
};

/* One of certificates = ( "site.pem", { file; key; ocsp; } ) of a listener. */
struct conf_certificate {
	char *file;		   /* or a folder of such files */
	char *key;		   /* NULL: in the file, or beside it */
	char *ocsp;		   /* NULL: beside the file, where there is one */
	char *acme;		   /* by which of conf->acme it is made; NULL: none */
	char *path; /* as files are opened; these three are known where they were read */
	char *key_path;
	char *ocsp_path;
	struct conf_loaded *loaded; /* what was read; of a folder by name */
	size_t n_loaded;
	char **left_out; /* files of a folder that were of no use when it was read anew, and had not been read before */
	size_t n_left_out;
};

#define TG_ACME_MAX	  64u
#define TG_ACME_NAMES_MAX 100u /* of one certificate */

/* An element of acme: a certificate that a program gets from an authority. */
struct conf_acme {
	char *name;
	char **names; /* host names that are to be in the certificate */
	size_t n_names;
	char **command; /* argv */
	size_t n_command;
	char *challenges; /* folder that it writes tokens into, an absolute path; NULL: it says them otherwise */
	uint64_t renew_before_ms; /* 30d */
	uint64_t timeout_ms;	  /* of a run; 10m */
	uint64_t retry_ms;	  /* the first pause after a failure; 10m */
};
bool conf_acme_equal(const struct conf_acme *a, const struct conf_acme *b);

/* Changes when a file that was read, or a folder, does. Does not read them. */
uint64_t conf_certificate_look(const struct conf_certificate *c);

/* Whose certificates are taken: a file of PEM. */
struct conf_pem_file {
	char *file; /* NULL: none is named */
	char *path; /* as it is opened; known where it was read. Authorities: that of the system, where none is named */
	char *pem;  /* what is in it; NULL: nothing was read */
	size_t pem_n;
};

/* As conf_certificate_look(). */
uint64_t conf_pem_file_look(const struct conf_pem_file *f);

enum conf_tls_version { TG_TLS_1_2 = 0, TG_TLS_1_3 = 1, TG_TLS_VERSION_COUNT };

/* Whether clients must have a certificate. */
enum conf_client_verify {
	TG_CLIENT_REQUIRED = 0, /* default, with client_ca */
	TG_CLIENT_OPTIONAL = 1, /* one that is shown must be good */
	TG_CLIENT_VERIFY_COUNT
};

/* tls = { certificates; min_version; ciphers; alpn; strict_sni; session_lifetime; client_ca; ... } of a listener. */
struct conf_tls {
	struct conf_certificate *certificates; /* none: the listener has no TLS */
	size_t n_certificates;
	enum conf_tls_version min_version; /* TG_TLS_1_2 */
	char *ciphers;                     /* of TLS 1.2; NULL: tls/settings.h */
	char **alpn;                       /* mode http: "http/1.1"; tcp: none */
	size_t n_alpn;
	bool strict_sni;              /* who asks for another name, or for none, is refused; false */
	unsigned handshake_rate;      /* a second, of all workers; 0: as many as come (default) */
	unsigned handshake_rate_per_address; /* likewise, of one client's; 0: as many as come (default) */
	uint64_t session_lifetime_ms; /* 1h; 0: no session is resumed */
	struct conf_pem_file client_ca;  /* none: clients are asked for no certificate */
	struct conf_pem_file client_crl; /* none: nothing is known to be revoked */
	enum conf_client_verify client_verify;
	unsigned client_depth; /* certificates between the client's and one of client_ca; 3 */
	bool client_headers;   /* backends are told of it; true */
	bool early_data;       /* requests are taken before the end of a resumed handshake; false */
	uint64_t early_data_bytes; /* of a connection; 16K */
};

/* What of a backend's certificate must be right. */
enum conf_verify {
	TG_VERIFY_FULL = 0,  /* an authority has signed it, and it has the name (default) */
	TG_VERIFY_CHAIN = 1, /* an authority has signed it */
	TG_VERIFY_NONE = 2,
	TG_VERIFY_COUNT
};

/* tls = { enable; ca; crl; verify; name; certificate; key; min_version; ciphers; } of a service. */
struct conf_back_tls {
	bool enable; /* where the group is written: true */
	bool is_off; /* worked out of it, when all is read */
	struct conf_pem_file ca;
	struct conf_pem_file crl; /* none: nothing is known to be revoked */
	enum conf_verify verify;
	char *name; /* NULL: that of the backend's address */
	struct conf_certificate certificate; /* our own; file NULL: none */
	struct conf_pem own;                 /* what is in it */
	enum conf_tls_version min_version;   /* TG_TLS_1_2 */
	char *ciphers;                       /* of TLS 1.2; NULL: tls/settings.h */
};

/* The name in its certificate; NULL: `tls` has none, and no address of the backend is known before it is
 * connected to. */
struct conf_backend;
const char *conf_back_tls_name(const struct conf_back_tls *tls, const struct conf_backend *backend);
/* Whether connections made by the one may be used by the other. */
bool conf_back_tls_equal(const struct conf_back_tls *a, const struct conf_back_tls *b);
/* Changes when one of its files does. Does not read them. */
uint64_t conf_back_tls_look(const struct conf_back_tls *tls);

#endif
