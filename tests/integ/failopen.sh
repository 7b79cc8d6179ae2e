#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The README's way to fail open: while fpmgate is stopped, killed or not there at all, nginx
# asks PHP-FPM itself; no GET fails when it goes or comes, and once it is back it is used.
#
# The upstream block is taken from README.md as it stands there, only its paths and its name
# are replaced: what is proven is what an operator copies. One site has the location that
# the README gives with it, with fastcgi_keep_conn, the other one has the plain one.
#
# Seen to fail: with the backup taken out of README.md almost everything, with only the word
# backup taken out of it "goes through fpmgate", "used again" and "takes its place"; with no
# drain (daemon.c, daemon_drain) "nothing ran twice"; with the listeners left open while it
# drains (there) "with what is in flight"; with a socket file that is never replaced
# (socket_file.c, socket_file_listen) the start behind the kill.
#
# HELLO=off: without GET_VALUES.
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

N_FLIGHTS=4	# requests in flight at an end of fpmgate, beside the load
README_GATE=/run/fpmgate/www.sock
README_FPM=/run/php/php8.2-fpm.sock
FAIL_TIMEOUT=10	# s, nginx's: so long it leaves a server alone that has failed
start_fpm www max_children=12
SITES=(plain kept)
declare -A PORT=([plain]=$(new_port) [kept]=$(new_port))

# From the words "To fail open" on, the first upstream block.
README=$(sed '1,/^To fail open/d' "$TOP_SRCDIR/README.md" |
	sed -n '/^ *upstream php {/,/^ *}/p' | sed '/}/q')
diag "$README"

# site PORT DIRECTIVE...: a site in front of that block.
site()
{
	NGINX_PORTS+=("$1")
	NGINX_SITES+="
$(sed -e "s|upstream php |upstream php_$1 |" -e "s|$README_GATE;|$DIR/gate.sock;|" \
	-e "s|$README_FPM|$(fpm_listen www)|" <<<"$README")
	server {
		listen 127.0.0.1:$1 backlog=4096;
		location / { include fastcgi.inc; fastcgi_pass php_$1; ${*:2} }
	}"
}
site "${PORT[plain]}"
site "${PORT[kept]}" "$(sed -n 's/^ *\(fastcgi_keep_conn on;\)$/\1/p' "$TOP_SRCDIR/README.md")"
matches "$NGINX_SITES" "$DIR/gate.sock;.*$DIR/www.sock backup;.*fastcgi_keep_conn on;" \
	"README.md has the block, and the location"

# ---- helpers -------------------------------------------------------------------------

# served_by SITE: who gives PHP its requests, "fpmgate" or "nginx", each once; or what came
# instead. Asked four times, since nginx takes turns among servers that are equal.
served_by()
{
	local i

	for i in 1 2 3 4; do
		body "${PORT[$1]}" "/echo.php?params=FPMGATE_REQUEST_ID&i=$i" |
			sed -e 's/.*"FPMGATE_REQUEST_ID":null.*/nginx/' \
				-e 's/.*"FPMGATE_REQUEST_ID":"[^"]*".*/fpmgate/'
	done | sort -u | paste -sd' '
}
is_served_by() { [[ $(served_by "$1") == "$2" ]]; }
both_are_served_by() { is_served_by plain "$1" && is_served_by kept "$1"; }

# load SITE: visitors without a pause, until $DIR/enough is there.
LOADS=()
load()
{
	while [[ ! -e $DIR/enough ]]; do
		"$HTTP_LOAD" -r 30 -d 1 "${PORT[$1]}" '/sleep.php?ms=30'
	done >"$DIR/load-$1.out" &
	LOADS+=($!)
}
sum() { awk -v key="$2" '$1 == key { n += $2 } END { print n + 0 }' "$DIR/load-$1.out"; }

n_runs() { grep -c "^GET $1 " "$COUNT_FILE" 2>/dev/null || true; }
has_run() { (($(n_runs "$1") >= $2)); }

# take_off ID: so many visitors whose script runs for a second and a half.
FLIGHTS=()
take_off()
{
	local i name

	FLIGHTS=()
	for ((i = 0; i < N_FLIGHTS; i++)); do
		name=${SITES[i % 2]}
		code "${PORT[$name]}" "/count.php?id=$1&ms=1500" >"$DIR/flight-$1.$i" &
		FLIGHTS+=($!)
	done
	wait_for 5 has_run "$1" $N_FLIGHTS
}
# landed ID: all of them are back; what they got is in LANDED, each status once.
landed()
{
	local i

	wait "${FLIGHTS[@]}"
	LANDED=$(for ((i = 0; i < N_FLIGHTS; i++)); do
		echo "$(<"$DIR/flight-$1.$i")"
	done | sort -u | paste -sd' ')
}

# ---- there ---------------------------------------------------------------------------

start_fpmgate "pools = ({ name = \"www\"; listen = \"$DIR/gate.sock\";
	backend = \"$(fpm_listen www)\"; fpm_conf = \"$DIR/fpm-www.conf\";
	hello = \"${HELLO:-auto}\"; });"
start_nginx
for NAME in "${SITES[@]}"; do
	is "$(served_by "$NAME")" fpmgate "$NAME: goes through fpmgate while that runs"
	load "$NAME"
done

# ---- stopped -------------------------------------------------------------------------

take_off stop
START=$(now_ms)
stop_fpmgate TERM 60
is "${STATUS[fpmgate]}" 0 "fpmgate ends"
le $(($(now_ms) - START)) $((1500 + $(allow 2000))) "with what is in flight, in ms"
for NAME in "${SITES[@]}"; do
	is "$(served_by "$NAME")" nginx "$NAME: stopped: served by PHP-FPM directly"
done
landed stop
is "$LANDED" 200 "who was in flight is served"
is "$(n_runs stop)" $N_FLIGHTS "by fpmgate, to the end: nothing ran twice"
N_STOPPED=$(wc -l <"$DIR/nginx-access.log")
goes_on() { (($(wc -l <"$DIR/nginx-access.log") > $1 + 60)); }
check "the load goes on without fpmgate" wait_for 5 goes_on "$N_STOPPED"

# ---- back ----------------------------------------------------------------------------

start_fpmgate ""
check "back: used again when fail_timeout is over" wait_for $((FAIL_TIMEOUT + 3)) \
	both_are_served_by fpmgate

# ---- killed --------------------------------------------------------------------------

take_off kill
stop_fpmgate KILL
check "killed: its socket is still there" test -S "$DIR/gate.sock"
for NAME in "${SITES[@]}"; do
	is "$(served_by "$NAME")" nginx "$NAME: killed: served by PHP-FPM directly"
done
landed kill
is "$LANDED" 200 "who was in flight is served, too"
is "$(n_runs kill)" $((2 * N_FLIGHTS)) "by PHP-FPM directly, once more"

# ---- an nginx that has never seen it -------------------------------------------------

reload_nginx
check "an nginx that is loaded anew without fpmgate serves" wait_for 2 both_are_served_by nginx
start_fpmgate ""
reload_nginx
check "fpmgate takes its place again over the socket of the killed one" wait_for 5 \
	both_are_served_by fpmgate

# ---- all of it -----------------------------------------------------------------------

touch "$DIR/enough"
wait "${LOADS[@]}"
for NAME in "${SITES[@]}"; do
	is "$(sum "$NAME" s200)" "$(sum "$NAME" sent)" "$NAME: not one GET has failed"
done
is "$(awk '$2 != 200' "$DIR/nginx-access.log" | sed -n 1,5p)" "" "nginx says so too"
check "all workers are idle" wait_for 5 fpm_is_idle www
done_testing
