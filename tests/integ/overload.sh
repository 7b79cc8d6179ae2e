#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# More visitors than PHP can serve: it goes on serving at full capacity, and those who are
# served, soon; the others get a 503 at once that says when to come back; nobody who has
# left is computed for; and who posts among many who read waits no longer than they.
#
# Seen to fail: with 60 ms of sleep in front of a refusal (pool.c, pool_submit) "at once";
# with a fixed Retry-After (health/queue.c) three points on it; with the queue always first
# come, first served (health/queue.c, queue_is_impatient) p99 and goodput; without the limit
# of slots (member.c, member_has_room) all of "full", p99, goodput and "scripts started";
# with EPOLLHUP of a client that has a request ignored (client.c) "scripts started"; with a
# POST put back to the queue's end when its turn has come (pool.c, pool_on_free) "POST p99";
# with a daemon that crashes "no 502" and "all are served".
#
# LONG=1: longer, and the strict figures; otherwise what a busy machine needs is allowed.
# HELLO=off: without GET_VALUES.
. "$(dirname "$0")/lib.sh"

: "${LONG:=}"
DURATION=$((LONG ? 20 : 4))
N_WORKERS=8
MS=50
start_fpm www max_children=$N_WORKERS
start_fpm few max_children=4
DIRECT=$(new_port) SITE=$(new_port) FEW=$(new_port)
nginx_site "$DIRECT" "$(fpm_listen www)"
nginx_site "$SITE" "$DIR/gate.sock" keepalive=64
nginx_site "$FEW" "$DIR/few-gate.sock"
start_fpmgate "pools = (
	{ name = \"www\"; listen = \"$DIR/gate.sock\"; backend = \"$(fpm_listen www)\";
	  fpm_conf = \"$DIR/fpm-www.conf\"; hello = \"${HELLO:-auto}\"; },
	{ name = \"few\"; listen = \"$DIR/few-gate.sock\"; backend = \"$(fpm_listen few)\";
	  fpm_conf = \"$DIR/fpm-few.conf\"; hello = \"${HELLO:-auto}\";
	  queue = { size = 40; order = \"fifo\"; max_wait = \"60s\"; }; });"
start_nginx

load() { "$HTTP_LOAD" "${@:2}" >"$DIR/$1.out"; }
loaded() { value "$DIR/$1.out" "$2"; }

# ---- full ----------------------------------------------------------------------------

# 4 workers and 40 who wait, 1.85 s each: who comes next may come back in
# ceil(40 x 1.85 / 4) = 19 s at the earliest, and half of that later at most.
is "$(body "$FEW" '/sleep.php?ms=1850')" "slept 1850" "fpmgate has seen how long it takes"
spawn waiting "$HTTP_LOAD" -c 44 -n 44 "$FEW" '/sleep.php?ms=1850'
is_full() { [[ $(code "$FEW" /hello.php --max-time 0.2) == 503 ]]; }
check "the queue fills" wait_for 0.5 is_full
load refused -c 1 -n 50 "$FEW" /hello.php
for ((i = 0; i < 12; i++)); do
	curl -s -o /dev/null -D - "http://127.0.0.1:$FEW/hello.php" | tr -d '\r' >>"$DIR/refused"
done
stop waiting
refused() { sed -n "s/^$1: *//p" "$DIR/refused" | sort -n; }
is "$(grep -c '^HTTP/1.1 503' "$DIR/refused")" 12 "who comes then gets a 503"
is "$(refused X-Fpmgate-Reason | uniq)" queue_full "with its reason"
ge "$(refused Retry-After | sed -n 1p)" 19 "Retry-After: not before the queue is through"
le "$(refused Retry-After | sed -n '$p')" 28 "nor much later"
ge "$(refused Retry-After | uniq | wc -l)" 2 "and not all at the same time"
is "$(loaded refused s503)" 50 "others as well"
le "$(loaded refused p50_503_us)" "$(allow 50000)" "at once, in the median"

# ---- open loop -----------------------------------------------------------------------

# What PHP can do: as many visitors as workers, without fpmgate.
capacity() { load capacity -c $N_WORKERS -d 2 "$DIRECT" "/count.php?ms=$MS"; }

# started_for_leavers NAME: how many scripts were started behind their visitor's back.
started_for_leavers()
{
	awk 'FNR == NR { if ($3 == "left") left[$1] = $4; next }
		$2 in left && $4 > left[$2] { n++ } END { print n + 0 }' \
		"$DIR/$1.ids" "$COUNT_FILE"
}

# overload NAME TIMES PATIENCE: so many times what PHP can do.
overload()
{
	local rate

	capacity
	rate=$(awk -v c="$(loaded capacity goodput)" -v n="$2" 'BEGIN { print c * n }')
	: >"$COUNT_FILE"
	load "$1" -r "$rate" -d $DURATION -p "$3" -o "$DIR/$1.ids" \
		"$SITE" "/count.php?ms=$MS"
	diag "$1: capacity $(loaded capacity goodput), $(paste -sd' ' "$DIR/$1.out")"
	is "$(loaded "$1" s502) $(loaded "$1" s504)" "0 0" "$1: no 502, no 504"
	is "$(loaded "$1" broken) $(loaded "$1" refused)" "0 0" "$1: all answers are whole"
}
serves_at_capacity()
{
	local part

	part=$(awk -v g="$(loaded "$1" goodput)" -v c="$(loaded capacity goodput)" \
		'BEGIN { printf "%.3f", g / c }')
	ge "$part" "$2" "$1: goodput per capacity"
}
computes_for_nobody()
{
	local part

	part=$(awk -v n="$(started_for_leavers "$1")" \
		-v all="$(wc -l <"$COUNT_FILE")" 'BEGIN { print n / (all ? all : 1) }')
	# one who leaves while his request is on its way counts too, and a machine that is
	# busy makes that way longer; directly it is nearly all of them
	le "$part" "$(awk -v f="${LONG:+1}" -v g="$FACTOR" 'BEGIN { print 0.02 * (f ? f : g) }')" \
		"$1: scripts started for visitors who had left"
}

for TIMES in 1.5 4; do
	overload $TIMES $TIMES 2000
	serves_at_capacity $TIMES "$((LONG ? 95 : 90))e-2"
	le "$(loaded $TIMES p99_us)" "$(allow 1000000)" "$TIMES: p99 of those who are served"
	computes_for_nobody $TIMES
	wait_for 10 fpm_is_idle www
done
overload impatient 4 150
ge "$(loaded impatient left)" 100 "impatient: most leave before their turn comes"
computes_for_nobody impatient
wait_for 10 fpm_is_idle www

# ---- POST among GETs -----------------------------------------------------------------

load gets -c 16 -d $((LONG ? 60 : 4)) "$SITE" '/sleep.php?ms=20' &
GETS=$!
load posts -r $((LONG ? 1 : 5)) -d $((LONG ? 60 : 4)) -m POST:1 "$SITE" '/sleep.php?ms=20'
wait $GETS
is "$(loaded gets s200) $(loaded posts s200)" "$(loaded gets sent) $(loaded posts sent)" \
	"GETs and POSTs: all are served"
GET_US=$(loaded gets p99_us)
le "$(loaded posts p99_post_us)" $((2 * GET_US + (LONG ? 0 : $(allow 50000)))) \
	"POST p99 at most twice that of the GETs"
done_testing
