#include "tls/record.h"

#include <string.h>

static uint8_t
length(const char *text)
{
	return (uint8_t)strnlen(text, UINT8_MAX);
}

uint32_t
tls_record_room(const struct tls_facts *facts)
{
	return facts != NULL ? (uint32_t)length(facts->cipher) + length(facts->sni) : 0;
}

void
tls_record_put(const struct tls_facts *facts, struct access_record *r, char *p)
{
	if (facts == NULL)
		return;
	r->tls_version = facts->version;
	r->cipher_len = length(facts->cipher);
	r->sni_len = length(facts->sni);
	memcpy(p, facts->cipher, r->cipher_len);
	memcpy(p + r->cipher_len, facts->sni, r->sni_len);
}
