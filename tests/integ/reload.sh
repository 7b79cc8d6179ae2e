#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# SIGHUP under load: pools come, change and go, listeners move, and no request fails; a
# file with an error changes nothing and says where it is.
#
# Seen to fail: with a removed pool freed while a request runs, with a queued exchange taking
# the options of now, with all listeners of a changed pool closed and opened again ("not one
# request has failed"), with an address that moves to another pool bound anew (swap), with
# the listeners closed by a broken file, with its errors not logged, without RELOADING=1, and
# with -T leaving out what begins with m, with memory and spool as they were at start.
#
# HELLO=off: without GET_VALUES.
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

start_fpm a max_children=4
start_fpm b max_children=4
KEPT=$(new_port)
SHORT=$(new_port)
MOVES=$(new_port)
nginx_site "$KEPT" "$DIR/gate-a.sock" keepalive=8
nginx_site "$SHORT" "$DIR/gate-a.sock"
nginx_site "$MOVES" "$DIR/gate-b.sock" keepalive=4

# pool NAME BACKEND LISTEN [OPTIONS]: an entry of pools; LISTEN: addresses with commas.
pool()
{
	printf '{ name = "%s"; backend = "%s"; max_children = 4; listen = ["%s"]; hello = "%s"; %s }' \
		"$1" "$(fpm_listen "$2")" "${3//,/\", \"}" "${HELLO:-auto}" "${4:-}"
}
A=$(pool a a "$DIR/gate-a.sock")
B=$(pool b b "$DIR/gate-b.sock")
start_fpmgate "pools = ($A, $B);"
start_nginx

# load NAME ARGUMENT...: in the background, for as long as all this lasts.
LOADS=()
load()
{
	local name=$1

	shift
	while [[ ! -e $DIR/enough ]]; do
		"$HTTP_LOAD" -d 1 "$@"
	done >"$DIR/load-$name.out" &
	LOADS+=($!)
}
sum() { awk -v key="$2" '$1 == key { n += $2 } END { print n + 0 }' "$DIR/load-$1.out"; }
load kept -r 60 -m GET:3,POST:1 "$KEPT" /hello.php
load short -r 40 -m GET:3,POST:1 "$SHORT" /hello.php

# asked SOCKET [CURL...]: the status of one request over that socket of fpmgate's.
asked() { "$FCGI_CLIENT" -u "$DIR/$1" "${PARAMS[@]}" "${@:2}" 2>&1 | sed -n 1p; }
script hello.php

# ---- pools are added, changed, removed -----------------------------------------------

start_fpm c max_children=2
mkdir "$DIR/more"
echo "pools = ($(pool c c "$DIR/gate-c.sock"));" >"$DIR/more/c.conf"
INCLUDE="include_dir = \"$DIR/more\";"
reload_fpmgate "$INCLUDE pools = ($A, $B);"
is "$(asked gate-c.sock)" "status 200" "a pool that was added serves"
is "$(fpmgate_log_count 'pool c: added')" 1 "the log says so"

script sleep.php
"$FCGI_CLIENT" -u "$DIR/gate-c.sock" "${PARAMS[@]}" QUERY_STRING=ms=1000 >"$DIR/in_flight" &
FLIGHT=$!
c_is_busy() { [[ $(fpm_value c 'active processes') == 1 ]]; }
wait_for 5 c_is_busy
rm "$DIR/more/c.conf"
reload_fpmgate
check "the socket of a pool that was removed is gone" test ! -e "$DIR/gate-c.sock"
wait "$FLIGHT"
is "$(sed -n 1p "$DIR/in_flight")" "status 200" "what was in flight is served all the same"
kill -USR2 "$(fpmgate_pid)"
c_is_gone()
{
	kill -USR2 "$(fpmgate_pid)"
	! grep -A 3 'pool a: counters' "$DIR/fpmgate.log" | tail -n 3 | grep -q 'pool c: '
}
check "then it is gone itself" wait_for 5 c_is_gone

A=$(pool a a "$DIR/gate-a.sock" 'request_timeout = "10s"; queue = { size = 500; };')
reload_fpmgate "$INCLUDE pools = ($A, $B);"
is "$(fpmgate_log_count 'pool a: 2 options changed')" 1 "a change is named in the log"
"$FCGI_CLIENT" -u "$DIR/gate-a.sock" "${PARAMS[@]}" QUERY_STRING=ms=1500 >"$DIR/in_flight" &
FLIGHT=$!
a_sleeps() { fpm_status a full | grep -q 'script:.*sleep.php'; }
wait_for 5 a_sleeps
A=$(pool a a "$DIR/gate-a.sock" 'request_timeout = "400ms";')
reload_fpmgate "$INCLUDE pools = ($A, $B);"
is "$(asked gate-a.sock QUERY_STRING=ms=1500)" "status 504" "the new request_timeout holds"
wait "$FLIGHT"
is "$(sed -n 1p "$DIR/in_flight")" "status 200" "who was there before has the one of its birth"

# What all pools share.
head -c 2000000 /dev/zero >"$DIR/two-mb"
two_mb() { code "$SHORT" /echo.php --data-binary "@$DIR/two-mb"; }
is "$(two_mb)" 200 "an upload that is spooled"
reload_fpmgate "$INCLUDE spool_max = \"1m\"; pools = ($A, $B);"
reload_fpmgate "$INCLUDE spool_max = \"1m\"; log_level = \"warning\"; pools = ($A, $B);"
is "$(two_mb)" 503 "not with a new spool_max"
N_READ=$(fpmgate_log_count 'fpmgate.conf was read again')
reload_fpmgate "$INCLUDE log_level = \"warning\"; pools = ($A, $B);"
is "$(fpmgate_log_count 'fpmgate.conf was read again')" "$N_READ" \
	"with a new log_level notices are not logged"
reload_fpmgate "$INCLUDE pools = ($A, $B);"
is "$(two_mb)" 200 "and with the old one again, the first file of all being long forgotten"
is "$(fpmgate_log_count 'takes a restart')" 0 "none of them takes a restart"

# Of those in the queue as well: four run, one waits, then the timeout changes.
BIRTH=$(pool b b "$DIR/gate-b.sock" 'request_timeout = "10s"; queue = { order = "fifo"; };')
LATER=$(pool b b "$DIR/gate-b.sock" 'request_timeout = "400ms"; queue = { order = "fifo"; };')
reload_fpmgate "$INCLUDE pools = ($A, $BIRTH);"
"$HTTP_LOAD" -c 4 -n 4 "$MOVES" '/sleep.php?ms=1000' >"$DIR/four.out" &
FOUR=$!
b_is_full() { [[ $(fpm_status b full | grep -c "^state: *Running") == 4 ]]; }
wait_for 5 b_is_full
"$FCGI_CLIENT" -u "$DIR/gate-b.sock" "${PARAMS[@]}" QUERY_STRING=ms=1000 >"$DIR/in_flight" &
FLIGHT=$!
b_has_queue() { (($(fpmgate_counter b queued) > 0)); }
check "one waits" wait_for 5 b_has_queue
reload_fpmgate "$INCLUDE pools = ($A, $LATER);"
wait "$FOUR" "$FLIGHT"
is "$(value "$DIR/four.out" s200), $(sed -n 1p "$DIR/in_flight")" "4, status 200" \
	"who waited then keeps it too"
is "$(asked gate-b.sock QUERY_STRING=ms=1000)" "status 504" "who came later has the new one"

# ---- listeners and backends move -----------------------------------------------------

load moves -r 60 -m GET:3,POST:1 "$MOVES" /hello.php
B=$(pool b b "$DIR/gate-b.sock,$DIR/gate-b2.sock")
reload_fpmgate "$INCLUDE pools = ($A, $B);"
NGINX_SITES=${NGINX_SITES//gate-b.sock/gate-b2.sock}
reload_nginx
old_is_unused()
{
	local n

	n=$(fpmgate_counter b clients)
	sleep 0.2
	[[ $(ss -xH src "$DIR/gate-b.sock" | grep -c ESTAB) == 0 && $n -gt 0 ]]
}
check "nginx lets go of the old listener" wait_for 10 old_is_unused
B=$(pool b b "$DIR/gate-b2.sock")
reload_fpmgate "$INCLUDE pools = ($A, $B);"
check "a listener that is not named any more is gone" test ! -e "$DIR/gate-b.sock"

# An address of one pool becomes the other's, and back again, under load.
A_SWAP=$(pool a a "$DIR/gate-a.sock,$DIR/swap.sock")
B_SWAP=$(pool b b "$DIR/gate-b2.sock,$DIR/swap.sock")
A=$(pool a a "$DIR/gate-a.sock")
reload_fpmgate "$INCLUDE pools = ($A_SWAP, $B);"
SWAP=$(new_port)
nginx_site "$SWAP" "$DIR/swap.sock"
reload_nginx
load swap -c 2 "$SWAP" /hello.php
is "$(asked swap.sock)" "status 200" "an address that two pools take in turn: the first"
BEFORE=$(fpmgate_counter b requests)
reload_fpmgate "$INCLUDE pools = ($A, $B_SWAP);"
is "$(asked swap.sock)" "status 200" "the second"
b_gets_more() { (($(fpmgate_counter b served) > BEFORE + 500)); }
check "gets the requests" wait_for 10 b_gets_more
for _ in {1..10}; do
	reload_fpmgate "$INCLUDE pools = ($A_SWAP, $B);"
	reload_fpmgate "$INCLUDE pools = ($A, $B_SWAP);"
done

# The backend of a pool moves on: who runs in the old one is served from there.
script sleep.php
"$FCGI_CLIENT" -u "$DIR/gate-a.sock" "${PARAMS[@]}" QUERY_STRING=ms=1000 >"$DIR/in_flight" &
FLIGHT=$!
wait_for 5 a_sleeps
A=$(pool a c "$DIR/gate-a.sock")
reload_fpmgate "$INCLUDE pools = ($A, $B_SWAP);"
is "$(asked gate-a.sock QUERY_STRING=ms=10)" "status 200" "another backend serves"
wait "$FLIGHT"
is "$(sed -n 1p "$DIR/in_flight")" "status 200" "the old one ends what it had"
check "and is idle then" wait_for 5 fpm_is_idle a
BEFORE=$(fpm_value a "accepted conn")
is "$(code "$KEPT" /sleep.php?ms=100) $(fpm_value a "accepted conn")" "200 $BEFORE" \
	"it gets nothing more"

# ---- a broken file -------------------------------------------------------------------

# broken TEXT LINE WORDS: neither the daemon nor -t takes it, and both say where and why.
broken()
{
	local n_before status=0 where="$DIR/fpmgate.conf:$2: "

	n_before=$(fpmgate_log_count "$where.*$3")
	reload_fpmgate "$1"
	ge "$(($(fpmgate_log_count "$where.*$3") - n_before))" 1 "$3: line $2 is in the log"
	"$FPMGATE" -t -c "$DIR/fpmgate.conf" >"$DIR/check.txt" 2>&1 || status=$?
	is $status 78 "$3: -t exits with 78"
	matches "$(cat "$DIR/check.txt")" "$where.*$3" "$3: and says the same"
	is "$(asked gate-a.sock QUERY_STRING=ms=10)" "status 200" "$3: nothing has changed"
}
GOOD="$INCLUDE pools = ($A, $B_SWAP);"
fpmgate_conf "$GOOD"
N_LINES=$(wc -l <"$DIR/fpmgate.conf")
FDS=$(find "/proc/$(fpmgate_pid)/fd" | wc -l)
broken "$GOOD
drain_timeout = ;" $((N_LINES + 1)) 'syntax error'
broken "$GOOD
max_wayt = \"5s\";" $((N_LINES + 1)) 'max_wayt'
broken "$GOOD
drain_timeout = \"five\";" $((N_LINES + 1)) 'drain_timeout'
broken "$INCLUDE pools = ($A,
	$(pool b b "$DIR/gate-x.sock" 'request_timeout = 5;'));" $((N_LINES + 1)) 'request_timeout'
check "no listener of theirs is there" test ! -e "$DIR/gate-x.sock"
le "$(find "/proc/$(fpmgate_pid)/fd" | wc -l)" $((FDS + 8)) "no descriptor is left of them"
is "$(fpmgate_log_count 'nothing was changed')" 4 "four of them, it says"
is "$(notify_count RELOADING=1)" "$(($(notify_count READY=1) - 1))" \
	"the manager is told of each, and of its end"

# ---- -T ------------------------------------------------------------------------------

fpmgate_conf "$GOOD"
"$FPMGATE" -T -c "$DIR/fpmgate.conf" >"$DIR/dump.conf" 2>"$DIR/dump.log"
check "-T prints what -t takes" "$FPMGATE" -t -c "$DIR/dump.conf"
"$FPMGATE" -T -c "$DIR/dump.conf" 2>"$DIR/dump.log" | sed 's/ *# .*//' >"$DIR/again.conf"
is "$(sed 's/ *# .*//' "$DIR/dump.conf" | diff - "$DIR/again.conf" | wc -l)" 0 \
	"and what -T prints the same for"
cp "$DIR/dump.conf" "$DIR/fpmgate.conf"
N_READ=$(fpmgate_log_count 'fpmgate.conf was read again')
reload_fpmgate
is "$(fpmgate_log_count 'fpmgate.conf was read again')" $((N_READ + 1)) "the daemon takes it"

# ---- again and again -----------------------------------------------------------------

for _ in {1..20}; do
	reload_fpmgate
done
touch "$DIR/enough"
wait "${LOADS[@]}"
for NAME in kept short moves swap; do
	is "$(sum $NAME s200)" "$(sum $NAME sent)" "not one request has failed ($NAME)"
done
done_testing
