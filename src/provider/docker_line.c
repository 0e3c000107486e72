#include "provider/docker_line.h"

#include <stdlib.h>
#include <string.h>

bool
docker_line_init(struct docker_line *l, size_t max)
{
	*l = (struct docker_line){.text = malloc(max), .max = max};
	if (l->text != NULL)
		l->text[0] = '\0';
	return l->text != NULL;
}

void
docker_line_fini(struct docker_line *l)
{
	free(l->text);
	l->text = NULL;
}

void
docker_line_clear(struct docker_line *l)
{
	l->n = 0;
	l->text[0] = '\0';
	l->is_whole = false;
	l->is_long = false;
}

size_t
docker_line_take(struct docker_line *l, const char *bytes, size_t n)
{
	const char *end = memchr(bytes, '\n', n);
	size_t length = end != NULL ? (size_t)(end - bytes) : n;

	if (l->is_whole)
		docker_line_clear(l);
	if (length < l->max - l->n && !l->is_long) {
		memcpy(l->text + l->n, bytes, length);
		l->n += length;
		l->text[l->n] = '\0';
	} else {
		l->is_long = true;
	}
	l->is_whole = end != NULL;
	return length + (end != NULL);
}
