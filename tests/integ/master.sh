#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A PHP-FPM that fpmgate runs itself: what its options do, that it comes back whatever is
# killed, that a bad one harms no other, and that nothing of it is left when fpmgate ends,
# however that is.
#
# Run by root the workers are another user's, and the last part runs fpmgate as www-data.
# HELLO=off: without GET_VALUES.
#
# Seen to fail:
# - without PR_SET_PDEATHSIG or PR_SET_CHILD_SUBREAPER of the guardian: "nor what a script has
#   left"; without its sweep (guardian_end()): that, "no process of this test is left"
# - without the lifeline (guardian_hold_lifeline()): "kill -9 of the guardian", "kill -9 of
#   fpmgate", "no process is left"
# - without the start after a pause (master_wait()): "another one comes"; with the pause not
#   doubled: "doubling", "not before"
# - without php-fpm's lines (fpm_log.c), without catch_workers_output: "what php-fpm -t said",
#   "what a worker writes"
# - without group, php_ini, extra, clear_env (master_conf.c): their points
# - with new options not started, the old master not stopped (master.c), the new socket not
#   told to the pool (daemon_on_master_up()): "mended by SIGHUP", "SIGHUP: ...", "no request
#   has failed"
# - with a removed pool's master not stopped (daemon_is_released()): "takes its PHP-FPM along"
# - with files left (master_conf_remove()): "another one comes" and what follows; with a path
#   refused because something lies there (socket_file.c): "do not hinder the next one"
# - without the look at FPMGATE_SANDBOX: "exit 78", "and why"
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

# ---- processes -----------------------------------------------------------------------

# php_processes [REGEX]: pid and arguments of what runs PHP for this test, guardians too.
php_processes()
{
	local pids

	pids=$(stray_pids | paste -sd,)
	[[ -n $pids ]] || return 0
	ps -o pid=,args= -p "$pids" | grep -E "php-fpm|fpm-guardian" | grep -E "${1:-.}" || true
}
no_php() { [[ -z $(php_processes "${1:-.}") ]]; }

# The master of a pool that is up, and its parent.
master_pid()
{
	sed -n "s/.*pool $1: php-fpm \([0-9]*\) is up.*/\1/p" "$DIR/fpmgate.log" | tail -n 1
}
guardian_pid() { ps -o ppid= -p "$(master_pid "$1")" | tr -d ' '; }
n_up() { fpmgate_log_count "pool $1: php-fpm [0-9]+ is up"; }
is_up() { (($(n_up "$1") > $2)); }
has_workers() { (($(fpm_worker_pids "$1" | wc -l) == $2)); }
none_alive()
{
	local pid

	for pid; do
		! is_alive "$pid" || [[ $(ps -o stat= -p "$pid") == Z* ]] || return 1
	done
}
kill_all() { kill -KILL "$@" 2>/dev/null || true; }

# self POOL QUERY: keeps what self.php says; said NAME: one line of it.
self() { body "${PORT[$1]}" "/self.php?$2" >"$DIR/self"; }
said() { sed -n "s/^$1 //p" "$DIR/self"; }
oom() { cat "/proc/$1/oom_score_adj"; }

no_files() { [[ -z $(find "$DIR/run" -name "$1[.+]*") ]]; }

# run_in_background POOL ID MS: a script that runs when this returns; its page is in ID.
BACKGROUND=
run_in_background()
{
	body "${PORT[$1]}" "/count.php?id=$2&ms=$3" >"$DIR/$2" &
	BACKGROUND=$!
	wait_for 5 grep -q " $2 " "$COUNT_FILE"
}

# load NAME POOL [ARGUMENT...]: in the background until done_load; every answer is counted.
load() { "$HTTP_LOAD" -r 100 -m GET "${@:3}" "${PORT[$2]}" '/sleep.php?ms=10' >"$DIR/$1.out" & }
only_200_or_503()
{
	local out=$DIR/$1.out
	local n=$(($(value "$out" s200) + $(value "$out" s503)))

	is "$n of $(value "$out" sent)" "$(value "$out" sent) of $(value "$out" sent)" \
		"$2: 200 or 503 for all"
}

# ---- pools ---------------------------------------------------------------------------

declare -A PORT=()
# site NAME SOCKET
site()
{
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$2" keepalive=8
}
# pool NAME MAX_CHILDREN [OPTION-OF-FPM...]: an entry of pools with a php_fpm.
pool()
{
	printf '{ name = "%s"; listen = "%s"; php_fpm = "%s"; max_children = %s; ' \
		"$1" "$DIR/gate-$1.sock" "$PHP_FPM" "$2"
	printf 'hello = "%s"; queue = { max_wait = "%s"; }; fpm = { %s %s }; }' \
		"${HELLO:-auto}" "${MAX_WAIT:-5s}" "$RUNS_AS" "${*:3}"
}
RUNS_AS=
((EUID != 0)) || RUNS_AS='user = "nobody"; group = "www-data";'
site app "$DIR/gate-app.sock"
site bad "$DIR/gate-bad.sock"
site more "$DIR/gate-more.sock"
site own "$DIR/own/gate-own.sock"

# Whoever protects fpmgate from the OOM killer does not mean PHP. Not everybody may.
PROTECTION=0
! (echo -300 >/proc/self/oom_score_adj) 2>/dev/null || PROTECTION=-300
cat >"$DIR/protected" <<WRAPPER
#!/bin/sh
echo $PROTECTION >/proc/self/oom_score_adj
exec "$FPMGATE" "\$@"
WRAPPER
chmod 755 "$DIR/protected"
FPMGATE_ITSELF=$FPMGATE
FPMGATE=$DIR/protected

APP=$(pool app 4 'php_ini = ["memory_limit=77M", "date.timezone=Asia/Tokyo"];
	extra = ["env[GREETING] = hi", "php_admin_value[precision] = 5"];')
BAD=$(MAX_WAIT=1s pool bad 1 'extra = ["pm.max_requests = many"];')
REFUSED='pool bad: php-fpm refuses its configuration, .* starting it again in'
tries() { (($(fpmgate_log_count "$REFUSED") >= $1)); }
START=$(now_ms)
start_fpmgate "pools = ($APP, $BAD);" SECRET=of-fpmgate
start_nginx
{ wait_for 15 tries 3 >&2 && echo $(($(now_ms) - START)); } >"$DIR/third" &
TRIED=$!
code "${PORT[bad]}" /hello.php >"$DIR/asked" &
ASKED=$!

# ---- it serves -----------------------------------------------------------------------

check "a PHP-FPM of fpmgate's own comes up" wait_for 10 is_up app 0
is "$(code "${PORT[app]}" /hello.php)" 200 "a page is served"
check "max_children: that many workers" wait_for 5 has_workers app 4
self app 'ini=memory_limit,date.timezone,precision&env=GREETING,SECRET&say=worker%1bspeaks'
if ((EUID == 0)); then
	is "$(said uid) $(said gid)" "$(id -u nobody) $(id -g www-data)" "user and group"
fi
is "$(said memory_limit) $(said date.timezone)" "77M Asia/Tokyo" "php_ini"
is "$(said precision) $(said GREETING)" "5 hi" "extra"
is "$(said SECRET)" - "PHP has nothing of fpmgate's environment"
check "what a worker writes to stderr is a line of the log, with its pool" wait_for 5 \
	log_says fpmgate 'pool app: php-fpm: .* child .*worker\\x1bspeaks'
is "$(oom "$(fpmgate_pid)") $(oom "$(guardian_pid app)")" "$PROTECTION $PROTECTION" \
	"fpmgate and the guardian as they were started"
is "$(oom "$(master_pid app)") $(oom "$(fpm_worker_pids app | sed -n 1p)")" "0 0" \
	"oom_score_adj of the master and of a worker: 0"

# ---- one that is refused, beside it --------------------------------------------------

wait "$ASKED" "$TRIED" || true
is "$(cat "$DIR/asked")" 503 "who comes to the pool of a bad one: 503"
ge "$(cat "$DIR/third")" 3000 "a bad one is tried again after 1 and 2 s, not before"
le "$(cat "$DIR/third")" $((3000 + $(allow 2000))) "nor much later"
is "$(grep -oE "$REFUSED [0-9]+ s" "$DIR/fpmgate.log" | grep -oE '[0-9]+ s' | paste -sd,)" \
	"1 s,2 s,4 s" "doubling"
check "the log has what php-fpm -t said" log_says fpmgate \
	'pool bad: php-fpm: .*unable to parse value for entry .*pm.max_requests'
is "$(code "${PORT[app]}" /hello.php) $(n_up app)" "200 1" "the other pool noticed nothing"
BAD=$(pool bad 1)
reload_fpmgate "pools = ($APP, $BAD);"
check "mended by SIGHUP it comes up" wait_for 3 is_up bad 0
is "$(code "${PORT[bad]}" /hello.php)" 200 "and serves"
is "$(n_up app)" 1 "one whose options are the same is left alone"

# ---- killed under load ---------------------------------------------------------------

# n_served POOL; served POOL N: more than N were.
n_served() { grep -c "^${PORT[$1]} 200 " "$DIR/nginx-access.log"; }
served() { (($(n_served "$1") > $2)); }
load killed app -d 6
KILLED=$!
wait_for 5 served app 30
mapfile -t OLD < <(fpm_worker_pids app)
MASTER=$(master_pid app)
kill_all "$MASTER"
check "kill -9 of the master: its workers go with it" wait_for 3 none_alive "${OLD[@]}"
check "kill -9 of the master: another one comes" wait_for 5 is_up app 1
check "it serves" wait_for 2 served app "$(n_served app)"
ge "$(fpmgate_log_count 'pool app: php-fpm was killed by signal 9 .*, starting it again in 1 s')" \
	1 "the log says why"
MASTER=$(master_pid app)
mapfile -t OLD < <(fpm_worker_pids app)
kill_all "${OLD[@]}"
check "kill -9 of all workers: others come" wait_for 5 has_workers app 4
is "$(master_pid app) $(n_up app)" "$MASTER 2" "the master goes on"
GUARDIAN=$(guardian_pid app)
kill_all "$GUARDIAN"
check "kill -9 of the guardian: the master goes with it" wait_for 3 none_alive "$MASTER"
check "kill -9 of the guardian: another one comes" wait_for 8 is_up app 2
wait "$KILLED"
only_200_or_503 killed "killed three times"
ge "$(value "$DIR/killed.out" s200)" $(($(value "$DIR/killed.out" sent) / 2)) \
	"most of them are served"

# ---- SIGHUP --------------------------------------------------------------------------

load reloaded app -d 3
RELOADED=$!
MASTER=$(master_pid app)
APP=$(pool app 2 'pm = "ondemand"; php_ini = ["memory_limit=78M"];')
MORE=$(pool more 1)
reload_fpmgate "pools = ($APP, $BAD, $MORE);"
check "SIGHUP: one with the new options comes" wait_for 8 is_up app 3
check "SIGHUP: the one before goes" wait_for 8 none_alive "$MASTER"
check "SIGHUP: a new pool comes" wait_for 8 is_up more 0
wait "$RELOADED"
is "$(value "$DIR/reloaded.out" s200)" "$(value "$DIR/reloaded.out" sent)" \
	"no request has failed over that"
"$HTTP_LOAD" -c 6 -n 12 "${PORT[app]}" '/sleep.php?ms=100' >"$DIR/two.out" &
check "max_children is the new one" wait_for 5 has_workers app 2
wait "$!"
self app ini=memory_limit
is "$(said memory_limit)" 78M "php_ini, too"
is "$(code "${PORT[more]}" /hello.php)" 200 "the new pool serves"
run_in_background more flight 1000
MASTER=$(master_pid more)
reload_fpmgate "pools = ($APP, $BAD);"
wait "$BACKGROUND"
is "$(cat "$DIR/flight")" "counted flight" "SIGHUP: a request of a pool that is removed ends"
check "SIGHUP: a pool that is removed takes its PHP-FPM along" wait_for 5 none_alive "$MASTER"
check "and its files" wait_for 5 no_files more

# ---- SIGTERM -------------------------------------------------------------------------

run_in_background app last 1500
stop_fpmgate
is "${STATUS[fpmgate]}" 0 "SIGTERM: exit 0"
wait "$BACKGROUND"
is "$(cat "$DIR/last")" "counted last" "the request that ran has ended"
is "$(php_processes)" "" "no process is left"
is "$(find "$DIR/run" ! -type d)" "" "nor a file"

# ---- fpmgate is killed ---------------------------------------------------------------

start_fpmgate ''
wait_for 8 is_up app 4
wait_for 8 is_up bad 1
self bad stray=1
STRAY=$(said stray)
check "a script has left a process behind" is_alive "$STRAY"
run_in_background app killed 60000
ge "$(php_processes | wc -l)" 6 "two guardians, two masters, two workers"
stop_fpmgate KILL
check "kill -9 of fpmgate: no process of PHP's is left" wait_for 10 no_php
check "nor what a script has left" none_alive "$STRAY"
wait "$BACKGROUND" || true
check "its sockets are" test -S "$DIR/run/fpm/app.sock" -a -S "$DIR/gate-app.sock"
start_fpmgate ''
check "and do not hinder the next one" wait_for 8 is_up app 5
is "$(code "${PORT[app]}" /hello.php)" 200 "it serves"
stop_fpmgate

# ---- where it cannot be --------------------------------------------------------------

SANDBOX=0
FPMGATE_SANDBOX=1 timeout $((10 * FACTOR)) "$FPMGATE_ITSELF" -c "$DIR/fpmgate.conf" \
	>"$DIR/sandbox" 2>&1 || SANDBOX=$?
is "$SANDBOX" 78 "in the sandbox of fpmgate.service: exit 78"
matches "$(cat "$DIR/sandbox")" 'pool app: .*cannot run a PHP-FPM of its own: .*sandbox' \
	"and why"
is "$(php_processes)" "" "without a start of PHP"

# ---- without root --------------------------------------------------------------------

mkdir "$DIR/own"
FPMGATE=$FPMGATE_ITSELF
as_user www-data "$DIR/own" "$SPOOL_DIR"
RUNS_AS=
OWN=$(pool own 2)
start_fpmgate "runtime_dir = \"$DIR/own\"; spool_dir = \"$SPOOL_DIR\";
	pools = (${OWN/gate-own.sock/own/gate-own.sock});"
check "without root: it comes up" wait_for 8 is_up own 0
is "$(code "${PORT[own]}" /hello.php)" 200 "without root: it serves"
self own ''
is "$(said uid)" "$(ps -o uid= -p "$(fpmgate_pid)" | tr -d ' ')" "as fpmgate's own user"
kill_all "$(master_pid own)"
check "without root: it comes back" wait_for 8 is_up own 1
is "$(code "${PORT[own]}" /hello.php)" 200 "without root: it serves again"
stop_fpmgate KILL
check "without root: nothing is left when fpmgate is killed" wait_for 10 no_php
done_testing
