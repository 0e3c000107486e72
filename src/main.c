/*
 * tidegate: the command line, and which of the three processes this one is.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "autoscale/builtin.h"
#include "base/log.h"
#include "conf/conf.h"
#include "module/module.h"
#include "proc/isolation.h"
#include "proc/predecessor.h"
#include "proc/privileges.h"
#include "proc/proc.h"
#include "provider/call.h"
#include "sched/builtin.h"
#include "tls/certificate.h"

#define DEFAULT_CONF SYSCONFDIR "/tidegate/tidegate.conf"
#define EXIT_USAGE   2

enum long_only { OPTION_ROLE = 256 };

struct options {
	const char *conf_path;
	const char *role; /* NULL: the parent */
	bool check;
	unsigned verbose;
	unsigned version;
	bool help;
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"test", no_argument, NULL, 't'},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{"role", required_argument, NULL, OPTION_ROLE}, /* between our own processes */
	{NULL, 0, NULL, 0},
};

static void
print_usage(FILE *out)
{
	fputs("usage: tidegate [-c FILE]\n"
	      "       tidegate -t [-v] [-c FILE]\n"
	      "       tidegate -V | -VV | -h\n"
	      "\n"
	      "  -c, --config FILE  the configuration; default " DEFAULT_CONF "\n"
	      "  -t, --test         check the configuration and exit: 0 valid, 1 not\n"
	      "  -v, --verbose      with -t: print the configuration in effect\n"
	      "  -V, --version      print the version; twice: and how it was built\n"
	      "  -h, --help         print this\n",
	      out);
}

static bool
parse_options(int argc, char **argv, struct options *ret)
{
	int c;

	*ret = (struct options){.conf_path = DEFAULT_CONF};
	while ((c = getopt_long(argc, argv, "c:tvVh", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->conf_path = optarg;
			break;
		case 't':
			ret->check = true;
			break;
		case 'v':
			ret->verbose++;
			break;
		case 'V':
			ret->version++;
			break;
		case 'h':
			ret->help = true;
			break;
		case OPTION_ROLE:
			ret->role = optarg;
			break;
		default:
			return false; /* getopt said why */
		}
	}
	if (optind < argc) {
		fprintf(stderr, "tidegate: unexpected argument '%s'\n", argv[optind]);
		return false;
	}
	if (ret->verbose > 0 && !ret->check) {
		fputs("tidegate: -v goes with -t\n", stderr);
		return false;
	}
	return true;
}

static void
print_version(bool with_build)
{
	puts(PACKAGE_NAME " " PACKAGE_VERSION);
	if (with_build)
		fputs(TG_BUILD_SUMMARY, stdout);
}

static const char *
first_error(const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		if (!errors->list[i].is_warning)
			return errors->list[i].text;
	}
	return "no memory";
}

/* Errors and warnings for people; warnings of what is to run for its log. */
static void
tell(const struct conf_errors *errors, const struct conf *to_run)
{
	if (to_run != NULL && errors->n > 0)
		log_init(STDERR_FILENO, to_run->log.format, to_run->log.level, "parent");
	for (size_t i = 0; i < errors->n; i++) {
		if (to_run != NULL)
			log_write(TG_LOG_WARN, "configuration", "said=%s", errors->list[i].text);
		else
			fprintf(stderr, "%s\n", errors->list[i].text);
	}
}

/* NULL after telling every error. `first` may be NULL. */
static struct conf *
load_conf(const char *path, bool is_to_run, struct err *first)
{
	struct conf_errors errors = {0};
	struct conf *conf = NULL;
	int rc = conf_load_file(path, &conf, &errors);

	tell(&errors, is_to_run ? conf : NULL);
	if (rc < 0)
		err_set(first, TG_EINVAL, "%s", first_error(&errors));
	conf_errors_fini(&errors);
	return rc == 0 ? conf : NULL;
}

/* Only here it is asked whether nodes and hooks can be called: that loads what the parent is not to have. Of one that runs
 * the keeper says it. Behind what is shown on standard output, which is a configuration again, it is said beside it. */
static int
run_check(const struct options *options)
{
	struct conf *conf;

	conf_set_modules(&module_conf);
	conf_set_web(call_check);
	conf_set_certificates(&certificate_conf);
	conf_set_isolation(isolation_check);
	conf = load_conf(options->conf_path, false, NULL);
	if (conf == NULL)
		return EXIT_FAILURE;
	if (options->verbose > 0)
		conf_print(conf, stdout);
	fprintf(options->verbose > 0 ? stderr : stdout, "%s: configuration is valid\n",
		options->conf_path);
	conf_unref(conf);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Whether the parent started us: then descriptor 3 is our channel to it. */
static bool
has_channel(void)
{
	int domain = 0;
	int type = 0;
	socklen_t n = sizeof(int);

	return getsockopt(TG_CHANNEL_FD, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 &&
	       getsockopt(TG_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       domain == AF_UNIX && type == SOCK_SEQPACKET;
}

static int
refuse_role(void)
{
	fputs("tidegate: --role is between our own processes\n", stderr);
	return EXIT_USAGE;
}

static int
run_role(const char *role)
{
	static const struct {
		const char *role;
		const char *process_name;
		int (*run)(int channel_fd);
	} roles[] = {
		{"proxy", "tidegate-proxy", proxy_main},
		{"keeper", "tidegate-keeper", keeper_main},
		{"signer", "tidegate-signer", signer_main},
	};
	size_t i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]) && has_channel(); i++) {
		if (strcmp(role, roles[i].role) != 0)
			continue;
		if (privileges_become() < 0) {
			perror("tidegate: cannot become the user of the configuration");
			return EXIT_FAILURE;
		}
		prctl(PR_SET_NAME, roles[i].process_name, 0, 0, 0);
		fcntl(TG_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
		log_init(STDERR_FILENO, TG_LOG_TEXT, TG_LOG_INFO, roles[i].role);
		return roles[i].run(TG_CHANNEL_FD);
	}
	return refuse_role();
}

static int
run_parent(const struct options *options, const char *argv0, int predecessor)
{
	struct parent_start start = {
		.conf_path = options->conf_path,
		.argv0 = argv0,
		.predecessor = predecessor,
	};
	struct err err;

	privileges_hide_memory();
	conf_set_modules(&module_conf);
	conf_set_certificates(&certificate_conf);
	conf_set_isolation(isolation_check);
	start.conf = load_conf(options->conf_path, true, &err);
	if (start.conf == NULL) {
		predecessor_refuse(predecessor, err.text);
		return EXIT_FAILURE;
	}
	return parent_main(&start);
}

/* Whoever else says so has a channel with nobody whose place could be taken. */
static int
run_successor(const struct options *options, const char *argv0)
{
	struct err err;

	if (!has_channel() || predecessor_check(TG_CHANNEL_FD, &err) < 0)
		return refuse_role();
	fcntl(TG_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	return run_parent(options, argv0, TG_CHANNEL_FD);
}

/* Descriptors 0 to 2 must be taken, or a socket would become our standard error. */
static bool
fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

int
main(int argc, char **argv)
{
	struct options options;

	if (!fill_standard_descriptors())
		return EXIT_FAILURE;
	if (!parse_options(argc, argv, &options)) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (options.help) {
		print_usage(stdout);
		return EXIT_SUCCESS;
	}
	if (options.version > 0) {
		print_version(options.version > 1);
		return EXIT_SUCCESS;
	}
	modules_add_builtin(autoscale_builtin);
	modules_add_builtin(sched_builtin);
	if (options.role != NULL && strcmp(options.role, TG_ROLE_SUCCESSOR) == 0)
		return run_successor(&options, argv[0]);
	if (options.role != NULL)
		return run_role(options.role);
	if (options.check)
		return run_check(&options);
	return run_parent(&options, argv[0], -1);
}
