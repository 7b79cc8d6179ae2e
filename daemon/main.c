/* SPDX-License-Identifier: BSD-2-Clause */
/* From arguments to configuration to the running daemon to the exit status. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/conf.h"
#include "conf/diag.h"
#include "daemon/daemon.h"
#include "daemon/guardian.h"
#include "daemon/log.h"
#include "daemon/options.h"

static int main_with_conf(const struct options *options, struct conf *conf)
{
	enum log_target target = conf->log == CONF_LOG_JOURNAL ? LOG_TARGET_JOURNAL :
								 LOG_TARGET_STDERR;
	int r;

	switch (options->action) {
	case OPTIONS_CHECK:
		if (!options->is_quiet)
			printf("%s: the configuration is fine, %zu pool%s\n", conf->file,
			       conf->n_pools, conf->n_pools == 1 ? "" : "s");
		return DAEMON_EXIT_OK;
	case OPTIONS_DUMP:
		r = conf_dump(conf, NULL, stdout);
		if (r < 0)
			fprintf(stderr, "fpmgate: cannot print: %s\n", strerror(-r));
		return r < 0 ? DAEMON_EXIT_SYSTEM : DAEMON_EXIT_OK;
	default:
		log_init(target, options->is_debug ? LOG_LEVEL_DEBUG :
						     (enum log_level)conf->log_level);
		r = daemon_run(conf);
		log_done(); /* waits a moment: what was said last must not be lost */
		return r;
	}
}

static int main_load(const struct options *options)
{
	struct conf_diags diags;
	struct conf *conf = NULL;
	int r;

	conf_diags_init(&diags);
	r = conf_load(options->file, &diags, &conf);
	conf_diags_print(&diags, stderr);
	conf_diags_done(&diags);
	if (r < 0)
		return r == -ENOMEM ? DAEMON_EXIT_SYSTEM : DAEMON_EXIT_CONFIG;
	r = main_with_conf(options, conf);
	conf_unref(conf);
	return r;
}

int main(int argc, char **argv)
{
	struct options options;

	if (guardian_is_called(argc, argv))
		return guardian_run(argv);
	umask(0027);
	signal(SIGPIPE, SIG_IGN);
	if (options_parse(argc, argv, stderr, &options) != 0) {
		options_print_help(stderr);
		return DAEMON_EXIT_USAGE;
	}
	switch (options.action) {
	case OPTIONS_HELP:
		options_print_help(stdout);
		return DAEMON_EXIT_OK;
	case OPTIONS_VERSION:
		options_print_version(stdout);
		return DAEMON_EXIT_OK;
	default:
		return main_load(&options);
	}
}
