#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What options say about who may come and what is refused: owner and mode of the sockets,
# `allow`, deny_params, status_access, and the operator's own page.
#
# Run by root, the part about a daemon that may not give its sockets away runs as nobody.
#
# Seen to fail:
# - with owner, group, mode of the backend's socket not asked for, or www-data left out, or
#   listen_mode (listener_access()): "not given", "without that socket", "given"
# - with every host let in, none, or the refused not counted (listener.c): "TCP: ...", "it
#   is closed without a byte", "and counted"
# - with no parameter denied, or REQUEST_BODY_FILE let through (request_is_denied()): "403",
#   "each of them", "always", "none of them has run"
# - with what stands behind a denied one not looked at (request_filter()): "who wants JSON"
# - with the connection left open until the whole body is there (client_run_flush()): "with a
#   body as well"
# - with the paths of fpmgate.conf refused only, or none (pool_check()): "refuse: ..."
# - without error_page (pool_load_page()): its points
# - without the warnings of listener_new() logged: "said once"
#
# shellcheck disable=SC2317 # functions called by wait_for
. "$(dirname "$0")/lib.sh"

declare -A PORT=()
POOLS=
# pool NAME LISTEN OPTIONS: an entry of pools.
pool()
{
	POOLS+="${POOLS:+,
	}{ name = \"$1\"; listen = \"$2\"; max_children = 2;
	  hello = \"${HELLO:-auto}\"; $3 }"
}
# site NAME UPSTREAM [NGINX...]
site()
{
	PORT[$1]=$(new_port)
	nginx_site "${PORT[$1]}" "${@:2}"
}
# access PATH: owner, group and mode of a socket.
access() { stat -c '%U %G %a' "$1"; }
# head_of NAME URI [CURL...]: "STATUS REASON" of one request; its page is in page.
head_of()
{
	curl -s -o "$DIR/page" -D "$DIR/head" --max-time "$(allow 30)" "${@:3}" \
		"http://127.0.0.1:${PORT[$1]}$2" || true
	tr -d '\r' <"$DIR/head" | awk 'NR == 1 { status = $2 }
		$1 == "X-Fpmgate-Reason:" { reason = $2 } END { print status, reason }'
}

# ---- the sockets' access -------------------------------------------------------------

ME=$(id -un)
start_fpm www max_children=2
BACKEND="backend = \"$(fpm_listen www)\";"
chmod 0606 "$DIR/www.sock"
((EUID != 0)) || chown games:man "$DIR/www.sock"
mkdir "$DIR/in"
TCP=$(new_port)
TCP_DENIED=$(new_port)
cp "$DIR/fpm-www.conf" "$DIR/fpm-pages.conf"
sed -i "s|$DIR/www|$DIR/pages|; s|^\[www\]|[pages]|; s|fpm-www.log|fpm-pages.log|" \
	"$DIR/fpm-pages.conf"
start_fpm pages
start_fpm tcp max_children=2
start_fpm tcp2 max_children=2
pool same "$DIR/in/same.sock" "$BACKEND deny_params = [\"PHP_ADMIN_VALUE\", \"HTTP_X_EVIL\"];
	error_page = \"$DIR/page.html\";"
pool absent "$DIR/in/absent.sock" "backend = \"$DIR/none.sock\";"
pool given "$DIR/in/given.sock" "backend = \"$DIR/none2.sock\"; listen_mode = \"0640\";
	listen_owner = \"$ME\"; listen_group = \"$(id -gn)\";"
pool pages "$DIR/in/pages.sock" "backend = \"$(fpm_listen pages)\";
	fpm_conf = \"$DIR/fpm-pages.conf\"; status_access = \"refuse\";
	error_page = \"$DIR/no-page.html\";"
pool tcp "127.0.0.1:$TCP" "backend = \"$(fpm_listen tcp)\"; status_path = \"/fpm-status\";
	allow = [\"127.0.0.2\", \"10.0.0.0/8\"];"
pool tcp2 "127.0.0.1:$TCP_DENIED" "backend = \"$(fpm_listen tcp2)\"; allow = [\"127.0.0.0/28\"];
	status_path = \"/fpm-status\"; ping_path = \"/fpm-ping\"; status_access = \"refuse\";"
# shellcheck disable=SC2016 # nginx's
site same "$DIR/in/same.sock" 'fastcgi_param PHP_ADMIN_VALUE $http_x_admin if_not_empty;' \
	'fastcgi_param PHP_VALUE $http_x_value if_not_empty;' \
	'fastcgi_param REQUEST_BODY_FILE $http_x_file if_not_empty;'
site pages "$DIR/in/pages.sock"
site tcp "127.0.0.1:$TCP" 'fastcgi_bind 127.0.0.2;'
site denied "127.0.0.1:$TCP"
site tcp2 "127.0.0.1:$TCP_DENIED"
cat >"$DIR/page.html" <<'HTML'
<html>ours: {{status}} {{reason}} {{request_id}} {{unknown}} "{{sentence}}"</html>
HTML
start_fpmgate "pools = ($POOLS);"
start_nginx

if ((EUID == 0)); then
	is "$(access "$DIR/in/same.sock")" "games man 606" \
		"not given: owner, group and mode of the backend's socket"
	is "$(access "$DIR/in/absent.sock")" "root www-data 660" \
		"without that socket: fpmgate's own user, www-data, 0660"
else
	is "$(access "$DIR/in/same.sock")" "$ME $(id -gn) 606" \
		"not given: group and mode of the backend's socket"
fi
is "$(access "$DIR/in/given.sock")" "$ME $(id -gn) 640" "given: those"
WIDER=${POOLS/listen_mode = \"0640\"/listen_mode = \"0666\"}
reload_fpmgate "pools = ($WIDER);"
is "$(fpmgate_log_count 'pool given: .*option.* changed') $(access "$DIR/in/given.sock")" \
	"1 $ME $(id -gn) 640" "a reload that keeps the address keeps them"

# ---- allow ---------------------------------------------------------------------------

is "$(code "${PORT[tcp]}" /hello.php)" 200 "TCP: a host of allow is served"
is "$(code "${PORT[tcp2]}" /hello.php)" 200 "TCP: a host of a network of allow, too"
is "$(code "${PORT[denied]}" /hello.php)" 502 "TCP: another one is not"
script hello.php
"$FCGI_CLIENT" -t "$TCP" -E "${PARAMS[@]}" >"$DIR/closed" 2>&1 || true
matches "$(cat "$DIR/closed")" '^(eof|reset)$' "it is closed without a byte"
is "$(fpmgate_counter tcp clients_denied)" 2 "and counted"
is "$(fpmgate_counter tcp2 clients_denied)" 0 "by its pool"
CODE=0
"$FPMGATE" -t -c <(echo "pools = ({ name = \"x\"; listen = \"0.0.0.0:$TCP\"; $BACKEND
	max_children = 1; });") >"$DIR/check.txt" 2>&1 || CODE=$?
is "$CODE $(grep -c 'allow' "$DIR/check.txt")" "78 1" \
	"an address beyond loopback without allow is an error"

# ---- deny_params ---------------------------------------------------------------------

is "$(head_of same '/count.php?id=denied' -H 'X-Admin: precision=3')" "403 param_denied" \
	"deny_params: 403"
is "$(head_of same '/count.php?id=denied' -H 'X-Evil: x')" "403 param_denied" \
	"deny_params: each of them"
is "$(head_of pages '/count.php?id=fine' -H 'X-Evil: x')" "200 " "of this pool only"
is "$(head_of same '/count.php?id=denied' -H 'X-File: /etc/passwd')" "403 param_denied" \
	"REQUEST_BODY_FILE: always"
head -c 8000000 /dev/zero >"$DIR/upload"
for _ in {1..5}; do
	head_of same '/count.php?id=denied' -H 'X-Evil: x' -H Expect: --data-binary "@$DIR/upload" \
		--max-time $((5 * FACTOR))
done >"$DIR/uploads"
is "$(sort "$DIR/uploads" | uniq -c | tr -s ' ')" " 5 403 param_denied" \
	"with a body as well, though nginx does not send the rest of it"
is "$(grep -c denied "$COUNT_FILE")" 0 "none of them has run"
is "$(body "${PORT[same]}" '/self.php?ini=precision' -H 'X-Value: precision=3' |
	sed -n 's/^precision //p')" 3 "PHP_VALUE, which is not named, reaches PHP"

# ---- status_access -------------------------------------------------------------------

matches "$(body "${PORT[tcp]}" /fpm-status)" '^pool: +tcp' "status_access not given: FPM's page"
is "$(head_of tcp2 /fpm-status)" "403 path_refused" "refuse: 403"
is "$(head_of tcp2 /fpm-ping)" "403 path_refused" "refuse: for the ping as well"
is "$(head_of tcp2 /hello.php)" "200 " "and for nothing else"
is "$(head_of pages /fpm-status)" "403 path_refused" "refuse: a path that is read from fpm_conf"
is "$(head_of pages /fpm-ping)" "403 path_refused" "refuse: the ping of fpm_conf"

# ---- error_page ----------------------------------------------------------------------

head_of same /hello.php -H 'X-Evil: x' -H 'Accept: text/html' >"$DIR/told"
ID=$(tr -d '\r' <"$DIR/head" | sed -n 's/^X-Fpmgate-Request-Id: //p')
is "$(cut -d'"' -f1 "$DIR/page")" "<html>ours: 403 param_denied $ID {{unknown}} " \
	"error_page: it is shown, its words replaced"
head_of same /hello.php -H 'X-Evil: x' -H 'Accept: application/json' >"$DIR/told"
is "$(grep -c '"reason":"param_denied"' "$DIR/page")" 1 \
	"who wants JSON gets JSON, also when he says so behind what is denied"
head_of pages /fpm-status >"$DIR/told"
is "$(grep -c '<small>403 path_refused' "$DIR/page")" 1 "one that is not there: the built-in page"
is "$(fpmgate_log_count "pool pages: cannot read the error page $DIR/no-page.html, .*: No such")" \
	2 "and a line in the log, at start and at the reload above"
echo '<html>another: {{status}}</html>' >"$DIR/other.html"
reload_fpmgate "pools = (${POOLS/page.html/other.html});"
head_of same /hello.php -H 'X-Evil: x' >"$DIR/told"
is "$(cat "$DIR/page")" '<html>another: 403</html>' "SIGHUP: another one"
echo '<html>edited: {{status}}</html>' >"$DIR/other.html"
reload_fpmgate
head_of same /hello.php -H 'X-Evil: x' >"$DIR/told"
is "$(cat "$DIR/page")" '<html>edited: 403</html>' "SIGHUP: the same one, edited"

# ---- who may not give its sockets away -----------------------------------------------

stop_fpmgate
is "${STATUS[fpmgate]}" 0 "fpmgate exits with 0"
mkdir "$DIR/own"
as_user nobody "$DIR/own" "$SPOOL_DIR"
start_fpmgate "runtime_dir = \"$DIR/own\"; spool_dir = \"$SPOOL_DIR\";
	pools = ({ name = \"own\"; listen = \"$DIR/own/own.sock\"; max_children = 1;
		listen_group = \"root\"; listen_mode = \"0666\"; $BACKEND },
	{ name = \"no-user\"; listen = \"$DIR/own/no-user.sock\"; max_children = 1;
		listen_owner = \"nobody-of-that-name\"; backend = \"$DIR/none.sock\"; });"
is "$(fpmgate_log_count "pool own: .*own.sock: its socket's group cannot be set")" \
	"$((EUID == 0 || $(id -g) != 0))" "a group that it is not in: said once"
is "$(stat -c %a "$DIR/own/own.sock")" 666 "the mode is set all the same"
is "$(fpmgate_log_count 'pool no-user: .*listen_owner is no user of this machine')" 1 \
	"no such user: said once"
done_testing
