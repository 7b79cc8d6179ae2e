#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What an operator reads afterwards: the access log, the log of PHP, the lines of our own
# answers, and one id by which a request is found in all of them. The logs are opened anew
# by SIGUSR1, the counters come by SIGUSR2.
#
# HELLO=off: without GET_VALUES.
#
# Seen to fail:
# - without escaping (access_log.c), with texts of any length: "hostile bytes", "host",
#   "long hostile texts", "every line is JSON"
# - with the query left on (exchange_log()): "the query is not logged", the uris
# - with queue_us of those only who got a slot: "a 503 behind max_wait: queue_us"
# - with the first byte and the worker of those only who log nothing before
#   (exchange_on_output()): "the first byte of an answer behind such a line"
# - with FPMGATE_QUEUE_USEC 0: "most of the time of one who waited", "the same"
# - with FPMGATE_ params of others let in (request_is_dropped()): "do not reach PHP"
# - with no id adopted, or any (request_id_adopt()): the first four points, "is none"
# - without the limit of PHP's log, its count, its escaping (php_log.c): "not more, but in
#   the next second", "the others are counted", "escaped"
# - without the limit of outcome_log(), or its count: "five lines", "how many it did not name"
# - without pool_reopen_logs() at SIGUSR1: "until SIGUSR1", "the same for php_log"
# - without worker, reason, replays, or with the bytes of the last record only: their points
# - without access_log = "stderr": its entries
# - without X-Fpmgate-Request-Id (answer.c): "the id in the header"
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

# entries.php LOG bad: the lines that are no JSON or have other members or types, counted.
# entries.php LOG count [KEY VALUE]: the entries, those with that value.
# entries.php LOG get KEY VALUE NAME: that member of the last of those.
cat >"$DIR/entries.php" <<'PHP'
<?php
const NAMES = ['time', 'id', 'pool', 'client', 'method', 'host', 'uri', 'script', 'status',
	'bytes', 'queue_us', 'connect_us', 'first_byte_us', 'total_us', 'worker', 'replayed',
	'reason'];
const NUMBERS = ['status', 'bytes', 'queue_us', 'connect_us', 'first_byte_us', 'total_us',
	'worker', 'replayed'];

function is_good(mixed $entry): bool
{
	if (!is_array($entry) || array_keys($entry) !== NAMES) {
		return false;
	}
	foreach ($entry as $name => $value) {
		$is_right = in_array($name, NUMBERS) ? is_int($value) && $value >= 0
			: is_string($value) || $value === null;
		if (!$is_right) {
			return false;
		}
	}
	return true;
}

[, $log, $do, $key, $value, $name] = $argv + array_fill(0, 6, '');
$found = [];
$n_bad = 0;
foreach (file($log, FILE_IGNORE_NEW_LINES) as $line) {
	if (!str_starts_with($line, '{') && str_ends_with($log, 'fpmgate.log')) {
		continue; // fpmgate's own line
	}
	$entry = json_decode($line, true);
	if (!is_good($entry)) {
		$n_bad++;
	} elseif ($key === '' || (string) $entry[$key] === $value) {
		$found[] = $entry;
	}
}
echo match ($do) {
	'bad' => $n_bad,
	'count' => count($found),
	'get' => $found ? end($found)[$name] ?? 'null' : 'no entry',
}, "\n";
PHP
entries() { php -n "$DIR/entries.php" "$DIR/$1" "${@:2}"; }
has_entry() { (($(entries "$1" count id "$2") == 1)); }

# entry LOG ID: sets ENTRY to the members of that entry, which is written when the visitor
# may have his answer already.
declare -A ENTRY=()
entry()
{
	local name

	wait_for 5 has_entry "$1" "$2" || true
	for name in time client method host uri script status bytes queue_us connect_us \
		first_byte_us total_us worker replayed reason pool; do
		ENTRY[$name]=$(entries "$1" get id "$2" "$name")
	done
}

# with_id ID PORT URI [CURL...]: status and time in us of one request of that id.
with_id()
{
	curl -s -o "$DIR/page" -D "$DIR/head" -w '%{http_code} %{time_total}' \
		--max-time "$(allow 30)" -H "X-Request-Id: $1" "${@:4}" \
		"http://127.0.0.1:$2$3" >"$DIR/told-$1" || true
}
told() { cut -d' ' -f1 "$DIR/told-$1"; }
told_us() { awk '{ printf "%d", $2 * 1000000 }' "$DIR/told-$1"; }
header() { tr -d '\r' <"$DIR/head" | sed -n "s/^$1: //p"; }

declare -A PORT=()
POOLS=
# pool NAME MAX_CHILDREN BACKEND OPTIONS [NGINX...]: an entry of pools, and its site.
pool()
{
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$DIR/gate-$1.sock\"; max_children = $2;
	  backend = \"$3\"; hello = \"${HELLO:-auto}\"; $4 }"
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$DIR/gate-$1.sock" "server:server_name $1.test;" "${@:5}"
}

ADOPT='request_id_param = "HTTP_X_REQUEST_ID";'
start_fpm www max_children=2
start_fpm one max_children=1
pool www 2 "$(fpm_listen www)" "$ADOPT access_log = \"$DIR/access.json\"; replay_within = \"30s\";
	php_log = \"$DIR/php-www.txt\"; deny_params = [\"HTTP_X_DENIED\"];"
pool one 1 "$(fpm_listen one)" 'access_log = "stderr";' \
	'fastcgi_param FPMGATE_REQUEST_ID forged;' 'fastcgi_param FPMGATE_OTHER forged;'
pool down 2 "$DIR/none.sock" "$ADOPT access_log = \"$DIR/down.json\";
	queue = { max_wait = \"300ms\"; };"
start_fpmgate "pools = ($POOLS);"
start_nginx
START=$(date +%s)
script hello.php

# ---- the access log ------------------------------------------------------------------

with_id warm-www-1 "${PORT[www]}" /hello.php
with_id warm-www-2 "${PORT[www]}" /hello.php
with_id hello-01 "${PORT[www]}" '/hello.php?password=secret'
entry access.json hello-01
is "${ENTRY[pool]} ${ENTRY[client]} ${ENTRY[method]} ${ENTRY[host]} ${ENTRY[uri]}" \
	"www 127.0.0.1 GET www.test /hello.php" "pool, client, method, host, uri"
is "${ENTRY[script]} ${ENTRY[status]} ${ENTRY[replayed]} ${ENTRY[reason]}" \
	"/hello.php 200 0 none" "script, status, replayed, reason"
is "$(grep -c secret "$DIR/access.json")" 0 "the query is not logged"
matches "${ENTRY[time]}" '^20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z$' "the time in UTC"
ge "$(date -d "${ENTRY[time]}" +%s)" "$START" "the time is that of the request"
le "$(date -d "${ENTRY[time]}" +%s)" "$(date +%s)" "not one to come"
"$FCGI_CLIENT" -u "$(fpm_listen www)" -O "${PARAMS[@]}" >"$DIR/stdout"
is "${ENTRY[bytes]}" "$(wc -c <"$DIR/stdout")" "bytes: what PHP sent, header and body"
is "$(fpm_worker_pids www | grep -cx "${ENTRY[worker]}")" 1 "worker: a process of FPM's"
le "${ENTRY[total_us]}" "$(told_us hello-01)" "total_us: not longer than the visitor's time"

with_id upload-1 "${PORT[www]}" /big.php?bytes=3000000 -d a=b
entry access.json upload-1
is "${ENTRY[method]}" POST "a POST"
ge "${ENTRY[bytes]}" 3000001 "bytes of a large answer, the header with it"
le "${ENTRY[bytes]}" 3001000 "and nothing else"

with_id sleep-01 "${PORT[www]}" '/sleep.php?ms=300'
entry access.json sleep-01
ge "${ENTRY[first_byte_us]}" 300000 "first_byte_us of a script that sleeps for 300 ms"
le "${ENTRY[first_byte_us]}" "${ENTRY[total_us]}" "no longer than all"
le "${ENTRY[total_us]}" "$(told_us sleep-01)" "total_us of it"
le $((ENTRY[connect_us] + ENTRY[queue_us])) "$(allow 100)000" "but it did not wait for PHP"

with_id leave-01 "${PORT[www]}" '/sleep.php?ms=1000' --max-time 0.3
entry access.json leave-01
is "${ENTRY[status]} ${ENTRY[reason]}" "0 client_left" "one who left"
with_id die-once "${PORT[www]}" '/die_first.php?id=a'
entry access.json die-once
is "$(told die-once) ${ENTRY[status]} ${ENTRY[replayed]} ${ENTRY[reason]}" "200 200 1 none" \
	"one that was replayed"
with_id die-post "${PORT[www]}" '/die_first.php?id=b' -d a=1
entry access.json die-post
is "$(told die-post) ${ENTRY[status]} ${ENTRY[replayed]} ${ENTRY[reason]}" \
	"503 503 0 worker_died" "one whose worker died"

# ---- what comes from peers -----------------------------------------------------------

HOST=$'a"b\\c\nd\x1b[31m\xff\xc3\xa9\xe2\x82\xac\xed\xa0\x80'
URI=$'/x"\\\n\t\x7f\x80</script>'
N_LINES=$(wc -l <"$DIR/access.json")
"$FCGI_CLIENT" -u "$DIR/gate-www.sock" "${PARAMS[@]}" HTTP_X_REQUEST_ID=hostile-1 \
	SERVER_NAME="$HOST" REQUEST_URI="$URI?secret" >"$DIR/hostile"
entry access.json hostile-1
is $(($(wc -l <"$DIR/access.json") - N_LINES)) 1 "hostile bytes: one line"
is "${ENTRY[host]}" $'a"b\\c\nd\x1b[31m\xc3\xbf\xc3\xa9\xe2\x82\xac\xc3\xad\xc2\xa0\xc2\x80' \
	"host: escaped; what is no UTF-8 stands as the code point of its byte"
is "${ENTRY[uri]}" $'/x"\\\n\t\x7f\xc2\x80</script>' "uri: escaped"
is "$(LC_ALL=C grep -c $'[\x01-\x1f\x7f]' "$DIR/access.json")" 0 "no control byte in the log"
LONG_TEXT=$(printf '%5000s' '' | tr ' ' '\001')
"$FCGI_CLIENT" -u "$DIR/gate-www.sock" "${PARAMS[@]}" HTTP_X_REQUEST_ID=hostile-2 \
	SERVER_NAME="$LONG_TEXT" REQUEST_URI="$LONG_TEXT" REMOTE_ADDR="$LONG_TEXT" \
	SCRIPT_NAME="$LONG_TEXT" >"$DIR/hostile"
check "long hostile texts: still an entry" wait_for 5 has_entry access.json hostile-2
le "$(wc -L <"$DIR/access.json")" 4095 "and a line of one write()"

# ---- an id for all -------------------------------------------------------------------

# in_php NAME: a param as echo.php got it.
in_php()
{
	# shellcheck disable=SC2016 # PHP's
	php -n -r 'echo json_decode(file_get_contents($argv[1]), true)["params"][$argv[2]];' \
		"$DIR/page" "$1"
}
ECHO='/echo.php?params=FPMGATE_REQUEST_ID,FPMGATE_QUEUE_USEC,FPMGATE_OTHER'
with_id adopted-1 "${PORT[www]}" "$ECHO"
is "$(in_php FPMGATE_REQUEST_ID)" adopted-1 "an id of the web server: PHP has it"
for ID in short 'bad blank' "$(printf '%065d' 0)"; do
	with_id "$ID" "${PORT[www]}" "$ECHO"
	matches "$(in_php FPMGATE_REQUEST_ID)" '^[0-9A-HJKMNP-TV-Z]{26}$' \
		"'${ID:0:10}' is none: fpmgate makes one"
done
with_id ignored-1 "${PORT[one]}" "$ECHO"
ID=$(in_php FPMGATE_REQUEST_ID)
matches "$ID" '^[0-9A-HJKMNP-TV-Z]{26}$' "without request_id_param it makes one, too"
is "$(in_php FPMGATE_OTHER)" '' "FPMGATE_ params of others do not reach PHP"
le "$(in_php FPMGATE_QUEUE_USEC)" "$(allow 50)000" "no time in the queue"
entry fpmgate.log "$ID"
is "${ENTRY[pool]} ${ENTRY[uri]} ${ENTRY[status]}" "one /echo.php 200" \
	"access_log = \"stderr\": the entry has the id of PHP"

# The first of many for which there are five lines in ten seconds, see below.
"$FCGI_CLIENT" -u "$DIR/gate-www.sock" "${PARAMS[@]}" HTTP_X_REQUEST_ID=denied-0 \
	SERVER_NAME=$'evil"\n\xff' HTTP_X_DENIED=1 >"$DIR/hostile" || true
with_id denied-1 "${PORT[www]}" /hello.php -H 'X-Denied: 1'
entry access.json denied-1
is "$(told denied-1) ${ENTRY[status]} ${ENTRY[reason]} ${ENTRY[worker]}" \
	"403 403 param_denied 0" "an answer of ours: its entry"
is "$(header X-Fpmgate-Request-Id)" denied-1 "the id in the header"
is "$(grep -c '<small>403 param_denied denied-1<' "$DIR/page")" 1 "the id on the page"
LINE='pool www: answered 403 param_denied: '
is "$(fpmgate_log_count "${LINE}www.test/hello.php, request denied-1 \\(the request asks")" 1 \
	"the line in the log: site, script, reason, id"
is "$(fpmgate_log_count "$LINE"'evil\\x22\\x0a\\xff/hello.php, request denied-0 ')" 1 \
	"the line in the log: escaped"
"$HTTP_LOAD" -c 4 -n 20 -H 'X-Denied: 1' "${PORT[www]}" /hello.php >"$DIR/denied.out"
is "$(value "$DIR/denied.out" s403)" 20 "many such answers"
is "$(fpmgate_log_count "$LINE")" 5 "many such answers: five lines"
with_id down-001 "${PORT[down]}" /hello.php
entry down.json down-001
is "$(told down-001) ${ENTRY[status]} ${ENTRY[reason]} ${ENTRY[worker]} ${ENTRY[replayed]}" \
	"503 503 pool_down 0 0" "a 503: its entry"
ge "${ENTRY[total_us]}" 300000 "a 503 behind max_wait: total_us"
ge "${ENTRY[queue_us]}" 290000 "a 503 behind max_wait: queue_us"
"$FCGI_CLIENT" -u "$DIR/gate-down.sock" -O "${PARAMS[@]}" HTTP_X_REQUEST_ID=down-002 \
	>"$DIR/stdout"
entry down.json down-002
is "${ENTRY[bytes]}" "$(wc -c <"$DIR/stdout")" "a 503: bytes"

# ---- the time in the queue -----------------------------------------------------------

one_is_busy() { fpm_status one full | grep -q '^script: .*sleep.php'; }
wait_for 5 fpm_is_idle one
curl -s "http://127.0.0.1:${PORT[one]}/sleep.php?ms=1500" >"$DIR/slept" &
wait_for 5 one_is_busy
with_id queued-1 "${PORT[one]}" "$ECHO"
QUEUED=$(in_php FPMGATE_QUEUE_USEC)
entry fpmgate.log "$(in_php FPMGATE_REQUEST_ID)"
ge "$QUEUED" "$(($(told_us queued-1) / 2))" "FPMGATE_QUEUE_USEC: most of the time of one who waited"
le "$QUEUED" "$(told_us queued-1)" "not more than that"
is "${ENTRY[queue_us]}" "$QUEUED" "queue_us: the same"
ge "${ENTRY[first_byte_us]}" "$QUEUED" "the first byte came behind it"

# ---- PHP's log -----------------------------------------------------------------------

php_has() { grep -qF -- "$2" "$DIR/$1"; }
with_id php-file-1 "${PORT[www]}" '/stderr.php?text=line-1%22%5c%1b%ff%c3%a9-end'
check "php_log: PHP's line in the file, with pool and id, escaped" wait_for 5 \
	php_has php-www.txt $'www php-file-1 PHP message: line-1\\x22\\x5c\\x1b\\xff\xc3\xa9-end'
entry access.json php-file-1
ge "${ENTRY[first_byte_us]}" 1 "the first byte of an answer behind such a line has its time"
is "$(fpm_worker_pids www | grep -cx "${ENTRY[worker]}")" 1 "and its worker"
body "${PORT[one]}" '/stderr.php?text=line-2%1b%5b31m' >"$DIR/page"
check "php_log = \"journal\": a line of fpmgate's log" wait_for 5 php_has fpmgate.log \
	': PHP message: line-2\x1b[31m'
ID=$(sed -n 's/.*pool one: php \([^ ]*\): PHP message: line-2.*/\1/p' "$DIR/fpmgate.log")
entry fpmgate.log "$ID"
is "${ENTRY[uri]}" /stderr.php "with the id of its entry"
is "$(fpmgate_log_count 'line-1')" 0 "what goes to the file does not go there"

second_is_over() { (($(now_ms) > SECOND + 1000)); }
SECOND=$(now_ms)
wait_for 5 second_is_over
SECOND=$(now_ms)
with_id php-many-1 "${PORT[www]}" "/stderr.php?text=$(printf '%%0amany%.0s' {1..99})"
MS=$(($(now_ms) - SECOND))
n_many() { grep -c '^www php-many-1 ' "$DIR/php-www.txt" || true; }
ge "$(n_many)" 20 "of 100 lines at a time 20 are logged"
le "$(n_many)" $((20 + 20 * (MS / 1000))) "not more, but in the next second"
SECOND=$(now_ms)
wait_for 5 second_is_over
with_id php-many-2 "${PORT[www]}" '/stderr.php?text=later'
check "the line behind them is there" wait_for 5 php_has php-www.txt 'php-many-2 PHP message: later'
LOST=$(sed -n 's/^www - (\([0-9]*\) lines were not logged)$/\1/p' "$DIR/php-www.txt" |
	awk '{ n += $1 } END { print n + 0 }')
is $((LOST + $(n_many))) 100 "the others are counted in the file"
is "$(fpmgate_counter www php_lines_lost),$(fpmgate_counter www php_lines)" "$LOST,102" \
	"and by the counters"

# ---- SIGUSR1 -------------------------------------------------------------------------

n_entries() { cat "$DIR"/access.json* | wc -l; }
N=$(n_entries)
while [[ ! -e $DIR/enough ]]; do
	"$HTTP_LOAD" -r 200 -d 1 "${PORT[www]}" /hello.php
done >"$DIR/load.out" &
LOAD=$!
has_more() { (($(n_entries) > N + 50)); }
wait_for 5 has_more
mv "$DIR/access.json" "$DIR/access.json.1"
mv "$DIR/php-www.txt" "$DIR/php-www.txt.1"
MOVED=$(wc -l <"$DIR/access.json.1")
old_grows() { (($(wc -l <"$DIR/access.json.1") > MOVED + 10)); }
check "a log that was moved is written on" wait_for 5 old_grows
kill -USR1 "$(fpmgate_pid)"
check "until SIGUSR1: then there is a new one" wait_for 5 test -s "$DIR/access.json"
touch "$DIR/enough"
wait "$LOAD"
SENT=$(awk '$1 == "sent" { n += $2 } END { print n }' "$DIR/load.out")
all_there() { (($(n_entries) == N + SENT)); }
check "no entry is lost, none is there twice" wait_for 5 all_there
with_id php-new-1 "${PORT[www]}" '/stderr.php?text=new'
check "the same for php_log" wait_for 5 php_has php-www.txt 'www php-new-1 PHP message: new'
is "$(stat -c %a "$DIR/access.json") $(stat -c %a "$DIR/php-www.txt")" "640 640" "their modes"
is "$(entries access.json bad) $(entries access.json.1 bad) $(entries down.json bad)" "0 0 0" \
	"every line is JSON with all members"
is "$(entries fpmgate.log bad)" 0 "on stderr, too"

# ---- what was not logged, and the counters -------------------------------------------

rest_is_said() { (($(fpmgate_log_count 'pool www: param_denied: 17 more answers like those above') == 1)); }
check "later the log says how many answers it did not name" wait_for 15 rest_is_said
with_id denied-2 "${PORT[www]}" /hello.php -H 'X-Denied: 1'
is "$(fpmgate_log_count "$LINE.* request denied-2 [^,]*$")" 1 "and names the next one"
is "$(fpmgate_counter www param_denied)" 23 "SIGUSR2: those answers"
is "$(fpmgate_counter www requests)" "$(n_entries)" "SIGUSR2: the requests, as many as entries"
is "$(fpmgate_counter www access_lines_lost)" 0 "SIGUSR2: no entry was lost"
ge "$(fpmgate_log_count 'loop: [0-9]+ turns, the longest [0-9]+ us')" 1 \
	"SIGUSR2: the line of the loop"
done_testing
