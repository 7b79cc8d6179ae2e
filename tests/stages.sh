# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Stages of a check: run one, time it, count what it tested. Sourced by quickstart and
# .ci/run. Bash.

stages_passed=0
stages_failed=0
stages_logs=

# stages_begin FOLDER: where the logs go.
stages_begin() {
	stages_logs=$1
	mkdir -p "$stages_logs"
	SECONDS=0
}

# What a log counts: "N passed, N failed" if that is its last line, otherwise the sum of
# the summaries of automake's test runs. Prints "PASSED FAILED", or nothing when it counts
# nothing.
stages_count() {
	awk '
	/^# PASS: / { passed += $3; counted = 1 }
	/^# (FAIL|XPASS|ERROR): / { failed += $3 }
	{ last = $0 }
	END {
		if (last ~ /^[0-9]+ passed, [0-9]+ failed$/) {
			split(last, words, " ")
			passed = words[1]
			failed = words[3]
			counted = 1
		}
		if (counted)
			print passed + 0, failed + 0
	}' "$1"
}

# stage [-v] TITLE COMMAND...: runs a command, its output into a log, with -v also to the
# terminal. A command that counts nothing is one test by itself. What failed is shown.
stage() {
	local verbose=false title log status=0 start=$SECONDS passed failed

	if [[ $1 == -v ]]; then
		verbose=true
		shift
	fi
	title=$1
	shift
	log=$stages_logs/${title//[^A-Za-z0-9]/-}.log
	printf '\n== %s\n' "$title"
	if $verbose; then
		("$@") 2>&1 | tee "$log"
		status=${PIPESTATUS[0]}
	else
		("$@") >"$log" 2>&1 || status=$?
	fi
	read -r passed failed <<<"$(stages_count "$log")"
	if [[ -z $passed ]]; then
		passed=$((status == 0))
		failed=$((status != 0))
	elif ((status != 0 && failed == 0)); then
		failed=1
	fi
	stages_passed=$((stages_passed + passed))
	stages_failed=$((stages_failed + failed))
	if ((failed > 0)) && ! $verbose; then
		grep -E '^(not ok|FAIL|ERROR|XPASS)|^[^ ]+:[0-9]+:.* error: ' "$log" |
			head -n 40
		echo "-- the end of $log:"
		tail -n 40 "$log"
	fi
	echo "== $title: $passed passed, $failed failed, $((SECONDS - start)) s"
	((failed == 0))
}

# The sum as the last line; false if anything failed.
stages_end() {
	printf '\n== in all: %d s\n' "$SECONDS"
	echo "$stages_passed passed, $stages_failed failed"
	((stages_failed == 0))
}
