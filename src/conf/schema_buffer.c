/*
 * conf/schema_buffer.c: the rows of bodies that are taken whole.
 */
#include "conf/schema_priv.h"

#define BUFFER_MIN UINT64_C(16384)
#define BUFFER_MAX (UINT64_C(64) << 20)

static const struct conf_field buffer_request_fields[] = {
	{
		.key = "memory",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_buffer, memory_bytes),
		.preset = "0",
		.max = BUFFER_MAX,
		.help = "Of each body, in memory; at least 16K. 0: requests are not buffered.",
	},
	{
		.key = "file",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_buffer, file_bytes),
		.preset = "0",
		.max = UINT64_C(1) << 50,
		.help = "Of each body, beyond that, in a file without a name in buffer_folder. 0: "
			"no file.",
	},
	{.key = NULL},
};

static const struct conf_field buffer_response_fields[] = {
	{
		.key = "memory",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_buffer, memory_bytes),
		.preset = "0",
		.max = BUFFER_MAX,
		.help = "Of each answer, in memory; at least 16K. 0: answers are not buffered.",
	},
	{
		.key = "file",
		.kind = &conf_kind_size,
		TG_MEMBER(conf_buffer, file_bytes),
		.preset = "0",
		.max = UINT64_C(1) << 50,
		.help = "Of each answer, beyond that, in a file without a name in buffer_folder. 0: "
			"no file.",
	},
	{
		.key = "hold",
		.kind = &conf_kind_duration,
		TG_MEMBER(conf_buffer, hold_ms),
		.preset = "1s",
		.max = TG_HOUR,
		.help = "How long an answer is held back, from its head on: a buffered one for its end "
			"to come, or until memory is full; any other one for the first byte of its "
			"body. \\(dq0\\(dq: not at all.",
	},
	{.key = NULL},
};

static void
buffer_check(struct conf_check *check, void *object)
{
	const struct conf_buffer *buffer = object;

	if (buffer->memory_bytes != 0 && buffer->memory_bytes < BUFFER_MIN)
		conf_check_error(check, "memory", "is out of range; allowed: 0, or 16K to 64M");
	if (buffer->file_bytes != 0 && buffer->memory_bytes == 0)
		conf_check_error(check, "file", "nothing is buffered without memory");
}

const struct conf_schema conf_schema_buffer_request = {
	.title = "Buffered requests",
	.help = "A body is taken whole before a backend is picked: a slow upload holds no "
		"backend, no backend sees a body that is too long, and a request that may be "
		"repeated (PUT, DELETE, and others that are idempotent; see retry) can be, whatever its size. What is longer than memory and file together "
		"goes to the backend as it comes, as does everything beyond memory while as many files are open "
		"as descriptors allow. A file that cannot be written gives 503; where none can be made, in a folder "
		"that is gone, the body goes on as it comes, and the log tells. Expect: "
		"100-continue is answered here. Reading and writing files may make a worker "
		"wait for the disk, 64K at a time.",
	.fields = buffer_request_fields,
	.check = buffer_check,
};

const struct conf_schema conf_schema_buffer_response = {
	.title = "Buffered answers",
	.help = "An answer is taken from the backend as fast as it comes: a backend is free as soon as "
		"its answer is here, while a slow client still reads. While an answer is held back, one that "
		"is cut counts as none: the request is tried again where it may be, else the client "
		"gets 502. Without memory, and for answers that say to be longer than that, only a head is "
		"held back: one that promises a body (Content-Length) and came without a byte of it, as "
		"long as the request may be tried again. Never held back are answers of type "
		"text/event-stream, and those with X-Accel-Buffering: no. When memory and file are full, "
		"or no file can be had, the backend waits for the client.",
	.fields = buffer_response_fields,
	.check = buffer_check,
};
