#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Visitors who leave: whom no worker has taken never runs, and whatever ran, soon every
# worker is idle and every slot free. Over unix sockets and TCP on both sides.
#
# LONG=1: 10,000 visitors instead of 1,500. HELLO=off: without GET_VALUES; then nothing
# can be taken back from FPM's backlog over TCP.
#
# Seen to fail, with this taken out:
# - EPOLLHUP and EPOLLRDHUP in client_on_ready(): "they never run"
# - the hello's part of link_withdraw(): "taken back from FPM's backlog", "not one runs";
#   the reset in it: the latter over TCP
# - shutdown() in link_shut_down(): the endless script, the unread one, and all the rest
# - the end of ABANDONED: "serves", "with every slot"
# - over TCP, waiting for the first output or the end (reset at once) with HELLO=off: FPM
#   runs what nobody waits for, "all within two seconds of the last visitor"
# - COUNTER_ABANDONED: "some while running"
# - good ends of answers: "who stays gets 200 or 503, whole"
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

RATE=15
DURATION=5
if [[ ${LONG:-} ]]; then
	RATE=25
	DURATION=20
fi
N_WORKERS=6
declare -A PORT=() SUM=()
declare -a ALL=()
POOLS=
# pool NAME LISTEN [FPM-KEY=VALUE...]
pool()
{
	start_fpm "$1" max_children=$N_WORKERS "${@:3}"
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$2\"; backend = \"$(fpm_listen "$1")\";
	  fpm_conf = \"$DIR/fpm-$1.conf\"; max_children = $N_WORKERS;
	  hello = \"${HELLO:-auto}\"; }"
	PORT[$1]=$(new_port)
	ALL+=("$1")
	nginx_site "${PORT[$1]}" "$2" 'fastcgi_buffering off;'
}
load() { "$HTTP_LOAD" "${@:2}" >"$DIR/$1.out"; }
# runs FROM TO: how often ids in that range ran.
runs() { awk -v a="$1" -v b="$2" '$2 >= a && $2 <= b' "$COUNT_FILE" | wc -l; }

# stop_workers PID...: until they stand still.
stand_still()
{
	local pid

	for pid; do
		grep -q "^State:.T" "/proc/$pid/status" || return 1
	done
}
stop_workers()
{
	kill -STOP "$@"
	wait_for 5 stand_still "$@"
}

# have_left POOL N: so many visitors have left as far as fpmgate knows.
have_left() { (($(fpmgate_counter "$1" client_left) >= $2)); }

# visit POOL MS URI [CURL...]: leaves after MS.
visit()
{
	curl -s -o /dev/null --max-time "$(awk -v ms="$2" 'BEGIN { print ms / 1000 }')" \
		"${@:4}" "http://127.0.0.1:${PORT[$1]}$3" || true
}
n_running() { fpm_status "$1" full | grep -c "^state: *Running" || true; }
all_run() { (($(n_running "$1") == N_WORKERS)); }

# at_once COMMAND ARGUMENT...: COMMAND POOL ARGUMENT... for each pool, all at a time.
at_once()
{
	local pool
	local -a pids=()

	for pool in "${ALL[@]}"; do
		"$1" "$pool" "${@:2}" &
		pids+=("$!")
	done
	wait "${pids[@]}"
}

pool unix_unix "$DIR/gate-uu.sock"
pool unix_tcp "$DIR/gate-ut.sock" listen=tcp
pool tcp_unix "127.0.0.1:$(new_port)"
pool tcp_tcp "127.0.0.1:$(new_port)" listen=tcp
start_fpmgate "pools = ($POOLS);"
start_nginx
touch "$COUNT_FILE"
chmod 666 "$COUNT_FILE"
# FPM is asked once whether it knows GET_VALUES, which takes a worker: not below.
for POOL in "${ALL[@]}"; do
	is "$(body "${PORT[$POOL]}" /hello.php)" hello "$POOL: served"
	wait_for 5 fpm_is_idle "$POOL"
done

# ---- while queued --------------------------------------------------------------------

leave_queue()
{
	load "busy-$1" -c "$N_WORKERS" -n "$N_WORKERS" "${PORT[$1]}" \
		'/sleep.php?ms=2000' &
	wait_for 5 all_run "$1"
	load "queued-$1" -r 100 -d 0.4 -p 200 -m GET:1,POST:1 -i "${PORT[$1]}000" \
		"${PORT[$1]}" /count.php
	wait
}
at_once leave_queue
for POOL in "${ALL[@]}"; do
	is "$(value "$DIR/queued-$POOL.out" left)" \
		"$(value "$DIR/queued-$POOL.out" sent)" "$POOL: all leave the queue"
	is "$(runs "${PORT[$POOL]}000" "${PORT[$POOL]}999")" 0 "$POOL: they never run"
done

# ---- while FPM's backlog holds them --------------------------------------------------

WITHDRAWING=("${ALL[@]}")
[[ ${HELLO:-auto} != off ]] || WITHDRAWING=(unix_unix tcp_unix)
for POOL in "${WITHDRAWING[@]}"; do
	mapfile -t WORKERS < <(fpm_worker_pids "$POOL")
	QUEUED=$(value "$DIR/queued-$POOL.out" left)
	N_SENT=0 N_LEFT=0
	for _ in {1..4}; do
		stop_workers "${WORKERS[@]}"
		load withdrawn -r 30 -d 0.2 -p 100 -m POST:1 -i 90000 \
			"${PORT[$POOL]}" /count.php
		N_SENT=$((N_SENT + $(value "$DIR/withdrawn.out" sent)))
		N_LEFT=$((N_LEFT + $(value "$DIR/withdrawn.out" left)))
		wait_for 5 have_left "$POOL" $((QUEUED + N_LEFT))
		kill -CONT "${WORKERS[@]}"
	done
	is "$(fpmgate_counter "$POOL" withdrawn) of $N_LEFT" "$N_SENT of $N_SENT" \
		"$POOL: taken back from FPM's backlog"
	wait_for 5 fpm_is_idle "$POOL"
done
is "$(runs 90000 90999)" 0 "of all who left not one runs"

# ---- while running -------------------------------------------------------------------

at_once visit 600 /endless_sse.php
START=$(now_ms)
for POOL in "${ALL[@]}"; do
	check "$POOL: an endless script ends" wait_for 5 fpm_is_idle "$POOL"
done
le $(($(now_ms) - START)) "$(allow 1000)" "all within a second"
at_once visit 600 '/big.php?bytes=300000000' --limit-rate 10k
START=$(now_ms)
for POOL in "${ALL[@]}"; do
	check "$POOL: one whose visitor did not read ends" wait_for 5 fpm_is_idle "$POOL"
done
le $(($(now_ms) - START)) "$(allow 1000)" "all within a second"

# ---- all of it, mixed ----------------------------------------------------------------

SCRIPTS=(endless_sse buffered never_writes ignore_abort finish)
MIXED=()
for POOL in "${ALL[@]}"; do
	for SCRIPT in "${SCRIPTS[@]}"; do
		load "mixed-$POOL-$SCRIPT" -r $RATE -d $DURATION -p 250 -P -e \
			-s "$RANDOM" -m GET:4,POST:1 \
			"${PORT[$POOL]}" "/$SCRIPT.php?ms=800" &
		MIXED+=("$!")
	done
done
# Now and then no worker moves, so that some leave while nobody has taken them.
mapfile -t WORKERS < <(for POOL in "${ALL[@]}"; do fpm_worker_pids "$POOL"; done)
while is_alive "${MIXED[-1]}"; do
	sleep 0.5
	kill -STOP "${WORKERS[@]}"
	sleep 0.2
	kill -CONT "${WORKERS[@]}"
done
wait "${MIXED[@]}"
START=$(now_ms)
for POOL in "${ALL[@]}"; do
	check "$POOL: every worker becomes idle" wait_for 10 fpm_is_idle "$POOL"
done
le $(($(now_ms) - START)) "$(allow 2000)" "all within two seconds of the last visitor"
SUM=()
for FILE in "$DIR"/mixed-*.out; do
	while read -r KEY NUMBER; do
		[[ $NUMBER == *[!0-9]* ]] || SUM[$KEY]=$((${SUM[$KEY]:-0} + NUMBER))
	done <"$FILE"
done
diag "sent ${SUM[sent]}, left ${SUM[left]}, 200 ${SUM[s200]}, 503 ${SUM[s503]}"
is $((SUM[left] + SUM[s200] + SUM[s503])) "${SUM[sent]}" \
	"who stays gets 200 or 503, whole"
ge "${SUM[left]}" $((SUM[sent] / 4)) "many have left"
for POOL in "${ALL[@]}"; do
	ge "$(fpmgate_counter "$POOL" abandoned)" 10 "$POOL: some while running"
	load "after-$POOL" -c "$N_WORKERS" -n "$N_WORKERS" "${PORT[$POOL]}" \
		'/sleep.php?ms=1000'
	is "$(value "$DIR/after-$POOL.out" s200)" $N_WORKERS "$POOL: serves"
	le "$(value "$DIR/after-$POOL.out" max_us)" 1900000 "$POOL: with every slot"
done
done_testing
