/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one table of reasons: word, class, status, sentence, advice.
 *
 * 503 also where others say 502: crawlers come back, and a web server's cache may serve a
 * stale page for it. 504 where something ran for too long: it may have had its effect.
 * The sentence is read by two people, the operator in a log line ("... (shed: the site is
 * overloaded and the request would have waited too long)") and the visitor on our page,
 * so it says what happened and gives nothing away.
 */
#include "health/reason.h"

static const struct health_reason_row rows[HEALTH_REASON_N] = {
	[HEALTH_REASON_NONE] = {
		"none", HEALTH_REASON_OWN, 0, "nothing happened", "" },

	[HEALTH_REASON_QUEUE_FULL] = {
		"queue_full", HEALTH_REASON_OWN, 503,
		"too many requests are waiting already",
		"all workers are busy and queue.size requests wait: look for slow "
		"scripts, then at max_children" },
	[HEALTH_REASON_QUEUE_TIMEOUT] = {
		"queue_timeout", HEALTH_REASON_OWN, 503,
		"the request waited its full time for a free worker",
		"no worker came free within queue.max_wait: look for slow scripts, "
		"then at max_children" },
	[HEALTH_REASON_SHED] = {
		"shed", HEALTH_REASON_OWN, 503,
		"the site is overloaded and the request would have waited too long",
		"more arrives than the workers can serve: look at the request rate, "
		"at slow scripts, then at max_children" },
	[HEALTH_REASON_DRAINING] = {
		"draining", HEALTH_REASON_OWN, 503,
		"the gateway is shutting down", "" },
	[HEALTH_REASON_PAUSED] = {
		"paused", HEALTH_REASON_OWN, 503,
		"the site is paused for maintenance",
		"the pool was paused: resume it when the work is done" },
	[HEALTH_REASON_DESCRIPTORS] = {
		"descriptors", HEALTH_REASON_OWN, 503,
		"the gateway has no file descriptor left",
		"raise LimitNOFILE= of the service, or lower clients_max" },
	[HEALTH_REASON_MEMORY_FULL] = {
		"memory_full", HEALTH_REASON_OWN, 503,
		"the gateway has no memory left for another request",
		"raise memory_max, or lower body_memory and response_memory" },
	[HEALTH_REASON_SPOOL_FULL] = {
		"spool_full", HEALTH_REASON_OWN, 503,
		"there is no room left to store the upload",
		"make room in spool_dir, or raise spool_max" },
	[HEALTH_REASON_QUARANTINED] = {
		"quarantined", HEALTH_REASON_OWN, 503,
		"this page is set aside for a while because it kept failing",
		"the script killed its worker again and again: see the log of PHP-FPM" },
	[HEALTH_REASON_BLOCKED] = {
		"blocked", HEALTH_REASON_OWN, 503,
		"a service that the site depends on does not answer",
		"look at the database and whatever else the scripts wait for; "
		"restarting PHP would not help" },
	[HEALTH_REASON_KEY_OVER_CAP] = {
		"key_over_cap", HEALTH_REASON_OWN, 429,
		"too many requests from the same source are being served already",
		"one source wants more than its share: a crawler, an import, an "
		"attack" },

	[HEALTH_REASON_POOL_DOWN] = {
		"pool_down", HEALTH_REASON_BACKEND, 503,
		"PHP does not answer at the moment",
		"look whether PHP-FPM runs, and for a backend_ reason of this pool in "
		"this log" },
	[HEALTH_REASON_BACKEND_ABSENT] = {
		"backend_absent", HEALTH_REASON_BACKEND, 0,
		"there is no socket of PHP-FPM",
		"start PHP-FPM; if it runs, compare its listen with backend" },
	[HEALTH_REASON_BACKEND_REFUSED] = {
		"backend_refused", HEALTH_REASON_BACKEND, 0,
		"nobody listens on the socket of PHP-FPM",
		"start PHP-FPM: the one that made the socket is gone" },
	[HEALTH_REASON_BACKEND_PERMISSION] = {
		"backend_permission", HEALTH_REASON_BACKEND, 0,
		"the socket of PHP-FPM may not be opened",
		"compare listen.owner, listen.group and listen.mode of the FPM pool "
		"with the user and groups of this process" },
	[HEALTH_REASON_BACKEND_NOT_SOCKET] = {
		"backend_not_socket", HEALTH_REASON_BACKEND, 0,
		"what stands in the place of PHP-FPM's socket is not a socket",
		"remove the file, or correct backend" },
	[HEALTH_REASON_BACKEND_FULL] = {
		"backend_full", HEALTH_REASON_BACKEND, 0,
		"the backlog of PHP-FPM is full",
		"its workers hang, or somebody else sends requests to it as well; "
		"raise its listen.backlog only if it is below max_children" },
	[HEALTH_REASON_BACKEND_UNREACHABLE] = {
		"backend_unreachable", HEALTH_REASON_BACKEND, 0,
		"PHP-FPM cannot be reached",
		"look at the address in backend, at routes and packet filters" },
	[HEALTH_REASON_WORKERS_MISSING] = {
		"workers_missing", HEALTH_REASON_BACKEND, 0,
		"fewer workers take requests than the pool should have",
		"compare max_children with pm.max_children of the FPM pool; somebody "
		"else may be using its workers" },

	[HEALTH_REASON_WORKER_DIED] = {
		"worker_died", HEALTH_REASON_WORKER, 503,
		"the PHP process died before it answered",
		"look for the signal in the log of PHP-FPM, and for the OOM killer in "
		"the kernel's" },
	[HEALTH_REASON_RESPONSE_MALFORMED] = {
		"response_malformed", HEALTH_REASON_WORKER, 503,
		"PHP sent an answer that cannot be understood",
		"look whether backend is a PHP-FPM, and what the script prints as "
		"headers" },
	[HEALTH_REASON_RESPONSE_HEADER_TOO_BIG] = {
		"response_header_too_big", HEALTH_REASON_WORKER, 503,
		"PHP sent more headers than are allowed",
		"raise header_max, or find what the script adds without end (often "
		"cookies)" },
	[HEALTH_REASON_FPM_TERMINATED] = {
		"fpm_terminated", HEALTH_REASON_WORKER, 504,
		"the page took too long and PHP-FPM ended it",
		"look for a slow script, then at request_terminate_timeout of the FPM "
		"pool" },
	[HEALTH_REASON_REQUEST_TIMEOUT] = {
		"request_timeout", HEALTH_REASON_WORKER, 504,
		"the page took longer than it may",
		"look for a slow script, then at request_timeout" },
	[HEALTH_REASON_READ_TIMEOUT] = {
		"read_timeout", HEALTH_REASON_WORKER, 504,
		"the page sent nothing for longer than it may",
		"look for a script that waits, then at read_timeout" },
	[HEALTH_REASON_ANSWER_BY] = {
		"answer_by", HEALTH_REASON_WORKER, 504,
		"the answer did not come in time",
		"look whether the time went into the queue or into the script, then "
		"at answer_by" },

	[HEALTH_REASON_BODY_TIMEOUT] = {
		"body_timeout", HEALTH_REASON_PEER, 408,
		"the upload stopped before it was complete", "" },
	[HEALTH_REASON_BODY_TOO_BIG] = {
		"body_too_big", HEALTH_REASON_PEER, 413,
		"the upload is larger than allowed",
		"raise body_max if such uploads are wanted" },
	[HEALTH_REASON_PARAMS_TOO_BIG] = {
		"params_too_big", HEALTH_REASON_PEER, 431,
		"the request has more headers than are allowed",
		"raise params_max or params_count_max if such requests are wanted" },
	[HEALTH_REASON_REQUEST_MALFORMED] = {
		"request_malformed", HEALTH_REASON_PEER, 400,
		"the request cannot be understood",
		"compare the FastCGI settings of the web server with its "
		"documentation" },
	[HEALTH_REASON_BODY_LENGTH] = {
		"body_length", HEALTH_REASON_PEER, 400,
		"the upload is not as long as was announced",
		"look at the CONTENT_LENGTH that the web server passes on" },
	[HEALTH_REASON_PATH_REFUSED] = {
		"path_refused", HEALTH_REASON_PEER, 403,
		"this page is not for visitors",
		"the status and ping pages of FPM are refused by status_access" },
	[HEALTH_REASON_PARAM_DENIED] = {
		"param_denied", HEALTH_REASON_PEER, 403,
		"the request asks for something that is not allowed here",
		"the web server sent a parameter that deny_params names" },
	[HEALTH_REASON_CLIENT_LEFT] = {
		"client_left", HEALTH_REASON_PEER, 0,
		"the visitor left before the answer was complete", "" },
	[HEALTH_REASON_SLOW_CLIENT] = {
		"slow_client", HEALTH_REASON_PEER, 0,
		"the visitor takes the answer too slowly",
		"look whether the web server buffers responses, and at write_timeout" },
};

const struct health_reason_row *health_reason_row(enum health_reason reason)
{
	/* Unsigned, or a negative value of a signed enum would pass. */
	unsigned index = (unsigned)reason;

	return &rows[index < HEALTH_REASON_N ? index : HEALTH_REASON_NONE];
}
