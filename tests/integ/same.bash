# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What "as direct" means for any web server: sourced behind lib.sh by as_direct.sh and
# webservers.sh.
#
# Every function takes WAY, a word for its points, and the ports of two sites of the same
# web server: DIRECT goes to PHP-FPM itself, THROUGH to fpmgate.

BIG_BYTES=200000000
[[ -z ${LONG:-} ]] || BIG_BYTES=1000000000
printf 'name=J%%C3%%B6rg&list%%5B%%5D=1&list%%5B%%5D=2&empty=' >"$DIR/form"
FORM='Content-Type: application/x-www-form-urlencoded'
# Every byte there is, and the ends of lines and records that some have a rule for.
awk 'BEGIN { for (i = 0; i < 256; i++) printf "\\x%02x", i }' | xargs -0 printf >"$DIR/binary"
printf '\r\n\r\n--x\r\nStatus: 500\r\n\0\0\1\6\0\1\r\n' >>"$DIR/binary"

# same WAY DIRECT THROUGH URI [COMPARE OPTION...]: byte for byte, headers in order.
same() { check "$1: ${*:4}" "$COMPARE" -T "$(allow 10000)" "${@:5}" "$2" "$3" "$4"; }

same_small()
{
	local uri params=SCRIPT_NAME,QUERY_STRING,REQUEST_METHOD,REMOTE_ADDR,HTTP_X_ODD

	for uri in /hello.php /headers.php /none.php '/never_writes.php?ms=0' \
		'/stderr.php?n=3' /status.php?code={200,301,302,304,404,500,503}; do
		same "$1" "$2" "$3" "$uri"
	done
	same "$1" "$2" "$3" /headers.php -X HEAD
	same "$1" "$2" "$3" '/big.php?bytes=70000&length=1' -X HEAD
	same "$1" "$2" "$3" /status.php?code=404 -X HEAD
	same "$1" "$2" "$3" /hello.php -X OPTIONS
	same "$1" "$2" "$3" "/echo.php?params=$params" -H 'X-Odd: a "b" ,c;  d' -X DELETE
	same "$1" "$2" "$3" /echo.php -d "$DIR/form" -H "$FORM"
	same "$1" "$2" "$3" /echo.php -d "$DIR/binary" -X PUT
	same "$1" "$2" "$3" /echo.php -b 0 -X POST
	same "$1" "$2" "$3" /echo.php -b 65536
}

same_big()
{
	same "$1" "$2" "$3" /echo.php -b 20000000
	same "$1" "$2" "$3" '/big.php?bytes=10000000'
	same "$1" "$2" "$3" '/big.php?bytes=10000000&length=1'
}

same_huge() { same "$1" "$2" "$3" "/big.php?bytes=$BIG_BYTES"; }

# same_chunked WAY DIRECT THROUGH: an upload without a length. DIRECT must be one where
# the web server counts the body before PHP gets it.
same_chunked()
{
	same "$1" "$2" "$3" /echo.php -b 300000 -c 777
	same "$1" "$2" "$3" /echo.php -b 10 -c 3 -D 20
	same "$1" "$2" "$3" /echo.php -d "$DIR/form" -H "$FORM" -c 5
}

# events PORT FILE: twenty server-sent events, timed.
events() { "$COMPARE" -s -T "$(allow 10000)" "$1" '/sse.php?n=20&ms=50' >"$2" || true; }

# same_events WAY DIRECT THROUGH: flushed output comes when it is flushed.
same_events()
{
	local direct_us

	events "$2" "$DIR/sse-$2" &
	events "$3" "$DIR/sse-$3" &
	wait %% %-
	is "$(value "$DIR/sse-$3" events)" 20 "$1: every server-sent event comes"
	direct_us=$(value "$DIR/sse-$2" median)
	le "$(value "$DIR/sse-$3" median)" $((direct_us + $(allow 20000))) \
		"$1: in the median within 20 ms of direct"
}
