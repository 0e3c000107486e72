#include "proc/activation.h"

#include "base/log.h"

#ifdef HAVE_SYSTEMD

#include <stdlib.h>
#include <systemd/sd-daemon.h>

void
activation_take(struct inherited *in)
{
	const struct msg_give give = {.use = TG_GIVE_ANY};
	char **names = NULL;
	struct err why;
	int n = sd_listen_fds_with_names(1, &names);
	int i;

	if (n < 0)
		log_write(TG_LOG_WARN, "not taking sockets of the service manager", "error=%d", -n);
	for (i = 0; i < n; i++) {
		if (inherited_add(in, SD_LISTEN_FDS_START + i, &give, &why) < 0)
			log_write(TG_LOG_WARN, "not taking a socket of the service manager",
				  "name=%s reason=%s", names[i], why.text);
		free(names[i]);
	}
	free(names);
}

#else

void
activation_take(struct inherited *in)
{
	(void)in;
}

#endif
