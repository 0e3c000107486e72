#include "tls/cover.h"

#include <strings.h>

#include "base/hash.h"
#include "tls/certificate.h"

struct search {
	const char *name;
	bool is_found;
};

static void
on_name(void *user, const char *name)
{
	struct search *s = user;

	s->is_found = s->is_found || strcasecmp(name, s->name) == 0;
}

int
tls_cover_read(const char *pem, size_t pem_n, char *const *names, size_t n, struct tls_cover *ret)
{
	struct certificate c;
	struct err err;

	if (certificate_read(pem, pem_n, NULL, 0, &c, &err) < 0)
		return -TG_EINVAL;
	*ret = (struct tls_cover){
		.has_names = true,
		.from = certificate_not_before(&c),
		.to = certificate_not_after(&c),
		.mark = hash_bytes(pem, pem_n, 0),
	};
	for (size_t i = 0; i < n; i++) {
		struct search s = {.name = names[i]};

		certificate_names(&c, on_name, &s);
		ret->has_names = ret->has_names && s.is_found;
	}
	certificate_fini(&c);
	return 0;
}
