#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Fifty uploads of one byte a second onto four workers: other visitors notice nothing and no
# worker is touched before an upload is complete, which then is served with its whole body.
# One that stalls gets a 408 after body_timeout; one whose visitor leaves leaves nothing.
#
# Seen to fail: with an upload counted as a slot from its start (pool.c, pool_submit and
# pool_run) "other visitors are all served", "served, with his own bytes"; with a request
# sent on before its body is complete (exchange.c, exchange_body) "no worker has taken one"
# and ten more; with 15 ms of blocking for each byte (there) "as quickly"; with body_timeout
# not started anew by each byte (there) "only slow"; with no body_timeout (exchange.c,
# exchange_on_silence) "an upload that stalls"; with no half-close behind an early answer
# (client.c, client_run_flush) "nor much later", since nginx holds it back until the
# connection ends; with a visitor who leaves not noticed (client.c, client_on_ready)
# "uploads are left", "nothing ran"; with the spool file left open (body.c, body_done) "no
# descriptor is left", "neither a connection"; with a body's memory not given back (body.c)
# "no byte is held".
#
# Of each body the first bytes are in memory and the others in the spool. The uploads go
# through nginx with fastcgi_request_buffering off, so fpmgate gets each byte as it is sent.
#
# LONG=1: uploads of 60 bytes instead of 16, and less room in the times. HELLO=off: without
# GET_VALUES.
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

: "${LONG:=}"
N_WORKERS=4
N_UPLOADS=50
N_LEAVERS=10
N_BYTES=$((LONG ? 60 : 16))
BODY_TIMEOUT=4000	# ms, of pool brief
start_fpm www max_children=$N_WORKERS access.log="$DIR/ran" access.format='%m %r'
start_fpm brief max_children=1
UPLOADS=$(new_port) BRIEF=$(new_port) OTHERS=$(new_port)
nginx_site "$UPLOADS" "$DIR/gate.sock" 'fastcgi_request_buffering off;'
nginx_site "$BRIEF" "$DIR/brief-gate.sock" 'fastcgi_request_buffering off;'
nginx_site "$OTHERS" "$DIR/gate.sock"
start_fpmgate "pools = (
	{ name = \"www\"; listen = \"$DIR/gate.sock\"; backend = \"$(fpm_listen www)\";
	  fpm_conf = \"$DIR/fpm-www.conf\"; hello = \"${HELLO:-auto}\"; body_memory = \"4\"; },
	{ name = \"brief\"; listen = \"$DIR/brief-gate.sock\"; backend = \"$(fpm_listen brief)\";
	  fpm_conf = \"$DIR/fpm-brief.conf\"; hello = \"${HELLO:-auto}\";
	  body_timeout = \"${BODY_TIMEOUT}ms\"; });"
start_nginx

# ---- helpers -------------------------------------------------------------------------

# The body of upload NUMBER is one letter again and again, not the same for all.
letter() { printf '%b' "\\x$(printf %x $((97 + $1 % 26)))"; }

# begin PORT LENGTH: the head of an upload; its connection is in FD.
begin()
{
	exec {FD}<>"/dev/tcp/127.0.0.1/$1"
	printf 'POST /echo.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n\r\n' \
		"Content-Length: $2" >&"$FD"
}

# until_ms TIME: waits for that instant; no wait if it is over.
until_ms()
{
	local left=$(($1 - $(now_ms)))

	((left <= 0)) || sleep "$((left / 1000)).$(printf %03d $((left % 1000)))"
}

# visitors: all uploads, in step: one byte each a second by the clock, all to pool www but
# the last one. The first N_LEAVERS leave once there is $DIR/leave. What an upload N is
# answered is put into answer-N.
visitors()
{
	local -a fds=()
	local i letter due n_sent fd

	for ((i = 0; i < N_UPLOADS; i++)); do
		begin "$UPLOADS" "$N_BYTES"
		fds[i]=$FD
	done
	begin "$BRIEF" "$N_BYTES"
	fds[i]=$FD
	due=$(now_ms)
	for ((n_sent = 0; n_sent < N_BYTES; n_sent++)); do
		for i in "${!fds[@]}"; do
			letter=$(letter "$i")
			printf %s "$letter" >&"${fds[i]}"
		done
		echo "$n_sent" >"$DIR/sent"
		if [[ -e $DIR/leave && -v fds[0] ]]; then
			for ((i = 0; i < N_LEAVERS; i++)); do
				fd=${fds[i]}
				exec {fd}>&-
				unset "fds[$i]"
			done
		fi
		due=$((due + 1000))
		until_ms "$due"
	done
	for i in "${!fds[@]}"; do
		cat <&"${fds[i]}" >"$DIR/answer-$i"
	done
}
has_sent() { (($(cat "$DIR/sent" 2>/dev/null || echo -1) >= $1)); }

# stalled: an upload that stops behind its second byte. How long its answer took from then
# on is in stalled.ms.
stalled()
{
	local start line

	begin "$BRIEF" 100
	printf xy >&"$FD"
	start=$(now_ms)
	read -r -t "$(allow 10)" line <&"$FD" || true
	echo $(($(now_ms) - start)) >"$DIR/stalled.ms"
	{ echo "$line"; timeout "$(allow 5)" cat <&"$FD" || true; } | tr -d '\r' >"$DIR/stalled"
}

# others NAME SECONDS: those who read and post meanwhile.
others() { "$HTTP_LOAD" -r 40 -d "$2" -m GET:3,POST:1 "$OTHERS" /hello.php >"$DIR/$1.out"; }
of() { value "$DIR/$1.out" "$2"; }

n_fds() { find "/proc/$(fpmgate_pid)/fd" -mindepth 1 2>/dev/null | wc -l; }
n_fds_is() { [[ $(n_fds) == "$1" ]]; }
n_ran() { grep -c "$1" "$DIR/ran" || true; }
counter_is() { [[ $(fpmgate_counter "$1" "$2") == "$3" ]]; }

n_loop_lines() { fpmgate_log_count 'loop: .* bytes held'; }
loop_line_exceeds() { (($(n_loop_lines) > $1)); }
nothing_is_held()
{
	local n_lines

	n_lines=$(n_loop_lines)
	kill -USR2 "$(fpmgate_pid)"
	wait_for 2 loop_line_exceeds "$n_lines"
	grep 'bytes held' "$DIR/fpmgate.log" | tail -n 1 | grep -q ' 0 bytes held'
}

# ---- without uploads -----------------------------------------------------------------

others before 3
is "$(of before s200)" "$(of before sent)" "without uploads: all are served"
is "$(code "$BRIEF" /hello.php)" 200 "also by the other pool"
wait_for 5 fpm_is_idle www
nginx_is_idle() { [[ -z $(ss -xH state established src "$DIR/gate.sock") ]]; }
wait_for 5 nginx_is_idle
FDS=$(n_fds)
ACCEPTED=$(fpm_value www 'accepted conn')
REQUESTS=$(fpmgate_counter www requests)

# ---- with them -----------------------------------------------------------------------

visitors &
VISITORS=$!
stalled &
STALLED=$!
check "$N_UPLOADS uploads are under way" wait_for 5 counter_is www requests \
	$((REQUESTS + N_UPLOADS))
check "their bytes come" wait_for 8 has_sent 4
ge "$(n_fds)" $((FDS + 2 * N_UPLOADS)) "each has a connection and a spool file"
is "$(fpm_value www 'accepted conn')" "$ACCEPTED" "no worker has taken one"
is "$(fpm_value www 'active processes'), $(fpm_value www 'idle processes')" "0, $N_WORKERS" \
	"all workers are idle"

others during $((LONG ? 20 : 3))
is "$(of during s200)" "$(of during sent)" "other visitors are all served"
for KEY in p50 p90; do
	le "$(of during ${KEY}_us)" \
		$(($(of before ${KEY}_us) * (LONG ? 2 : 10) + $(allow $((LONG ? 2000 : 20000))))) \
		"as quickly as without uploads, $KEY in us"
done
le "$(of during p50_post_us)" \
	$(($(of before p50_post_us) * (LONG ? 2 : 10) + $(allow $((LONG ? 2000 : 20000))))) \
	"those who post as well"
check "all workers are idle again" wait_for 2 fpm_is_idle www

touch "$DIR/leave"
check "uploads are left" wait_for 5 counter_is www client_left $N_LEAVERS
le "$(n_fds)" $((FDS + 2 * (N_UPLOADS - N_LEAVERS) + 4)) \
	"neither a connection nor a spool file of theirs is there any more"
is "$(n_ran echo.php)" 0 "still no worker has had to do with an upload"
ge "$((N_BYTES - 2))" "$(cat "$DIR/sent")" "though they are still going on"

# ---- their ends ----------------------------------------------------------------------

wait "$STALLED"
is "$(sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$DIR/stalled")" 408 "an upload that stalls: 408"
is "$(sed -n 's/^X-Fpmgate-Reason: //p' "$DIR/stalled")" body_timeout "its reason"
ge "$(cat "$DIR/stalled.ms")" $((BODY_TIMEOUT - 10)) "not before body_timeout, in ms"
le "$(cat "$DIR/stalled.ms")" $((BODY_TIMEOUT + $(allow 500))) "nor much later"
is "$(fpmgate_counter brief body_timeout)" 1 "counted"

wait "$VISITORS"
# served N: upload N has got what echo.php says of a body like this.
served()
{
	local md5

	md5=$(for ((i = 0; i < N_BYTES; i++)); do letter "$1"; done | md5sum | cut -d' ' -f1)
	grep -q '^HTTP/1.1 200' "$DIR/answer-$1" &&
		grep -q "\"bytes\":$N_BYTES,\"md5\":\"$md5\"" "$DIR/answer-$1"
}
N_SERVED=0
for ((UPLOAD = N_LEAVERS; UPLOAD < N_UPLOADS; UPLOAD++)); do
	served $UPLOAD || continue
	N_SERVED=$((N_SERVED + 1))
done
is $N_SERVED $((N_UPLOADS - N_LEAVERS)) "who ends his upload is served, with his own bytes"
check "body_timeout is not for one that is only slow" served $N_UPLOADS
is "$(n_ran echo.php)" $((N_UPLOADS - N_LEAVERS)) "nothing ran for those who had left"
check "all workers are idle at the end" wait_for 5 fpm_is_idle www
check "no byte is held" wait_for 5 nothing_is_held
check "no descriptor is left" wait_for 5 n_fds_is "$FDS"
done_testing
