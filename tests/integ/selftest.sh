#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The harness and the tools against real nginx, real PHP-FPM, libfcgi and each other,
# without fpmgate: what the other tests report is worth as much as this one.
#
# Seen to fail: each section's last points are its own counter-proofs (a difference that
# compare must find, a test that must not pass); with the loop over lines in
# compare_heads() cut short "compare finds a different header" fails, with the check in
# http_reader_is_complete_at_eof() gone "a cut answer counts as broken", with check_strays
# taken out of done_testing "a process left behind fails its test".
# shellcheck disable=SC2016,SC2317 # scripts in quotes; functions called by check
. "$(dirname "$0")/lib.sh"

client() { "$FCGI_CLIENT" -u "$DIR/$1.sock" -T "$(allow 10000)" "${@:2}" 2>&1 || true; }
one_line() { tr '\n' ' ' | sed 's/ $//'; }

# ---- PHP-FPM, nginx, the scripts -----------------------------------------------------

script hello.php
HELLO=("${PARAMS[@]}")
script echo.php
ECHO=("${PARAMS[@]}")
start_fpm www max_children=4 global:process_control_timeout=5s
start_fpm kept max_children=2	# an idle kept connection pins a worker: one of its own
SITE=$(new_port)
KEPT=$(new_port)
nginx_site "$SITE" "$(fpm_listen www)" 'fastcgi_read_timeout 20s;' \
	"server:listen unix:$DIR/nginx.sock;"
nginx_site "$KEPT" "$(fpm_listen kept)" keepalive=1 'add_header X-Extra yes;' \
	'server:location = /other.txt { return 200 other; }'
start_nginx

isnt "$SITE" "$KEPT" "two ports for two sites"
is "$(for i in {1..8}; do new_port & done | sort -u | wc -l)" 8 "eight ports differ"
is "$(body "$SITE" /hello.php)" hello "nginx and PHP-FPM answer"
is "$(code "$SITE" /status.php?code=404)" 404 "status 404"
is "$(code "$SITE" /none.php)" 404 "no script"
is "$(code "$SITE" /status.php?code=302)" 302 "status 302"
is "$(code "$SITE" /die_first.php?id=a)" 502 "a worker that dies first: 502"
is "$(body "$SITE" /die_first.php?id=a)" "alive a" "and its script lives on"
is "$(wc -l <"$OUT/die-a")" 2 "both runs are written down"
MD5=$(printf 'a=1&b=2' | md5sum | cut -c-32)
is "$(body "$SITE" '/echo.php?params=OUT_DIR,NONE' -d 'a=1&b=2')" \
	"{\"method\":\"POST\",\"bytes\":7,\"md5\":\"$MD5\",\
\"content_length\":\"7\",\"post\":{\"a\":\"1\",\"b\":\"2\"},\"params\":\
{\"OUT_DIR\":\"${OUT//\//\\/}\",\"NONE\":null}}" "echo.php"
is "$(body "$SITE" /headers.php -D - | grep -c '^X-[TL]\|^Set-Cookie\|^Cache-C')" 40 \
	"forty headers"
is "$(body "$SITE" '/big.php?bytes=100001' | wc -c)" 100001 "big.php has its length"
check "busy.php burns" test "$(body "$SITE" '/busy.php?ms=50')" = "burnt 50"
body "$SITE" '/stderr.php?text=to-the-log' >/dev/null
check "stderr.php reaches nginx's error log" \
	wait_for 2 grep -q to-the-log "$DIR/nginx-error.log"

START=$(now_ms)
is "$(body "$SITE" '/finish.php?id=7&ms=800')" "answer 7" "finish.php answers no secret"
le $(($(now_ms) - START)) "$(allow 500)" "before its work is done"
check "and works to its end" wait_for 3 test -s "$OUT/finish-7"
body "$SITE" '/ignore_abort.php?id=8&ms=600' --max-time 0.2 >/dev/null
check "ignore_abort.php runs on" wait_for 3 test -s "$OUT/ignore-8"
body "$SITE" /endless_sse.php --max-time 0.3 >/dev/null
check "endless_sse.php ends when its visitor leaves" wait_for 3 fpm_is_idle www

# ---- the FPM functions ---------------------------------------------------------------

is "$(fpm_worker_pids www | wc -l)" 4 "four workers"
is "$(fpm_value www 'total processes')" 4 "the status page says so too"
matches "$(fpm_status www json)" '"pool":"www"' "the status page as JSON"
WORKER=$(fpm_worker_pids www | sed -n 1p)
kill -KILL "$WORKER"
worker_is_replaced()
{
	! fpm_worker_pids www | grep -qx "$WORKER" &&
		(($(fpm_worker_pids www | wc -l) == 4))
}
check "a killed worker is replaced" wait_for 5 worker_is_replaced
MASTER=$(fpm_master_pid www)
check "a reload ends" reload_fpm www
is "$(fpm_master_pid www)" "$MASTER" "and keeps the master"
start_fpm orphan listen=tcp max_children=2
matches "$(fpm_listen orphan)" '^127.0.0.1:[0-9]+$' "an FPM on TCP"
is "$("$FCGI_CLIENT" -t "$(fpm_listen orphan)" -o "${HELLO[@]}")" hello "answers there"
kill -KILL "$(fpm_master_pid orphan)"
check "a killed master is gone" wait_for 5 is_gone "$(fpm_master_pid orphan)"
is "$(fpm_worker_pids orphan | wc -l)" 2 "its orphans are found"
stop_fpm orphan
is "$(fpm_worker_pids orphan)" "" "and ended"

# ---- compare -------------------------------------------------------------------------

same() { check "compare: $*" "$COMPARE" -i X-Extra "${@:2}" "$SITE" "$KEPT" "$1"; }
differs()
{
	local code=0

	"$COMPARE" "${@:4}" "$SITE" "$KEPT" "$2" >"$DIR/compare.out" 2>&1 || code=$?
	is "$code $(grep -c "$3" "$DIR/compare.out")" "1 1" "$1"
}
same /hello.php
same /headers.php
same /status.php?code=500
same /status.php?code=304
same /none.php
same '/big.php?bytes=10000000'
same '/big.php?bytes=10000000&length=1'
same '/big.php?bytes=70000&length=1' -X HEAD
same /echo.php -b 3000000
same /echo.php -b 300000 -c 777
same /echo.php -d "$0" -X PUT -H 'Content-Type: text/plain'
differs "compare finds a different header" /hello.php X-Extra
differs "compare finds a different body" '/echo.php?params=SERVER_PORT' 'bodies at byte' \
	-i X-Extra
differs "compare finds a different status" /other.txt 404
CODE=0
"$COMPARE" -i X-Extra "$SITE" "$KEPT" '/die_after_headers.php' >/dev/null || CODE=$?
is "$CODE" 2 "compare accepts no cut answer"
"$COMPARE" -s "$SITE" '/sse.php?n=10&ms=20' >"$DIR/sse.out"
is "$(value "$DIR/sse.out" events)" 10 "compare -s sees each event"
ge "$(value "$DIR/sse.out" median)" 0 "none before it was sent"
le "$(value "$DIR/sse.out" median)" "$(allow 100000)" "and soon after that"

# ---- http_load -----------------------------------------------------------------------

load() { "$HTTP_LOAD" "$@" >"$DIR/load.out" 2>&1; }
loaded() { value "$DIR/load.out" "$1"; }
adds_up()
{
	local sum

	sum=$(($(loaded ok) + $(loaded broken) + $(loaded refused) + $(loaded left)))
	is "$((sum + $(loaded unfinished) + $(loaded unsent)))" "$(loaded sent)" \
		"$1: every request has one fate"
}

load -c 4 -n 60 "$SITE" '/sleep.php?ms=50'
is "$(loaded sent) $(loaded s200)" "60 60" "closed loop: all 200"
ge "$(loaded p50_us)" 50000 "no sooner than the script"
le "$(loaded goodput)" 80 "no faster than four workers can"
ge "$(loaded goodput)" $((64 / FACTOR)) "and not much slower"
load -c 2 -n 200 -k "$KEPT" /hello.php
is "$(loaded s200)" 200 "closed loop with keep-alive: all 200"
load -c 2 -n 20 "unix:$DIR/nginx.sock" /hello.php
is "$(loaded s200)" 20 "over a unix socket"
load -r 40 -d 1 "$SITE" '/sleep.php?ms=50'
is "$(loaded sent) $(loaded s200)" "40 40" "open loop: sent as the rate says"
load -r 160 -d 2 -p 500 "$SITE" '/sleep.php?ms=50'
adds_up "overload"
ge "$(loaded left)" 100 "overload: visitors leave"
le "$(loaded max_us)" $((500000 + FACTOR * 50000)) "none is served after its patience"
wait_for 20 fpm_is_idle www
load -r 100 -d 1 -e -P -p 2000 -m GET:9,POST:1 -b 2000 -i 1001 -o "$DIR/load.ids" \
	"$SITE" /count.php
adds_up "Poisson"
is "$(loaded ok)" "$(loaded sent)" "Poisson: all answered"
is "$(awk '{ print $2, $1 }' "$COUNT_FILE" | sort)" \
	"$(awk '{ print $1, $2 }' "$DIR/load.ids" | sort)" \
	"each id ran once, by its method"
ge "$(grep -c '^POST' "$COUNT_FILE")" 1 "POSTs among them"
load -c 2 -n 10 "$SITE" '/die_after_headers.php?bytes=20000'
is "$(loaded broken)" 10 "a cut answer counts as broken"
load -c 2 -n 10 "$SITE" '/status.php?code=503'
is "$(loaded s503) $(loaded s200)" "10 0" "503s are counted as such"
ge "$(loaded p50_503_us)" 1 "with their own times"
load -c 2 -n 5 1 /
is "$(loaded refused)" 5 "no server: refused"
load -r 10 -d 0.5 -T 1 "$SITE" '/sleep.php?ms=1500'
is "$(loaded unfinished)" "$(loaded sent)" "the hard limit holds"
wait_for 20 fpm_is_idle www

# ---- fcgi_client against PHP-FPM -----------------------------------------------------

DIRECT=$(client www "${HELLO[@]}" | one_line)
matches "$DIRECT" '^status 200 stdout [0-9]+ end 0 0$' "fcgi_client: an answer"
is "$(client www -k -R 3 "${HELLO[@]}" | grep -c '^end 0 0')" 3 "three on one connection"
is "$(client www "${HELLO[@]}" -E | tail -n 1)" eof "FPM closes behind it"
is "$(client www -o -b 100000 "${ECHO[@]}" | cut -d, -f2)" '"bytes":100000' "a body"
is "$(client www -o -b 100000 -s 7 "${ECHO[@]}")" "" "PARAMS of 7 bytes: not FPM"
is "$(client www -w 1 -D 0 "${HELLO[@]}" | one_line)" "$DIRECT" "byte by byte"
for ((CUT = 1, BAD = 0; CUT < 40; CUT++)); do
	[[ $(client www -c $CUT "${HELLO[@]}" | one_line) == "$DIRECT" ]] ||
		BAD=$((BAD + 1))
done
is "$BAD" 0 "records cut at each byte"
matches "$(client www -C 5 "${HELLO[@]}" | one_line)" '^(eof|reset)$' "pairs cut: not FPM"
is "$(client www -p 9 "${HELLO[@]}" | tail -n 1)" "end 0 0" "padded"
is "$(client www -f 500000 "${HELLO[@]}" | tail -n 1)" "end 0 0" "500 kB of params"
is "$(client www -G FCGI_MPXS_CONNS,FCGI_MAX_REQS)" "values FCGI_MPXS_CONNS=0" \
	"GET_VALUES"
is "$(client www -e stdin:abort "${HELLO[@]}" | tail -n 1)" "end 0 0" "ABORT is ignored"
matches "$(client www -r 9 "${HELLO[@]}")" '^(eof|reset)$' "a role FPM does not know"
matches "$(client www -V 0 "${HELLO[@]}")" '^(eof|reset)$' "a version it does not know"
is "$(client www -b 9 -e body:halfclose -o "${ECHO[@]}" | cut -d, -f2)" '"bytes":0' \
	"half a body, then the end: FPM runs the script without it"
script sleep.php
is "$(client www -l 100 "${PARAMS[@]}" QUERY_STRING=ms=500)" left "leaving"
is "$(client www -T 300 -b 5 "${ECHO[@]}" CONTENT_LENGTH=6)" timeout "a missing byte"
script stderr.php
matches "$(client www "${PARAMS[@]}" 'QUERY_STRING=text=%0A%01')" \
	'stderr PHP message: \\n\\x01' "STDERR is escaped"
wait_for 10 fpm_is_idle www

# ---- fake_fpm ------------------------------------------------------------------------

# fake "STEPS" WANTED TEXT [CLIENT ARGS]: what fcgi_client says to a scripted connection.
fake()
{
	local -a steps

	read -ra steps <<<"$1"
	start_fake fake "${steps[@]}"
	is "$(client fake "${@:4}" "${HELLO[@]}" | one_line)" "$2" "fake_fpm: $3"
	stop_fake fake
}
GOOD='header:200 stdout:10'
GOOD_SAYS='status 200 stdout 38'
fake "read:request $GOOD end" "status 200 stdout 38 end 0 0" "an answer"
fake "read:request split:1 $GOOD end" "status 200 stdout 38 end 0 0" "byte by byte"
fake "read:request pad:255 chunk:3 $GOOD end close" "$GOOD_SAYS end 0 0" "padded"
fake "read:request header:503 end" "status 503 stdout 50 end 0 0" "a status"
fake "read:request stderr:a\\b stderr:5 $GOOD end" \
	'status 200 stdout 38 stderr a\\babcde end 0 0' "STDERR"
fake "read:request end:3000000000:3" "end 3000000000 3" "end codes"
fake "read:request text:Status:\\r\\n end" "stdout 9 end 0 0" "a header without an end"
fake "read:request $GOOD close" "status 200 stdout 38 eof" "a close"
fake "read:request $GOOD partial:100 close" "status 200 stdout 38 broken" "half a record"
fake "read:request $GOOD raw:0000000000000000" "status 200 stdout 38 broken" "no record"
fake "read:params $GOOD reset" "status 200 stdout 38 reset" "a reset"
fake "read:8 reset" reset "a reset after 8 bytes"
fake "read:fpm reset" reset "read:fpm leaves the terminator unread"
fake "read:request reset" eof "read:request leaves nothing"
fake "read:request type:42 $GOOD end" "foreign 1 42 8 $GOOD_SAYS end 0 0" "a type"
fake "read:request id:9 stdout:5 id:0 $GOOD end" \
	"foreign 9 6 5 status 200 stdout 38 end 0 0" "another id"
fake "read:request version:7 stdout:1" broken "a version"
fake "read:request hang" timeout "hanging" -T 200
fake "noaccept" timeout "never accepting" -T 200
fake "read:request sleep:300 end" timeout "sleeping" -T 100
fake "read:request $GOOD end loop" "$GOOD_SAYS end 0 0 $GOOD_SAYS end 0 0" "loop" -kR 2
fake "read:request $GOOD end next" "$GOOD_SAYS end 0 0 eof" "next without KEEP_CONN" -E
fake "read:request $GOOD end" "values FCGI_MPXS_CONNS=0 $GOOD_SAYS end 0 0" "hello" \
	-g FCGI_MPXS_CONNS
start_fake fake nohello read:request
matches "$(client fake -g FCGI_MPXS_CONNS "${HELLO[@]}" | one_line)" \
	'^values FCGI_MPXS_CONNS=0 (eof|reset)$' "fake_fpm: nohello closes"
stop_fake fake

start_fake fake -w 1 read:fpm sleep:300 header:200 end next
START=$(now_ms)
client fake -b 10 -C 4 -p 3 "${ECHO[@]}" >/dev/null &
client fake -k -f 100000 "${HELLO[@]}" >/dev/null
wait $!
ge $(($(now_ms) - START)) 600 "fake_fpm -w 1: one after the other"
fake_log() { grep -c -- "$1" "$DIR/fake-fake.log" || true; }
is "$(fake_log ' request 1 .* flags=0 script=/echo.php .*_length=10 stdin=10')" 1 \
	"its log counts the body"
is "$(fake_log ' stdin=10 .* split_pairs=0 ')" 0 "and pairs that FPM would not take"
is "$(fake_log ' stdin=0 .* split_pairs=0 oversize=0 padded_ends=0 foreign_ids=0 ')" 1 \
	"and finds nothing in a good request"
is "$(fake_log ' stdin=10 .* padded_ends=1 ')" 1 "and padding on terminators"
stop_fake fake

start_fake fake -t 0 -n 2 read:request header:200 stdout:1000000 end
PORT=$(sed -n 's/^listening 127.0.0.1://p' "$DIR/fake-fake.log")
is "$("$FCGI_CLIENT" -t "$PORT" "${HELLO[@]}" | sed -n 2p)" "stdout 1000028" "over TCP"
is "$("$FCGI_CLIENT" -t "$PORT" -e output:reset "${HELLO[@]}" | tail -n 1)" left "a reset"
check "fake_fpm -n 2 ends by itself" await fake-fake 5
start_fake fake -a "$DIR/abstract" read:request end
is "$("$FCGI_CLIENT" -a "@$DIR/abstract" "${HELLO[@]}")" "end 0 0" "abstract"
stop_fake fake

# ---- libfcgi -------------------------------------------------------------------------

start_app app 2
matches "$(client app -b 1000000 -O "${ECHO[@]}" | one_line)" \
	' CONTENT_LENGTH=1000000 .* body 1000000$' "fcgi_app counts the body"
is "$(client app "${HELLO[@]}" APP_STATUS=7 APP_STDERR=oops | grep '^stderr\|^end')" \
	$'stderr oops\nend 7 0' "its exit status and STDERR"
is "$(client app -e params:begin:2 "${HELLO[@]}" | sed -n 1p)" "foreign 2 3 8" \
	"libfcgi refuses a second request"
is "$(client app -g FCGI_MAX_REQS "${HELLO[@]}" | sed -n 1p)" "values FCGI_MAX_REQS=1" \
	"GET_VALUES (in front of a request: alone libfcgi waits for more)"
is "$(client app -C 3 "${HELLO[@]}" | tail -n 1)" "end 0 0" "pairs cut anywhere"
is "$(env -i REQUEST_METHOD=GET SCRIPT_NAME=/x cgi-fcgi -bind -connect "$DIR/app.sock" |
	tail -n 1)" "body 0" "cgi-fcgi agrees"
APP=$(new_port)
start_fake fake read:request header:503 end
FAKE=$(new_port)
nginx_site "$APP" "$DIR/app.sock"
nginx_site "$FAKE" "$DIR/fake.sock" backup="$DIR/app.sock"
check "nginx takes two more sites" reload_nginx
is "$(head -c 70000 /dev/zero | body "$APP" / --data-binary @- | tail -n 1)" \
	"body 70000" "fcgi_app behind nginx"
is "$(code "$FAKE" /)" 503 "fake_fpm behind nginx"
stop_fake fake
is "$(code "$FAKE" /)" 200 "nginx's backup server"
stop_app app

# ---- notify, activate, the functions for fpmgate -------------------------------------

# A stand-in: PHP-FPM says READY=1 as a daemon does, also after its reload, and takes a
# listening socket that somebody else holds.
fpm_conf gate listen=tcp global:process_control_timeout=5s
GATE=$(fpm_listen gate)
cat >"$DIR/gate" <<STUB
#!/bin/bash
[[ \$1 == -c && -r \$2 ]] || exit 78
[[ -z \${LISTEN_FDS:-} ]] || export FPM_SOCKETS=$GATE=3
[[ \${LISTEN_PID:-\$\$} == \$\$ ]] || exit 77
unset LISTEN_FDS LISTEN_PID
$PHP_FPM -F -y $DIR/fpm-gate.conf &
trap 'kill -USR2 \$!' HUP
trap 'echo "<6>pool www: counters requests=\$((++n)) \${ADDED:-}"' USR2
trap 'kill -QUIT \$!; wait \$!; exit 0' TERM
until [[ \$(kill -0 \$! 2>&1) ]]; do wait \$! || true; done
STUB
chmod +x "$DIR/gate"
FPMGATE=$DIR/gate
start_fpmgate 'pools = ();' ADDED=added=7
check "runtime_dir is set" grep -q "^runtime_dir = \"$DIR/run\"" "$DIR/fpmgate.conf"
ge "$(notify_count READY=1)" 1 "notify hears READY=1"
is "$("$FCGI_CLIENT" -t "$GATE" -o "${HELLO[@]}")" hello "the daemon serves"
is "$(fpmgate_counter www requests)" 1 "a counter"
is "$(fpmgate_counter www requests)" 2 "is read afresh"
is "$(fpmgate_counter www added) $(fpmgate_counter www none)" "7 0" "others"
check "a reload ends with READY=1" reload_fpmgate 'pools = ( );'
ge "$(metric_rss "$(fpmgate_pid)")" 1000000 "resident memory"
stop_fpmgate
is "${STATUS[fpmgate]}" 0 "it ends with 0"

FPMGATE_SOCKETS=(www="$GATE")
start_fpmgate ''
is "$("$FCGI_CLIENT" -t "$GATE" -o "${HELLO[@]}")" hello "served on an activated socket"
GATE_PID=$(fpmgate_pid)
kill -TERM "$GATE_PID"
is "$("$FCGI_CLIENT" -t "$GATE" -o "${HELLO[@]}")" hello "none is refused over a restart"
is_replaced() { [[ $(fpmgate_pid) != "$GATE_PID" ]]; }
check "by another one" wait_for 5 is_replaced

# ---- the harness judges --------------------------------------------------------------

# verdict TEXT WANTED-EXIT WANTED-LINE SCRIPT: a test of its own.
verdict()
{
	local code=0

	printf '. %q/tests/integ/lib.sh\n%s\n' "$TOP_SRCDIR" "$4" >"$DIR/inner.sh"
	bash "$DIR/inner.sh" >"$DIR/inner.out" 2>&1 || code=$?
	is "$code $(grep -c -- "$3" "$DIR/inner.out")" "$2 1" "$1"
}
verdict "a good test" 0 '^1\.\.3$' 'ok fine; done_testing'
verdict "a failed point" 1 '^not ok 1 - worse' 'is 1 2 worse; done_testing'
verdict "a test that dies" 1 '^not ok 2 - the test runs to its end' 'ok a; false; ok b'
verdict "a test without its end" 1 '^not ok 1 - the test runs to its end' ':'
verdict "a wait in vain" 1 '^# waited in vain for: false' 'wait_for 0.1 false'
verdict "its line" 1 '^# inner.sh line 3: ' $': \nwait_for 0.1 false'
verdict "a process left behind" 1 '^not ok 1 - no process of this test' \
	'(cd "$DIR"; setsid sleep 1000 & ); done_testing'
verdict "and its mark in the environment" 1 '^not ok 1 - no process of this test' \
	'spawn x setsid -f env -C / sleep 1000; await x 5; done_testing'
verdict "a process that will not end" 1 '^not ok 1 - deaf .* ends within' \
	'spawn deaf bash -c "trap : TERM; echo; while :; do sleep 0.1; done"
	wait_for 5 test -s "$DIR/deaf.log"; FACTOR=1; stop deaf TERM 0.3; done_testing'
verdict "a sanitizer's report" 1 '^not ok 2 - no sanitizer report' \
	'spawn x echo "x.c:1: runtime error: overflow"; await x 5; done_testing'
verdict "a skip" 0 '^1\.\.0 # SKIP not here' 'skip_all not here'
verdict "a port is given back" 0 '^ok 1 - back' \
	'new_port >/dev/null; is "$(grep -lsx $$ "$PORTS_DIR"/2* | wc -l)" 1 back
	done_testing'

# runs TEXT WANTED-LAST-LINE ARGS...: what run.sh makes of inner tests.
runs()
{
	local last

	last=$(LOGS=$DIR/logs bash "$TOP_SRCDIR/tests/integ/run.sh" "${@:3}" 2>&1 | tee \
		"$DIR/run.out" | tail -n 1) || true
	is "$last" "$2" "$1"
}
echo 'echo ok 1; echo not ok 2; echo 1..2; exit 1' >"$DIR/mixed.sh"
echo 'echo ok 1; echo ok 2; echo 1..3' >"$DIR/short.sh"
echo 'echo ok 1; sleep 100' >"$DIR/long.sh"
runs "run.sh adds up" "3 passed, 2 failed" "$DIR/mixed.sh" "$DIR/short.sh"
check "and shows what failed" grep -q '^    not ok 2' "$DIR/run.out"
runs "run.sh repeats" "3 passed, 3 failed" --repeat 3 "$DIR/mixed.sh"
FACTOR=1 runs "run.sh has a limit" "1 passed, 1 failed" -t 1 "$DIR/long.sh"
cat >"$DIR/deaf.sh" <<DEAF
. $TOP_SRCDIR/tests/integ/lib.sh
start_fpm www
echo \$DIR \$(fpm_master_pid www) >$OUT/deaf
trap '' TERM
while :; do sleep 1; done
DEAF
FACTOR=1 LIMIT_GRACE=1 runs "a deaf test is killed" "0 passed, 1 failed" -t 2 \
	"$DIR/deaf.sh"
read -r INNER PID <"$OUT/deaf"
check "with its PHP-FPM" wait_for 2 is_gone "$PID"
check "and its directory" test ! -e "$INNER"
done_testing
