#include "store/redis_cluster.h"

#include <stdio.h>
#include <string.h>

#define PORT_MAX  65535u
#define HOST_SIZE 254u

/* Text between two places. */
struct part {
	const char *at;
	size_t n;
};

/*** Slots ***/

/* CRC16 as of XMODEM: polynomial 0x1021, from 0. */
static uint16_t
crc16(const char *text, size_t n)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < n; i++) {
		crc = (uint16_t)(crc ^ (uint16_t)((unsigned char)text[i] << 8));
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (uint16_t)((crc & 0x8000u) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

unsigned
cluster_slot(const char *key)
{
	const char *open = strchr(key, '{');
	const char *close = open != NULL ? strchr(open, '}') : NULL;

	if (close != NULL && close > open + 1)
		return crc16(open + 1, (size_t)(close - open - 1)) % TG_CLUSTER_SLOTS;
	return crc16(key, strlen(key)) % TG_CLUSTER_SLOTS;
}

/*** Words ***/

/* Up to `end`, which is taken too; what is left stays. */
static struct part
take(struct part *text, char end)
{
	const char *at = text->n > 0 ? memchr(text->at, end, text->n) : NULL;
	struct part word = {.at = text->at, .n = at != NULL ? (size_t)(at - text->at) : text->n};
	size_t taken = word.n + (at != NULL);

	text->at += taken;
	text->n -= taken;
	return word;
}

static bool
is_word(struct part word, const char *text)
{
	return word.n == strlen(text) && memcmp(word.at, text, word.n) == 0;
}

/* Digits only, up to `max`. */
static bool
read_number(struct part text, unsigned max, unsigned *ret)
{
	unsigned number = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		number = number * 10 + (unsigned)(text.at[i] - '0');
		if (number > max)
			return false;
	}
	*ret = number;
	return text.n > 0;
}

static bool
has_flag(struct part flags, const char *flag)
{
	while (flags.n > 0) {
		if (is_word(take(&flags, ','), flag))
			return true;
	}
	return false;
}

/*** Where ***/

static int
read_host(struct part host, unsigned port, struct endpoint *ret)
{
	char text[HOST_SIZE + sizeof("[]:65535")];
	bool is_bare_v6 = host.at[0] != '[' && memchr(host.at, ':', host.n) != NULL;
	struct endpoint at;

	if (host.n >= HOST_SIZE || memchr(host.at, '\0', host.n) != NULL)
		return -TG_EPROTO;
	snprintf(text, sizeof(text), is_bare_v6 ? "[%.*s]:%u" : "%.*s:%u", (int)host.n, host.at,
		 port);
	if (endpoint_parse(text, TG_ENDPOINT_NAMES, &at, NULL) < 0 || at.kind == TG_ENDPOINT_SRV ||
	    (at.kind == TG_ENDPOINT_ADDR && at.addr.u.sa.sa_family == AF_UNIX))
		return -TG_EPROTO;
	*ret = at;
	return 0;
}

/* Of a socket there is no other port. */
static int
same_host(const struct endpoint *asked, unsigned port, struct endpoint *ret)
{
	*ret = *asked;
	ret->port = (uint16_t)port;
	if (asked->kind != TG_ENDPOINT_ADDR)
		return 0;
	addr_set_port(&ret->addr, (uint16_t)port);
	return asked->addr.u.sa.sa_family == AF_UNIX ? -TG_EPROTO : 0;
}

/* "host:port", where a host may have colons of its own. */
static int
read_where(struct part text, const struct endpoint *asked, struct endpoint *ret)
{
	const char *colon = text.n > 0 ? memrchr(text.at, ':', text.n) : NULL;
	struct part host = {.at = text.at};
	struct part port;
	unsigned number;

	if (colon == NULL)
		return -TG_EPROTO;
	host.n = (size_t)(colon - text.at);
	port.at = colon + 1;
	port.n = text.n - host.n - 1;
	if (!read_number(port, PORT_MAX, &number) || number == 0)
		return -TG_EPROTO;
	return host.n == 0 || is_word(host, "?") ? same_host(asked, number, ret)
						 : read_host(host, number, ret);
}

bool
cluster_is_same(const struct endpoint *a, const struct endpoint *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == TG_ENDPOINT_ADDR)
		return addr_equal(&a->addr, &b->addr);
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/*** Redirections ***/

int
cluster_redirect_parse(const char *text, const struct endpoint *asked, struct cluster_redirect *ret)
{
	struct part rest = {.at = text, .n = strlen(text)};
	struct cluster_redirect found = {.is_ask = false};
	struct part word = take(&rest, ' ');

	found.is_ask = is_word(word, "ASK");
	if (!found.is_ask && !is_word(word, "MOVED"))
		return -TG_ENOENT;
	if (!read_number(take(&rest, ' '), TG_CLUSTER_SLOTS - 1, &found.slot) ||
	    read_where(take(&rest, ' '), asked, &found.at) < 0 || rest.n > 0)
		return -TG_EPROTO;
	*ret = found;
	return 0;
}

/*** The map ***/

void
cluster_map_init(struct cluster_map *map)
{
	map->n_nodes = 0;
	memset(map->owners, TG_CLUSTER_NOBODY, sizeof(map->owners));
}

/* -TG_ELIMIT. */
static int
find_or_add(struct cluster_map *map, const struct endpoint *at)
{
	for (size_t i = 0; i < map->n_nodes; i++) {
		if (cluster_is_same(&map->nodes[i], at))
			return (int)i;
	}
	if (map->n_nodes == TG_CLUSTER_NODES_MAX)
		return -TG_ELIMIT;
	map->nodes[map->n_nodes] = *at;
	return (int)map->n_nodes++;
}

int
cluster_map_move(struct cluster_map *map, unsigned slot, const struct endpoint *to)
{
	int node = find_or_add(map, to);

	if (node < 0)
		return node;
	map->owners[slot] = (uint8_t)node;
	return 0;
}

/* A line of CLUSTER NODES. */
struct line {
	struct endpoint at;
	bool is_of_use; /* it has an address, and is no stranger */
	struct part slots;
};

/* "host:port@bus,name,more=...": the last two, and the bus, may be missing. */
static int
read_place(struct part place, const struct endpoint *asked, bool by_names, struct endpoint *ret)
{
	struct part first = take(&place, ',');
	struct part name = take(&place, ',');
	int rc = read_where(take(&first, '@'), asked, ret);

	if (rc == 0 && by_names && name.n > 0)
		rc = read_host(name, ret->kind == TG_ENDPOINT_ADDR ? addr_port(&ret->addr) : ret->port,
			       ret);
	return rc;
}

static int
read_line(struct part text, const struct endpoint *asked, bool by_names, struct line *ret)
{
	struct part id = take(&text, ' ');
	struct part place = take(&text, ' ');
	struct part flags = take(&text, ' ');

	if (id.n == 0 || flags.n == 0)
		return -TG_EPROTO;
	ret->is_of_use = !has_flag(flags, "noaddr") && !has_flag(flags, "handshake");
	/* Its master, ping, pong, epoch, link. */
	for (unsigned i = 0; i < 5; i++) {
		if (take(&text, ' ').n == 0)
			return -TG_EPROTO;
	}
	ret->slots = text;
	return ret->is_of_use ? read_place(place, asked, by_names, &ret->at) : 0;
}

/* "7", "0-5460"; "[7->-id]" and "[7-<-id]" are of one that is on its way, which who has it tells. */
static int
read_slots(struct cluster_map *map, const struct line *line)
{
	struct part slots = line->slots;
	int node = -1;

	while (slots.n > 0) {
		struct part range = take(&slots, ' ');
		struct part from = take(&range, '-');
		unsigned first;
		unsigned last;

		if (from.n == 0 || from.at[0] == '[')
			continue;
		if (!read_number(from, TG_CLUSTER_SLOTS - 1, &first))
			return -TG_EPROTO;
		last = first;
		if (range.n > 0 && !read_number(range, TG_CLUSTER_SLOTS - 1, &last))
			return -TG_EPROTO;
		if (node < 0)
			node = find_or_add(map, &line->at);
		if (node < 0)
			return node;
		for (unsigned slot = first; slot <= last; slot++)
			map->owners[slot] = (uint8_t)node;
	}
	return 0;
}

/* Who has slots, or all others while there is room. */
static int
read_lines(struct part text, const struct endpoint *asked, bool by_names, bool with_slots,
	   struct cluster_map *map)
{
	struct line line;
	int rc = 0;

	while (text.n > 0 && rc == 0) {
		struct part one = take(&text, '\n');

		if (one.n > 0 && one.at[one.n - 1] == '\r')
			one.n--;
		if (one.n == 0)
			continue;
		rc = read_line(one, asked, by_names, &line);
		if (rc == 0 && line.is_of_use && with_slots)
			rc = read_slots(map, &line);
		else if (rc == 0 && line.is_of_use)
			(void)find_or_add(map, &line.at);
	}
	return rc;
}

int
cluster_map_read(const char *text, size_t n, const struct endpoint *asked, bool by_names,
		 struct cluster_map *ret)
{
	struct part all = {.at = text, .n = n};
	int rc;

	cluster_map_init(ret);
	rc = read_lines(all, asked, by_names, true, ret);
	if (rc == 0 && ret->n_nodes == 0)
		return -TG_EPROTO;
	return rc < 0 ? rc : read_lines(all, asked, by_names, false, ret);
}
