#include "http2/frames.h"

#define HEAD_BYTES   9u
#define LENGTH_BYTES 3u

void
h2_frames_begin(struct h2_frames *f, uint32_t skip)
{
	*f = (struct h2_frames){.skip = skip};
}

static void
take_head_byte(struct h2_frames *f, uint8_t byte)
{
	if (f->n_head < LENGTH_BYTES)
		f->length = f->length << 8 | byte;
	if (++f->n_head < HEAD_BYTES)
		return;
	f->n_seen++;
	f->skip = f->length;
	f->length = 0;
	f->n_head = 0;
}

void
h2_frames_see(struct h2_frames *f, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		size_t step = f->skip < n ? f->skip : n;

		if (step == 0) {
			take_head_byte(f, *at);
			step = 1;
		} else {
			f->skip -= (uint32_t)step;
		}
		at += step;
		n -= step;
	}
}
