#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Connections that nginx keeps to fpmgate cost no worker: 256 visitors over 64 of them onto
# 8 workers are all served, no worker ever waits for a request that is not there, and as
# long as all is calm FPM's own figures stay right.
#
# The queue is fifo: how long visitors wait on a slow machine is not the question here.
#
# Seen to fail: with the link left open when nobody waits (member.c, member_on_link_free)
# "no worker reads headers for long", both "all 200" and "no worker is kept behind"; with
# KEEP_CONN set in calm as well (pool.c, pool_wants_keep_conn) "FPM never counts more"; with
# each client closed behind its answer (client.c, client_on_done) "on few connections".
#
# LONG=1: 1,000 samples of FPM's full page instead of 150, and 100 ms as the longest time that
# a worker reads headers, instead of 1 s. HELLO=off: without GET_VALUES.
. "$(dirname "$0")/lib.sh"

: "${LONG:=}"
N_WORKERS=8
N_VISITORS=256
N_SAMPLES=$((LONG ? 1000 : 150))
start_fpm www max_children=$N_WORKERS
SITE=$(new_port)
nginx_site "$SITE" "$DIR/gate.sock" keepalive=64
start_fpmgate "pools = ({ name = \"www\"; listen = \"$DIR/gate.sock\";
	backend = \"$(fpm_listen www)\"; fpm_conf = \"$DIR/fpm-www.conf\";
	queue = { order = \"fifo\"; max_wait = \"60s\"; }; hello = \"${HELLO:-auto}\"; });"
start_nginx

# figures: what FPM says of itself, "active idle". Its master sets them right once a second.
figures()
{
	fpm_status www | awk -F': *' '/^active proc/ { active = $2 } /^idle proc/ { idle = $2 }
		END { print active, idle }'
}
figures_are() { [[ $(figures) == "$1" ]]; }
load() { "$HTTP_LOAD" -k "${@:2}" "$SITE" "/$1.php?ms=${MS:-0}" >"$DIR/load.out"; }

# ---- calm ----------------------------------------------------------------------------

load hello -c 1 -n 1
wait_for 3 figures_are "0 8"	# fpmgate has looked whether FPM answers GET_VALUES
load hello -r 100 -d 2 &
LOAD=$!
while is_alive $LOAD; do
	figures >>"$DIR/figures"
done
wait $LOAD
is "$(value "$DIR/load.out" s200)" "$(value "$DIR/load.out" sent)" "calm: all served"
le "$(sort -n "$DIR/figures" | tail -n 1 | cut -d' ' -f1)" $N_WORKERS \
	"calm: FPM never counts more at work than there are"
ge "$(awk '{ print $1 + $2 }' "$DIR/figures" | sort -n | sed -n 1p)" $((N_WORKERS - 1)) \
	"calm: and the others as idle"
le "$(fpmgate_counter www clients)" 20 "calm: on few connections"
MS=2500 load sleep -c 3 -n 3 &
SLOW=$!
check "calm: FPM counts three at work" wait_for 2 figures_are "3 5"
wait $SLOW
check "calm: and none behind them" wait_for 2 figures_are "0 8"

# ---- 256 visitors --------------------------------------------------------------------

# Each process of FPM's full page: its state and how long it is in it, in us. When FPM's own
# count of the idle is below zero for a moment, the page is "Internal error" ("invalid status
# values", fpm_status_handle_request()): asked again.
states()
{
	local page

	page=$(fpm_status www full)
	while [[ $page == "Internal error"* ]]; do
		page=$(fpm_status www full)
	done
	awk -F': *' '$1 == "state" { state = $2 }
		$1 == "request duration" { print $2, state }' <<<"$page"
}
spawn load "$HTTP_LOAD" -k -c $N_VISITORS -d 600 "$SITE" /hello.php
for ((i = 0; i < N_SAMPLES; i++)); do
	states >>"$DIR/states"
done
stop load
diag "$(cut -d' ' -f2- "$DIR/states" | sort | uniq -c)"
diag "$(grep Reading "$DIR/states" | sort -n | tail -8 | paste -sd,)"
is "$(wc -l <"$DIR/states")" $((N_SAMPLES * N_WORKERS)) "every sample shows every worker"
le "$(awk '/ Reading headers/ { print $1 }' "$DIR/states" | sort -n | tail -n 1)" \
	"$(allow $((LONG ? 100000 : 1000000)))" "no worker reads headers for long"
ge "$(grep -vc Idle "$DIR/states")" $((N_SAMPLES / 10)) "while they work"

load hello -c $N_VISITORS -n 5000
is "$(value "$DIR/load.out" s200)" 5000 "256 visitors: all 200"
MS=20 load sleep -c $N_VISITORS -n 1000
is "$(value "$DIR/load.out" s200)" 1000 "with scripts that take a while: all 200"
is "$(awk '$2 != 200 && $2 != 499' "$DIR/nginx-access.log" | sed -n 1,5p)" "" "nginx says so too"
check "no worker is kept behind the last of them" wait_for 3 fpm_is_idle www
done_testing
