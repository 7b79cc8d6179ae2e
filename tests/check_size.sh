#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The size budgets: lines of files and functions, depth inside a function. A function is a
# line in column 0 with its type and name, a brace in column 0, and the closing brace in
# column 0; both braces count. Prints the ten longest. At the end planted mistakes, to see
# that each budget notices.
#
# Usage: check_size.sh [ROOT]     ROOT: another tree; its complaints are printed.

set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$top/tests/tap.sh"
LC_ALL=C
export LC_ALL

file_max=600
file_max_tests=800
file_median_max=200
function_max=80
table_max=120
function_median_max=15
function_p90_max=40
depth_max=4 # tabs: a function's own statements have one, and three levels more

# One line per function "function LINES DEPTH TABLE(0/1) file:line name" and per file
# "file LINES name".
measure() {
	(cd "$1" && find fcgi health conf status systemd daemon ctl tests \
		-name '*.[ch]' -type f 2>/dev/null | sort | xargs awk '
BEGIN {
	control = "^\t*([}] )?(if|else|for|while|switch|[A-Z_]*FOREACH[A-Z_]*)( |[(])"
}

# The name in front of the first parenthesis that is no attribute.
function name_of(line) {
	gsub(/__attribute__ *[(][(].*[)][)] */, "", line)
	gsub(/(^| )_[a-z_]+_ *[(][^)]*[)]/, " ", line)
	sub(/[(].*/, "", line)
	sub(/.*[ *]/, "", line)
	return line
}

function end_of_file() {
	if (file != "")
		print "file", n_lines, file
}

FNR == 1 {
	end_of_file()
	file = FILENAME
	in_function = in_macro = in_comment = 0
	signature = ""
}

{ n_lines = FNR }

/^[A-Za-z_].*[(]/ && !in_function {
	signature = $0
	signature_line = FNR
	is_table = before ~ /^\/[*] table [*]\/$/
}

{ before = $0 }

/^[{]/ && signature != "" {
	in_function = 1
	start = FNR
	depth = 0
	statement = 1
	parens = 0
	next
}

/^[}]/ && in_function {
	print "function", FNR - start + 1, depth, is_table, FILENAME ":" signature_line, \
		name_of(signature)
	in_function = 0
	signature = ""
	next
}

# A prototype or a variable: no function follows.
/[;=]$/ && !in_function { signature = "" }

!in_function { next }

# How deep a statement stands; its continuation lines and comments do not count.
{
	line = $0
	if (in_macro || line ~ /^[ \t]*#/) {
		in_macro = line ~ /\\$/
		next
	}
	gsub(/\\./, "", line)
	gsub(/"[^"]*"/, "\"\"", line)
	gsub(/\047[^\047]*\047/, "0", line)
	gsub(/\/[*]([^*]|[*]+[^*\/])*[*]+\//, "", line)
	if (in_comment && !sub(/^.*[*]\//, "", line))
		next
	in_comment = sub(/\/[*].*/, "", line)
	sub(/[ \t]+$/, "", line)
	if (line == "")
		next
	match(line, /^\t*/)
	if (statement) {
		if (RLENGTH > depth && line !~ /^\t*[}]/)
			depth = RLENGTH
		is_control = line ~ control
		is_label = line ~ /^\t*(case .*|default|[a-z_]+):$/
	}
	parens += gsub(/[(]/, "(", line) - gsub(/[)]/, ")", line)
	statement = parens == 0 && (is_label || (is_control && line ~ /[)]$/) || \
				    line ~ /([;{}]|(^|[^A-Za-z_])(else|do))$/)
}

END { end_of_file() }
' /dev/null)
}

# complaints ROOT: "RULE text" lines; the ten longest go to descriptor 3.
complaints() {
	measure "$1" | sort -k2,2nr | awk -v file_max=$file_max \
		-v file_max_tests=$file_max_tests -v file_median_max=$file_median_max \
		-v function_max=$function_max -v table_max=$table_max \
		-v function_median_max=$function_median_max \
		-v function_p90_max=$function_p90_max -v depth_max=$depth_max '
# The sizes come sorted, the largest first.
function check_share(rule, sizes, n, share, max, what,    at) {
	at = int(n * (1 - share)) + 1
	if (n > 0 && sizes[at] > max)
		print rule, what " is " sizes[at] " lines, more than " max
}

$1 == "file" && $3 ~ /[.]c$/ {
	max = $3 ~ /^tests\// ? file_max_tests : file_max
	if ($2 > max)
		print "file", $3 ": " $2 " lines, more than " max
	if ($3 !~ /^tests\//)
		files[++n_files] = $2
}

$1 == "function" {
	max = $4 ? table_max : function_max
	if ($2 > max)
		print "function", $5 ": " $6 "() has " $2 " lines, more than " max
	if ($3 > depth_max)
		print "depth", $5 ": " $6 "() is " $3 " tabs deep, more than " depth_max
	if (++n_all <= 10)
		print $2, $5, $6 >"/dev/fd/3"
	if ($5 !~ /^tests\//)
		functions[++n_functions] = $2
}

END {
	check_share("median", files, n_files, 0.5, file_median_max, "the median .c file")
	check_share("median", functions, n_functions, 0.5, function_median_max, \
		"the median function")
	check_share("median", functions, n_functions, 0.9, function_p90_max, \
		"the 90th percentile of functions")
}
'
}

if [ $# -gt 0 ]; then
	complaints "$1" 3>&1
	exit 0
fi

longest=$(mktemp) || exit 1
planted=$(mktemp -d) || exit 1
trap 'rm -rf "$planted" "$longest"' EXIT

all=$(complaints "$top" 3>"$longest")
of_rule() {
	printf '%s\n' "$all" | sed -n "s/^$1 //p"
}
echo "# the ten longest functions:"
sed 's/^/#   /' "$longest"
tap_empty "files of at most $file_max lines, tests $file_max_tests" "$(of_rule file)"
tap_empty "functions of at most $function_max lines, tables $table_max" \
	"$(of_rule function)"
tap_empty "functions with at most three levels inside" "$(of_rule depth)"
tap_empty "medians of files and functions, 90th percentile of functions" \
	"$(of_rule median)"

# lines N TEXT: TEXT so many times.
lines() {
	awk -v n="$1" -v text="$2" 'BEGIN { while (n-- > 0) print text }'
}

# plant WANTED FILE NAME: the tree of this one file, from stdin, gives the rule's
# complaint; with WANTED "none" it gives none but medians. Not behind a pipe: the count of
# cases would be lost there.
text="$planted/text"
plant() {
	rm -rf "$planted/tree"
	mkdir -p "$planted/tree/$(dirname "$2")"
	cat >"$planted/tree/$2"
	found=$(complaints "$planted/tree" 3>/dev/null)
	if [ "$1" = none ]; then
		tap_empty "accepts $3" "$(printf '%s\n' "$found" | grep -v '^median ')"
	else
		tap_found "finds $3" "$(printf '%s\n' "$found" | grep "^$1 ")"
	fi
}

# function_of N: a function of N lines, braces included.
function_of() {
	printf 'static int *f(int a,\n\t\tint b)\n{\n'
	lines $(($1 - 2)) '	a++;'
	echo '}'
}
table_of() {
	echo '/* table */'
	function_of "$1"
}
empty_lines() {
	lines "$1" ''
}

# at_limit RULE FILE WHAT N GENERATOR: N lines are right, one more is too many.
at_limit() {
	"$5" "$4" >"$text"
	plant none "$2" "$3 of $4 lines" <"$text"
	"$5" $(($4 + 1)) >"$text"
	plant "$1" "$2" "$3 of $(($4 + 1)) lines" <"$text"
}
at_limit file daemon/pool.c "a file" 600 empty_lines
at_limit file tests/test_pool.c "a test" 800 empty_lines
at_limit function daemon/pool.h "a function" 80 function_of
at_limit function daemon/pool.c "a table" 120 table_of
{ function_of 16; function_of 16; function_of 3; } >"$text"
plant median daemon/pool.c "a median of 16" <"$text"
{ function_of 41; for _ in 1 2 3 4 5 6 7 8; do function_of 3; done; } >"$text"
plant median daemon/pool.c "a 90th percentile of 41" <"$text"
plant depth daemon/pool.c "four levels" <<'END'
static _printf_(1, 0) int f(const char *format, ...)
{
	for (;;) {
		while (a) {
			if (b) {
				if (c)
					d();
			}
		}
	}
}
END
plant none daemon/pool.c "three levels, wrapped lines and strings" <<'END'
static const struct row rows[] = {
	{ { { { { 1 } } } } },
};

int f(void)
{
	for (;;) {
		while (a) {
			if (b)
				c("{(" /* { */, '(',
						d);
			e = f ? g(h) :
						i;
			FOREACH(e, f)
				g();
			/*
			 * words
						deep;
			 */
			h();
		}
	}
}
END
tap_done
