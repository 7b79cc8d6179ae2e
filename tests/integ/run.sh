#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs integration tests, two at a time, and adds their points up.
#
# run.sh [-j N] [-t SECONDS] [--repeat N] [TEST...]
#
#   -j N        so many at a time (2)
#   -t SECONDS  time limit of one test (180), multiplied by FACTOR
#   --repeat N  each test N times
#   TEST        a script, or its name without path and .sh; NAME:off with HELLO=off.
#               None: all beside this one, and those that know HELLO=off once more so
#
# One line per test with its points and duration; what a failed one printed comes behind
# its line. The last line is "N passed, N failed"; exit 0 only if nothing failed. The
# whole output of each test is in $LOGS ($TOP_BUILDDIR/tests/integ-logs). Each test has a
# process group of its own, which gets SIGTERM at the time limit and SIGKILL 10 s later.
set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${TOP_SRCDIR:=$(cd "$HERE/../.." && pwd)}"
if [[ -z ${TOP_BUILDDIR:-} ]]; then
	TOP_BUILDDIR=$TOP_SRCDIR
	[[ ! -d $TOP_SRCDIR/build ]] || TOP_BUILDDIR=$TOP_SRCDIR/build
fi
: "${FACTOR:=1}"
export TOP_SRCDIR TOP_BUILDDIR FACTOR
: "${LOGS:=$TOP_BUILDDIR/tests/integ-logs}"

N_JOBS=2
LIMIT=180
GRACE=${LIMIT_GRACE:-10}			# seconds between SIGTERM and SIGKILL
N_REPEAT=1
N_PASSED=0
N_FAILED=0
N_TESTS=0
declare -a QUEUE=()
declare -A LABEL=() START=() KILLED=()	# by pid of the running test

usage() { echo "run.sh: $*" >&2; exit 64; }

find_test()
{
	local path name=${1%:off} variant=

	[[ $name == "$1" ]] || variant=:off
	for path in "$name" "$HERE/$name" "$HERE/$name.sh"; do
		[[ ! -f $path ]] || { echo "$path$variant"; return; }
	done
	usage "no test '$1'"
}

all_tests()
{
	local path

	for path in "$HERE"/*.sh; do
		case ${path##*/} in
		lib.sh | run.sh) ;;
		*) echo "$path" ;;
		esac
	done
	for path in $(grep -l '^#.*HELLO=off:\( \|$\)' "$HERE"/*.sh); do
		[[ $path == */run.sh ]] || echo "$path:off"
	done
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

start_next()
{
	local path=${QUEUE[0]} label pid
	local -a variant=()

	QUEUE=("${QUEUE[@]:1}")
	label=$(basename "${path%:off}" .sh)
	if [[ $path == *:off ]]; then
		label+=-hello_off
		variant=(env HELLO=off)
	fi
	N_TESTS=$((N_TESTS + 1))
	((N_REPEAT == 1)) || label+=.$N_TESTS
	setsid "${variant[@]}" bash "${path%:off}" </dev/null >"$LOGS/$label.log" 2>&1 &
	pid=$!
	LABEL[$pid]=$label
	START[$pid]=$(now_ms)
}

# Past the limit: first so that the test can clean up, then so that it cannot object.
enforce_limit()
{
	local pid=$1 age

	age=$((($(now_ms) - START[$pid]) / 1000))
	if ((age >= LIMIT * FACTOR + GRACE)); then
		kill -KILL -- "-$pid" 2>/dev/null || true
	elif ((age >= LIMIT * FACTOR)) && [[ -z ${KILLED[$pid]:-} ]]; then
		KILLED[$pid]=yes
		kill -TERM -- "-$pid" 2>/dev/null || true
	fi
}

# What a killed test could not end itself: whoever works in its directory (PHP-FPM has a
# session of its own and no process group reaches it).
sweep()
{
	local dir pid

	dir=$(sed -n 's|^# in \(/tmp/fpmgate-[^/]*\)$|\1|p' "$1" | sed -n 1p)
	[[ -n $dir && -d $dir ]] || return 0
	for pid in $(find /proc -maxdepth 2 -name cwd -lname "$dir*" 2>/dev/null |
		cut -d/ -f3); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	rm -rf --one-file-system "$dir"
}

# finish PID: its points; a test whose plan and points differ has failed once more.
finish()
{
	local pid=$1 log=$LOGS/${LABEL[$1]}.log code=0 why='' word=ok
	local n_ok n_not_ok plan ms

	wait "$pid" || code=$?
	kill -KILL -- "-$pid" 2>/dev/null || true
	sweep "$log"
	n_ok=$(grep -c '^ok ' "$log" || true)
	n_not_ok=$(grep -c '^not ok ' "$log" || true)
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$log" | tail -n 1)
	if [[ ${KILLED[$pid]:-} ]]; then
		why="over its limit of $((LIMIT * FACTOR)) s"
	elif [[ -z $plan ]]; then
		why="no plan, exit $code"
	elif ((plan != n_ok + n_not_ok)); then
		why="$plan points planned, $((n_ok + n_not_ok)) made"
	elif ((code != 0 && n_not_ok == 0)); then
		why="exit $code"
	fi
	[[ -z $why ]] || n_not_ok=$((n_not_ok + 1))
	((n_not_ok == 0)) || word='not ok'
	ms=$(($(now_ms) - START[$pid]))
	printf '%s - %s (%d passed, %d failed, %d.%d s)%s\n' "$word" "${LABEL[$pid]}" \
		"$n_ok" "$n_not_ok" $((ms / 1000)) $((ms / 100 % 10)) "${why:+: $why}"
	((n_not_ok == 0)) || sed 's/^/    /' "$log"
	N_PASSED=$((N_PASSED + n_ok))
	N_FAILED=$((N_FAILED + n_not_ok))
	unset "LABEL[$pid]" "START[$pid]" "KILLED[$pid]"
}

# shellcheck disable=SC2317 # called by the trap
on_signal()
{
	local pid

	for pid in "${!LABEL[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || true
	done
	exit 130
}
trap on_signal INT TERM

while (($# > 0)); do
	case $1 in
	-j) N_JOBS=${2:?}; shift ;;
	-t) LIMIT=${2:?}; shift ;;
	--repeat) N_REPEAT=${2:?}; shift ;;
	-*) usage "unknown option $1" ;;
	*) QUEUE+=("$(find_test "$1")") ;;
	esac
	shift
done
((${#QUEUE[@]} > 0)) || mapfile -t QUEUE < <(all_tests)
ONCE=("${QUEUE[@]}")
for ((i = 1; i < N_REPEAT; i++)); do
	QUEUE+=("${ONCE[@]}")
done
mkdir -p "$LOGS"
echo "1..${#QUEUE[@]}"

while ((${#QUEUE[@]} > 0 || ${#LABEL[@]} > 0)); do
	while ((${#QUEUE[@]} > 0 && ${#LABEL[@]} < N_JOBS)); do
		start_next
	done
	for pid in "${!LABEL[@]}"; do
		if kill -0 "$pid" 2>/dev/null; then
			enforce_limit "$pid"
		else
			finish "$pid"
		fi
	done
	sleep 0.1
done
echo "$N_PASSED passed, $N_FAILED failed"
exit $((N_FAILED > 0))
