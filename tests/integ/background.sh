#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A script that works on behind fastcgi_finish_request(): its visitor has his answer at
# once, its work runs to its end, and nobody else waits behind it or sees a byte of it.
#
# HELLO=off: without GET_VALUES.
#
# Seen to fail, with this taken out:
# - the proof in link_check_outq() (free at END_REQUEST): the work of the single worker
#   and of one of two dies, and the next one does not wait for it
# - that, and the id in fcgi_request_check_answer(): visitors see the secrets of others
# - KEEP_CONN's use in link_on_end() (closed at END_REQUEST): the same works die
# - hand-over: "though connections were handed over"
# - END_REQUEST to the visitor: the answers "at once"
# - ignore_user_abort() in finish.php: the works in calm and over TCP, which no gateway
#   can keep alive
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

declare -A PORT=()
POOLS=
# pool NAME MAX_CHILDREN [FPM-KEY=VALUE...]: an FPM, its pool, its site.
pool()
{
	start_fpm "$1" max_children="$2" "${@:3}"
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$DIR/gate-$1.sock\";
	  backend = \"$(fpm_listen "$1")\";
	  fpm_conf = \"$DIR/fpm-$1.conf\"; max_children = $2; hello = \"${HELLO:-auto}\";
	  queue = { max_wait = \"60s\"; order = \"fifo\"; }; }"
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$DIR/gate-$1.sock" keepalive=8
}
works() { [[ -s $OUT/finish-$1 ]]; }

# quick POOL URI BODY TEXT: that body, long before two seconds are over.
quick()
{
	local start body

	start=$(now_ms)
	body=$(body "${PORT[$1]}" "$2")
	is "$body" "$3" "$4"
	le $(($(now_ms) - start)) $(($(allow 400))) "$4: at once"
}

pool calm 4
pool tcp 4 listen=tcp
pool one 1
pool two 2
start_fpmgate "pools = ($POOLS);"
start_nginx
# FPM is asked once whether it knows GET_VALUES, which takes a worker: not below.
for POOL in calm tcp one two; do
	is "$(body "${PORT[$POOL]}" /hello.php)" hello "$POOL: served"
	wait_for 5 fpm_is_idle "$POOL"
done

# ---- calm ----------------------------------------------------------------------------

quick calm '/finish.php?id=calm&ms=2000' 'answer calm' "calm: the answer"
quick tcp '/finish.php?id=tcp&ms=2000' 'answer tcp' "over TCP: the answer"
for POOL in calm tcp; do
	check "$POOL: the work is not done then" test ! -e "$OUT/finish-$POOL"
	quick "$POOL" /hello.php hello "$POOL: another visitor meanwhile"
done

# ---- under pressure ------------------------------------------------------------------

# One worker: each request takes the last slot. With strict=1 the script dies of its
# first output if the connection has been closed.
START=$(now_ms)
quick one '/finish.php?id=one&ms=2000&strict=1' 'answer one' "one worker: the answer"
is "$(body "${PORT[one]}" /hello.php)" hello "one worker: the next one is served"
ge $(($(now_ms) - START)) 2000 "one worker: when the work is done"
check "one worker: that has run to its end" works one

# Two workers, one of them at work: the other one serves.
curl -s -o "$DIR/sleep" "http://127.0.0.1:${PORT[two]}/sleep.php?ms=300" &
SLEEP=$!
n_running() { fpm_status "$1" full | grep -c "^state: *Running" || true; }
one_sleeps() { (($(n_running two) == 1)); }
wait_for 5 one_sleeps
quick two '/finish.php?id=two&ms=2000&strict=1' 'answer two' "two workers: the answer"
wait "$SLEEP"
"$HTTP_LOAD" -c 3 -d 1 "${PORT[two]}" '/sleep.php?ms=10' >"$DIR/two.out"
check "two workers: the work is not done then" test ! -e "$OUT/finish-two"
is "$(value "$DIR/two.out" ok)" "$(value "$DIR/two.out" s200)" "two workers: all served"
le "$(value "$DIR/two.out" max_us)" $(($(allow 300000))) \
	"two workers: nobody waits behind the one at work"
check "two workers: the work runs to its end" wait_for 5 works two
check "calm: and here" wait_for 5 works calm
check "over TCP: and here" wait_for 5 works tcp

# Everybody gets what is his: six visitors one request after the other, a third of them
# with work behind them, on two workers. Not through nginx, which drops what is wrong in
# a header.
visitor()
{
	local i script

	for i in {1..4}; do
		for script in "finish.php id=v$1$i&ms=250" hello.php hello.php; do
			script "${script% *}"
			"$FCGI_CLIENT" -u "$DIR/gate-two.sock" -T "$(allow 20000)" -O \
				"${PARAMS[@]}" QUERY_STRING="${script#* }"
		done
	done >"$DIR/got.$1"
}
VISITORS=()
for I in {1..6}; do
	visitor "$I" &
	VISITORS+=("$!")
done
wait "${VISITORS[@]}" || true
script hello.php
HEAD=$("$FCGI_CLIENT" -O -u "$DIR/gate-calm.sock" "${PARAMS[@]}" | sed '/^.$/q')
for I in {1..6}; do
	for J in {1..4}; do
		printf '%s\n' "$HEAD" "answer v$I$J" "$HEAD" hello "$HEAD" hello
	done >"$DIR/wanted.$I"
	check "visitor $I sees what is his" diff "$DIR"/{wanted,got}."$I"
done
is "$(grep -l SECRET "$DIR"/got.* | wc -l)" 0 "and no secret"
all_work_is_done() { (($(find "$OUT" -name "finish-v*" | wc -l) == 24)); }
check "all their work runs to its end" wait_for 5 all_work_is_done
ge "$(fpmgate_counter two handed_over)" 5 "though connections were handed over"
done_testing
