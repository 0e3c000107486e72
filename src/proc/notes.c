#include "proc/notes.h"

#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "ipc/channel.h"

static bool
is_writable(int channel)
{
	struct pollfd p = {.fd = channel, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* One that is too long ends with "...". */
static void
fill(struct msg_note *ret, const char *line, size_t n)
{
	static const char end[] = "...\n";
	size_t most = sizeof(ret->line);

	memset(ret, 0, sizeof(*ret));
	ret->n = (uint32_t)(n < most ? n : most);
	memcpy(ret->line, line, ret->n);
	if (n > most)
		memcpy(ret->line + most - strlen(end), end, strlen(end));
}

static void
keep(struct notes *notes, const char *line, size_t n)
{
	struct msg_note *note;

	if (notes->n == TG_NOTES_KEPT) {
		notes->n_lost++;
		return;
	}
	note = &notes->kept[notes->n++];
	fill(note, line, n);
	note->n_lost = notes->n_lost;
	notes->n_lost = 0;
}

/* A keeper that is gone is noticed elsewhere: the next one hears it. */
static void
tell(struct notes *notes)
{
	int channel = supervisor_channel(notes->supervisor, CHILD_KEEPER);
	unsigned n = 0;

	while (n < notes->n && channel >= 0 && is_writable(channel) &&
	       channel_send(channel, MSG_NOTE, &notes->kept[n], sizeof(notes->kept[n]), -1) == 0)
		n++;
	notes->n -= n;
	if (n > 0)
		memmove(notes->kept, notes->kept + n, notes->n * sizeof(notes->kept[0]));
}

/* Must not log. */
static void
on_line(void *user, const char *line, size_t n)
{
	struct notes *notes = user;

	keep(notes, line, n);
	tell(notes);
}

void
notes_begin(struct notes *notes)
{
	log_listen(on_line, notes);
}

void
notes_end(void)
{
	log_listen(NULL, NULL);
}
