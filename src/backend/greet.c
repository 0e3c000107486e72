#include "backend/greet.h"

#include <string.h>

#include "backend/carrier.h"
#include "tls/stream.h"

_Static_assert(TG_PROXY_WRITTEN_MAX <= TG_BUF_HEAD_BYTES, "it fits into one buffer");

static struct proxy_text
text(const char *s)
{
	return (struct proxy_text){s, strlen(s)};
}

/* Where the client connected, as our socket has it. False: not by an address. */
static bool
own_addr(const struct conn *c, struct ip *ret_ip, uint16_t *ret_port)
{
	struct addr a = {.len = sizeof(a.u)};

	if (getsockname(c->fd, &a.u.sa, &a.len) != 0 || !addr_ip(&a, ret_ip))
		return false;
	*ret_port = addr_port(&a);
	return true;
}

static void
tell_addrs(const struct greet_client *client, struct proxy_header *h)
{
	const struct origin *o = client->origin;

	h->from = client->ip;
	h->from_port = client->port;
	if (origin_has_addrs(o)) {
		h->to = o->header.to;
		h->to_port = o->header.to_port;
		h->has_addrs = true;
	} else {
		h->has_addrs = own_addr(client->conn, &h->to, &h->to_port);
	}
}

/* Of the TLS that ends here; else what was told of that before us. */
static void
tell_tls(const struct greet_client *client, struct proxy_header *h)
{
	const struct tls_facts *facts = client->tls;

	if (facts != NULL) {
		h->has_tls = true;
		h->tls_version = text(facts->version == 13 ? "TLSv1.3" : "TLSv1.2");
		h->tls_cipher = text(facts->cipher);
		h->authority = text(facts->sni);
		h->alpn = text(facts->protocol);
	} else if (client->origin != NULL) {
		h->has_tls = client->origin->header.has_tls;
		h->tls_version = client->origin->header.tls_version;
		h->tls_cipher = client->origin->header.tls_cipher;
		h->authority = client->origin->header.authority;
		h->alpn = client->origin->header.alpn;
	}
	if (client->name.n > 0)
		h->authority = client->name;
}

/* NULL: no memory. */
static struct buf *
make_header(const struct worker_service *service, const struct greet_client *client)
{
	const struct origin *o = client->origin;
	struct proxy_header h = {
		.version = service->conf->send_proxy == TG_SEND_PROXY_V1 ? 1 : 2,
		.id = o != NULL && o->header.id.n > 0 ? o->header.id : client->id,
	};
	struct buf *buf = buf_get(&service->worker->bufs, TG_BUF_HEAD);

	if (buf == NULL)
		return NULL;
	tell_addrs(client, &h);
	tell_tls(client, &h);
	buf->w = (uint32_t)proxy_header_write(&h, buf->bytes);
	return buf;
}

int
greet_prepare(struct back *b, const struct greet_client *client, struct back_place *own)
{
	struct buf *header;
	int rc;

	if (b->carrier != NULL && !carrier_lacks_greeting(b->carrier))
		return 0;
	header = make_header(b->home->service, client);
	if (header == NULL)
		return -TG_ENOMEM;
	if (b->carrier != NULL) {
		rc = carrier_greet(b->carrier, header);
		buf_put(&b->home->service->worker->bufs, &header);
		return rc;
	}
	b->first = header;
	/* Bytes of an exchange come behind these. */
	b->sent_bytes += b->first->w;
	b->own = own;
	/* The idle ones of its backend are anybody's. */
	b->generation--;
	return 0;
}
