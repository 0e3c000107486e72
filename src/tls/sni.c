#include "tls/sni.h"

#include <stdbool.h>
#include <string.h>

#define TYPE_HOST_NAME 0

static size_t
read16(const unsigned char *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Letters, digits, hyphens, and underscores, which are in use. */
static bool
is_of_name(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static int
copy(const unsigned char *p, size_t n, char ret[TG_SNI_MAX + 1])
{
	char name[TG_SNI_MAX + 1];
	size_t i;

	if (n > 0 && p[n - 1] == '.')
		n--;
	if (n == 0 || n > TG_SNI_MAX || p[0] == '.' || p[n - 1] == '.')
		return -TG_EINVAL;
	for (i = 0; i < n; i++) {
		unsigned char c = p[i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		if (!is_of_name(c) || (c == '.' && name[i - 1] == '.'))
			return -TG_EINVAL;
		name[i] = (char)c;
	}
	memcpy(ret, name, n);
	ret[n] = '\0';
	return 0;
}

/* One name: no other kind was ever defined, and of a kind there may be one. */
int
sni_parse(const unsigned char *extension, size_t n, char ret[TG_SNI_MAX + 1])
{
	size_t name_n;

	if (n < 5 || read16(extension) != n - 2 || extension[2] != TYPE_HOST_NAME)
		return -TG_EPROTO;
	name_n = read16(extension + 3);
	if (name_n == 0 || name_n != n - 5)
		return -TG_EPROTO;
	return copy(extension + 5, name_n, ret);
}
