#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make bench: what fpmgate costs, against nginx with a direct fastcgi_pass and against
# HAProxy (mode tcp) in between. nginx with 1 worker, pm = static with 8 workers, wrk.
#
# Each figure is the median of ROUNDS (5) rounds of SECONDS (3) each. Within a round all
# sides run one after the other, so that a machine whose speed drifts drifts under all of
# them; the ratios are of the medians, and every run is printed. It reports and does not
# fail. HAProxy's column is left out where haproxy is not installed.
#
# Usage: bench.sh [relay|cost|memory|shed ...]   (all)

. "$(dirname "$0")/../integ/lib.sh"

ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-3}
WORKERS=8

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio()
{
	awk -v a="$1" -v b="$2" \
		'BEGIN { if (b > 0) printf "%.2f", a / b; else print "-" }'
}

# ---- the sides -----------------------------------------------------------------------

start_haproxy()
{
	cat >"$DIR/haproxy.cfg" <<CFG
global
	maxconn 4096
	nbthread 1
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
listen fpm
	bind unix@$DIR/haproxy.sock mode 666
	server fpm unix@$(fpm_listen www)
CFG
	spawn haproxy haproxy -db -f "$DIR/haproxy.cfg"
	wait_for 5 test -S "$DIR/haproxy.sock"
}

start_sides()
{
	DIRECT=$(new_port)
	KEPT=$(new_port)
	FRESH=$(new_port)
	PROXY=$(new_port)
	start_fpm www max_children=$WORKERS
	nginx_site "$DIRECT" "$(fpm_listen www)" "server:access_log off;"
	nginx_site "$KEPT" "$DIR/gate.sock" keepalive=64 "server:access_log off;"
	nginx_site "$FRESH" "$DIR/gate.sock" "server:access_log off;"
	nginx_site "$PROXY" "$DIR/haproxy.sock" "server:access_log off;"
	has_haproxy=false
	if command -v haproxy >/dev/null; then
		has_haproxy=true
		start_haproxy
	fi
	start_fpmgate "pools = ({ name = \"www\"; listen = \"$DIR/gate.sock\";
		backend = \"$(fpm_listen www)\";
		fpm_conf = \"$DIR/fpm-www.conf\"; });"
	start_nginx
}

# one_run PORT CONNECTIONS URI: requests a second.
one_run()
{
	wrk -t1 -c"$2" -d"${SECONDS_EACH}s" "http://127.0.0.1:$1$3" |
		awk '/^Requests\/sec/ { rate = $2 } /Non-2xx/ { bad = $NF }
			END { print rate; if (bad) print "not 200: " bad > "/dev/stderr" }'
}

# ---- relay: the table ----------------------------------------------------------------

# row TITLE PORT CONNECTIONS URI
row()
{
	local title=$1 port=$2 connections=$3 uri=$4 round d g p=0
	local -a direct=() gate=() proxy=()

	for ((round = 0; round < ROUNDS; round++)); do
		direct+=("$(one_run "$DIRECT" "$connections" "$uri")")
		gate+=("$(one_run "$port" "$connections" "$uri")")
		! $has_haproxy || proxy+=("$(one_run "$PROXY" "$connections" "$uri")")
	done
	d=$(printf '%s\n' "${direct[@]}" | median)
	g=$(printf '%s\n' "${gate[@]}" | median)
	! $has_haproxy || p=$(printf '%s\n' "${proxy[@]}" | median)
	printf '%-58s %s of direct, %s of HAProxy\n' "$title" "$(ratio "$g" "$d")" \
		"$(ratio "$g" "$p")"
	printf '    direct  %s\n    fpmgate %s\n' "${direct[*]}" "${gate[*]}"
	! $has_haproxy || printf '    haproxy %s\n' "${proxy[*]}"
}

bench_relay()
{
	echo "== requests a second, medians of $ROUNDS rounds of $SECONDS_EACH s"
	row "hello.php, 32 connections, nginx keep-alive" "$KEPT" 32 /hello.php
	row "hello.php, 32 connections, no keep-alive" "$FRESH" 32 /hello.php
	row "hello.php, 8 connections, nginx keep-alive" "$KEPT" 8 /hello.php
	row "hello.php, 8 connections, no keep-alive" "$FRESH" 8 /hello.php
	row "5 ms of CPU, 8 connections" "$KEPT" 8 "/busy.php?ms=5"
	row "20 ms of sleep, 32 connections" "$KEPT" 32 "/sleep.php?ms=20"
	row "10 MB answers, 4 connections" "$KEPT" 4 "/big.php?bytes=10000000"
}

# ---- cost: CPU and system calls per request ------------------------------------------

cpu_us()
{
	awk -v hz="$(getconf CLK_TCK)" '{ printf "%.0f\n", ($14 + $15) * 1000000 / hz }' \
		"/proc/$1/stat"
}

# cost TITLE PORT CONNECTIONS
cost()
{
	local pid before after n_before n

	pid=$(fpmgate_pid)
	before=$(cpu_us "$pid")
	n_before=$(fpmgate_counter www requests)
	one_run "$2" "$3" /hello.php >/dev/null
	after=$(cpu_us "$pid")
	n=$(($(fpmgate_counter www requests) - n_before))
	printf '%-58s %s us of CPU per request\n' "$1" "$(ratio $((after - before)) "$n")"
}

# calls TITLE PORT CONNECTIONS: counted by perf; under strace fpmgate would be so slow that
# nobody ever waits for a worker.
CALLS=(accept4 connect socket setsockopt epoll_ctl epoll_wait sendmmsg sendmsg recvmsg recvfrom
	ioctl close)
calls()
{
	local n n_before counter events=raw_syscalls:sys_enter

	if ! perf stat -e $events -p $$ true 2>/dev/null; then
		echo "$1: no perf here, system calls are not counted"
		return
	fi
	events+=$(printf ',syscalls:sys_enter_%s' "${CALLS[@]}")
	perf stat -x , -e "$events" -p "$(fpmgate_pid)" -o "$DIR/perf.txt" &
	counter=$!
	n_before=$(fpmgate_counter www requests)
	one_run "$2" "$3" /hello.php >/dev/null
	n=$(($(fpmgate_counter www requests) - n_before))
	kill -INT $counter
	wait $counter || true
	awk -F, -v title="$1" -v n="$n" '
		$3 == "raw_syscalls:sys_enter" {
			printf "%-58s %.2f system calls per request\n", title, $1 / n
		}
		sub("^syscalls:sys_enter_", "", $3) && $1 > n / 100 {
			printf "    %.2f %s\n", $1 / n, $3
		}' "$DIR/perf.txt"
}

bench_cost()
{
	local round

	echo "== cost"
	for ((round = 0; round < ROUNDS; round++)); do
		cost "with hand-over (32 connections, keep-alive)" "$KEPT" 32
		cost "without (8 connections, no keep-alive)" "$FRESH" 8
	done
	calls "with hand-over (32 connections, keep-alive)" "$KEPT" 32
	calls "without (4 connections, no keep-alive)" "$FRESH" 4
}

# ---- memory --------------------------------------------------------------------------

bench_memory()
{
	local before after load n_idle=5000 n_queued=800

	echo "== memory"
	before=$(metric_rss "$(fpmgate_pid)")
	script hello.php
	coproc idle { exec "$TOOLS/idle" "$DIR/gate.sock" $n_idle "${PARAMS[@]}"; }
	read -r _ <&"${idle[0]}"
	after=$(metric_rss "$(fpmgate_pid)")
	printf '%-58s %s bytes\n' "resident, per idle kept client ($n_idle of them)" \
		$(((after - before) / n_idle))
	exec {idle[1]}>&-
	wait "$idle_PID" || true
	before=$(metric_rss "$(fpmgate_pid)")
	"$TOOLS/http_load" -c $n_queued -d 4 "$FRESH" "/sleep.php?ms=400" >"$DIR/queued.txt" &
	load=$!
	sleep 2
	after=$(metric_rss "$(fpmgate_pid)")
	printf '%-58s %s bytes\n' \
		"resident, per queued request ($n_queued, params included)" \
		$(((after - before) / (n_queued - WORKERS)))
	wait $load || true
}

# ---- shed ----------------------------------------------------------------------------

bench_shed()
{
	local pid load before after n_before n

	echo "== shed"
	pid=$(fpmgate_pid)
	"$TOOLS/http_load" -c $WORKERS -d 8 "$FRESH" "/sleep.php?ms=2000" >/dev/null &
	load=$!
	sleep 3
	before=$(cpu_us "$pid")
	n_before=$(fpmgate_counter www shed)
	"$TOOLS/http_load" -r 2000 -d 4 -T 6 "$KEPT" "/sleep.php?ms=2000" >/dev/null
	after=$(cpu_us "$pid")
	n=$(($(fpmgate_counter www shed) - n_before))
	printf '%-58s %s us of CPU (%s of them)\n' "a shed answer" \
		"$(ratio $((after - before)) "$n")" "$n"
	wait $load || true
}

start_sides
[[ $# -gt 0 ]] || set -- relay cost memory shed
for part; do
	"bench_$part"
done
stop_all
IS_DONE=yes
