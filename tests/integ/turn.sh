#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Nobody reads the log any more and big uploads are spooled: no turn of the loop takes long,
# visitors are served as before, and the lines that were lost are counted.
#
# fpmgate logs to a pipe here, as it does to journald's socket under systemd. Its reader is
# stopped (SIGSTOP) and the pipe filled to the last byte; the same load is measured before,
# with the reader running. What the loop's longest turn was fpmgate says itself (SIGUSR2).
#
# Seen to fail:
# - with the pipe opened without O_NONBLOCK (log.c, log_open_stderr): with the reader stopped
#   every upload and every visitor
# - with 200 ms of waiting for the reader at each line (log.c, log_write_stderr): "the longest
#   turn", "every visitor is served" and how fast, with the reader stopped
# - n_dropped never counted, log_report_dropped() never called (log.c): "lines that were lost
#   are counted", "reported"
# - with 200 ms at the end of each spool file (body.c, body_done): "the longest turn"
# - LONG=1, with a spool file of 700 MB closed at once instead of being made shorter step by
#   step (body.c, body_done): "the longest turn", 42 to 64 ms
#
# LONG=1: 1 GB of uploads instead of 200 MB and 5 ms for a turn, both meant for a build with
# -O2 on a quiet machine. HELLO=off: without GET_VALUES.
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

: "${LONG:=}"
UPLOADS=(140000000 20000000 20000000 20000000)	# bytes
SECONDS_EACH=3	# of the visitors
TURN_US=$(allow 50000)
if [[ $LONG ]]; then
	UPLOADS=(700000000 100000000 100000000 100000000)
	SECONDS_EACH=10
	TURN_US=5000
fi
N_ABSENT=4	# pools without PHP-FPM, in each half
PIPE=$DIR/log.pipe

# ---- a log that is a pipe ------------------------------------------------------------

# What reads it writes it to where everybody looks for fpmgate's log. For the strict figure
# fpmgate runs in front of the load, where it may: a turn in which the kernel lets others
# run is not a long one.
log_to_pipe()
{
	local first=''

	[[ -z $LONG ]] || ! chrt -r 10 true 2>/dev/null || first='chrt -r 10'
	mkfifo "$PIPE"
	cat >"$DIR/to_pipe" <<WRAPPER
#!/bin/sh
exec $first "$FPMGATE" "\$@" 2>"$PIPE"
WRAPPER
	chmod 755 "$DIR/to_pipe"
	FPMGATE=$DIR/to_pipe
	# shellcheck disable=SC2016 # for the other shell
	spawn reader sh -c 'exec cat "$1" >>"$2"' sh "$PIPE" "$DIR/fpmgate.log"
}

reader_is_stopped() { [[ $(ps -o stat= -p "${PIDS[reader]}") == T* ]]; }

# So that not even the next line finds room.
fill_pipe()
{
	head -c 2000000 /dev/zero | tr '\0' '\n' >"$DIR/filler"
	dd if="$DIR/filler" bs=4096 of="$PIPE" oflag=nonblock status=none 2>/dev/null || true
}

# Whatever is in the pipe has been read when a line of our own has.
reader_goes_on()
{
	kill -CONT "${PIDS[reader]}"
	echo 'the reader is back' >"$PIPE"
	wait_for 10 log_has 'the reader is back'
}
log_has() { grep -qF "$1" "$DIR/fpmgate.log"; }

# take_figures: the longest turn is that since they were taken last.
n_loop_lines() { grep -c 'loop: [0-9]* turns' "$DIR/fpmgate.log" || true; }
loop_lines_exceed() { (($(n_loop_lines) > $1)); }
take_figures()
{
	local n_lines

	n_lines=$(n_loop_lines)
	kill -USR2 "$(fpmgate_pid)"
	wait_for 5 loop_lines_exceed "$n_lines" || die "fpmgate does not give its figures"
	LOOP_LINE=$(grep 'loop: [0-9]* turns' "$DIR/fpmgate.log" | tail -n 1)
	LOOP_LINE=${LOOP_LINE/#*the longest /}
	LONGEST_US=${LOOP_LINE%% *}
	N_LOST=${LOOP_LINE% log lines lost}
	N_LOST=${N_LOST##* }
}

# ---- the load ------------------------------------------------------------------------

# load WORD: uploads, visitors of pools without PHP-FPM, whose 503s are logged, scripts that
# log, and the visitors who are measured; all at the same time and to the end.
load()
{
	local i pids=()

	for i in "${!UPLOADS[@]}"; do
		"$FCGI_CLIENT" -u "$DIR/gate-uploads.sock" -T "$(allow 20000)" -o \
			-b "${UPLOADS[i]}" "${UPLOAD[@]}" >"$DIR/upload.$1.$i" &
		pids+=($!)
	done
	for ((i = 0; i < N_ABSENT; i++)); do
		"$HTTP_LOAD" -r 20 -d $SECONDS_EACH "${PORT[absent-$1-$i]}" /hello.php \
			>"$DIR/absent.$1.$i" &
		pids+=($!)
	done
	"$HTTP_LOAD" -r 10 -d $SECONDS_EACH "${PORT[www]}" '/stderr.php?n=5' >"$DIR/stderr.$1" &
	pids+=($!)
	"$HTTP_LOAD" -r 100 -d $SECONDS_EACH "${PORT[www]}" /hello.php >"$DIR/visitors.$1" &
	pids+=($!)
	wait "${pids[@]}"
}

# served WORD: what all of them have got.
served()
{
	local i

	for i in "${!UPLOADS[@]}"; do
		matches "$(cat "$DIR/upload.$1.$i")" "\"bytes\":${UPLOADS[i]}," \
			"$1: upload $i arrives in full"
	done
	is "$(value "$DIR/visitors.$1" s200)" "$(value "$DIR/visitors.$1" sent)" \
		"$1: every visitor is served"
	is "$(value "$DIR/stderr.$1" s200)" "$(value "$DIR/stderr.$1" sent)" \
		"$1: those whose scripts log as well"
	for ((i = 0; i < N_ABSENT; i++)); do
		is "$(value "$DIR/absent.$1.$i" s503)" "$(value "$DIR/absent.$1.$i" sent)" \
			"$1: and who cannot be is told so ($i)"
	done
}

declare -A PORT=()
POOLS=
# pool NAME BACKEND [MAX_WAIT]: an entry of pools, and the site in front of it.
pool()
{
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$DIR/gate-$1.sock\"; backend = \"$2\";
	  max_children = 4; hello = \"${HELLO:-auto}\";
	  queue = { max_wait = \"${3:-30s}\"; order = \"fifo\"; }; }"
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$DIR/gate-$1.sock"
}

start_fpm www max_children=4
start_fpm uploads max_children=4
pool www "$(fpm_listen www)"
pool uploads "$(fpm_listen uploads)"
for ((i = 0; i < N_ABSENT; i++)); do
	# How much is said of each in some seconds is limited: each is visited once.
	for WORD in read stopped; do
		pool "absent-$WORD-$i" "$DIR/none/$WORD-$i.sock" 100ms
	done
done
log_to_pipe
start_fpmgate "pools = ($POOLS);"
start_nginx
script echo.php
UPLOAD=("${PARAMS[@]}" REQUEST_METHOD=POST)

# ---- with a reader, and without ------------------------------------------------------

take_figures
N_BEFORE=$(fpmgate_log_count .)
load read
N_READ=$(($(fpmgate_log_count .) - N_BEFORE))
take_figures
served read
is "$N_LOST" 0 "read: not a line is lost"
ge "$N_READ" 40 "read: there is much to log"
le "$LONGEST_US" "$TURN_US" "read: the longest turn in us"

kill -STOP "${PIDS[reader]}"
wait_for 5 reader_is_stopped
fill_pipe
N_LINES=$(fpmgate_log_count .)
load stopped
is "$(fpmgate_log_count .)" "$N_LINES" "stopped: nobody reads a line"
served stopped
REFERENCE=$(value "$DIR/visitors.read" p99_us)
le "$(value "$DIR/visitors.stopped" p99_us)" $((REFERENCE * 10 + $(allow 20000))) \
	"stopped: visitors are served as fast as with a reader (p99 in us)"
reader_goes_on
take_figures
le "$LONGEST_US" "$TURN_US" "stopped: the longest turn in us"
ge "$N_LOST" $((N_READ / 2)) "stopped: the lines that were lost are counted"
is "$(sed -n 's/.*lost because they were not read in time: //p' "$DIR/fpmgate.log")" \
	"$N_LOST" "and reported, once there is a reader again"
done_testing
