#include "tls/kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/opensslconf.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that is not connected may not have it: ENOTCONN, where it is there, else ENOENT. */
bool
tls_kernel_offers(void)
{
	static const char name[] = "tls";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_offered;

	if (fd < 0)
		return false;
	is_offered =
		setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof(name)) == 0 || errno == ENOTCONN;
	close(fd);
	return is_offered;
}

bool
tls_library_offers_kernel(void)
{
#ifdef OPENSSL_NO_KTLS
	return false;
#else
	return true;
#endif
}
