# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# TAP for the check scripts, which source this file. POSIX sh.

tap_n=0
tap_n_failed=0

# tap_empty NAME TEXT: passes if TEXT, a list of complaints, is empty; shows it otherwise.
tap_empty() {
	tap_n=$((tap_n + 1))
	if [ -z "$2" ]; then
		echo "ok $tap_n - $1"
	else
		tap_n_failed=$((tap_n_failed + 1))
		echo "not ok $tap_n - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
	fi
}

# tap_found NAME TEXT: passes if TEXT is not empty: a self-check has found what was
# planted.
tap_found() {
	if [ -n "$2" ]; then
		tap_empty "$1" ""
	else
		tap_empty "$1" "not noticed"
	fi
}

# tap_skip_case NAME REASON: one case that cannot run here.
tap_skip_case() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

# tap_skip_all REASON: the whole program cannot run here.
tap_skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# The plan, and the exit status for humans.
tap_done() {
	echo "1..$tap_n"
	[ "$tap_n_failed" -eq 0 ]
	exit
}
