#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# fpmgate at its own limits: too few descriptors, a full spool, memory_max. Whoever asks is
# served or gets a clean 503 with the reason, never a 502; others do not notice; the log
# says it once, a counter says how often; and when the load is over all is as before.
#
# Seen to fail: with listeners that never go on behind a pause, or log each pause
# (listener.c) the points of "clients" and "one line"; with all clients kept at clients_max
# (listener.c, listener_is_crowded) "where nginx keeps those", "behind idle ones"; with EMFILE not
# taken for a pause (listener.c) "none: one line"; with spool_max not looked at, or what was
# spooled never given back (body.c) "some do not", "when the load is over"; with the
# connection broken in place of the answer (exchange.c, exchange_body) "200 or 503", also on
# the disk; with no limit in memory_take() (memory.c) "bodies", "params", "never more"; with
# memory_is_tight() always false (there) "answers: never more"; with log_limit_pass() (log.c)
# letting all pass each "not one line per answer".
#
# HELLO=off: without GET_VALUES.
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

N_WORKERS=4
N_VISITORS=200
RESERVED=128	# descriptors that are not for clients, beside the workers'
start_fpm www max_children=$N_WORKERS
SITE=$(new_port) KEPT=$(new_port)
nginx_site "$SITE" "$DIR/gate.sock"
nginx_site "$KEPT" "$DIR/gate.sock" keepalive=64
PROGRAM=$FPMGATE

# ---- helpers -------------------------------------------------------------------------

# wrapped COMMAND...: from now on start_fpmgate starts fpmgate with that in front.
wrapped()
{
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$*" "$PROGRAM" >"$DIR/wrapper"
	chmod 755 "$DIR/wrapper"
	FPMGATE=$DIR/wrapper
}

# start TOP POOL: fpmgate with these options; what has been logged before does not count.
start()
{
	start_fpmgate "$1 pools = ({ name = \"www\"; listen = \"$DIR/gate.sock\";
		backend = \"$(fpm_listen www)\"; fpm_conf = \"$DIR/fpm-www.conf\";
		hello = \"${HELLO:-auto}\"; queue = { order = \"fifo\"; max_wait = \"${MAX_WAIT:-20s}\"; };
		$2 });" ASAN_OPTIONS="${ASAN_OPTIONS:-}:quarantine_size_mb=1"
	N_BEFORE=$(wc -l <"$DIR/fpmgate.log")
	touch "$DIR/nginx-access.log"
	N_ACCESS=$(wc -l <"$DIR/nginx-access.log")
}

# ends: what each daemon of this test must fulfil at its end.
ends()
{
	check "$1: all workers are idle" wait_for 5 fpm_is_idle www
	check "$1: no byte is held" wait_for 5 nothing_is_held
	stop_fpmgate
	is "${STATUS[fpmgate]}" 0 "$1: fpmgate exits with 0"
}

# n_lines REGEX: so many lines of this daemon say that.
n_lines() { tail -n +$((N_BEFORE + 1)) "$DIR/fpmgate.log" | grep -cE -- "$1" || true; }
# answers: what nginx saw of this daemon so far: "200 -", "503 spool_full", each once.
answers()
{
	tail -n +$((N_ACCESS + 1)) "$DIR/nginx-access.log" |
		awk '!seen[$2 $5]++ { print $2, $5 }' | sort | paste -sd,
}
load() { "$HTTP_LOAD" "${@:2}" >"$DIR/$1.out"; }
of() { value "$DIR/$1.out" "$2"; }

n_fds() { find "/proc/$(fpmgate_pid)/fd" -mindepth 1 2>/dev/null | wc -l; }
n_fds_is_below() { (($(n_fds) < $1)); }

n_loop_lines() { fpmgate_log_count 'loop: .* bytes held'; }
loop_line_exceeds() { (($(n_loop_lines) > $1)); }
# held FIELD: bytes held for clients now (1), at most so far (2).
held()
{
	local n

	n=$(n_loop_lines)
	kill -USR2 "$(fpmgate_pid)"
	wait_for 2 loop_line_exceeds "$n"
	grep 'bytes held' "$DIR/fpmgate.log" |
		sed -n "\$s/.* \([0-9]*\) bytes held for clients, at most \([0-9]*\),.*/\\$1/p"
}
nothing_is_held() { [[ $(held 1) == 0 ]]; }

# ---- descriptors: too few to start ---------------------------------------------------

CODE=0
fpmgate_conf "pools = ({ name = \"www\"; listen = \"$DIR/gate.sock\";
	backend = \"$(fpm_listen www)\"; max_children = $N_WORKERS; });"
prlimit --nofile=64 "$PROGRAM" -c "$DIR/fpmgate.conf" >"$DIR/few.log" 2>&1 || CODE=$?
is $CODE 71 "64 descriptors: it does not start"
is "$(grep -c '64 descriptors are too few' "$DIR/few.log")" 1 "and says why"

# ---- descriptors: clients_max --------------------------------------------------------

# Room for 16 web server connections, and 200 visitors.
wrapped prlimit --nofile=$((RESERVED + N_WORKERS + 16))
start "" ""
start_nginx
is "$(fpmgate_log_count 'at most 16 clients')" 1 "clients: 16, it says"
FDS=$(n_fds)
load clients -c $N_VISITORS -n 600 -m GET:3,POST:1 "$SITE" '/sleep.php?ms=5'
is "$(of clients s200)" 600 "clients: all $N_VISITORS visitors are served"
is "$(n_lines 'not accepting connections')" 1 "clients: one line"
ge "$(fpmgate_counter www clients_paused)" 2 "clients: a counter"
load clients -k -c $N_VISITORS -n 3000 -m POST:1 "$KEPT" /hello.php
is "$(of clients s200)" 3000 "clients: also where nginx keeps those that it has"
is "$(code "$SITE" /hello.php --max-time 5)" 200 "clients: nobody waits behind idle ones"
is "$(answers)" "200 -" "clients: nobody got anything else"

calm_is_said()
{
	code "$SITE" /hello.php
	[[ $(n_lines 'not accepting connections') == "$(n_lines 'accepting connections again')" ]]
}
check "clients: its end is said, each time" wait_for 5 calm_is_said
le "$(n_lines 'not accepting connections')" 2 "clients: once for each load"
check "clients: idle ones leave a quarter of the places" wait_for 5 n_fds_is_below $((FDS + 13))
ends clients

# ---- descriptors: none left ----------------------------------------------------------

# What clients_max is there to prevent: others have taken the descriptors.
FPMGATE=$PROGRAM
MAX_WAIT=2s start "" ""
prlimit --pid "$(fpmgate_pid)" --nofile=64:64
load none -c $N_VISITORS -n 800 -m GET:1,POST:1 -b 100000 "$SITE" '/sleep.php?ms=5'
diag "$(grep '^s' "$DIR/none.out" | paste -sd' ')"
is "$(($(of none s200) + $(of none s503)))" 800 "none: each of $N_VISITORS visitors gets 200 or 503"
ge "$(of none s200)" 100 "none: many are served"
is "$(n_lines 'not accepting connections')" 1 "none: one line"
le "$(n_lines 'answered')" 15 "none: not one line per answer"
ge "$(fpmgate_counter www descriptors)" 2 "none: a counter"
load none -c 8 -n 100 -m GET:1,POST:1 -b 100000 "$SITE" '/sleep.php?ms=5'
is "$(of none s200)" 100 "none: when the load is over all are served"
ends none

# ---- spool ---------------------------------------------------------------------------

# spool NAME: uploads of 300 KB, 20 at a time, into a spool that has room for three to
# six of them; and those who only read.
spool()
{
	is "$(code "$SITE" /echo.php --data-binary "@$DIR/upload")" 200 "$1: one upload is served"
	"$HTTP_LOAD" -r 40 -d 2 "$SITE" /hello.php >"$DIR/readers.out" &
	load uploads -c 20 -n 120 -m POST:1 -b 300000 "$SITE" '/sleep.php?ms=100'
	wait $!
	diag "$(grep '^s' "$DIR/uploads.out" | paste -sd' ')"
	is "$(($(of uploads s200) + $(of uploads s503)))" 120 "$1: each upload gets 200 or 503"
	ge "$(of uploads s200)" 2 "$1: some fit"
	ge "$(of uploads s503)" 5 "$1: some do not"
	is "$(of readers s200)" "$(of readers sent)" "$1: who does not upload notices nothing"
	is "$(answers)" "200 -,503 spool_full" "$1: the reason is named"
	is "$(fpmgate_counter www spool_full)" "$(of uploads s503)" "$1: counted"
	le "$(n_lines 'answered 503 spool_full')" 10 "$1: not one line per answer"
	ge "$(n_lines 'answered 503 spool_full.*there is no room left')" 1 "$1: but one"
	load uploads -c 2 -n 10 -m POST:1 -b 300000 "$SITE" /hello.php
	is "$(of uploads s200)" 10 "$1: when the load is over all are served"
	check "$1: no descriptor is left" wait_for 5 n_fds_is_below $((FDS + 4))
	ends "$1"
}
head -c 300000 /dev/zero >"$DIR/upload"
start 'spool_max = "1m";' ""
FDS=$(n_fds)
spool spool_max

# A small disk, which only root can make, in a mount namespace that ends with fpmgate.
head -c 2000000 /dev/zero >"$DIR/disk"
cat >"$DIR/on_disk" <<DISK
#!/bin/sh
mount -o loop "$DIR/disk" "$SPOOL_DIR" && exec "\$@"
DISK
chmod 755 "$DIR/on_disk"
PATH=$PATH:/sbin:/usr/sbin
if mkfs.ext4 -q -m 0 "$DIR/disk" 2>"$DIR/mkfs.log" && ((EUID == 0)) &&
	unshare -m "$DIR/on_disk" true 2>>"$DIR/mkfs.log"; then
	wrapped unshare -m "$DIR/on_disk"
	start "" ""
	FDS=$(n_fds)
	spool disk
	FPMGATE=$PROGRAM
else
	diag "no disk of its own here:" "$(cat "$DIR/mkfs.log")"
fi

# ---- memory --------------------------------------------------------------------------

# A pool may hold a quarter of it: 256 KiB, in params, bodies that are not spooled and
# answers. What cannot be refused, our own answers above all, may go beyond that.
start 'memory_max = "1m";' 'response_memory = "1m";'
load memory -c 4 -n 20 "$SITE" /hello.php
RSS=$(metric_rss "$(fpmgate_pid)")
load memory -c 40 -n 200 -m POST:1 -b 60000 "$SITE" '/sleep.php?ms=20'
diag "$(grep '^s' "$DIR/memory.out" | paste -sd' ')"
is "$(($(of memory s200) + $(of memory s503)))" 200 "memory: bodies: each gets 200 or 503"
ge "$(of memory s200)" 2 "memory: bodies: some fit"
ge "$(of memory s503)" 5 "memory: bodies: some do not"
is "$(answers)" "200 -,503 memory_full" "memory: the reason is named"
is "$(fpmgate_counter www memory_full)" "$(of memory s503)" "memory: counted"
ge "$(n_lines 'answered 503 memory_full')" 1 "memory: a line"
le "$(n_lines 'answered 503 memory_full')" 10 "memory: not one per answer"
le "$(held 2)" $((1024 * 1024)) "memory: never more than memory_max is held"

script hello.php
FLIGHTS=()
for ((i = 0; i < 30; i++)); do
	"$FCGI_CLIENT" -u "$DIR/gate.sock" -f 100000 -e params:sleep:300 \
		-T "$(allow 10000)" "${PARAMS[@]}" >"$DIR/params.$i" &
	FLIGHTS+=($!)
done
wait "${FLIGHTS[@]}"
STATUSES=$(sed -n 's/^status //p' "$DIR"/params.* | sort | uniq -c | awk '{ print $2, $1 }')
diag "$STATUSES"
is "$(awk '$1 == 200 || $1 == 503 { n += $2 } END { print n }' <<<"$STATUSES")" 30 \
	"memory: params: each gets 200 or 503"
matches "$STATUSES" "200 .*503 " "memory: params: some fit"
le "$(held 2)" $((1024 * 1024)) "memory: params: never more"

# Answers cannot be refused: they are read ahead of a slow visitor by less.
script big.php
FLIGHTS=()
for ((i = 0; i < N_WORKERS; i++)); do
	"$FCGI_CLIENT" -u "$DIR/gate.sock" -e output:sleep:1000 -T "$(allow 10000)" \
		"${PARAMS[@]}" QUERY_STRING=bytes=3000000 | paste -sd' ' >"$DIR/big.$i" &
	FLIGHTS+=($!)
done
wait "${FLIGHTS[@]}"
diag "$(cat "$DIR"/big.*)"
is "$(cat "$DIR"/big.* | grep -cE '^status (200 stdout 30000..|503 stdout ...) end 0 0')" \
	$N_WORKERS "memory: answers: each is whole, or a 503"
ge "$(cat "$DIR"/big.* | grep -c '^status 200')" 1 "memory: answers: some fit"
le "$(held 2)" $((1024 * 1024)) "memory: answers: never more"
le "$(metric_rss "$(fpmgate_pid)")" $((RSS + 16 * 1024 * 1024)) "memory: resident bytes are bounded"
load memory -c 2 -n 50 -m GET:1,POST:1 -b 60000 "$SITE" /hello.php
is "$(of memory s200)" 50 "memory: when the load is over all are served"
ends memory
is "$(awk '$2 != 200 && $2 != 503 && $2 != 499' "$DIR/nginx-access.log" | sed -n 1,5p)" "" \
	"nobody has seen anything but 200 and 503"
done_testing
