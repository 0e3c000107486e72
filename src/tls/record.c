#include "tls/record.h"

#include <string.h>

static uint8_t
length(const char *text)
{
	return (uint8_t)strnlen(text, UINT8_MAX);
}

static const char *
subject_of(const struct tls_facts *facts)
{
	return facts->shown != NULL ? facts->shown->subject : "";
}

uint32_t
tls_record_room(const struct tls_facts *facts)
{
	if (facts == NULL)
		return 0;
	return (uint32_t)length(facts->cipher) + length(facts->sni) + length(subject_of(facts));
}

void
tls_record_put(const struct tls_facts *facts, struct access_record *r, char *p)
{
	if (facts == NULL)
		return;
	r->tls_version = facts->version;
	r->cipher_len = length(facts->cipher);
	r->sni_len = length(facts->sni);
	r->subject_len = length(subject_of(facts));
	memcpy(p, facts->cipher, r->cipher_len);
	p += r->cipher_len;
	memcpy(p, facts->sni, r->sni_len);
	memcpy(p + r->sni_len, subject_of(facts), r->subject_len);
}
