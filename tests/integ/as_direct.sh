#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What visitors get through fpmgate is what they get without, byte for byte: any method,
# status, header and body, with and without connections kept, uploads buffered by nginx or
# not; flushed output at once; and none of it lies in fpmgate's memory.
#
# Seen to fail: with CONTENT_LENGTH not set from the body (request.c) the chunked points; with
# output read ahead without a limit, and with body_memory ignored (exchange.c) those on
# memory; with the last byte of what comes with the header dropped (exchange.c) most "as
# direct"; without link_resume() in exchange_drained() the big answers; with the flush of
# small output put off by 50 ms (client.c) those on events; with each client closed behind
# its answer (client.c) "kept: one connection".
#
# LONG=1: 1 GB instead of 200 MB, and no room for what an exchange takes besides its output.
# HELLO=off: without GET_VALUES.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/same.bash"

: "${LONG:=}"
N_WORKERS=8
RESPONSE_MEMORY=262144
start_fpm www max_children=$N_WORKERS
FPM=$(fpm_listen www)
GATE=$DIR/gate.sock
UNBUFFERED='fastcgi_request_buffering off;'
DIRECT=$(new_port) DIRECT_OFF=$(new_port) DIRECT_SLOW=$(new_port)
THROUGH=$(new_port) KEPT=$(new_port)
THROUGH_OFF=$(new_port) KEPT_OFF=$(new_port) SLOW=$(new_port)
nginx_site "$DIRECT" "$FPM"
nginx_site "$DIRECT_OFF" "$FPM" "$UNBUFFERED"
nginx_site "$THROUGH" "$GATE"
nginx_site "$KEPT" "$GATE" keepalive=8
nginx_site "$THROUGH_OFF" "$GATE" "$UNBUFFERED"
nginx_site "$KEPT_OFF" "$GATE" keepalive=8 "$UNBUFFERED"
nginx_site "$SLOW" "$GATE" keepalive=8 'fastcgi_buffering off;'
# What a sanitizer keeps back of freed memory is not fpmgate's.
start_fpmgate "pools = ({ name = \"www\"; listen = \"$GATE\"; backend = \"$FPM\";
	fpm_conf = \"$DIR/fpm-www.conf\"; response_memory = \"256k\";
	hello = \"${HELLO:-auto}\"; });" \
	ASAN_OPTIONS=quarantine_size_mb=0:thread_local_quarantine_size_kb=0
start_nginx

same_small through "$DIRECT" "$THROUGH"
N_CLIENTS=$(fpmgate_counter www clients)
ge "$N_CLIENTS" 20 "through: a connection for each request"
same_small kept "$DIRECT" "$KEPT"
# nginx closes one behind each HEAD, having read no body.
is $(($(fpmgate_counter www clients) - N_CLIENTS)) 4 "kept: one connection, HEAD apart"
same_small "unbuffered upload" "$DIRECT" "$THROUGH_OFF"
same_small "kept, unbuffered upload" "$DIRECT" "$KEPT_OFF"

# ---- no length -----------------------------------------------------------------------

slow_body() { for i in 1 2 3; do echo $i; sleep 0.05; done; }
matches "$(slow_body | body "$DIRECT_OFF" /echo.php -X POST -T -)" '"bytes":0,' \
	"chunked, unbuffered, direct: PHP gets nothing"
matches "$(slow_body | body "$THROUGH_OFF" /echo.php -X POST -T -)" '"bytes":6,' \
	"through fpmgate: all of it"
same_chunked "chunked, unbuffered" "$DIRECT" "$THROUGH_OFF"
same_chunked "chunked, unbuffered, kept" "$DIRECT" "$KEPT_OFF"

# ---- at once -------------------------------------------------------------------------

same_events through "$DIRECT" "$THROUGH"
same_events kept "$DIRECT" "$KEPT"

# ---- much, and not in memory ---------------------------------------------------------

# peak_rss: the most that was resident since peak_start.
peak_start() { echo 5 >"/proc/$(fpmgate_pid)/clear_refs"; }
peak_rss() { awk '/^VmHWM:/ { print $2 * 1024 }' "/proc/$(fpmgate_pid)/status"; }

same_big warm "$DIRECT" "$THROUGH"
BASE=$(metric_rss "$(fpmgate_pid)")
peak_start
same_big kept "$DIRECT" "$KEPT"
same_big "kept, unbuffered upload" "$DIRECT" "$KEPT_OFF"
same_huge through "$DIRECT" "$THROUGH"
same_huge kept "$DIRECT" "$KEPT"
BESIDES=$((LONG ? 0 : 32768))
ALLOWED=$((BASE + FACTOR * N_WORKERS * (RESPONSE_MEMORY + BESIDES)))
le "$(peak_rss)" "$ALLOWED" "resident memory: base + slots x response_memory at most"

# As many readers as there are slots, who stop until they are called; nginx keeps nothing
# for them. 24 MB is more than all sockets on the way take.
slow_reader()
{
	curl -s --max-time "$(allow 60)" "http://127.0.0.1:$SLOW/big.php?bytes=24000000" |
		{ wait_for 30 test -e "$DIR/called"; md5sum; } >"$DIR/slow.$1"
}
n_running() { fpm_status www full | grep -c '^state: *Running' || true; }
all_run() { (($(n_running) == N_WORKERS)); }
peak_start
READERS=()
for ((i = 0; i < N_WORKERS; i++)); do
	slow_reader $i &
	READERS+=($!)
done
check "PHP waits for readers that stop" wait_for 10 all_run
touch "$DIR/called"
wait "${READERS[@]}"
is "$(cat "$DIR"/slow.* | sort -u)" "$(body "$DIRECT" '/big.php?bytes=24000000' | md5sum)" \
	"each of them gets every byte"
le "$(peak_rss)" "$ALLOWED" "resident memory with them: no more"

is "$(fpmgate_counter www replayed)" 0 "nothing ran twice"
is "$(awk '$2 == 502 || $2 == 504' "$DIR/nginx-access.log")" "" "nginx never saw an error"
done_testing
