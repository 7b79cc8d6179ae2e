#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What every C file and script looks like: the licence line, the sentence that says its
# job, tabs, 90 columns, nothing left to do. At the end planted mistakes, to see that each
# rule notices.
#
# Usage: check_form.sh [ROOT]     ROOT: another tree; its complaints are printed.

set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$top/tests/tap.sh"
LC_ALL=C
export LC_ALL

# C sources and scripts of a tree; a script is what has no suffix or .sh.
list_files() {
	(cd "$1" && find fcgi health conf status systemd daemon ctl examples tests .ci \
		quickstart autogen.sh -type f \( -name '*.[ch]' -o -name '*.sh' -o \
		-path .ci/run -o -name quickstart \) 2>/dev/null | sort)
}

# Complaints as "RULE file:line: text".
complaints() {
	(cd "$1" && list_files . | xargs awk '
function complain(rule, text) {
	print rule " " FILENAME ":" FNR ": " text
}

# Columns of a line: tabs go to the next multiple of 8, a character of several bytes is
# one.
function columns(line,    n, i, c) {
	if (length(line) * 8 <= 90)
		return 0
	n = 0
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (c == "\t")
			n += 8 - n % 8
		else if (c !~ /[\200-\277]/)
			n++
	}
	return n
}

FNR == 1 {
	is_c = FILENAME ~ /[.][ch]$/
	licence = is_c ? "/* SPDX-License-Identifier: BSD-2-Clause */" : \
		"# SPDX-License-Identifier: BSD-2-Clause"
	has_licence = has_job = has_once = 0
}

FNR <= 2 && $0 == licence { has_licence = FNR == 1 || !is_c }
FNR > 1 && FNR <= 6 && /^(\/[*]| [*]|#) *[A-Za-z0-9.]/ && !/SPDX/ { has_job = 1 }
FNR == 8 || (FNR < 8 && /^(int|static|set) /) { check_head() }

function check_head() {
	if (!has_licence)
		complain("head", "the licence line is missing")
	if (!has_job)
		complain("head", "no sentence says what this file is for")
	has_licence = has_job = 1
}

/^#pragma once$/ { has_once = 1 }
FILENAME ~ /[.]h$/ && FNR == 10 && !has_once { complain("head", "no #pragma once") }

columns($0) > (FILENAME ~ /[.][ch]$/ ? 90 : 110) { complain("columns", columns($0) " columns") }
/[ \t]$/ { complain("blank", "blanks at the end") }
/^    +[^ *]/ { complain("blank", "indented by spaces") }
/(^|[^A-Za-z_])(TO''DO|FIX''ME|XX''X|HA''CK)([^A-Za-z_X]|$)/ { complain("leftover", $0) }
is_c && /^[ \t]*\/\// { complain("leftover", "a // comment: " $0) }
is_c && /^[ \t]*#[ \t]*if[ \t]+0/ { complain("leftover", $0) }
is_c && /typedef[ \t]+(struct|enum|union)/ { complain("typedef", $0) }
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
tap_empty "licence, job and guard stand at the head of each file" "$(of_rule head)"
tap_empty "90 columns" "$(of_rule columns)"
tap_empty "tabs, and no blanks at the end" "$(of_rule blank)"
tap_empty "nothing left to do, nothing commented out" "$(of_rule leftover)"
tap_empty "no typedef for structs and enums" "$(of_rule typedef)"

planted=$(mktemp -d) || exit 1
trap 'rm -rf "$planted"' EXIT
spdx='/* SPDX-License-Identifier: BSD-2-Clause */'

# plant WANTED FILE TEXT WHAT
plant() {
	rm -rf "$planted/tree"
	mkdir -p "$planted/tree/$(dirname "$2")"
	printf "$3\n" >"$planted/tree/$2"
	found=$(complaints "$planted/tree")
	if [ "$1" = none ]; then
		tap_empty "accepts $4" "$found"
	else
		tap_found "finds $4" "$(printf '%s\n' "$found" | grep "^$1 ")"
	fi
}
job="$spdx"'\n\n/* Does this. */\n\n'
long=$(awk 'BEGIN { while (n++ < 74) printf "x" }')
plant none fcgi/a.c "$job"'int a;' "a small file"
plant head fcgi/a.c '/* Does this. */\n\n\n\nint a;' "a file without a licence"
plant head fcgi/a.c "$spdx"'\n\n\n\n\nint a;' "a file without a job"
plant head fcgi/a.h "$job"'\n\n\n\n\n\nint a;' "a header without a guard"
plant head tests/a.sh '#!/bin/sh\n# Does this.\nset -u' "a script without a licence"
plant none fcgi/a.c "$job\\t\\t$long" "90 columns"
plant columns fcgi/a.c "$job\\t\\t${long}x" "91 columns"
plant none fcgi/a.c "$job\\t\\t${long#x}\\303\\274" "90 columns with a wide character"
plant blank fcgi/a.c "$job"'int a; ' "a blank at the end"
plant blank fcgi/a.c "$job"'    int a;' "spaces in place of a tab"
plant leftover fcgi/a.c "$job"'/* TO''DO: more */' "something to do"
plant leftover fcgi/a.c "$job"'// int a;' "a // comment"
plant leftover fcgi/a.c "$job"'#if 0' "code that is switched off"
plant typedef fcgi/a.c "$job"'typedef struct a a;' "a typedef"
tap_done
