#include "backend/origin.h"

#include <stdlib.h>
#include <string.h>

struct origin *
origin_new(const unsigned char *p, size_t n, const struct addr *peer)
{
	struct origin *o = malloc(sizeof(*o) + n);
	size_t got;

	if (o == NULL)
		return NULL;
	o->peer = *peer;
	memcpy(o->bytes, p, n);
	/* Again, so that the texts are in these bytes. */
	(void)proxy_header_parse(o->bytes, n, &o->header, &got);
	return o;
}

void
origin_free(struct origin *o)
{
	free(o);
}

struct addr
origin_client(const struct origin *o)
{
	return o->header.has_addrs ? ip_addr(&o->header.from, o->header.from_port) : o->peer;
}

/* In the order of enum access_proxy; that of the peer is made at `peer`. */
static void
list_texts(const struct origin *o, char peer[TG_ADDR_STRLEN],
	   struct proxy_text ret[TG_ACCESS_PROXY_COUNT])
{
	const struct proxy_header *h = &o->header;

	addr_format(&o->peer, peer, TG_ADDR_STRLEN);
	ret[TG_ACCESS_PROXY_PEER] = (struct proxy_text){peer, strlen(peer)};
	ret[TG_ACCESS_PROXY_AUTHORITY] = h->authority;
	ret[TG_ACCESS_PROXY_ALPN] = h->alpn;
	ret[TG_ACCESS_PROXY_ID] = h->id;
	ret[TG_ACCESS_PROXY_TLS] = h->tls_version;
	ret[TG_ACCESS_PROXY_CIPHER] = h->tls_cipher;
	ret[TG_ACCESS_PROXY_NAME] = h->tls_name;
}

static uint8_t
length(const struct proxy_text *text)
{
	return (uint8_t)(text->n < UINT8_MAX ? text->n : UINT8_MAX);
}

uint32_t
origin_record_length(const struct origin *o)
{
	struct proxy_text texts[TG_ACCESS_PROXY_COUNT];
	uint32_t n = TG_ACCESS_PROXY_COUNT;
	char peer[TG_ADDR_STRLEN];

	list_texts(o, peer, texts);
	for (unsigned i = 0; i < TG_ACCESS_PROXY_COUNT; i++)
		n += length(&texts[i]);
	return n;
}

void
origin_record_write(const struct origin *o, struct access_record *r, char *p)
{
	struct proxy_text texts[TG_ACCESS_PROXY_COUNT];
	char peer[TG_ADDR_STRLEN];

	r->has_proxy = 1;
	list_texts(o, peer, texts);
	for (unsigned i = 0; i < TG_ACCESS_PROXY_COUNT; i++)
		*p++ = (char)length(&texts[i]);
	for (unsigned i = 0; i < TG_ACCESS_PROXY_COUNT; i++) {
		if (texts[i].n > 0)
			memcpy(p, texts[i].p, length(&texts[i]));
		p += length(&texts[i]);
	}
}
