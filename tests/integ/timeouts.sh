#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A script that takes too long: the visitor gets our 504 page in time, and the worker is
# left alone until it is really free.
#
# Each pool has one worker and lets nobody wait for more than a second: who comes while
# that worker still sleeps for a visitor who was told 504 gets 503. Were its slot used
# again, he would wait in FPM's backlog instead and be served in the end.
#
# HELLO=off: without GET_VALUES.
#
# Seen to fail, with this taken out:
# - the start of each of the three deadlines: its 504, its time, its page
# - answer_by from the client's last byte (from the dispatch instead): "the time in the
#   queue counts"; its end with the header: "it is over with the header"
# - the start anew of read_timeout at each output: "who goes on talking may go on"
# - ABANDONED (the link closed at once, its slot free): "the slot stays taken", "nobody
#   waits in FPM's backlog", unix and TCP each
# - the end of ABANDONED: "free again when it has ended"
# - breaking in outcome_break(): silence and the end of the time behind the header
# - COUNTER_ABANDONED: "counted as abandoned"
# - outcome_was_terminated(): 504 fpm_terminated; a second of slack in it, or always true:
#   "a quick death is not taken for that"
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

LIMIT=700	# ms, of each pool
declare -A REASONS=([request]=request_timeout [tcp]=request_timeout [read]=read_timeout
	[by]=answer_by)
declare -A PORT=()
POOLS=
# pool NAME OPTION...: an FPM with one worker, its pool, its site.
pool()
{
	start_fpm "$1" max_children=1 request_terminate_timeout="${TERMINATE:-0}" \
		listen="${LISTEN:-$DIR/$1.sock}"
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$DIR/gate-$1.sock\";
	  backend = \"$(fpm_listen "$1")\";
	  fpm_conf = \"$DIR/fpm-$1.conf\"; max_children = 1;
	  hello = \"${HELLO:-auto}\"; queue = { max_wait = \"1s\"; order = \"fifo\"; };
	  ${*:2} }"
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$DIR/gate-$1.sock" 'fastcgi_read_timeout 30s;'
}

# backlog POOL: how many connections wait in front of its FPM.
backlog()
{
	local listen

	listen=$(fpm_listen "$1")
	ss -lHtx | awk -v a="$listen" '$5 == a { print $3 }'
}

# ask POOL NAME URI [CURL...]: NAME.answer gets "STATUS REASON MILLISECONDS", or
# "cut MILLISECONDS" if the answer was broken.
ask()
{
	local code=0 start status reason

	start=$(now_ms)
	curl -s --max-time "$(allow 30)" -D "$DIR/$2.head" -o "$DIR/$2.page" "${@:4}" \
		"http://127.0.0.1:${PORT[$1]}$3" || code=$?
	status=$(awk 'NR == 1 { print $2 }' "$DIR/$2.head")
	reason=$(tr -d '\r' <"$DIR/$2.head" | sed -n 's/^X-Fpmgate-Reason: //p')
	((code == 0)) || status="cut"
	echo "$status ${reason:--} $(($(now_ms) - start))" >"$DIR/$2.answer"
}
answer() { cut -d' ' -f1,2 "$DIR/$1.answer"; }
millis() { cut -d' ' -f3 "$DIR/$1.answer"; }
runs() { awk -v id="$1" '$2 == id' "$COUNT_FILE" 2>/dev/null | wc -l; }
# n_running POOL: the active processes of the short page are wrong where hellos are used.
n_running() { fpm_status "$1" full | grep -c "^state: *Running" || true; }

pool request "request_timeout = \"${LIMIT}ms\";"
LISTEN=tcp pool tcp "request_timeout = \"${LIMIT}ms\";"
pool read "read_timeout = \"${LIMIT}ms\";"
pool by "answer_by = \"${LIMIT}ms\";"
TERMINATE=1s pool ended 'replay_within = "30s";'
start_fpmgate "pools = ($POOLS);"
start_nginx

# FPM is asked once whether it knows GET_VALUES, which takes a worker: not below.
for POOL in request tcp read by ended; do
	ask "$POOL" first /hello.php
	is "$(answer first)" "200 -" "$POOL: served"
	wait_for 5 fpm_is_idle "$POOL"
done

# ---- FPM's own limit -----------------------------------------------------------------

# In the background, since FPM takes its time.
ask ended ended '/count.php?id=1&ms=30000' &
ENDED=$!

# ---- ours, before the header ---------------------------------------------------------

for POOL in request tcp read by; do
	ask "$POOL" "$POOL" "/count.php?id=2$POOL&ms=4000" -d a=1 &
done
first_are_told()
{
	(($(cat "$DIR"/{request,tcp,read,by}.answer 2>/dev/null | wc -l) == 4))
}
wait_for 10 first_are_told
for POOL in request tcp read by; do
	ask "$POOL" "$POOL-next" /hello.php &
done
for POOL in request tcp read by; do
	REASON=${REASONS[$POOL]}
	is "$(answer "$POOL")" "504 $REASON" "$POOL: 504 $REASON"
	ge "$(millis "$POOL")" $LIMIT "$POOL: not before its time"
	le "$(millis "$POOL")" $((LIMIT + $(allow 500))) "$POOL: nor much later"
	is "$(grep -c "<small>504 $REASON " "$DIR/$POOL.page")" 1 "$POOL: our page"
done
next_are_told() { (($(cat "$DIR"/*-next.answer 2>/dev/null | wc -l) == 4)); }
wait_for 10 next_are_told
is "$(answer request-next)" "503 queue_timeout" "request_timeout: the slot stays taken"
is "$(answer tcp-next)" "503 queue_timeout" "over TCP: the slot stays taken"
is "$(answer read-next)" "503 queue_timeout" "read_timeout: the slot stays taken"
is "$(answer by-next)" "504 answer_by" "answer_by: the slot stays taken"
for POOL in request tcp read by; do
	is "$(backlog "$POOL")" 0 \
		"$POOL: nobody waits in FPM's backlog"
	is "$(n_running "$POOL")" 1 "$POOL: the script still runs"
done
for POOL in request tcp read by; do
	wait_for 10 fpm_is_idle "$POOL"
	ask "$POOL" again /hello.php
	is "$(answer again)" "200 -" "$POOL: free again when it has ended"
	is "$(runs "2$POOL")" 1 "$POOL: a POST that took too long ran once"
	is "$(fpmgate_counter "$POOL" abandoned)" 1 "$POOL: counted as abandoned"
done

# ---- behind the header, and in the queue ---------------------------------------------

ask read silent '/sse.php?n=2&ms=1500' &
ask request endless '/sse.php?n=20&ms=100' &
ask by behind '/sse.php?n=14&ms=100' &
SSE=$!
wait "$SSE"
is "$(answer behind)" "200 -" "answer_by: it is over with the header"
is "$(grep -c '^data' "$DIR/behind.page")" 14 "answer_by: in full"
ask by first '/sleep.php?ms=600' &
queue_is_used() { (($(n_running by) == 1)); }
wait_for 5 queue_is_used
ask by queued '/count.php?id=3&ms=600'
is "$(answer queued)" "504 answer_by" "answer_by: the time in the queue counts"
le "$(millis queued)" $((LIMIT + $(allow 400))) "answer_by: as one time"
told() { [[ -s $DIR/$1.answer ]]; }
wait_for 5 told silent
wait_for 5 told endless
is "$(answer silent)" "cut -" "read_timeout: silence in the answer breaks it"
le "$(millis silent)" $((LIMIT + $(allow 500))) "read_timeout: in time"
is "$(answer endless)" "cut -" "request_timeout: so does the end of the time"
wait_for 10 fpm_is_idle read
ask read talks '/sse.php?n=10&ms=200'
is "$(answer talks)" "200 -" "read_timeout: who goes on talking may go on"

# ---- FPM's own limit again -----------------------------------------------------------

wait "$ENDED"
is "$(answer ended)" "504 fpm_terminated" "ended by FPM's request_terminate_timeout: 504"
is "$(runs 1)" 1 "and not run again"
le "$(millis ended)" $((1000 + $(allow 2000))) "in FPM's time"
ask ended died /die_first.php?id=x
is "$(answer died)" "200 -" "a quick death is not taken for that"
done_testing
