#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fpmgate is stopped, restarted on sockets that systemd holds, stopped twice, started
# twice: no request fails, and nobody waits longer than drain_timeout.
#
# Seen to fail: with no drain at all ("not one request has failed", "what is in flight is
# answered"), with idle clients closed at once (their point), with a drain_timeout that ends
# nothing ("and not longer"), with a second SIGTERM that is not heard ("at once"), with no
# STOPPING=1, with the socket left behind, with a socket that is in use replaced ("a second
# one on the same path").
#
# HELLO=off: without GET_VALUES.
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

start_fpm www max_children=4
KEPT=$(new_port)
SHORT=$(new_port)
TCP=$(new_port)
nginx_site "$KEPT" "$DIR/held.sock" keepalive=16
nginx_site "$SHORT" "127.0.0.1:$TCP"
LISTEN='"systemd:www", "systemd:tcp"'
conf() { echo "pools = ({ name = \"www\"; listen = [$LISTEN]; backend = \"$(fpm_listen www)\";
	max_children = 4; hello = \"${HELLO:-auto}\"; queue = { order = \"fifo\"; }; });
	drain_timeout = \"$1\";"; }

# ---- restarts under load, on sockets that stay ---------------------------------------

FPMGATE_SOCKETS=("www=$DIR/held.sock" "tcp=127.0.0.1:$TCP")
start_fpmgate "$(conf 20s)"
chmod 666 "$DIR/held.sock"
start_nginx
FIRST_PID=$(fpmgate_pid)
POST_IDS=1000000
"$HTTP_LOAD" -k -r 80 -d 6 -m GET:1,POST:1 -b 3000 -i $POST_IDS -o "$DIR/kept.ids" \
	"$KEPT" '/count.php?ms=10' >"$DIR/kept.out" &
LOADS=($!)
"$HTTP_LOAD" -r 40 -d 6 -m GET:1,POST:1 -b 100000 "$SHORT" /echo.php >"$DIR/short.out" &
LOADS+=($!)
"$HTTP_LOAD" -c 1 -d 6 "$KEPT" '/sleep.php?ms=300' >"$DIR/slow.out" &
LOADS+=($!)
is_another() { [[ $(fpmgate_pid) != "$1" ]] && notify_exceeds READY=1 "$2"; }
N_RESTARTS=0
while is_alive "${LOADS[0]}"; do
	PID=$(fpmgate_pid)
	N_READY=$(notify_count READY=1)
	kill -TERM "$PID"
	wait_for 10 is_another "$PID" "$N_READY" || break
	N_RESTARTS=$((N_RESTARTS + 1))
	sleep 0.3
done
wait "${LOADS[@]}"
ge $N_RESTARTS 3 "restarts"
isnt "$(fpmgate_pid)" "$FIRST_PID" "each a new process"
for NAME in kept short slow; do
	is "$(value "$DIR/$NAME.out" s200)" "$(value "$DIR/$NAME.out" sent)" \
		"not one request has failed ($NAME)"
done
is "$(awk '/^POST/ { n[$2]++ } END { for (id in n) if (n[id] > 1) print id }' "$COUNT_FILE")" \
	"" "not one POST ran twice"
is "$(awk '$3 == 200 { print $1 }' "$DIR/kept.ids" | sort -u | wc -l)" \
	"$(awk '{ print $2 }' "$COUNT_FILE" | sort -u | wc -l)" "and each ran"
is "$(notify_count STOPPING=1)" $N_RESTARTS "STOPPING each time"
is "$(notify_count READY=1)" $((N_RESTARTS + 1)) "READY each time"
is "$(fpmgate_log_count 'drain_timeout has passed')" 0 "no drain lasted too long"

N_RELOADING=$(notify_count RELOADING=1)
reload_fpmgate
is "$(notify_count RELOADING=1)" $((N_RELOADING + 1)) "RELOADING"
matches "$(grep -c MONOTONIC_USEC= "$DIR/notify.txt")" '^[1-9]' "with the time"
stop_fpmgate
is "${STATUS[fpmgate]}" 0 "it ends with 0"
FPMGATE_SOCKETS=()

# ---- the drain -----------------------------------------------------------------------

LISTEN="\"$DIR/own.sock\""
script sleep.php

# sleeper MS: a request that runs, its answer in sleeper.out.
sleeper()
{
	"$FCGI_CLIENT" -k -u "$DIR/own.sock" -T "$(allow 30000)" "${PARAMS[@]}" \
		QUERY_STRING="ms=$1" >"$DIR/sleeper.out" &
	SLEEPER=$!
	wait_for 5 runs_sleep
}
runs_sleep() { fpm_status www full | grep -q 'script:.*/sleep.php'; }
# ends_in: milliseconds until fpmgate is gone.
ends_in()
{
	local start_ms

	start_ms=$(now_ms)
	await fpmgate 30 || stop_fpmgate KILL
	ENDED_MS=$(($(now_ms) - start_ms))
}

start_fpmgate "$(conf 10s)"
sleeper 1500
"$FCGI_CLIENT" -k -u "$DIR/own.sock" -T "$(allow 30000)" -e start:sleep:60000 >"$DIR/idle.out" &
IDLE=$!
n_clients() { ss -xH state established src "$DIR/own.sock" | wc -l; }
has_clients() { (($(n_clients) == $1)); }
wait_for 5 has_clients 2
N_STOPPING=$(notify_count STOPPING=1)
kill -TERM "$(fpmgate_pid)"
wait_for 5 notify_exceeds STOPPING=1 "$N_STOPPING"
sleep 0.2	# ten looks of the drain, in which nothing must be closed
is "$(n_clients)" 2 "drain: idle clients are not closed while something is in flight"
ends_in
wait "$SLEEPER" || true
is "$(sed -n 1p "$DIR/sleeper.out")" "status 200" "drain: what is in flight is answered"
le "$ENDED_MS" $((1500 + $(allow 2500))) "then it ends"
is "${STATUS[fpmgate]}" 0 "with 0"
check "its socket is gone" test ! -e "$DIR/own.sock"
kill $IDLE 2>/dev/null || true
wait $IDLE || true

start_fpmgate "$(conf 1s)"
sleeper 8000
kill -TERM "$(fpmgate_pid)"
ends_in
ge "$ENDED_MS" 900 "drain_timeout: it waits so long"
le "$ENDED_MS" $((1000 + $(allow 2000))) "and not longer"
is "${STATUS[fpmgate]}" 0 "it ends with 0"
is "$(fpmgate_log_count 'drain_timeout has passed')" 1 "the log says so"
wait "$SLEEPER" || true
isnt "$(sed -n 1p "$DIR/sleeper.out")" "status 200" "who is in flight then is not served"

start_fpmgate "$(conf 60s)"
sleeper 8000
kill -TERM "$(fpmgate_pid)"
is_draining() { (($(fpmgate_log_count draining) > 0 && $(notify_count STOPPING=1) > N_RESTARTS + 3)); }
check "a second SIGTERM: it drains" wait_for 5 is_draining
kill -TERM "$(fpmgate_pid)"
ends_in
le "$ENDED_MS" "$(allow 2000)" "then it stops at once"
is "${STATUS[fpmgate]}" 0 "with 0"
wait "$SLEEPER" || true

# ---- two of them ---------------------------------------------------------------------

start_fpmgate "$(conf 5s)"
cp "$DIR/fpmgate.conf" "$DIR/second.conf"
sed -i "s|$DIR/run|$DIR/run2|" "$DIR/second.conf"
mkdir "$DIR/run2"
nginx_site "$(new_port)" "$DIR/own.sock"
start_second()
{
	local code=0

	"$FPMGATE" -c "$DIR/second.conf" >"$DIR/second.log" 2>&1 || code=$?
	echo $code
}
INODE=$(stat -c %i "$DIR/own.sock")
"$FCGI_CLIENT" -k -R 300 -u "$DIR/own.sock" "${PARAMS[@]}" QUERY_STRING=ms=1 >"$DIR/many.out" &
MANY=$!
is "$(start_second)" 71 "a second one on the same path exits with 71"
matches "$(cat "$DIR/second.log")" "$DIR/own.sock.*Address already in use" "and says why"
is "$(stat -c %i "$DIR/own.sock")" "$INODE" "the socket is still the first one's"
wait $MANY
is "$(grep -c 'status 200' "$DIR/many.out")" 300 "which has served all the time"
is "$("$FCGI_CLIENT" -u "$DIR/own.sock" "${PARAMS[@]}" | sed -n 1p)" "status 200" "and serves"
check "nothing of the second is left beside it" test "$(ls "$DIR" | grep -c '^\.\|own.sock.')" = 0

# One that was killed leaves its socket behind; the next one takes its place.
stop fpmgate KILL
check "a socket that a killed one left" test -S "$DIR/own.sock"
start_fpmgate ""
is "$("$FCGI_CLIENT" -u "$DIR/own.sock" "${PARAMS[@]}" | sed -n 1p)" "status 200" \
	"is in nobody's way"
done_testing
