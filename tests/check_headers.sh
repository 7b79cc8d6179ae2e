#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Each header compiles alone, and twice in a row. make check gives the compiler and the
# directories that configure has found, in CC and CHECK_CPPFLAGS.
#
# Usage: check_headers.sh [ROOT]     ROOT: another tree; its complaints are printed.

set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$top/tests/tap.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# complaints ROOT HEADER
complaints() {
	printf '#include "%s"\n#include "%s"\n' "$2" "$2" >"$work/alone.c"
	# shellcheck disable=SC2086 # both are lists
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -iquote "$1" ${CHECK_CPPFLAGS-} \
		-Wall -Wextra -Werror -fsyntax-only "$work/alone.c" 2>&1
}

list_headers() {
	(cd "$1" && find fcgi health conf status systemd daemon ctl tests -name '*.h' \
		-type f 2>/dev/null | sort)
}

if [ $# -gt 0 ]; then
	for header in $(list_headers "$1"); do
		complaints "$1" "$header"
	done
	exit 0
fi

for header in $(list_headers "$top"); do
	tap_empty "$header compiles alone" "$(complaints "$top" "$header")"
done

mkdir -p "$work/tree/fcgi"
plant() {
	printf '%s\n' "$2" >"$work/tree/fcgi/planted.h"
	tap_found "finds $1" "$(complaints "$work/tree" fcgi/planted.h)"
}
plant "a header that needs another one" '#pragma once
int planted(uint8_t byte);'
plant "a header without a guard" 'struct planted { int x; };'
tap_done
