/*
 * base/capabilities.h: what a process may do beyond what its user may; capset(2), for which libc has no function.
 */
#ifndef TG_BASE_CAPABILITIES_H
#define TG_BASE_CAPABILITIES_H

#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/err.h"

/* Of this thread, bits 1 << CAP_x below 32, no others. 0, or -1 with errno. Async-signal-safe. */
TG_MUST_CHECK static inline int
capabilities_set(uint32_t permitted, uint32_t effective, uint32_t inheritable)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof(data));
	data[0].permitted = permitted;
	data[0].effective = effective;
	data[0].inheritable = inheritable;
	return (int)syscall(SYS_capset, &header, data);
}

/* None is left. Who has none asks for nothing: a service manager's filter may refuse capset(2). As above. */
TG_MUST_CHECK static inline int
capabilities_give_up(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	uint32_t any = 0;

	if (syscall(SYS_capget, &header, data) != 0)
		return -1;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		any |= data[i].permitted | data[i].effective | data[i].inheritable;
	return any != 0 ? capabilities_set(0, 0, 0) : 0;
}

#endif
