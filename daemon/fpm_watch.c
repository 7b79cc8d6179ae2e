/* SPDX-License-Identifier: BSD-2-Clause */
/* Notices that files of PHP-FPM's configuration change. */

#include "daemon/fpm_watch.h"

#include <fnmatch.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>

#include <systemd/sd-event.h>

#include "daemon/macros.h"

enum {
	FPM_WATCH_SETTLE_US = 200000, /* an editor touches a file several times */
	FPM_WATCH_LOOK_US = 30000000,
};

/* Writing counts when it is done; reading never. */
static const uint32_t file_mask = IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF |
				  IN_MOVE_SELF;
static const uint32_t folder_mask = IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE |
				    IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
				    IN_MOVE_SELF | IN_ONLYDIR;

static void fpm_watch_on_settled(struct loop_deadline *deadline)
{
	struct fpm_watch *watch = container_of(deadline, struct fpm_watch, settle);

	watch->on_change(watch->userdata);
}

static void fpm_watch_on_look(struct loop_deadline *deadline)
{
	struct fpm_watch *watch = container_of(deadline, struct fpm_watch, look);

	watch->on_change(watch->userdata);
}

void fpm_watch_init(struct fpm_watch *watch, struct loop *loop, void *userdata,
		    void (*on_change)(void *userdata))
{
	*watch = (struct fpm_watch){
		.loop = loop,
		.userdata = userdata,
		.on_change = on_change,
		.settle.on_due = fpm_watch_on_settled,
		.look.on_due = fpm_watch_on_look,
	};
}

void fpm_watch_clear(struct fpm_watch *watch)
{
	for (size_t i = 0; i < watch->n; i++) {
		sd_event_source_disable_unref(watch->places[i].source);
		free(watch->places[i].name);
	}
	watch->n = 0;
	loop_deadline_clear(&watch->settle);
	loop_deadline_clear(&watch->look);
}

void fpm_watch_done(struct fpm_watch *watch)
{
	fpm_watch_clear(watch);
}

/* Events without a name tell of the watched thing itself, or that some were lost. */
static bool fpm_watch_place_is_meant(const struct fpm_watch_place *place,
				     const struct inotify_event *event)
{
	if (!place->name || event->len == 0)
		return true;
	if (place->is_pattern)
		return fnmatch(place->name, event->name, FNM_PERIOD) == 0;
	return strcmp(place->name, event->name) == 0;
}

/* The first change starts the clock, and later ones do not move it: a file that is
 * written all the time is read all the same. */
static int fpm_watch_on_event(sd_event_source *source, const struct inotify_event *event,
			      void *userdata)
{
	struct fpm_watch_place *place = userdata;
	struct fpm_watch *watch = place->watch;

	(void)source;
	if (fpm_watch_place_is_meant(place, event) &&
	    !list_is_linked(&watch->settle.node))
		loop_deadline_start(loop_deadline_list(watch->loop, FPM_WATCH_SETTLE_US),
				    &watch->settle);
	return 0;
}

static void fpm_watch_look_later(struct fpm_watch *watch)
{
	if (!list_is_linked(&watch->look.node))
		loop_deadline_start(loop_deadline_list(watch->loop, FPM_WATCH_LOOK_US),
				    &watch->look);
}

static bool fpm_watch_add(struct fpm_watch *watch, const char *path, uint32_t mask,
			  const char *name, bool is_pattern)
{
	struct fpm_watch_place *place = &watch->places[watch->n];

	if (watch->n == FPM_WATCH_PLACES_MAX)
		return false;
	*place = (struct fpm_watch_place){ .watch = watch, .is_pattern = is_pattern };
	place->name = name ? strdup(name) : NULL;
	if ((name && !place->name) ||
	    sd_event_add_inotify(loop_event(watch->loop), &place->source, path, mask,
				 fpm_watch_on_event, place) < 0) {
		free(place->name);
		return false;
	}
	watch->n++;
	return true;
}

/* The folder of a path, watched for the name behind it. */
static void fpm_watch_add_folder(struct fpm_watch *watch, const char *path,
				 bool is_pattern)
{
	_cleanup_free_ char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	bool is_watched = false;

	if (slash) {
		slash[slash == folder] = '\0'; /* that of "/a" is "/" */
		is_watched = fpm_watch_add(watch, folder, folder_mask,
					   path + (slash - folder) + 1, is_pattern);
	}
	if (!is_watched)
		fpm_watch_look_later(watch);
}

void fpm_watch_add_file(struct fpm_watch *watch, const char *file)
{
	/* when it is not there, its folder tells that it has come */
	(void)fpm_watch_add(watch, file, file_mask, NULL, false);
	fpm_watch_add_folder(watch, file, false);
}

void fpm_watch_add_pattern(struct fpm_watch *watch, const char *pattern)
{
	fpm_watch_add_folder(watch, pattern, true);
}
