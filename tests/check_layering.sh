#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Who includes whom: the rooms and their libraries, the pure rooms, the order inside
# daemon/, and that nobody includes tests/. At the end planted mistakes, to see that each
# rule notices.
#
# Usage: check_layering.sh [ROOT]     ROOT: another tree; its complaints are printed.

set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$top/tests/tap.sh"
LC_ALL=C
export LC_ALL

# The source files of a tree, by name.
list_files() {
	(cd "$1" && find fcgi health conf status systemd daemon ctl tests \
		-name '*.[ch]' -type f 2>/dev/null | sort)
}

# Every complaint about a tree as "RULE file:line: text". The rules live in the tables of
# BEGIN.
complaints() {
	(cd "$1" && list_files . | xargs awk '
BEGIN {
	# The rooms whose headers a room may include, beside its own.
	leaf = "fcgi health conf status systemd"
	for (n = split(leaf " ctl", names); n > 0; n--)
		rooms[names[n]] = " " names[n] " "
	rooms["daemon"] = " daemon " leaf " "
	rooms["tests"] = " tests daemon ctl " leaf " "

	# Libraries: where each may be used. What is not here is taken for libc.
	library["libconfig.h"] = " conf tests "
	library["fastcgi.h"] = " fcgi daemon tests "
	library["fcgiapp.h"] = library["fcgi_stdio.h"] = library["cmocka.h"] = " tests "
	library["jansson.h"] = " health status daemon ctl tests "
	library["systemd/"] = " systemd daemon tests "
	library["microhttpd.h"] = " daemon tests "
	library["curl/"] = " ctl tests "

	# Pure rooms: no descriptor, no clock, no process.
	pure["fcgi"] = pure["health"] = pure["status"] = 1
	impure = "^(unistd|time|poll|fcntl|signal|pthread|threads|netdb|syslog|spawn|" \
		"dirent)[.]h$|^sys/|^netinet/|^arpa/|^linux/|^systemd/"
	impure_call = "(^|[^A-Za-z0-9_.>])(time|clock|clock_gettime|gettimeofday|" \
		"getenv|exit|abort|fopen|fdopen|sleep|rand|srand)[(]"
	# These never log and never print.
	silent["fcgi"] = silent["health"] = silent["conf"] = silent["status"] = 1
	silent["systemd"] = 1
	print_call = "(^|[^A-Za-z0-9_.>])(printf|vprintf|puts|putchar|perror|syslog|" \
		"sd_journal[a-z_]*|log_[a-z]+)[(]|(^|[^A-Za-z0-9_])(stdout|stderr)" \
		"([^A-Za-z0-9_]|$)"

	# Inside daemon/: a file may include what has a higher number, or is further down
	# its own branch. What is not named is a leaf.
	split("main daemon branches exchange pool member link stream", order)
	for (n in order)
		rank[order[n]] = n + 0
	split("supervisor prober;http snapshot;listener client", chains, ";")
	for (c in chains) {
		n_chain = split(chains[c], chain, " ")
		for (n = 1; n <= n_chain; n++) {
			rank[chain[n]] = rank["branches"] + n / 10
			branch[chain[n]] = c
		}
	}
	rank["hello"] = rank["link"]
	delete rank["branches"]
	RANK_LEAF = 100
}

# The noun of daemon/pool_reload.c is pool.
function noun_of(path) {
	sub(/^.*\//, "", path)
	sub(/[.][ch]$/, "", path)
	while (!(path in rank) && path ~ /_/)
		sub(/_[^_]*$/, "", path)
	return path
}

function rank_of(noun) {
	return noun in rank ? rank[noun] : RANK_LEAF
}

function complain(rule, text) {
	print rule " " FILENAME ":" FNR ": " text
}

function check_own(target,    room_there, from, to) {
	room_there = target
	sub(/\/.*/, "", room_there)
	if (target !~ /\//) {
		complain("path", "\"" target "\" has no folder")
		return
	}
	if (room_there == "tests" && room != "tests")
		complain("tests", "includes " target)
	else if (index(rooms[room], " " room_there " ") == 0)
		complain("rooms", room "/ includes " target)
	if (room != "daemon" || room_there != "daemon")
		return
	from = noun_of(FILENAME)
	to = noun_of(target)
	# The .c of a leaf may know those it serves: params.c, both sides.
	if (from == to || (FILENAME ~ /[.]c$/ && !(from in rank)))
		return
	if (rank_of(to) < rank_of(from))
		complain("order", "includes " target ", which stands to its left")
	else if (from in branch && to in branch && branch[from] != branch[to])
		complain("order", "includes " target ", which is on another branch")
}

function check_library(target,    name) {
	for (name in library) {
		if (target != name && !(name ~ /\/$/ && index(target, name) == 1))
			continue
		if (index(library[name], " " room " ") == 0)
			complain("library", room "/ includes <" target ">")
	}
	if (room in pure && target ~ impure)
		complain("pure", room "/ includes <" target ">")
	if (room == "health" && target == "jansson.h" && FILENAME !~ /fpm_status[.]c$/)
		complain("library", "only health/fpm_status.c may include <jansson.h>")
}

FNR == 1 {
	room = FILENAME
	sub(/^[.]\//, "", room)
	sub(/\/.*/, "", room)
	in_comment = 0
}

/^[ \t]*#[ \t]*include[ \t]/ {
	target = $0
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
	kind = substr(target, 1, 1)
	target = substr(target, 2)
	sub(/[">].*/, "", target)
	if (kind == "<")
		check_library(target)
	else
		check_own(target)
	next
}

# Calls, outside comments and strings.
room in silent {
	line = $0
	gsub(/\\./, "", line)
	gsub(/"[^"]*"/, "\"\"", line)
	gsub(/\/[*]([^*]|[*]+[^*\/])*[*]+\//, "", line)
	if (in_comment && !sub(/^.*[*]\//, "", line))
		next
	in_comment = sub(/\/[*].*/, "", line)
	sub(/\/\/.*/, "", line)
	if (line ~ print_call)
		complain("silent", room "/ prints or logs: " $0)
	if (room in pure && line ~ impure_call)
		complain("pure", room "/ calls what only daemon/ may: " $0)
}
' /dev/null)
}

if [ $# -gt 0 ]; then
	complaints "$1"
	exit 0
fi

all=$(complaints "$top")
of_rule() {
	printf '%s\n' "$all" | sed -n "s/^$1 //p"
}
tap_empty "own headers are included with their folder" "$(of_rule path)"
tap_empty "the rooms include only what they may" "$(of_rule rooms)"
tap_empty "nobody includes tests/" "$(of_rule tests)"
tap_empty "each library stays in its rooms" "$(of_rule library)"
tap_empty "fcgi/, health/ and status/ are pure" "$(of_rule pure)"
tap_empty "only daemon/ logs" "$(of_rule silent)"
tap_empty "inside daemon/ includes go to the right" "$(of_rule order)"

planted=$(mktemp -d) || exit 1
trap 'rm -rf "$planted"' EXIT

# plant WANTED FILE LINE: a tree of this one file gives the rule's complaint; with WANTED
# "none" it gives none.
plant() {
	rm -rf "$planted/tree"
	mkdir -p "$planted/tree/$(dirname "$2")"
	printf '/* unistd.h: printf("x"); */\n%s\n' "$3" >"$planted/tree/$2"
	found=$(complaints "$planted/tree")
	if [ "$1" = none ]; then
		tap_empty "accepts in $2: $3" "$found"
	else
		tap_found "finds in $2: $3" "$(printf '%s\n' "$found" | grep "^$1 $2:2:")"
	fi
}
plant path daemon/pool.c '#include "pool.h"'
plant rooms fcgi/reader.c '#include "health/reason.h"'
plant rooms fcgi/reader.c '#include "daemon/macros.h"'
plant rooms ctl/main.c '#include "conf/conf.h"'
plant tests daemon/pool.c '#include "tests/fake.h"'
plant library fcgi/reader.h '#include <libconfig.h>'
plant library conf/conf.c '# include <systemd/sd-bus.h>'
plant library health/queue.c '#include <jansson.h>'
plant library daemon/link.c '#include <fcgiapp.h>'
plant pure fcgi/reader.c '#include <unistd.h>'
plant pure health/queue.c '#include <sys/socket.h>'
plant pure health/queue.c '#include <time.h>'
plant pure status/json.c '#include <systemd/sd-daemon.h>'
plant pure health/queue.c '	now = clock_gettime(0, &t);'
plant silent conf/conf.c '	fprintf(stderr, "x");'
plant silent systemd/unit.c '	log_error("x");'
plant order daemon/link.h '#include "daemon/pool.h"'
plant order daemon/pool_reload.c '#include "daemon/exchange.h"'
plant order daemon/log.h '#include "daemon/stream.h"'
plant order daemon/client.h '#include "daemon/snapshot.h"'
plant order daemon/client.h '#include "daemon/listener.h"'
plant none daemon/params.c '#include "daemon/member.h"'
plant none daemon/listener.h '#include "daemon/client.h"'
plant none daemon/exchange.h '#include "daemon/link.h"'
plant none daemon/pool_reload.c '#include "daemon/pool.h"'
plant none daemon/pool.c '#include "health/queue.h"'
plant none health/fpm_status.c '#include <jansson.h>'
plant none fcgi/reader.c '	n = snprintf(out, size, "printf(%d)", 1); /* exit() */'
plant none tests/test_pool.c '#include "daemon/pool.h"'
tap_done
