#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# PHP-FPM is not there, cannot be reached or is full: who waits is held and then served,
# or gets a clean 503 with its reason; the log says in words what is wrong, once.
#
# Run by root the daemon is `nobody` here: root would pass every permission. HELLO=off:
# without GET_VALUES.
#
# Seen to fail, with this taken out:
# - the end of the pause in member_on_retry(): nobody who is held is ever served
# - the pool_down of pool_timeout_reason(): the reasons of the 503s
# - Retry-After and X-Fpmgate-Reason in answer.c: those points
# - the FIFO of pool_set_patience(), and that it lasts for a while behind the return of
#   FPM: whoever waited is shed ("back: 2 s without a master")
# - lstat() in member_is_no_socket(), and its call for EACCES: "backend_not_socket"
# - "once per change" in member_pause(): each try is a line, and "late", "back", "stuck"
# - member_set_up() never forgets why it was down: "its end, once"
# - health_queue_push_back() when connect() says EAGAIN (refused instead): "full", "stuck"
# - summary_init() in daemon.c: "the service manager shows"
# - not blocking (usleep() in member_pause()): the neighbour "calm" is slow
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

# pool NAME BACKEND MAX_WAIT [ORDER]: an entry of pools, and the site in front of it.
declare -A PORT=()
POOLS=
pool()
{
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$DIR/run/gate-$1.sock\"; listen_mode = \"0666\";
	  backend = \"$2\"; max_children = 4;
	  hello = \"${HELLO:-auto}\";
	  queue = { max_wait = \"$3\"; order = \"${4:-adaptive}\"; }; }"
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$DIR/run/gate-$1.sock"
}

# log_lines POOL TEXT NUMBER POINT: so many lines of that pool say so.
log_lines() { is "$(fpmgate_log_count "pool $1: .*$2")" "$3" "$4"; }

# answers NAME: what nginx saw of the site so far, "200 - 503 pool_down", each once.
answers()
{
	awk -v port="${PORT[$1]}" '$1 == port && !seen[$2 $5]++ { print $2, $5 }' \
		"$DIR/nginx-access.log" | sort | paste -sd' '
}

# millis FILE STATUS: how long those with that answer took, the quickest first.
millis() { awk -v s="$2" '$3 == s { print int($5 / 1000) }' "$1" | sort -n; }

# head_of NAME: status and header of one answer.
head_of() { curl -s -i "http://127.0.0.1:${PORT[$1]}/hello.php" | tr -d '\r'; }

# refused NAME REASON WORDS: 503 for the visitors, the cause in words for the operator.
refused()
{
	local i

	head_of "$1" >"$DIR/head-$1"
	for i in 1 2 3; do
		head_of "$1" >"$DIR/head-$1.$i" &
	done
	wait %+ 2>/dev/null || true
	is "$(sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$DIR/head-$1")" 503 "$2: 503"
	is "$(sed -n 's/^X-Fpmgate-Reason: //p' "$DIR/head-$1")" pool_down \
		"$2: its reason"
	matches "$(sed -n 's/^Retry-After: //p' "$DIR/head-$1")" '^[1-9][0-9]*$' \
		"$2: Retry-After"
	log_lines "$1" "$2: $3" 1 "$2: in words, once"
}

pool late "$DIR/late.sock" 2s
pool back "$DIR/back.sock" 20s
pool calm "$DIR/calm.sock" 5s
pool absent "$DIR/none/fpm.sock" 300ms
pool denied "$DIR/denied.sock" 300ms
pool file "$DIR/file.sock" 300ms
pool full "$DIR/full.sock" 20s fifo
pool stuck "$DIR/stuck.sock" 500ms
start_fpm back max_children=4 listen.mode=0666
start_fpm calm max_children=4 listen.mode=0666
start_fpm denied max_children=1 listen.mode=0600
((EUID == 0)) || chmod 000 "$DIR/denied.sock"
start_fpm full max_children=1 listen.backlog=0 listen.mode=0666
start_fake stuck -b 1 noaccept
chmod 666 "$DIR/stuck.sock"
touch "$DIR/file.sock"
mkdir -p "$DIR/run"
as_user nobody "$DIR/run" "$SPOOL_DIR"
start_fpmgate "pools = ($POOLS);"
start_nginx

# ---- not there yet, requests all the time --------------------------------------------

"$HTTP_LOAD" -r 25 -d 6 -o "$DIR/late.ids" "${PORT[late]}" /hello.php >"$DIR/late.out" &
LOAD=$!
START=$(now_ms)

refused absent backend_absent 'there is no socket of PHP-FPM'
refused denied backend_permission "the socket of PHP-FPM may not be opened"
refused file backend_not_socket "what stands in the place .* is not a socket"

check "the service manager shows who is down" wait_for 5 grep -q \
	'STATUS=8 pools, .*; absent: backend_absent; .*file: backend_not_socket' "$DIR/notify.txt"

late_is_due() { (($(now_ms) >= START + 3000)); }
wait_for 5 late_is_due
start_fpm late max_children=4 listen.mode=0666
wait "$LOAD"
is "$(value "$DIR/late.out" ok)" "$(value "$DIR/late.out" sent)" "late: all are answered"
is "$(answers late)" "200 - 503 pool_down" "with 200 or 503 pool_down and nothing else"
ge "$(millis "$DIR/late.ids" 503 | sed -n 1p)" 1990 "a 503 after max_wait, not before"
le "$(millis "$DIR/late.ids" 503 | sed -n '$p')" $((2000 + $(allow 1000))) \
	"and not much later"
ge "$(millis "$DIR/late.ids" 200 | sed -n '$p')" 1000 "who was held is served"
ge "$(value "$DIR/late.out" s200)" 50 "like all who came later"
log_lines late backend_absent 1 "late: backend_absent, once"
log_lines late 'takes connections again' 1 "late: and its end, once"

# ---- gone and back again, with another pool beside it --------------------------------

# What calm does when everything is well, at the same time as its neighbour.
"$HTTP_LOAD" -r 40 -d 2 "${PORT[back]}" /hello.php >"$DIR/back.out" &
LOAD=$!
"$HTTP_LOAD" -r 100 -d 2 "${PORT[calm]}" /hello.php >"$DIR/calm-before.out"
wait "$LOAD"
is "$(value "$DIR/back.out" s200)" "$(value "$DIR/back.out" sent)" "back: served before"

"$HTTP_LOAD" -r 40 -d 4 "${PORT[back]}" /hello.php >"$DIR/back.out" &
LOAD=$!
"$HTTP_LOAD" -r 100 -d 4 "${PORT[calm]}" /hello.php >"$DIR/calm-during.out" &
CALM=$!
sleep 0.5
stop_fpm back KILL
sleep 1.5
start_fpm back
wait "$LOAD" "$CALM"
is "$(value "$DIR/back.out" s200)" "$(value "$DIR/back.out" sent)" \
	"back: 2 s without a master, and nobody sees it"
ge "$(value "$DIR/back.out" max_us)" 500000 "though some have waited"
log_lines back backend_refused 1 "back: backend_refused, once"
log_lines back 'takes connections again' 1 "back: and its end, once"
is "$(value "$DIR/calm-during.out" s200)" "$(value "$DIR/calm-during.out" sent)" \
	"calm: all served meanwhile"
BEFORE=$(value "$DIR/calm-before.out" p99_us)
le "$(value "$DIR/calm-during.out" p99_us)" $((BEFORE * 10 + $(allow 20000))) \
	"calm: as fast as before"
is "$(fpmgate_log_count 'pool calm: (backend_|answered|PHP-FPM takes)')" 0 \
	"calm: nothing to report"

kill -STOP "$(fpm_master_pid back)"
"$HTTP_LOAD" -r 50 -d 1 "${PORT[calm]}" /hello.php >"$DIR/calm-during.out"
is "$(value "$DIR/calm-during.out" s200)" "$(value "$DIR/calm-during.out" sent)" \
	"calm: nor is a suspended master noticed"
kill -CONT "$(fpm_master_pid back)"

# ---- full ----------------------------------------------------------------------------

# One worker and one place in front of it, for four slots: the others are turned away by
# the kernel, wait and are served in time. Its backlog being full is no health problem.
"$HTTP_LOAD" -c 12 -n 24 "${PORT[full]}" '/sleep.php?ms=100' >"$DIR/full.out"
is "$(value "$DIR/full.out" s200)" 24 "full: all wait and are served"
ge "$(fpmgate_log_count 'pool full: backend_full: the backlog of PHP-FPM is full')" 1 \
	"full: in words"

# Nobody ever takes it, nor the look for GET_VALUES that comes with it; without that look
# it takes two of them.
[[ ${HELLO:-auto} != off ]] || code "${PORT[stuck]}" /hello.php >"$DIR/stuck.0" &
curl -s -o "$DIR/stuck.1" -w '%{http_code}' "http://127.0.0.1:${PORT[stuck]}/hello.php" \
	>"$DIR/stuck.code" &
STUCK=$!
stuck_is_full() { [[ $(ss -lxH src "$DIR/stuck.sock" | awk '{ print $3 }') == 2 ]]; }
check "stuck: the backlog is full" wait_for 5 stuck_is_full
head_of stuck >"$DIR/head-stuck"
is "$(sed -n 's/^X-Fpmgate-Reason: //p' "$DIR/head-stuck")" queue_timeout \
	"stuck: another one waits for max_wait"
log_lines stuck 'backend_full: the backlog of PHP-FPM is full' 1 "stuck: once"
wait "$STUCK" || true
is "$(cat "$DIR/stuck.code")" 503 "stuck: nor does the one in FPM's backlog wait longer"
done_testing
