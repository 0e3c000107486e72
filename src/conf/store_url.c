#include "conf/store_url.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_PORT  ":6379"
#define SENTINEL_PORT ":26379"
#define HOST_TEXT    320u

/* Text between two places of it. */
struct part {
	const char *at;
	size_t n;
};

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* %XX to bytes; -TG_EINVAL also for a NUL, which no text can have. */
static int
decode(struct part from, char *ret, size_t size, const char *what, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < from.n; i++) {
		char c = from.at[i];

		if (c == '%') {
			int high = i + 2 < from.n ? hex_digit(from.at[i + 1]) : -1;
			int low = i + 2 < from.n ? hex_digit(from.at[i + 2]) : -1;

			if (high < 0 || low < 0 || (high | low) == 0)
				return err_set(err, TG_EINVAL,
					       "%s: a %% that is not followed by two hexadecimal "
					       "digits; write %%25 for %%",
					       what);
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (n + 1 >= size)
			return err_set(err, TG_EINVAL, "%s: longer than %zu bytes", what, size - 1);
		ret[n++] = c;
	}
	ret[n] = '\0';
	return 0;
}

/* "user:password" */
static int
read_account(struct part account, struct store_url *ret, struct err *err)
{
	const char *colon = memchr(account.at, ':', account.n);
	struct part user = account;
	struct part password;
	int rc;

	if (colon == NULL || colon + 1 == account.at + account.n)
		return err_set(err, TG_EINVAL,
			       "no password before @; allowed: user:password@, or :password@ for "
			       "the default user");
	user.n = (size_t)(colon - account.at);
	password.at = colon + 1;
	password.n = account.n - user.n - 1;
	rc = decode(user, ret->user, sizeof(ret->user), "user", err);
	if (rc < 0)
		return rc;
	return decode(password, ret->password, sizeof(ret->password), "password", err);
}

static int
read_database(const char *text, unsigned *ret, struct err *err)
{
	unsigned database = 0;
	bool is_good = *text != '\0';

	for (; is_good && *text; text++) {
		is_good = *text >= '0' && *text <= '9';
		database = database * 10 + (unsigned)(*text - '0');
		is_good = is_good && database <= TG_STORE_DATABASE_MAX;
	}
	if (!is_good)
		return err_set(err, TG_EINVAL, "bad database; allowed: 0 to %u",
			       TG_STORE_DATABASE_MAX);
	*ret = database;
	return 0;
}

/* "host", "host:port", "[::1]:port"; without one it is `port`, as ":6379". */
static int
read_host(struct part host, const char *port, struct store_url *ret, struct err *err)
{
	const char *bracket = memchr(host.at, ']', host.n);
	const char *behind = bracket != NULL ? bracket : host.at;
	bool has_port = memchr(behind, ':', host.n - (size_t)(behind - host.at)) != NULL;
	char text[HOST_TEXT];
	int rc;

	if (host.n == 0)
		return err_set(err, TG_EINVAL, "no host; allowed: redis://host[:port][/database]");
	if (ret->n_hosts == TG_STORE_HOSTS_MAX)
		return err_set(err, TG_EINVAL, "more than %u hosts", TG_STORE_HOSTS_MAX);
	if (host.n + sizeof(SENTINEL_PORT) > sizeof(text))
		return err_set(err, TG_EINVAL, "host: longer than 253 bytes");
	snprintf(text, sizeof(text), "%.*s%s", (int)host.n, host.at, has_port ? "" : port);
	rc = endpoint_parse(text, TG_ENDPOINT_NAMES, &ret->hosts[ret->n_hosts], err);
	if (rc == 0 && ret->hosts[ret->n_hosts].kind == TG_ENDPOINT_SRV)
		return err_set(err, TG_EINVAL,
			       "SRV records are not looked up for a store; "
			       "allowed: an address or a host name");
	ret->n_hosts += rc == 0;
	return rc;
}

/* Up to '@', where there is one before `end`; moves *text behind it. */
static int
take_account(const char **text, const char *end, struct store_url *ret, struct err *err)
{
	const char *at = memrchr(*text, '@', (size_t)(end - *text));
	struct part account = {.at = *text};

	if (at == NULL)
		return 0;
	account.n = (size_t)(at - *text);
	*text = at + 1;
	return read_account(account, ret, err);
}

static int
parse_tcp(const char *text, struct store_url *ret, struct err *err)
{
	const char *end = text + strcspn(text, "/?#");
	int rc = take_account(&text, end, ret, err);

	if (rc == 0)
		rc = read_host((struct part){.at = text, .n = (size_t)(end - text)}, DEFAULT_PORT, ret,
			       err);
	if (rc < 0 || *end == '\0' || strcmp(end, "/") == 0)
		return rc;
	if (*end != '/')
		return err_set(err, TG_EINVAL, "bad text behind the host; allowed: /database");
	return read_database(end + 1, &ret->database, err);
}

static int
parse_unix(const char *text, struct store_url *ret, struct err *err)
{
	const char *end = text + strcspn(text, "/");
	char path[sizeof(ret->hosts[0].addr.u.un.sun_path)];
	size_t n;
	int rc = take_account(&text, end, ret, err);

	if (rc < 0)
		return rc;
	n = strcspn(text, "?");
	if (text != end || n == 0)
		return err_set(err, TG_EINVAL,
			       "not the absolute path of a socket; allowed: redis+unix:///path");
	if (n >= sizeof(path))
		return err_set(err, TG_EINVAL, "path: longer than %zu bytes", sizeof(path) - 1);
	memcpy(path, text, n);
	path[n] = '\0';
	ret->n_hosts = 1;
	ret->hosts[0].kind = TG_ENDPOINT_ADDR;
	if (addr_set_path(&ret->hosts[0].addr, path) < 0)
		return err_set(err, TG_EINVAL, "path: longer than %zu bytes", sizeof(path) - 1);
	if (text[n] == '\0')
		return 0;
	if (!starts_with(text + n, "?db="))
		return err_set(err, TG_EINVAL, "bad text behind the path; allowed: ?db=n");
	return read_database(text + n + strlen("?db="), &ret->database, err);
}

/* "host[:port],host[:port]..." */
static int
read_hosts(struct part all, const char *port, struct store_url *ret, struct err *err)
{
	int rc = 0;

	for (bool is_last = false; !is_last && rc == 0;) {
		const char *comma = memchr(all.at, ',', all.n);
		struct part one = {.at = all.at, .n = comma != NULL ? (size_t)(comma - all.at) : all.n};

		is_last = comma == NULL;
		rc = read_host(one, port, ret, err);
		all.at += one.n + 1;
		all.n -= is_last ? all.n : one.n + 1;
	}
	return rc;
}

static int
read_master(struct part master, struct store_url *ret, struct err *err)
{
	if (master.n == 0)
		return err_set(err, TG_EINVAL,
			       "no name of the master behind the sentinels; allowed: "
			       "redis+sentinel://host[:port][,host...]/master[/database]");
	return decode(master, ret->master, sizeof(ret->master), "master", err);
}

static int
parse_sentinel(const char *text, struct store_url *ret, struct err *err)
{
	const char *end = text + strcspn(text, "/?#");
	int rc = take_account(&text, end, ret, err);

	if (rc == 0)
		rc = read_hosts((struct part){.at = text, .n = (size_t)(end - text)}, SENTINEL_PORT,
				ret, err);
	if (rc < 0)
		return rc;
	text = *end == '/' ? end + 1 : end;
	end = text + strcspn(text, "/?#");
	rc = read_master((struct part){.at = text, .n = (size_t)(end - text)}, ret, err);
	if (rc < 0 || *end == '\0')
		return rc;
	if (*end != '/')
		return err_set(err, TG_EINVAL, "bad text behind the master; allowed: /database");
	return read_database(end + 1, &ret->database, err);
}

static int
parse_cluster(const char *text, struct store_url *ret, struct err *err)
{
	const char *end = text + strcspn(text, "/?#");
	int rc = take_account(&text, end, ret, err);

	ret->is_cluster = true;
	if (rc == 0)
		rc = read_hosts((struct part){.at = text, .n = (size_t)(end - text)}, DEFAULT_PORT, ret,
				err);
	if (rc == 0 && *end != '\0' && strcmp(end, "/") != 0 && strcmp(end, "/0") != 0)
		return err_set(err, TG_EINVAL,
			       "bad text behind the hosts; allowed: /0, a Redis Cluster has no other "
			       "database");
	return rc;
}

bool
store_url_has_tls(void)
{
#ifdef TG_HAVE_REDIS_TLS
	return true;
#else
	return false;
#endif
}

static const struct scheme {
	const char *start;
	bool is_tls;
	int (*parse)(const char *text, struct store_url *ret, struct err *err);
} schemes[] = {
	{"redis://", false, parse_tcp},
	{"rediss://", true, parse_tcp},
	{"redis+unix://", false, parse_unix},
	{"redis+sentinel://", false, parse_sentinel},
	{"rediss+sentinel://", true, parse_sentinel},
	{"redis+cluster://", false, parse_cluster},
	{"rediss+cluster://", true, parse_cluster},
};

static const struct scheme *
find_scheme(const char *text)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (starts_with(text, schemes[i].start))
			return &schemes[i];
	}
	return NULL;
}

int
store_url_parse(const char *text, struct store_url *ret, struct err *err)
{
	const struct scheme *scheme = find_scheme(text);
	struct store_url url = {.database = 0};
	int rc;

	if (scheme == NULL)
		return err_set(err, TG_EINVAL,
			       "not the address of a store; allowed: "
			       "redis://[user:password@]host[:port][/database], "
			       "redis+unix://[user:password@]/path[?db=n], "
			       "redis+sentinel://[user:password@]host[:port][,host...]/master[/database], "
			       "redis+cluster://[user:password@]host[:port][,host...]; "
			       "rediss: by TLS");
	if (scheme->is_tls && !store_url_has_tls())
		return err_set(err, TG_EINVAL,
			       "TLS to redis is not available: this tidegate is built with a hiredis "
			       "that has none; allowed: redis://, redis+unix://, redis+sentinel://, "
			       "redis+cluster://");
	url.is_tls = scheme->is_tls;
	rc = scheme->parse(text + strlen(scheme->start), &url, err);
	if (rc == 0)
		*ret = url;
	return rc;
}
