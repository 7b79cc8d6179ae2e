#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Apache, lighttpd and Caddy in nginx's place, with the snippets of README.md: what visitors
# get through fpmgate is what they get from the same server without, byte for byte, and
# when PHP-FPM is gone our 503 page arrives.
#
# Each server has a site onto PHP-FPM and one onto fpmgate, and the same again where it has
# to be told to stream: Apache and lighttpd collect events unless told otherwise, which is
# a point of its own. Of a chunked upload lighttpd counts the bytes before PHP gets them;
# Apache gives no length, so PHP by itself reads nothing; Caddy says -1, and PHP by itself
# waits for ever. Through fpmgate PHP gets every byte of each.
#
# Seen to fail:
# - the last byte of each piece of output dropped (exchange.c, exchange_pass): most "as
#   direct" points, of each server
# - each flush of the client 100 ms late (client.c, client_run_flush): "in the median", of
#   each server
# - CONTENT_LENGTH not set from the body (request.c, request_add_length), or -1 taken for a
#   wrong length (request_check_length): the chunked points of Apache and Caddy
# - Retry-After, X-Fpmgate-Reason left out (answer.c): those points, of each server
# - the connection broken instead of an answer of ours (outcome.c, outcome_answer): "503
#   through fpmgate", "its reason", "our page"
# - another socket in a snippet of README.md: the test does not begin; "uinx:" in Apache's,
#   an unknown option in lighttpd's: that server does not start
#
# LONG=1: 1 GB as well. HELLO=off: without GET_VALUES.
#
# shellcheck disable=SC2317 # functions called by their names put together, and by wait_for
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/same.bash"

: "${LONG:=}"
PATH=$PATH:/usr/sbin
for SERVER in apache2 lighttpd caddy; do
	check "$SERVER is installed" command -v "$SERVER"
done
((N_FAILED == 0)) || done_testing

start_fpm www max_children=4
FPM=$(fpm_listen www)
GATE=$DIR/gate.sock
declare -A PORT=()
for SERVER in apache lighttpd caddy; do
	for WAY in direct through stream-direct stream-through; do
		PORT[$SERVER-$WAY]=$(new_port)
	done
done

# ---- the servers ---------------------------------------------------------------------

# What README.md says below their headings.
declare -A SNIPPET=()
for HEADING in Apache lighttpd Caddy; do
	SNIPPET[$HEADING]=$(sed -n "/^### $HEADING\$/,/^##/s/^    //p" "$TOP_SRCDIR/README.md")
	matches "${SNIPPET[$HEADING]}" '/run/fpmgate/www\.sock' "README.md: $HEADING"
done

# snippet HEADING WAY: for that site.
snippet()
{
	local socket=$GATE

	[[ $2 != *direct ]] || socket=$FPM
	echo "${SNIPPET[$1]//"/run/fpmgate/www.sock"/"$socket"}"
}

# sites SERVER: calls SERVER_site WAY PORT for each.
sites()
{
	local way

	for way in direct through stream-direct stream-through; do
		"$1_site" "$way" "${PORT[$1-$way]}"
	done
}

# Who says "flushpackets" has to name the backend as the snippet does.
apache_site()
{
	local text

	text=$(snippet Apache "$1")
	echo "Listen 127.0.0.1:$2"
	echo "<VirtualHost 127.0.0.1:$2>"
	echo "$text"
	[[ $1 != stream* ]] ||
		sed -n 's/.*"proxy:\(.*\)"/<Proxy "\1" flushpackets=on>\n<\/Proxy>/p' <<<"$text"
	echo "</VirtualHost>"
}

apache_conf()
{
	local module

	for module in mpm_event authz_core mime proxy proxy_fcgi; do
		echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
	done
	cat <<CONF
ServerName localhost
ServerRoot $DIR
DefaultRuntimeDir $DIR/apache
PidFile $DIR/apache/pid
ErrorLog $DIR/apache-error.log
TypesConfig /dev/null
DocumentRoot $WWW
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
CONF
	((EUID != 0)) || printf 'User www-data\nGroup www-data\n'
	sites apache
}

lighttpd_site()
{
	echo "\$SERVER[\"socket\"] == \"127.0.0.1:$2\" {"
	[[ $1 != stream* ]] || echo "server.stream-response-body = 1"
	snippet lighttpd "$1"
	echo "}"
}

lighttpd_conf()
{
	cat <<CONF
server.modules = ( "mod_fastcgi" )
server.document-root = "$WWW"
server.bind = "127.0.0.1"
server.port = $(new_port)
server.upload-dirs = ( "$DIR/lighttpd" )
CONF
	((EUID != 0)) ||
		printf 'server.username = "www-data"\nserver.groupname = "www-data"\n'
	sites lighttpd
}

caddy_site()
{
	echo "http://:$2 {"
	echo "bind 127.0.0.1"
	echo "root * $WWW"
	snippet Caddy "$1"
	echo "}"
}

caddy_conf()
{
	printf '{\nadmin off\nauto_https off\n}\n'
	sites caddy
}

all_listen()
{
	local port

	for port in "${PORT[@]}"; do
		port_open "$port" || return 1
	done
}

start_servers()
{
	local -a as_www=()

	mkdir "$DIR/apache" "$DIR/lighttpd" "$DIR/caddy"
	if ((EUID == 0)); then
		chown www-data: "$DIR/lighttpd" "$DIR/caddy"
		as_www=(setpriv --reuid=www-data --regid=www-data --clear-groups)
	fi
	apache_conf >"$DIR/apache.conf"
	lighttpd_conf >"$DIR/lighttpd.conf"
	caddy_conf >"$DIR/caddy.conf"
	spawn apache apache2 -D FOREGROUND -f "$DIR/apache.conf"
	spawn lighttpd lighttpd -D -f "$DIR/lighttpd.conf"
	spawn caddy env HOME="$DIR/caddy" XDG_DATA_HOME="$DIR/caddy" \
		XDG_CONFIG_HOME="$DIR/caddy" "${as_www[@]}" \
		caddy run --config "$DIR/caddy.conf" --adapter caddyfile
	wait_for 15 all_listen || die "a web server does not start"
}

start_fpmgate "pools = ({ name = \"www\"; listen = \"$GATE\"; backend = \"$FPM\";
	fpm_conf = \"$DIR/fpm-www.conf\"; hello = \"${HELLO:-auto}\";
	queue = { max_wait = \"2s\"; }; });"
start_servers

# ---- as direct -----------------------------------------------------------------------

# asked PORT: what PHP is told of fpmgate, if there is one.
asked()
{
	body "$1" '/echo.php?params=FPMGATE_REQUEST_ID' |
		sed -n 's/.*"FPMGATE_REQUEST_ID":\("\?\).*/\1/p'
}

for SERVER in apache lighttpd caddy; do
	DIRECT=${PORT[$SERVER-direct]}
	THROUGH=${PORT[$SERVER-through]}
	is "$(asked "$DIRECT")" "" "$SERVER: the one site goes to PHP-FPM itself"
	is "$(asked "$THROUGH")" '"' "$SERVER: the other through fpmgate"
	same_small "$SERVER" "$DIRECT" "$THROUGH"
	same_big "$SERVER" "$DIRECT" "$THROUGH"
	[[ -z $LONG ]] || same_huge "$SERVER" "$DIRECT" "$THROUGH"
done
is "$(fpmgate_counter www served)" "$(fpmgate_counter www requests)" "all of it was PHP's"

# ---- at once -------------------------------------------------------------------------

# collected SERVER: it keeps events back until the answer is over, with and without us.
collected()
{
	local way

	for way in direct through; do
		events "${PORT[$1-$way]}" "$DIR/sse-$1-$way" &
	done
	wait %% %-
	for way in direct through; do
		ge "$(value "$DIR/sse-$1-$way" median)" 300000 \
			"$1, $way: events are collected unless it is told to stream"
	done
}

same_events "apache, flushpackets" "${PORT[apache-stream-direct]}" \
	"${PORT[apache-stream-through]}"
same_events "lighttpd, stream-response-body" "${PORT[lighttpd-stream-direct]}" \
	"${PORT[lighttpd-stream-through]}"
same_events caddy "${PORT[caddy-direct]}" "${PORT[caddy-through]}"
collected apache
collected lighttpd

# ---- no length -----------------------------------------------------------------------

# chunked PORT: how many of 300000 bytes PHP gets; nothing where no answer comes.
chunked()
{
	curl -s --max-time "${2:-$(allow 10)}" -H "Transfer-Encoding: chunked" \
		--data-binary "@$DIR/upload" "http://127.0.0.1:$1/echo.php" |
		sed -n "s/.*\"bytes\":\([0-9]*\).*/\1/p" || true
}

# Directly it is another matter with each.
head -c 300000 /dev/zero >"$DIR/upload"
is "$(chunked "${PORT[apache-direct]}")" 0 "apache, chunked, direct: PHP gets nothing"
is "$(chunked "${PORT[apache-through]}")" 300000 "apache, chunked: through fpmgate all of it"
same_chunked "lighttpd, chunked" "${PORT[lighttpd-direct]}" "${PORT[lighttpd-through]}"
is "$(chunked "${PORT[caddy-through]}")" 300000 "caddy, chunked: through fpmgate all of it"
# The worker waits for bytes that never come, and ends with PHP-FPM below.
is "$(chunked "${PORT[caddy-direct]}" 1)" "" "caddy, chunked, direct: no answer at all"

# ---- PHP-FPM stopped -----------------------------------------------------------------

stop_fpm www
ask() { curl -s -i --max-time "$(allow 30)" "http://127.0.0.1:$2/hello.php" >"$DIR/head-$1"; }
ASKED=()
for SERVER in apache lighttpd caddy; do
	for WAY in direct through; do
		ask "$SERVER-$WAY" "${PORT[$SERVER-$WAY]}" &
		ASKED+=($!)
	done
done
wait "${ASKED[@]}"
for SERVER in apache lighttpd caddy; do
	HEAD=$(tr -d '\r' <"$DIR/head-$SERVER-direct")
	isnt "$(sed -n 's/^X-Fpmgate-Reason: //p' <<<"$HEAD")" pool_down \
		"$SERVER, PHP-FPM stopped: it has a page of its own"
	HEAD=$(tr -d '\r' <"$DIR/head-$SERVER-through")
	is "$(sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$HEAD")" 503 \
		"$SERVER, PHP-FPM stopped: 503 through fpmgate"
	is "$(sed -n 's/^X-Fpmgate-Reason: //p' <<<"$HEAD")" pool_down "$SERVER: its reason"
	matches "$(sed -n 's/^Retry-After: //p' <<<"$HEAD")" '^[1-9][0-9]*$' \
		"$SERVER: Retry-After"
	is "$(grep -c '<small>503 pool_down ' <<<"$HEAD")" 1 "$SERVER: our page"
done
done_testing
