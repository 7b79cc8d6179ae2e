# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What every integration test stands on: a private directory, TAP, processes that end.
#
# Sourced first by each tests/integ/*.sh. README.md beside it lists the functions; each
# has its comment here. Three rules hold everywhere:
#
#   - A test waits for a state with wait_for and a deadline, it never just sleeps for one.
#   - Every allowance is multiplied by FACTOR (sanitizer builds: 3 or more).
#   - Whatever a test starts is recorded by name and pid and ended by pid; done_testing
#     fails if a process of the test, or a child of one, is left, if a log holds a
#     sanitizer's report or if fpmgate did not exit with 0.
#
# Processes are found again, also as orphans, by two marks: their working directory is the
# test's directory (PHP-FPM overwrites its environment), or FPMGATE_TEST_DIR is in their
# environment. So a test must not cd into $DIR itself.
set -Eeuo pipefail
export LC_ALL=C

: "${TOP_SRCDIR:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
if [[ -z ${TOP_BUILDDIR:-} ]]; then
	TOP_BUILDDIR=$TOP_SRCDIR
	[[ ! -d $TOP_SRCDIR/build ]] || TOP_BUILDDIR=$TOP_SRCDIR/build
fi
: "${FPMGATE:=$TOP_BUILDDIR/fpmgate}"
: "${FACTOR:=1}"
TOOLS=$TOP_BUILDDIR/tests/tools
FAKE_FPM=$TOP_BUILDDIR/tests/fake_fpm
FCGI_APP=$TOP_BUILDDIR/tests/fcgi_app
FCGI_CLIENT=$TOOLS/fcgi_client
# shellcheck disable=SC2034 # the tests use these two
HTTP_LOAD=$TOOLS/http_load COMPARE=$TOOLS/compare

DIR=$(mktemp -d /tmp/fpmgate-XXXXXX)
chmod 755 "$DIR"
WWW=$DIR/www			# the document root, a copy
OUT=$DIR/out			# scripts may write here: OUT_DIR and COUNT_FILE
COUNT_FILE=$OUT/count
cp -r "$TOP_SRCDIR/tests/integ/www" "$WWW"
mkdir -m 1777 "$OUT"
chmod -R a+rX "$WWW"
chmod 1777 "$OUT"

echo "# in $DIR"
declare -A PIDS=()		# name -> pid of what was started
declare -a NAMES=()		# in the order of their start
declare -A STATUS=()		# name -> exit status, once it has ended
declare -a NGINX_PORTS=()
NGINX_SITES=
declare -a FPMGATE_SOCKETS=()	# NAME=ADDRESS: start_fpmgate passes them as systemd does
N_POINTS=0
N_FAILED=0
IS_DONE=
LAST_ERROR=

# ---- TAP -----------------------------------------------------------------------------

diag() { printf '%s\n' "$@" | sed 's/^/# /'; }

# where: the line of the test itself that called the library.
where()
{
	local i

	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		[[ ${BASH_SOURCE[i]} == "${BASH_SOURCE[0]}" ]] || break
	done
	echo "${BASH_SOURCE[i]##*/} line ${BASH_LINENO[i - 1]}"
}

# die EXPLANATION...: the test cannot go on.
die() { diag "$@"; LAST_ERROR=$(where); exit 1; }
ok() { N_POINTS=$((N_POINTS + 1)); echo "ok $N_POINTS - $1"; }

# fail TEXT [EXPLANATION...]: a point that failed; the test goes on.
fail()
{
	N_POINTS=$((N_POINTS + 1))
	N_FAILED=$((N_FAILED + 1))
	echo "not ok $N_POINTS - $1"
	diag "at $(where)" "${@:2}"
}

# is GOT WANTED TEXT
is() { if [[ $1 == "$2" ]]; then ok "$3"; else fail "$3" "got '$1', wanted '$2'"; fi; }

# isnt GOT UNWANTED TEXT
isnt() { if [[ $1 != "$2" ]]; then ok "$3"; else fail "$3" "got '$1'"; fi; }

# matches GOT REGEX TEXT
matches() { if [[ $1 =~ $2 ]]; then ok "$3"; else fail "$3" "got '$1', wanted /$2/"; fi; }

# Numbers, decimals allowed. le A B TEXT: A <= B. ge A B TEXT: A >= B.
number_le() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }'; }
le() { if number_le "$1" "$2"; then ok "$3 ($1 <= $2)"; else fail "$3" "$1 > $2"; fi; }
ge() { if number_le "$2" "$1"; then ok "$3 ($1 >= $2)"; else fail "$3" "$1 < $2"; fi; }

# check TEXT COMMAND...: a point that holds if COMMAND succeeds.
check()
{
	local text=$1

	shift
	if "$@" >"$DIR/check.out" 2>&1; then
		ok "$text"
	else
		fail "$text" "$* failed:" "$(tail -n 20 "$DIR/check.out")"
	fi
}

# For a test that cannot run here at all: the whole program is skipped.
skip_all()
{
	IS_DONE=yes
	echo "1..0 # SKIP $*"
	exit 0
}

# done_testing: ends what runs, checks what every test must fulfil, prints the plan.
done_testing()
{
	check_fpmgate_end
	stop_all
	check_strays
	check_reports
	IS_DONE=yes
	echo "1..$N_POINTS"
	exit $((N_FAILED > 0))
}

# ---- time ----------------------------------------------------------------------------

now_us() { echo "${EPOCHREALTIME/./}"; }
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# allow MS: that many milliseconds on this machine and build.
allow() { echo $(($1 * FACTOR)); }

# wait_for SECONDS COMMAND...: until COMMAND succeeds; false once the time is up. SECONDS
# may have decimals and is multiplied by FACTOR.
wait_for()
{
	local deadline

	deadline=$(awk -v s="$1" -v f="$FACTOR" -v n="$(now_ms)" \
		'BEGIN { printf "%.0f", n + s * f * 1000 }')
	shift
	until "$@" >/dev/null 2>&1; do
		if (($(now_ms) >= deadline)); then
			diag "waited in vain for: $*"
			return 1
		fi
		sleep 0.02
	done
}

# ---- processes -----------------------------------------------------------------------

is_alive() { [[ -n ${1:-} ]] && kill -0 "$1" 2>/dev/null; }
is_gone() { ! is_alive "$1"; }

# spawn NAME COMMAND...: in the background, recorded, its output appended to NAME.log.
spawn()
{
	local name=$1

	shift
	(
		cd "$DIR"
		export FPMGATE_TEST_DIR=$DIR
		exec "$@" </dev/null >>"$DIR/$name.log" 2>&1
	) &
	PIDS[$name]=$!
	unset "STATUS[$name]"
	NAMES=("$name" "${NAMES[@]/#%"$name"/}")
}

# await NAME SECONDS: until it has ended by itself; its exit status is in STATUS[NAME].
await()
{
	local pid=${PIDS[$1]:-}

	[[ -n $pid ]] || return 0
	wait_for "$2" is_gone "$pid" || return 1
	STATUS[$1]=0
	wait "$pid" 2>/dev/null || STATUS[$1]=$?
	unset "PIDS[$1]"
}

# stop NAME [SIGNAL [SECONDS]]: ends it and waits; one that does not go is killed, and
# that is a failed point.
stop()
{
	local pid=${PIDS[$1]:-}

	[[ -n $pid ]] || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null || true
	await "$1" "${3:-10}" && return
	fail "$1 (pid $pid) ends within ${3:-10} s of SIG${2:-TERM}" \
		"$(ps -o pid,ppid,stat,wchan,args -p "$pid")"
	kill -KILL "$pid" 2>/dev/null || true
	await "$1" 10 || true
}

stop_all()
{
	local name job

	for name in "${NAMES[@]}"; do
		case $name in
		fpm-*) stop_fpm "${name#fpm-}" ;;
		?*) stop "$name" ;;
		esac
	done
	for job in $(jobs -p); do
		kill "$job" 2>/dev/null || true
	done
}

# The pids of every process that bears one of the two marks.
stray_pids()
{
	{
		find /proc -maxdepth 2 -name cwd -lname "$DIR*" 2>/dev/null || true
		grep -lzsxF "FPMGATE_TEST_DIR=$DIR" /proc/[0-9]*/environ || true
	} | sed 's|^/proc/\([0-9]*\)/.*|\1|' | sort -un
}
has_no_strays() { [[ -z $(stray_pids) ]]; }

check_strays()
{
	local pids

	if wait_for 3 has_no_strays; then
		ok "no process of this test is left"
		return
	fi
	pids=$(stray_pids | paste -sd,)
	fail "no process of this test is left" "$(ps -o pid,ppid,stat,args -p "$pids")"
	kill_strays
}

kill_strays()
{
	local pid

	for pid in $(stray_pids); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# Sanitizers write their reports into the logs of whoever is ill.
check_reports()
{
	local found

	found=$(grep -hE 'ERROR: (Address|Leak|Undefined|Thread)|runtime error:' \
		"$DIR"/*.log 2>/dev/null | head -n 5) || true
	if [[ -z $found ]]; then
		ok "no sanitizer report in any log"
	else
		fail "no sanitizer report in any log" "$found"
	fi
}

dump_logs()
{
	local log

	for log in "$DIR"/*.log "$DIR"/notify.txt "$DIR"/*.conf; do
		[[ -s $log ]] || continue
		diag "---- $(basename "$log") ($(wc -l <"$log") lines)"
		diag "$(tail -n 60 "$log")"
	done
}

# However the test ends. KEEP=1 leaves the directory for a look.
on_exit()
{
	local code=$?

	trap - EXIT ERR
	trap '' PIPE
	set +e
	if [[ -z $IS_DONE ]]; then
		N_POINTS=$((N_POINTS + 1))
		echo "not ok $N_POINTS - the test runs to its end"
		diag "exit $code" ${LAST_ERROR:+"${LAST_ERROR%$'\n'}"}
		stop_all
		kill_strays
		echo "1..$N_POINTS"
		code=1
	fi
	((code == 0)) || dump_logs
	grep -lsx "$$" "$PORTS_DIR"/[0-9]* | xargs -r rm -f
	if [[ ${KEEP:-} ]]; then
		diag "kept: $DIR"
	else
		rm -rf --one-file-system "$DIR" "$SPOOL_DIR"
	fi
	exit "$code"
}
trap on_exit EXIT
trap 'exit 143' TERM
trap 'exit 141' PIPE
trap 'exit 130' INT
# Each level of the call stack adds its line.
on_error() { LAST_ERROR+="$1"$'\n'; }
trap 'on_error "${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND"' ERR

# ---- ports, directories, small things ------------------------------------------------

PORTS_DIR=/tmp/fpmgate-ports-$UID

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# new_port: a TCP port on loopback that nobody else gets while this test runs. The range
# lies below the kernel's ephemeral ports; the next one is taken in turn, so that a port
# just given back rests.
new_port()
{
	local port owner lock i

	mkdir -p "$PORTS_DIR"
	exec {lock}>"$PORTS_DIR/lock"
	flock "$lock"
	port=$(cat "$PORTS_DIR/next" 2>/dev/null || echo 20000)
	for ((i = 0; i < 10000; i++)); do
		port=$((port >= 29999 ? 20000 : port + 1))
		owner=$(cat "$PORTS_DIR/$port" 2>/dev/null || true)
		if ! is_alive "$owner" && ! port_open "$port"; then
			break
		fi
	done
	echo "$$" >"$PORTS_DIR/$port"
	echo "$port" >"$PORTS_DIR/next"
	exec {lock}>&-
	echo "$port"
}

# The spool must not lie in memory.
SPOOL_DIR=$DIR/spool
[[ $(stat -f -c %T "$DIR") != tmpfs ]] || SPOOL_DIR=$(mktemp -d /var/tmp/fpmgate-XXXXXX)
mkdir -p "$SPOOL_DIR"

# metric_rss PID: resident bytes.
metric_rss() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$1/status"; }

# value FILE KEY: the value behind KEY in the output of http_load and its like.
value() { awk -v key="$2" '$1 == key { print $2; exit }' "$1"; }

# code PORT URI [CURL ARGS]: the status of one request, 000 if no answer came.
code()
{
	local port=$1 uri=$2

	shift 2
	curl -s -o /dev/null -w '%{http_code}' --max-time "$(allow 30)" "$@" \
		"http://127.0.0.1:$port$uri" || true
}

# body PORT URI [CURL ARGS]: the body of one request.
body()
{
	local port=$1 uri=$2

	shift 2
	curl -s --max-time "$(allow 30)" "$@" "http://127.0.0.1:$port$uri" || true
}

# script NAME: sets PARAMS to what makes FPM run www/NAME, for fcgi_client.
script()
{
	# shellcheck disable=SC2034 # for the tests
	PARAMS=(
		SCRIPT_FILENAME="$WWW/$1" SCRIPT_NAME="/$1" REQUEST_METHOD=GET
		SERVER_PROTOCOL=HTTP/1.1 OUT_DIR="$OUT" COUNT_FILE="$COUNT_FILE"
	)
}

# ---- PHP-FPM -------------------------------------------------------------------------

find_php_fpm()
{
	local name path

	for name in php-fpm8.2 php-fpm8.3 php-fpm; do
		for path in /usr/sbin /usr/local/sbin /usr/bin; do
			[[ ! -x $path/$name ]] || { echo "$path/$name"; return; }
		done
	done
	die "no php-fpm here"
}
: "${PHP_FPM:=$(find_php_fpm)}"

# fpm_conf NAME [KEY=VALUE...]: writes fpm-NAME.conf, a pool of that name. A KEY is a pool
# directive, max_children and its kin stand for pm.max_children, global:KEY goes to
# [global], php:KEY is a php_admin_value; listen=tcp takes a port of its own.
fpm_conf()
{
	local name=$1 arg key value global=
	local -A pool=(
		[listen]=$DIR/$name.sock
		[pm]=static
		[pm.max_children]=4
		[pm.status_path]=/fpm-status
		[pm.status_listen]=$DIR/$name.status.sock
		[ping.path]=/fpm-ping
		[clear_env]=yes
		[catch_workers_output]=yes
		["php_admin_value[post_max_size]"]=2G
		["php_admin_value[memory_limit]"]=256M
		["php_admin_value[opcache.revalidate_freq]"]=0
	)

	if ((EUID == 0)); then
		pool+=([user]=www-data [group]=www-data [listen.owner]=www-data
			[listen.group]=www-data [listen.mode]=0660)
	fi
	shift
	for arg; do
		key=${arg%%=*}
		value=${arg#*=}
		case $key in
		global:*) global+="${key#global:} = $value"$'\n'; continue ;;
		php:*) key="php_admin_value[${key#php:}]" ;;
		max_children | start_servers | m??_spare_servers | max_requests | \
			process_idle_timeout | status_path | status_listen) key=pm.$key ;;
		esac
		[[ $key=$value != listen=tcp ]] || value=127.0.0.1:$(new_port)
		pool[$key]=$value
	done
	if [[ ${pool[pm]} == dynamic ]]; then
		: "${pool[pm.start_servers]:=2}" "${pool[pm.min_spare_servers]:=1}"
		: "${pool[pm.max_spare_servers]:=${pool[pm.max_children]}}"
	fi
	{
		printf '[global]\nerror_log = %s\n%s' "$DIR/fpm-$name.log" "$global"
		printf 'systemd_interval = 0\n[%s]\n' "$name"
		for key in "${!pool[@]}"; do
			[[ -n ${pool[$key]} ]] || continue
			printf '%s = %s\n' "$key" "${pool[$key]}"
		done
	} >"$DIR/fpm-$name.conf"
}

fpm_n_ready()
{
	grep -c 'ready to handle connections' "$DIR/fpm-$1.log" 2>/dev/null || true
}
fpm_is_ready() { (($(fpm_n_ready "$1") > $2)); }
fpm_is_ready_or_dead() { fpm_is_ready "$1" "$2" || is_gone "${PIDS[fpm-$1]}"; }

# start_fpm NAME [KEY=VALUE...]: an FPM master with one pool, ready; without keys the
# configuration that is there is used again. Its address: fpm_listen NAME.
start_fpm()
{
	local name=$1 n_ready

	shift
	[[ $# -eq 0 && -e $DIR/fpm-$name.conf ]] || fpm_conf "$name" "$@"
	n_ready=$(fpm_n_ready "$name")
	spawn "fpm-$name" "$PHP_FPM" -F -y "$DIR/fpm-$name.conf"
	wait_for 10 fpm_is_ready_or_dead "$name" "${n_ready:-0}" || true
	fpm_is_ready "$name" "${n_ready:-0}" || die "fpm $name does not start"
}

# reload_fpm NAME: SIGUSR2, and until it is ready again.
reload_fpm()
{
	local n_ready

	n_ready=$(fpm_n_ready "$1")
	kill -USR2 "${PIDS[fpm-$1]}"
	wait_for 30 fpm_is_ready "$1" "$n_ready"
}

fpm_all_worker_pids() { fpm_worker_pids "$1"; fpm_worker_pids "${1}_status"; }
fpm_has_no_worker() { [[ -z $(fpm_all_worker_pids "$1") ]]; }

# stop_fpm NAME [SIGNAL]: the master with its workers; those of a killed master as well.
stop_fpm()
{
	local pid

	stop "fpm-$1" "${2:-TERM}"
	for pid in $(fpm_all_worker_pids "$1"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	wait_for 5 fpm_has_no_worker "$1" || true
}

fpm_listen() { awk '$1 == "listen" { print $3 }' "$DIR/fpm-$1.conf"; }
fpm_master_pid() { echo "${PIDS[fpm-$1]}"; }

# fpm_worker_pids NAME: the workers of pool NAME in this test, orphans included.
fpm_worker_pids()
{
	local pid

	for pid in $(ps -eo pid=,args= | awk -v pool="$1" \
		'$2 == "php-fpm:" && $3 == "pool" && $4 == pool { print $1 }'); do
		[[ $(readlink "/proc/$pid/cwd") != "$DIR"* ]] || echo "$pid"
	done
}

# fpm_status NAME [QUERY]: the status page over its own listener, with a free worker or
# without one; QUERY is json, full&json, ...; empty: the text form.
fpm_status()
{
	"$FCGI_CLIENT" -u "$DIR/$1.status.sock" -T "$(allow 5000)" -o REQUEST_METHOD=GET \
		SCRIPT_NAME=/fpm-status SCRIPT_FILENAME=/fpm-status "QUERY_STRING=${2:-}"
}

# fpm_value NAME KEY: one value of the text form, as in fpm_value www "active processes".
fpm_value() { fpm_status "$1" | awk -F': *' -v key="$2" '$1 == key { print $2 }'; }

# fpm_is_idle NAME: nobody runs, finishes or reads headers.
fpm_is_idle()
{
	local states

	states=$(fpm_status "$1" full | awk -F': *' '$1 == "state" { print $2 }')
	[[ -n $states ]] && ! grep -qv '^Idle' <<<"$states"
}

# ---- scripted responder, libfcgi application -----------------------------------------

log_says() { grep -q -- "$2" "$DIR/$1.log" 2>/dev/null; }

# start_fake NAME [OPTION...] STEP...: tests/fake_fpm on NAME.sock (or what -t or -a in
# front says), its log in fake-NAME.log.
start_fake()
{
	local name=$1
	local -a address=(-u "$DIR/$1.sock")

	shift
	[[ ${1:-} != -[at] ]] || address=()
	rm -f "$DIR/fake-$name.log"
	spawn "fake-$name" "$FAKE_FPM" -l - "${address[@]}" "$@"
	wait_for 5 log_says "fake-$name" '^listening' ||
		die "fake_fpm $name does not start"
}
stop_fake() { stop "fake-$1"; }

# start_app NAME [PROCESSES]: tests/fcgi_app on NAME.sock.
start_app()
{
	rm -f "$DIR/app-$1.log"
	spawn "app-$1" "$FCGI_APP" "$DIR/$1.sock" "${2:-1}"
	wait_for 5 log_says "app-$1" '^listening' || die "fcgi_app $1 does not start"
}
stop_app() { stop "app-$1"; }

# ---- nginx ---------------------------------------------------------------------------

# nginx_site PORT UPSTREAM [keepalive=N] [backup=ADDRESS] [server:DIRECTIVE]
# [DIRECTIVE]... adds a site whose every request goes to UPSTREAM (a path or HOST:PORT); a
# DIRECTIVE goes into its location, with server: in front into its server block.
nginx_site()
{
	local port=$1 peers in_server='' in_location='' arg

	peers="server $(nginx_address "$2");"
	shift 2
	for arg; do
		case $arg in
		keepalive=*)
			peers+=" keepalive ${arg#*=};"
			in_location+=" fastcgi_keep_conn on;"
			;;
		backup=*) peers+=" server $(nginx_address "${arg#*=}") backup;" ;;
		server:*) in_server+=" ${arg#server:}" ;;
		*) in_location+=" $arg" ;;
		esac
	done
	NGINX_PORTS+=("$port")
	NGINX_SITES+="
	upstream site_$port { $peers }
	server {
		listen 127.0.0.1:$port backlog=4096;
		$in_server
		location / { include fastcgi.inc; fastcgi_pass site_$port;$in_location }
	}"
}
nginx_address() { [[ $1 == /* ]] && echo "unix:$1" || echo "$1"; }

# The params of Debian's fastcgi.conf, and where the scripts of www/ may write.
nginx_params()
{
	local name

	echo "fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;"
	echo "fastcgi_param SCRIPT_NAME \$fastcgi_script_name;"
	for name in QUERY_STRING REQUEST_METHOD CONTENT_TYPE CONTENT_LENGTH; do
		echo "fastcgi_param $name \$${name,,};"
	done
	for name in REQUEST_URI DOCUMENT_URI DOCUMENT_ROOT SERVER_PROTOCOL REMOTE_ADDR \
		REMOTE_PORT SERVER_ADDR SERVER_PORT SERVER_NAME; do
		echo "fastcgi_param $name \$${name,,};"
	done
	echo "fastcgi_param GATEWAY_INTERFACE CGI/1.1;"
	echo "fastcgi_param SERVER_SOFTWARE nginx/\$nginx_version;"
	echo "fastcgi_param REDIRECT_STATUS 200;"
	echo "fastcgi_param OUT_DIR $OUT;"
	echo "fastcgi_param COUNT_FILE $COUNT_FILE;"
}

nginx_conf()
{
	local user=''

	((EUID != 0)) || user='user www-data;'
	nginx_params >"$DIR/fastcgi.inc"
	cat >"$DIR/nginx.conf" <<CONF
$user
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid $DIR/nginx.pid;
error_log $DIR/nginx-error.log info;
events { worker_connections 8192; }
http {
	log_format test '\$server_port \$status \$upstream_status \$request_time '
		'\$upstream_http_x_fpmgate_reason "\$request"';
	access_log $DIR/nginx-access.log test;
	types { text/html html; }
	default_type application/octet-stream;
	root $WWW;
	server_tokens off;
	client_max_body_size 0;
	keepalive_requests 1000000;
	client_body_temp_path $DIR/nginx-body;
	fastcgi_temp_path $DIR/nginx-fastcgi;
	proxy_temp_path $DIR/nginx-proxy;
	uwsgi_temp_path $DIR/nginx-uwsgi;
	scgi_temp_path $DIR/nginx-scgi;
$NGINX_SITES
}
CONF
}

nginx_ports_open()
{
	local port

	for port in "${NGINX_PORTS[@]}"; do
		port_open "$port" || return 1
	done
}

# start_nginx: one worker with every nginx_site given so far, listening.
start_nginx()
{
	nginx_conf
	spawn nginx nginx -p "$DIR" -c "$DIR/nginx.conf" -e "$DIR/nginx-error.log"
	wait_for 10 nginx_ports_open || die "nginx does not start"
}
stop_nginx() { stop nginx; }

# reload_nginx: with the sites of now; until the new ones listen.
reload_nginx()
{
	nginx_conf
	kill -HUP "${PIDS[nginx]}"
	wait_for 10 nginx_ports_open
}

# ---- fpmgate -------------------------------------------------------------------------

# fpmgate_conf TEXT: writes fpmgate.conf, with the directories and the log of this test
# unless TEXT names them itself.
fpmgate_conf()
{
	{
		[[ $1 == *runtime_dir* ]] || echo "runtime_dir = \"$DIR/run\";"
		[[ $1 == *spool_dir* ]] || echo "spool_dir = \"$SPOOL_DIR\";"
		[[ $1 =~ (^|[[:space:]])log[[:space:]]*= ]] || echo 'log = "stderr";'
		echo "$1"
	} >"$DIR/fpmgate.conf"
	mkdir -p "$DIR/run"
}

# notify_count FIELD=VALUE: how often fpmgate has sent it so far.
notify_count() { grep -c -- " $1\$" "$DIR/notify.txt" 2>/dev/null || true; }
notify_exceeds() { (($(notify_count "$1") > $2)); }
fpmgate_is_ready_or_dead() { notify_exceeds READY=1 "$1" || is_gone "${PIDS[fpmgate]}"; }

# as_user USER DIRECTORY...: run by root, from now on FPMGATE is run by that user, who owns
# the directories.
as_user()
{
	local user=$1

	((EUID == 0)) || return 0
	cp "$FPMGATE" "$DIR/fpmgate-$user"
	cat >"$DIR/as_$user" <<-WRAPPER
		#!/bin/sh
		exec setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups \\
			"$DIR/fpmgate-$user" "\$@"
	WRAPPER
	chmod 755 "$DIR/as_$user" "$DIR/fpmgate-$user"
	FPMGATE=$DIR/as_$user
	chown "$user:" "${@:2}"
	start_notify
	chmod 666 "$DIR/notify.sock"
}

start_notify()
{
	[[ -z ${PIDS[notify]:-} ]] || return 0
	: >>"$DIR/notify.txt"
	spawn notify "$TOOLS/notify" "$DIR/notify.sock" "$DIR/notify.txt"
	wait_for 5 log_says notify '^listening' || die "notify does not start"
}

# start_fpmgate CONFIG-TEXT [VARIABLE=VALUE | ARGUMENT]...: until it says READY=1. An
# empty text takes the file that is there. Its log: fpmgate.log.
start_fpmgate()
{
	local n_ready arg
	local -a environment=(NOTIFY_SOCKET="$DIR/notify.sock") arguments=() holder=()

	[[ -z $1 ]] || fpmgate_conf "$1"
	shift
	for arg; do
		if [[ $arg =~ ^[A-Za-z_]+= ]]; then
			environment+=("$arg")
		else
			arguments+=("$arg")
		fi
	done
	((${#FPMGATE_SOCKETS[@]} == 0)) ||
		holder=("$TOOLS/activate" "$DIR/fpmgate.pid" "${FPMGATE_SOCKETS[@]}" --)
	start_notify
	n_ready=$(notify_count READY=1)
	spawn fpmgate env "${environment[@]}" "${holder[@]}" "$FPMGATE" \
		-c "$DIR/fpmgate.conf" "${arguments[@]}"
	wait_for 10 fpmgate_is_ready_or_dead "$n_ready" || true
	notify_exceeds READY=1 "$n_ready" || die "fpmgate does not become ready"
}

# fpmgate_pid: of the daemon itself, also behind FPMGATE_SOCKETS.
fpmgate_pid()
{
	if ((${#FPMGATE_SOCKETS[@]} > 0)); then
		cat "$DIR/fpmgate.pid"
	else
		echo "${PIDS[fpmgate]}"
	fi
}

# reload_fpmgate [CONFIG-TEXT]: SIGHUP, and until it is ready again.
reload_fpmgate()
{
	local n_ready

	[[ -z ${1:-} ]] || fpmgate_conf "$1"
	n_ready=$(notify_count READY=1)
	kill -HUP "$(fpmgate_pid)"
	wait_for 10 notify_exceeds READY=1 "$n_ready"
}

# stop_fpmgate [SIGNAL [SECONDS]]: drains and ends; STATUS[fpmgate] is its exit status.
# shellcheck disable=SC2120
stop_fpmgate() { stop fpmgate "${1:-TERM}" "${2:-20}"; }

# Part of done_testing: a daemon that crashed or leaked is a failure whatever was served.
check_fpmgate_end()
{
	[[ -n ${PIDS[fpmgate]:-} ]] || return 0
	stop_fpmgate
	is "${STATUS[fpmgate]:-none}" 0 "fpmgate exits with 0"
}

# fpmgate_log_count REGEX: lines of its log so far that match.
fpmgate_log_count() { grep -cE -- "$1" "$DIR/fpmgate.log" || true; }

n_counter_lines() { grep -c "pool $1: counters" "$DIR/fpmgate.log" || true; }
counters_exceed() { (($(n_counter_lines "$1") > $2)); }

# fpmgate_counter POOL NAME: asks by SIGUSR2, reads the line "pool POOL: counters
# name=value name=value"; only counters that are not zero are in it.
fpmgate_counter()
{
	local n_lines

	n_lines=$(n_counter_lines "$1")
	kill -USR2 "$(fpmgate_pid)"
	wait_for 2 counters_exceed "$1" "$n_lines" >&2 || { echo none; return; }
	grep "pool $1: counters" "$DIR/fpmgate.log" | tail -n 1 | tr ' ' '\n' |
		awk -F= -v name="$2" '$1 == name { value = $2 } END { print value + 0 }'
}
