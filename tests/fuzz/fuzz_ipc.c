/*
 * What another of our processes may have written: a channel message or the
 * bytes of a ring. First byte: 0 message, 1 message with a descriptor, 2 ring.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "ipc/channel.h"
#include "ipc/ring.h"

static void
send_raw(int fd, const uint8_t *bytes, size_t n, int pass_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_len = n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	memcpy(&iov.iov_base, &bytes, sizeof(bytes));
	if (pass_fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = &control.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	if (sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* larger than a message can be */
}

static void
fuzz_message(const uint8_t *bytes, size_t n, bool with_fd)
{
	struct message m;
	int fd[2];

	if (channel_pair(fd, NULL) < 0)
		abort();
	send_raw(fd[0], bytes, n, with_fd ? fd[0] : -1);
	if (channel_receive(fd[1], &m) == 1) {
		if (msg_has_fd((uint32_t)m.type) != (m.fd >= 0))
			abort();
		if (m.fd >= 0)
			close(m.fd);
	}
	close(fd[0]);
	close(fd[1]);
}

/* Input: head, tail (8 bytes each), then the first bytes of the ring. */
static void
fuzz_ring(const uint8_t *bytes, size_t n)
{
	struct ring_shared *shared = aligned_alloc(64, ring_shared_bytes(TG_RING_SIZE_MIN));
	struct ring reader;
	uint64_t position[2] = {0, 0};
	size_t left = n > sizeof(position) ? n - sizeof(position) : 0;
	unsigned records = 0;
	uint32_t length;

	if (shared == NULL)
		abort();
	memset(shared, 0, ring_shared_bytes(TG_RING_SIZE_MIN));
	memcpy(position, bytes, n < sizeof(position) ? n : sizeof(position));
	atomic_store(&shared->head, position[0]);
	atomic_store(&shared->tail, position[1]);
	if (left > 0)
		memcpy(shared->bytes, bytes + sizeof(position),
		       left < TG_RING_SIZE_MIN ? left : TG_RING_SIZE_MIN);
	if (ring_attach(&reader, shared, TG_RING_SIZE_MIN) < 0)
		abort();
	while (ring_peek(&reader, &length) != NULL) {
		if (length > TG_RING_RECORD_MAX || ++records > TG_RING_SIZE_MIN / 8)
			abort();
		ring_next(&reader);
	}
	ring_detach(&reader);
	free(shared);
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	if (len == 0)
		return 0;
	switch (input[0]) {
	case 0:
	case 1:
		fuzz_message(input + 1, len - 1, input[0] == 1);
		break;
	case 2:
		fuzz_ring(input + 1, len - 1);
		break;
	default:
		break;
	}
	return 0;
}
