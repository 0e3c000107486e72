#include "store/redis_foreign.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* How many bytes a character has, by its first; 0: none begins so. Of the second the least and the greatest: the rest would be
 * a surrogate, longer than needed, or above U+10FFFF. */
static size_t
length_of(unsigned char first, unsigned char *ret_least, unsigned char *ret_most)
{
	*ret_least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*ret_most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Bytes of the character there; 0: it is none. */
static size_t
character(const char *text, size_t n)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned char least;
	unsigned char most;
	size_t length = length_of(at[0], &least, &most);

	if (length < 2)
		return length;
	if (length > n || at[1] < least || at[1] > most)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	}
	return length;
}

/* Whether anything was. */
static bool
mend(char *text, size_t n)
{
	static const char nul[] = "\\u0000";
	bool is_mended = false;

	for (size_t i = 0; i < n;) {
		size_t length = character(text + i, n - i);

		if (length == 0 || text[i] == '\0') {
			text[i] = '?';
			is_mended = true;
			length = 1;
		} else if (text[i] == '\\') {
			length = 2;
			if (n - i >= sizeof(nul) - 1 &&
			    memcmp(text + i, nul, sizeof(nul) - 1) == 0) {
				memcpy(text + i, "\\u003f", sizeof(nul) - 1);
				is_mended = true;
			}
		}
		i += length;
	}
	return is_mended;
}

static void
tell_odd(const json_t *all)
{
	const json_t *odd = json_object_get(all, "odd");
	const json_t *one;
	size_t i;

	json_array_foreach(odd, i, one)
	{
		const char *key = json_string_value(json_object_get(one, "key"));
		const char *was = json_string_value(json_object_get(one, "was"));
		const char *allowed = json_string_value(json_object_get(one, "allowed"));

		if (key != NULL && was != NULL && allowed != NULL)
			log_write(TG_LOG_WARN, "redis had what tidegate does not write, replaced",
				  "key=%s was=%s allowed=%s", key, was, allowed);
	}
}

json_t *
foreign_load(const char *text, size_t n)
{
	char *own = malloc(n + 1);
	json_t *all;
	bool is_mended;

	if (own == NULL)
		return NULL;
	memcpy(own, text, n);
	is_mended = mend(own, n);
	/* Two names may have become one. */
	all = json_loadb(own, n, is_mended ? 0 : JSON_REJECT_DUPLICATES, NULL);
	free(own);
	tell_odd(all);
	return all;
}
