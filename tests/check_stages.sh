#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tests/stages.sh: the sum that quickstart and .ci/run end with counts every failure.

set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
# shellcheck source=tests/tap.sh
. "$top/tests/tap.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# expect NAME WANTED ARGUMENT...: a stage with these arguments ends with the line WANTED,
# and with status 0 only if nothing failed.
expect() {
	local name=$1 wanted=$2 got status

	shift 2
	got=$(
		. "$top/tests/stages.sh"
		stages_begin "$work/logs"
		stage "$@"
		stages_end
	)
	status=$?
	got=${got##*$'\n'}
	if [[ $got != "$wanted" ]]; then
		tap_empty "$name" "got '$got', wanted '$wanted'"
	elif [[ $wanted == *" 0 failed" ]] && ((status != 0)); then
		tap_empty "$name" "exit $status"
	elif [[ $wanted != *" 0 failed" ]] && ((status == 0)); then
		tap_empty "$name" "exit 0"
	else
		tap_empty "$name" ""
	fi
}

summary() {
	printf '# TOTAL: 9\n# PASS:  %s\n# SKIP:  1\n# XFAIL: 0\n# FAIL:  %s\n' "$1" "$2"
	printf '# XPASS: %s\n# ERROR: %s\n' "$3" "$4"
}
two_summaries() { summary 3 0 0 0 && summary 4 0 0 0; }
nested() { summary 3 0 0 0 && echo "20 passed, 1 failed"; }
fails_behind() { summary 3 0 0 0 && false; }
not_last() { echo "20 passed, 1 failed" && echo "more"; }
cd_away() { cd / && "$@"; }

expect "a command that counts nothing" "1 passed, 0 failed" x true
expect "a command that fails" "0 passed, 1 failed" x false
expect "a command that is not there" "0 passed, 1 failed" x /nonexistent/command
expect "a test run" "8 passed, 0 failed" x summary 8 0 0 0
expect "failures, unexpected passes and errors" "5 passed, 6 failed" x summary 5 1 2 3
expect "two test runs" "7 passed, 0 failed" x two_summaries
expect "a test run that fails behind its tests" "3 passed, 1 failed" x fails_behind
expect "a last line that adds up by itself" "20 passed, 1 failed" x nested
expect "such a line that is not the last" "1 passed, 0 failed" x not_last
expect "the same, shown" "20 passed, 1 failed" -v x nested
expect "a failure, shown" "0 passed, 1 failed" -v x false

here=$PWD
. "$top/tests/stages.sh"
stages_begin "$work/logs"
stage "x" cd_away true >/dev/null
tap_empty "a stage leaves the working directory alone" "$([[ $PWD == "$here" ]] || pwd)"
stage "y" false >/dev/null
tap_empty "stages add up" "$(stages_end | sed -n '$p' | grep -vx '1 passed, 1 failed')"
tap_done
