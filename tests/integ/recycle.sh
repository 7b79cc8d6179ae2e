#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# PHP-FPM replaces its workers by itself, is reloaded, stands still for a while: under
# load, and no visitor gets an error that could have been spared him.
#
# LONG=1: the stand-still takes 10 s instead of 3. HELLO=off: without GET_VALUES.
#
# Seen to fail, with this taken out:
# - link_check_end() (FREE without a look for the end), or the whole proof: workers that
#   leave take requests with them, "the same under pressure"
# - hand-over: "connections were handed over"
# - a good answer in a hundred: every "served" and "answered"
# - process_control_timeout of FPM: the reload; with every replay allowed: "nothing ran
#   twice"
# - pool_expire(): "deadlines answer"; the reasons of pool_timeout_reason(): "as a matter
#   of the queue"; their status: "with 200 or 503"
# - SIGCONT: "everybody is served again"; a kill in its place: "nothing was restarted"
# - one slot of many: "all at the same time"
. "$(dirname "$0")/lib.sh"

STILL=3
MAX_WAIT=1500	# ms
if [[ ${LONG:-} ]]; then
	STILL=10
	MAX_WAIT=5000
fi
declare -A PORT=()
POOLS=
# pool NAME QUEUE FPM-KEY=VALUE...: an FPM with four workers, its pool, its site. With
# PATIENT nobody is sent away because a slow machine looks like an overload.
PATIENT="max_wait = \"60s\"; order = \"fifo\";"
pool()
{
	start_fpm "$1" max_children=4 "${@:3}"
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$DIR/gate-$1.sock\";
	  backend = \"$(fpm_listen "$1")\";
	  fpm_conf = \"$DIR/fpm-$1.conf\"; max_children = 4; hello = \"${HELLO:-auto}\";
	  queue = { $2 }; }"
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$DIR/gate-$1.sock" keepalive=16
}
load() { "$HTTP_LOAD" "${@:2}" >"$DIR/$1.out"; }
sent() { value "$DIR/$1.out" sent; }
# all_served NAME TEXT
all_served()
{
	is "$(value "$DIR/$1.out" s200)" "$(sent "$1")" "$2"
}
ended_workers() { grep -c ' exited ' "$DIR/fpm-$1.log" || true; }

pool five "$PATIENT" max_requests=5
pool tcp "$PATIENT" max_requests=5 listen=tcp
pool again "$PATIENT" global:process_control_timeout=10s
pool still "max_wait = \"${MAX_WAIT}ms\";"
start_fpmgate "pools = ($POOLS);"
start_nginx

# ---- pm.max_requests = 5 -------------------------------------------------------------

for POOL in five tcp; do
	load "$POOL" -c 2 -n 200 -m GET:1,POST:1 "${PORT[$POOL]}" /hello.php
	all_served "$POOL" "$POOL: workers leave after 5 requests, calm"
	load "$POOL" -c 24 -n 1500 -m GET:1,POST:1 "${PORT[$POOL]}" /hello.php
	all_served "$POOL" "$POOL: the same under pressure"
	ge "$(ended_workers "$POOL")" 200 "$POOL: workers have left"
done
ge "$(fpmgate_counter five handed_over)" 100 "five: connections were handed over"

# ---- a reload ------------------------------------------------------------------------

load slow -c 2 -d 5 -i 900000 -m GET:1,POST:1 "${PORT[again]}" '/count.php?ms=900' &
SLOW=$!
load again -r 100 -d 5 -m GET:3,POST:1 "${PORT[again]}" '/count.php?ms=5' &
LOAD=$!
sleep 0.7
check "again: a reload under load" reload_fpm again
sleep 1
check "again: and another one" reload_fpm again
wait "$SLOW" "$LOAD"
all_served again "again: everybody is served"
all_served slow "again: also who is slow"
is "$(awk '{ n[$2]++ } END { for (id in n) if (n[id] > 1) print id }' "$COUNT_FILE")" "" \
	"again: and nothing ran twice"

# ---- a stand-still -------------------------------------------------------------------

load still -c 4 -n 40 "${PORT[still]}" /hello.php
all_served still "still: all is well"
wait_for 5 fpm_is_idle still
mapfile -t WORKERS < <(fpm_worker_pids still)
load still -r 40 -d $((STILL + 4)) -o "$DIR/still.ids" "${PORT[still]}" \
	'/sleep.php?ms=20' &
LOAD=$!
sleep 1
kill -STOP "${WORKERS[@]}"
sleep $STILL
kill -CONT "${WORKERS[@]}"
CONT=$(now_us)
wait "$LOAD"
is "$(value "$DIR/still.out" ok)" "$(sent still)" "still: everybody is answered"
is "$(awk '$3 != 200 && $3 != 503' "$DIR/still.ids" | wc -l)" 0 "still: with 200 or 503"
ge "$(value "$DIR/still.out" s503)" $((STILL * 40 / 4)) "still: deadlines answer"
is "$(awk -v port="${PORT[still]}" \
	'$1 == port && $2 == 503 && !/ (shed|queue_timeout) /' \
	"$DIR/nginx-access.log" | wc -l)" 0 "still: as a matter of the queue"
le "$(value "$DIR/still.out" max_503_us)" $((MAX_WAIT * 1000 + $(allow 700000))) \
	"still: in time"
is "$(awk -v cont="$CONT" '$3 != 200 && $4 > cont + 1500000' \
	"$DIR/still.ids" | wc -l)" 0 "still: everybody is served again"
is "$(fpm_worker_pids still | paste -sd" ")" "${WORKERS[*]}" \
	"still: nothing was restarted"
check "still: every worker becomes idle" wait_for 5 fpm_is_idle still

# ---- and then ------------------------------------------------------------------------

LOADS=()
for POOL in five tcp again still; do
	load "after-$POOL" -c 4 -n 4 "${PORT[$POOL]}" '/sleep.php?ms=1000' &
	LOADS+=("$!")
done
wait "${LOADS[@]}"
for POOL in five tcp again still; do
	all_served "after-$POOL" "$POOL: as many are served as there are workers"
	le "$(value "$DIR/after-$POOL.out" max_us)" 1900000 "$POOL: all at the same time"
done
done_testing
