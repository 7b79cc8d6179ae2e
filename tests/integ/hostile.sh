#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Whoever speaks FastCGI wrongly, in pieces, too much of it or not at all gets a FastCGI
# error, an answer of ours with its reason or a closed connection, and is counted;
# everybody else is served all the time, and nothing of it is left behind.
#
# Seen to fail: with a second BEGIN ignored, or any role taken, or management records not
# answered (client.c, fcgi/request.c: their points, and their counters); without params_max
# (memory, 431), without the comparison of CONTENT_LENGTH (workers hang), with a queued
# exchange left in the queue when its client goes (a crash), with a client that goes not
# told to its exchange (the same), with a half-close taken for leaving or never (half_close),
# with questions read on while their answers are not taken (33 MB held), with the memory of
# a body never given back ("no byte is held"), with the slot of an abandoned link never
# given back (the last two points), with other versions taken for 1.
#
# HELLO=off: without GET_VALUES.
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

N_WORKERS=6
start_fpm www max_children=$N_WORKERS
start_fpm tiny max_children=1
PORT=$(new_port)
TCP=$(new_port)
HALF=$(new_port)
nginx_site "$PORT" "$DIR/gate.sock" keepalive=4
# Without a quarantine what is freed is really gone from the resident memory.
start_fpmgate "pools = ({ name = \"www\"; listen = [ \"$DIR/gate.sock\", \"127.0.0.1:$TCP\" ];
	backend = \"$(fpm_listen www)\"; max_children = $N_WORKERS; hello = \"${HELLO:-auto}\";
	body_timeout = \"1s\"; },
	{ name = \"tiny\"; listen = [ \"$DIR/gate-tiny.sock\", \"127.0.0.1:$HALF\" ]; half_close = true;
	backend = \"$(fpm_listen tiny)\"; max_children = 1; hello = \"${HELLO:-auto}\"; });" \
	ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
start_nginx

# ---- helpers -------------------------------------------------------------------------

script hello.php
PAGE=("${PARAMS[@]}")
script echo.php
ECHO=("${PARAMS[@]}" REQUEST_METHOD=POST)
declare -A ADDRESS=([unix]="-u $DIR/gate.sock" [tcp]="-t $TCP")

# ask KIND ARGUMENT...: what fcgi_client prints, in one line.
ask()
{
	# shellcheck disable=SC2086 # two words
	"$FCGI_CLIENT" ${ADDRESS[$1]} -T "$(allow 8000)" "${@:2}" | paste -sd' ' || true
}

# both REGEX TEXT ARGUMENT...: over each kind of listener the answer looks like that.
both()
{
	local kind

	for kind in unix tcp; do
		matches "$(ask $kind "${@:3}")" "^$1\$" "$2 ($kind)"
	done
}

# Every counter of pool www, as it is now, in COUNTERS; counted NAME N TEXT: it has grown
# by N since then.
read_counters()
{
	fpmgate_counter www requests >/dev/null
	grep 'pool www: counters' "$DIR/fpmgate.log" | sed -n '$p' >"$DIR/counters"
}
counter_of() { tr ' ' '\n' <"$DIR/$1" | awk -F= -v name="$2" '$1 == name { v = $2 } END { print v + 0 }'; }
start_counting() { read_counters && mv "$DIR/counters" "$DIR/counters.before"; }
counted() { is "$(($(counter_of counters "$1") - $(counter_of counters.before "$1")))" "$2" "counted: $1"; }

# Records as hex: of N bytes of text, of a request.
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
record() { printf '01%02x%04x%04x0000%s' "$1" "$2" $((${#3} / 2)) "$3"; }
pair() { printf '%02x%02x%s%s' ${#1} ${#2} "$(hex "$1")" "$(hex "$2")"; }

n_fds() { find "/proc/$(fpmgate_pid)/fd" -mindepth 1 2>/dev/null | wc -l; }
high_water() { awk '/^VmHWM/ { print $2 }' "/proc/$(fpmgate_pid)/status"; }

# The line about the loop: bytes held now, and the most so far.
n_loop_lines() { fpmgate_log_count 'loop: .* bytes held'; }
loop_line_exceeds() { (($(n_loop_lines) > $1)); }
held()
{
	local n_lines

	n_lines=$(n_loop_lines)
	kill -USR2 "$(fpmgate_pid)"
	wait_for 2 loop_line_exceeds "$n_lines"
	grep 'bytes held' "$DIR/fpmgate.log" |
		sed -n "\$s/.* \([0-9]*\) bytes held for clients, at most \([0-9]*\),.*/\\$1/p"
}
nothing_is_held() { [[ $(held 1) == 0 ]]; }

# ---- light load all the time ---------------------------------------------------------

"$HTTP_LOAD" -c 4 -n 40 "$PORT" /hello.php >"$DIR/warm.out"
for KIND in unix tcp; do
	is "$(ask $KIND "${PAGE[@]}")" "status 200 stdout 48 end 0 0" "served over $KIND"
done
FDS=$(n_fds)
RSS=$(high_water)
while [[ ! -e $DIR/enough ]]; do
	"$HTTP_LOAD" -r 20 -d 1 "$PORT" /hello.php
done >"$DIR/light.out" &
LIGHT=$!

# ---- what is not FastCGI, or not of version 1 ----------------------------------------

start_counting
CLOSED='(eof|reset)'
both "$CLOSED" "HTTP is closed" -x "$(hex $'GET / HTTP/1.1\r\nHost: a\r\n\r\n')"
both "$CLOSED" "TLS is closed" -x "16030100a5010000a10303$(hex "$(seq 60)")"
both "$CLOSED" "zeros are closed" -x "$(printf '%0200d' 0)"
both "$CLOSED" "random bytes are closed" -x "ff$(od -An -v -tx1 -N 4000 /dev/urandom | tr -d ' \n')"
both "$CLOSED" "garbage behind a request closes" -x "$(record 1 1 0001010000000000)$(
	)$(record 4 1 "")$(hex "garbage, garbage")"
for VERSION in 0 2 255; do
	both "$CLOSED" "version $VERSION is closed" -V $VERSION "${PAGE[@]}"
done
read_counters
counted client_version 16

# ---- FastCGI in an order that is none ------------------------------------------------

start_counting
BEGIN=$(record 1 1 0001000000000000)
both "$CLOSED" "BEGIN twice, same id, is closed" -e begin:begin "${PAGE[@]}"
both "$CLOSED" "also behind the params" -e params:begin "${PAGE[@]}"
both "$CLOSED" "also in the body" -b 100 -e body:begin "${ECHO[@]}"
both "$CLOSED" "also while the script runs" -e stdin:begin "${PAGE[@]}" \
	SCRIPT_FILENAME="$WWW/sleep.php" QUERY_STRING=ms=500
both "$CLOSED" "BEGIN of 4 bytes is closed" -x "$(record 1 1 00010000)"
both "$CLOSED" "BEGIN with id 0 is closed" -x "$(record 1 0 0001000000000000)"
both "$CLOSED" "STDIN before the end of the params is closed" -x "$BEGIN$(record 5 1 61)"
both "$CLOSED" "STDOUT from a web server is closed" -x "$BEGIN$(record 6 1 61)"
both "$CLOSED" "DATA to a responder is closed" -x "$BEGIN$(record 8 1 61)"
both "$CLOSED" "PARAMS behind their end are closed" \
	-x "$BEGIN$(record 4 1 "")$(record 4 1 "$(pair A b)")"
both "status 400 stdout [0-9]+ end 0 0" "params that are cut are refused" \
	-x "$BEGIN$(record 4 1 0a0a41)$(record 4 1 "")$(record 5 1 "")"
both "status 400 stdout [0-9]+ end 0 0" "params of 4 GB are refused" \
	-x "$BEGIN$(record 4 1 ffffffffffffffff41)$(record 4 1 "")$(record 5 1 "")"
both "foreign 9 3 8 status 200 .* end 0 0" "BEGIN with another id is refused" \
	-e params:begin:9 "${PAGE[@]}"
both ".*foreign 9 3 8.*status 200 .* end 0 0" "also while the script runs" \
	-e stdin:begin:9 "${PAGE[@]}" SCRIPT_FILENAME="$WWW/sleep.php" QUERY_STRING=ms=300
both "status 200 stdout 48 end 0 0" "records of a request that is not there are dropped" \
	-e "begin:raw:$(record 5 7 61)$(record 4 8 62)$(record 2 9 "")" "${PAGE[@]}"
for ROLE in 2 3 77; do
	both "end 0 3 end 0 3" "role $ROLE is refused, the connection stays" -k -R 2 -r $ROLE \
		"${PAGE[@]}"
done
both "(unknown [0-9]+ ){6}status 200 .*" "management types nobody knows are answered" -e \
	"params:raw:$(record 99 0 00)$(record 0 0 "")$(record 255 0 61)$(record 11 0 "")$(
	)$(record 5 0 61)$(record 10 0 "")" "${PAGE[@]}"
both "values FCGI_MPXS_CONNS=0 status 200 .*" "GET_VALUES is answered" \
	-g FCGI_MPXS_CONNS,NONSENSE "${PAGE[@]}"
both "status 200 .*" "GET_VALUES that are cut do no harm" \
	-e "begin:raw:$(record 9 0 ffff)" -e "params:raw:$(record 9 0 "$(printf '%08000d' 0)")" \
	"${PAGE[@]}"
read_counters
counted client_protocol 20
counted request_malformed 4
counted cant_mpx 4
counted unknown_role 12
counted unknown_type 12
counted get_values 6

# ---- lengths -------------------------------------------------------------------------

start_counting
for LENGTH in 51 5000 999999999999999999 49 0 -50 50x 99999999999999999999; do
	both "status 400 stdout [0-9]+ end 0 0" "CONTENT_LENGTH=$LENGTH of 50 bytes is refused" \
		-b 50 "${ECHO[@]}" CONTENT_LENGTH=$LENGTH
done
both "status 400 .* status 400 .*" "the connection stays" -k -R 2 -b 300000 "${ECHO[@]}" \
	CONTENT_LENGTH=9
both "status 200 .*" "an empty one is none" -b 50 "${ECHO[@]}" CONTENT_LENGTH=
both "status 408 stdout [0-9]+ end 0 0.*" "a body that stops is given up" -b 50 \
	-e body:stop "${ECHO[@]}"
both "status 431 stdout [0-9]+ end 0 0" "16 MB of params are too many" -f 16777216 "${PAGE[@]}"
both "status 431 stdout [0-9]+ end 0 0" "5000 params are too many" -F 5000 "${PAGE[@]}"
for _ in 1 2 3 4; do
	ask unix -k -R 3 -f 16777216 "${PAGE[@]}" >>"$DIR/params.out" &
	PIDS_OF_PARAMS+=($!)
done
wait "${PIDS_OF_PARAMS[@]}"
is "$(grep -o 'status 431' "$DIR/params.out" | wc -l)" 12 "and again and again, 4 at a time"
read_counters
counted body_length 20
counted body_timeout 2
counted params_too_big 16

# ---- cut everywhere ------------------------------------------------------------------

start_counting
WHOLE=$(ask unix -o -b 50 "${ECHO[@]}")
matches "$WHOLE" '"bytes":50,' "PHP gets the body"
for KIND in unix tcp; do
	is "$(ask $KIND -o -w 1 -D 1 -b 50 "${ECHO[@]}")" "$WHOLE" "each byte alone is the same ($KIND)"
	is "$(ask $KIND -o -s 1 -b 50 "${ECHO[@]}")" "$WHOLE" "records of one byte are ($KIND)"
	is "$(ask $KIND -o -p 255 -b 50 "${ECHO[@]}")" "$WHOLE" "padding everywhere is ($KIND)"
	SAME=0
	for CUT in {1..17} 255; do
		[[ $(ask $KIND -o -c "$CUT" -b 50 "${ECHO[@]}") != "$WHOLE" ]] || SAME=$((SAME + 1))
		[[ $(ask $KIND -o -C "$CUT" -b 50 "${ECHO[@]}") != "$WHOLE" ]] || SAME=$((SAME + 1))
	done
	is $SAME 36 "cut behind each byte of a header, and of a pair, is ($KIND)"
done

# What never comes to its end never runs. Every second visitor only ends its sending.
script count.php
ALL=$(record 1 1 0001000000000000)
for PARAM in "${PARAMS[@]}" CONTENT_LENGTH=3 QUERY_STRING=id=cut; do
	[[ $PARAM == SERVER* || $PARAM == OUT* ]] || PAIRS+=$(pair "${PARAM%%=*}" "${PARAM#*=}")
done
ALL+=$(record 4 1 "$PAIRS")$(record 4 1 "")$(record 5 1 "$(hex abc)")$(record 5 1 "")
N_BYTES=$((${#ALL} / 2))
for KIND in unix tcp; do
	for ((CUT = 1; CUT < N_BYTES; CUT++)); do
		END=close
		((CUT % 2)) || END=halfclose
		# shellcheck disable=SC2086 # two words
		"$FCGI_CLIENT" ${ADDRESS[$KIND]} -T "$(allow 8000)" -x "${ALL:0:CUT * 2}" \
			-e stdin:$END >>"$DIR/cut.$KIND" || true
	done &
	CUTTERS+=($!)
done
wait "${CUTTERS[@]}"
is "$(sort "$DIR/cut.unix" "$DIR/cut.tcp" | uniq -c | awk '{ print $1, $2 }' | paste -sd' ')" \
	"$((N_BYTES / 2 * 2)) eof $(((N_BYTES - 1) / 2 * 2)) left" \
	"cut off behind each of $((N_BYTES - 1)) bytes: closed"
matches "$(ask unix -x "$ALL")" "status 200 .*" "whole it is served"
is "$(grep -c cut "$COUNT_FILE")" 1 "and only then it ran"

# ---- leaving and half-closing --------------------------------------------------------

script sleep.php
SLEEP=("${PARAMS[@]}" QUERY_STRING=ms=200)
is "$(ask unix -e stdin:halfclose "${SLEEP[@]}")" "status 200 stdout 52 end 0 0" \
	"a half-close behind a request is legal (unix)"
is "$(ask tcp -e stdin:halfclose "${SLEEP[@]}")" "eof" "means leaving (tcp)"
is "$("$FCGI_CLIENT" -t "$HALF" -e stdin:halfclose "${SLEEP[@]}" | paste -sd' ')" \
	"status 200 stdout 52 end 0 0" "unless half_close says otherwise"
script sse.php
for KIND in unix tcp; do
	for PHASE in start begin params body stdin output; do
		ask $KIND -b 50 -e "$PHASE:close" "${PARAMS[@]}"
		ask $KIND -b 50 -e "$PHASE:reset" "${PARAMS[@]}"
	done
done >"$DIR/left.out"
is "$(grep -c left "$DIR/left.out")" 24 \
	"leaving at any time, by close and by reset"

# ---- ABORT in every state ------------------------------------------------------------

start_counting
for PHASE in begin params body; do
	both "end 0 0 end 0 0" "ABORT at $PHASE ends the request, the connection stays" -k -R 2 \
		-b 50 -e $PHASE:abort "${ECHO[@]}"
done
both "end 0 0 end 0 0" "ABORT while it runs" -k -R 2 -e stdin:abort "${SLEEP[@]}"
script sse.php
both "status 200 stdout [0-9]+ end 0 0 status 200 .* end 0 0" \
	"ABORT while it is answered" -k -R 2 -e output:abort "${PARAMS[@]}" QUERY_STRING='n=20&ms=100'
both "status 200 stdout 48 end 0 0.*" "ABORT behind the end is nothing" -k -e end:abort "${PAGE[@]}"
both "end 0 0" "ABORT without KEEP_CONN" -e params:abort "${PAGE[@]}"
"$FCGI_CLIENT" -u "$DIR/gate-tiny.sock" "${SLEEP[@]}" QUERY_STRING=ms=1000 >"$DIR/first.out" &
FIRST=$!
tiny_is_busy() { [[ $(fpm_value tiny 'active processes') == 1 ]]; }
wait_for 5 tiny_is_busy
script count.php
is "$("$FCGI_CLIENT" -u "$DIR/gate-tiny.sock" -k -e stdin:sleep:50 -e stdin:abort "${PARAMS[@]}" \
	QUERY_STRING=id=aborted | paste -sd' ')" "end 0 0" "ABORT while it waits"
wait "$FIRST"
is "$("$FCGI_CLIENT" -u "$DIR/gate-tiny.sock" "${PARAMS[@]}" QUERY_STRING=id=next | sed -n 1p)" \
	"status 200" "the next one is served"
is "$(grep -c aborted "$COUNT_FILE")" 0 "who was aborted while waiting never ran"
read_counters
counted aborted 22

# ---- floods that nobody reads --------------------------------------------------------

printf '%b' "\\x01\\x63\\0\\0\\0\\0\\0\\0" >"$DIR/flood"
printf '%b' "\\x01\\x09\\0\\0\\0\\x11\\0\\0\\x0f\\0FCGI_MPXS_CONNS" >>"$DIR/flood"
for _ in {1..19}; do
	cat "$DIR/flood" "$DIR/flood" >"$DIR/flood.2"
	mv "$DIR/flood.2" "$DIR/flood"
done
PEAK=$(held 2)
start_counting
cat "$DIR/flood" "$DIR/flood" >"/dev/tcp/127.0.0.1/$TCP" &
NEVER=$!
"$FCGI_CLIENT" -u "$DIR/gate.sock" -T "$(allow 60000)" -x "@$DIR/flood" >/dev/null &
SOMETIMES=$!
n_values() { read_counters && counter_of counters get_values; }
flooded() { (($(n_values) > 4000)); }
check "floods of questions" wait_for 10 flooded
kill -STOP $SOMETIMES
LAST=-1
is_stuck() { ((LAST == (LAST = $(n_values)))); }
check "are not read on when their answers are not" wait_for 10 is_stuck
check "though there is more of them" is_alive $NEVER
le "$(held 2)" $((PEAK + 2 * 1048576)) "little of them is held"
is "$(code "$PORT" /hello.php)" 200 "others are served meanwhile"
kill -CONT $SOMETIMES
flood_goes_on() { (($(n_values) > LAST + 20000)); }
check "who reads them again is answered again" wait_for 10 flood_goes_on
kill -KILL $NEVER $SOMETIMES
wait $NEVER $SOMETIMES 2>/dev/null || true

# ---- nothing is left -----------------------------------------------------------------

touch "$DIR/enough"
wait "$LIGHT"
is "$(awk '/^s200/ { n += $2 } END { print n }' "$DIR/light.out")" \
	"$(awk '/^sent/ { n += $2 } END { print n }' "$DIR/light.out")" \
	"everybody else was served all the time"
check "all workers are idle" wait_for 5 fpm_is_idle www
check "no byte is held" wait_for 5 nothing_is_held
le "$(n_fds)" "$FDS" "no descriptor is left"
le "$(high_water)" $((RSS + 32 * 1024)) "resident memory never grew much (KiB)"
"$HTTP_LOAD" -c $N_WORKERS -n $N_WORKERS "$PORT" '/sleep.php?ms=1000' >"$DIR/after.out"
is "$(value "$DIR/after.out" s200)" $N_WORKERS "as many are served as there are workers"
le "$(value "$DIR/after.out" max_us)" 1900000 "all at the same time"
done_testing
