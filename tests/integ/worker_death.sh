#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A worker dies or talks nonsense: before its header is complete our page says so, behind
# it the answer is visibly broken, never a cut page that looks complete.
#
# HELLO=off: without GET_VALUES.
#
# Seen to fail, with this taken out:
# - holding back in response_feed() (passed on at once): what is cut in its header is 502
# - RESPONSE_MALFORMED in exchange_on_end(): END_REQUEST at once, empty, STDERR only
# - the end of the link at FCGI_READER_MALFORMED: another version, another protocol
# - FCGI_REQUEST_VIOLATION for a type that is not FPM's: that one
# - the id in fcgi_request_check_answer(): "records of another request"
# - header_max (100 times as much): "a header without an end"
# - is_head in the answer: "and no page"
# - is_safe in health_replay_ask(): "a POST runs once"; replay itself: "a GET is tried
#   twice"
# - breaking: outcome_break() ends the answer cleanly: every "visibly broken"
# - the invalid record in client_on_broken() (a clean close instead): PHP itself, and the
#   last point of that kind
# - a slot of one dead worker in many: "with both slots"
# - COUNTER_BROKEN: "they are counted"
. "$(dirname "$0")/lib.sh"

# pool NAME BACKEND: an entry of pools, and a site in front of it.
declare -A PORT=()
POOLS=
pool()
{
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$DIR/gate-$1.sock\"; backend = \"$2\";
	  max_children = 2; header_max = \"4k\"; hello = \"${HELLO:-auto}\"; }"
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "$DIR/gate-$1.sock"
}

# fake NAME STEP...: a responder that does so with every request, and its pool.
READ=read:request
fake()
{
	start_fake "$1" $READ "${@:2}"
	((EUID != 0)) || chmod 666 "$DIR/$1.sock"
	pool "$1" "$DIR/$1.sock"
}

# answer NAME [CURL...]: status and reason as the visitor sees them; a page that is not
# whole is said to be so.
URI=/hello.php
answer()
{
	local code=0 status reason

	curl -s --max-time "$(allow 10)" -D "$DIR/head" -o "$DIR/page" "${@:2}" \
		"http://127.0.0.1:${PORT[$1]}$URI" || code=$?
	status=$(awk 'NR == 1 { print $2 }' "$DIR/head")
	reason=$(tr -d '\r' <"$DIR/head" | sed -n 's/^X-Fpmgate-Reason: //p')
	((code == 0)) || status+=" curl $code"
	echo "$status${reason:+ $reason}"
}
n_requests() { grep -c ' request .*script=' "$DIR/fake-$1.log" || true; }

# early NAME REASON TEXT: 503 with that reason, a page, the slot given back (there are
# two, and it is asked five times).
early()
{
	local answers='' i

	for i in 1 2 3 4 5; do
		answers+="$(answer "$1" -d a=1), "
	done
	is "$answers" "$(printf "503 $2, %.0s" 1 2 3 4 5)" "$3: 503 $2"
	is "$(grep -c "<small>503 $2 " "$DIR/page")" 1 "$3: a page of ours"
	is "$(n_requests "$1")" 5 "$3: a POST runs once"
}

# What curl says of an answer that is visibly broken: cut, reset, or (when nginx had sent
# nothing yet) empty.
BROKEN='(18|52|56)'

# late NAME TEXT: broken, on every one of five tries.
late()
{
	local broken=0 i answer

	for i in 1 2 3 4 5; do
		answer=$(answer "$1")
		[[ ! $answer =~ ^(200)?\ curl\ $BROKEN$ ]] || broken=$((broken + 1))
	done
	is "$broken" 5 "$2: visibly broken"
	is "$(n_requests "$1")" 5 "$2: and not tried again"
}

fake eof close
fake cut 'text:Content-Type: te' close
fake part partial:1000 close
fake version version:9 header:200 stdout:10 end
fake type type:5 header:200 end
fake unknown type:99 header:200 end
fake garbage raw:485454502f312e3120323030204f4b0d0a0d0a hang
fake null 'raw:0106000000080000746861742773206e' hang
fake end end
fake empty raw:0106000100000000 end
fake noblank 'text:Content-Type: text/plain\r\n' end
fake stderr 'stderr:it went wrong' end
fake big 'text:X-Long: ' stdout:5000 hang
fake fault 'text:Status: abc\r\n\r\n' stdout:10 end
fake stranger id:77 header:500 stdout:10 end id:0 header:200 'text:mine\n' end
fake late_eof header:200 stdout:5000 close
fake late_part header:200 stdout:70000 partial:5000 close
fake late_version header:200 stdout:70000 version:9 stdout:100 end
fake late_type header:200 stdout:70000 type:5 stdout:100 end
READ=read:fpm # the rest stays unread: that makes a reset
fake reset reset
fake late_reset header:200 stdout:5000 reset
start_fpm www max_children=4
pool www "$(fpm_listen www)"
KEPT=$(new_port)
nginx_site "$KEPT" "$DIR/gate-www.sock" keepalive=4
start_fpmgate "pools = ($POOLS);"
start_nginx

# ---- before the header is complete ---------------------------------------------------

early reset worker_died "a reset"
early eof worker_died "a clean end without a byte"
early cut worker_died "half a header, then the end"
early part worker_died "half a record, then the end"
early version response_malformed "another version"
early type response_malformed "a type that is not FPM's"
early unknown response_malformed "a type that nobody knows"
early garbage response_malformed "another protocol"
early null response_malformed "output of no request"
early end response_malformed "END_REQUEST at once"
early empty response_malformed "an empty STDOUT and END_REQUEST"
early noblank response_malformed "a header without its end"
early stderr response_malformed "nothing but STDERR"
early fault response_malformed "a Status that is none"
early big response_header_too_big "a header without an end"
is "$(answer stranger), $(cat "$DIR/page")" "200, mine" \
	"records of another request are left out"
script hello.php
is "$("$FCGI_CLIENT" -u "$DIR/gate-reset.sock" "${PARAMS[@]}" REQUEST_METHOD=HEAD |
	paste -sd' ' | tr -d 0-9)" "status  stdout  end  " "HEAD gets a header"
is "$("$FCGI_CLIENT" -o -u "$DIR/gate-reset.sock" "${PARAMS[@]}" \
	REQUEST_METHOD=HEAD)" "" "and no page"
N=$(n_requests eof)
URI=/other.php
is "$(answer eof) $(($(n_requests eof) - N))" "503 worker_died 2" "a GET is tried twice"
URI=/hello.php
for SIGNAL in 6 9 11 15; do
	is "$(body "${PORT[www]}" "/die_first.php?id=s$SIGNAL&signal=$SIGNAL" -d a=1 |
		grep -c '<small>503 worker_died') $(wc -l <"$OUT/die-s$SIGNAL")" "1 1" \
		"PHP itself, signal $SIGNAL"
done

# ---- behind it -----------------------------------------------------------------------

late late_eof "a clean end without END_REQUEST"
late late_reset "a reset"
late late_part "half a record"
late late_version "another version"
late late_type "a type that is not FPM's"

# died PORT BYTES: what the exits of curl say of ten answers cut after so many bytes.
died()
{
	local i code

	for i in {1..10}; do
		code=0
		curl -s -o "$DIR/died.$i" \
			"http://127.0.0.1:$1/die_after_headers.php?bytes=$2" || code=$?
		echo "$code"
	done | sort -u | paste -sd,
}
for BYTES in 1 100 8192 65536 300000; do
	matches "$(died "${PORT[www]}" $BYTES)" "^$BROKEN(,$BROKEN)*\$" \
		"PHP itself, after $BYTES bytes"
done
matches "$(died "$KEPT" 65536)" "^$BROKEN(,$BROKEN)*\$" "PHP itself, on a kept connection"

# The other end of a connection that is broken so: no END_REQUEST, no clean end.
script die_after_headers.php
matches "$("$FCGI_CLIENT" -u "$DIR/gate-www.sock" -k "${PARAMS[@]}" | paste -sd' ')" \
	'^status 200 stdout [0-9]+ broken$' "an invalid record, and no END_REQUEST"

ge "$(fpmgate_counter www broken)" 61 "they are counted"
check "and no slot is lost" wait_for 5 fpm_is_idle www
"$HTTP_LOAD" -c 2 -n 2 "${PORT[www]}" '/sleep.php?ms=1000' >"$DIR/after.out"
is "$(value "$DIR/after.out" s200)" 2 "the pool serves"
le "$(value "$DIR/after.out" max_us)" 1900000 "with both slots"
done_testing
