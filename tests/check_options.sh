#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The option tables, the manual fpmgate.conf(5) and the example fpmgate.conf name the same
# options with the same defaults. At the end planted mistakes, to see that each rule
# notices.

set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$top/tests/tap.sh"
LC_ALL=C
export LC_ALL

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
tab=$(printf '\t')

# The program that prints the tables: from the build, else built here.
print_options=${top_builddir:-$top}/tests/print_options
if [ ! -x "$print_options" ]; then
	print_options=$work/print_options
	# shellcheck disable=SC2086
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -iquote "$top" ${CHECK_CPPFLAGS:-} \
		-o "$print_options" "$top/tests/print_options.c" "$top"/conf/*.c \
		-lconfig || exit 1
fi
"$print_options" >"$work/tables" || exit 1
manual=$top/conf/fpmgate.conf.5
example=$top/conf/fpmgate.conf

# The names that the tables know, in their order.
names_of_tables() {
	cut -f 1 "$work/tables"
}
# names_of_manual FILE: each option is an item ".It Ic NAME".
names_of_manual() {
	sed -n 's/^\.It Ic \([a-z_.]*\)$/\1/p' "$1"
}
# items_of_manual FILE: "NAME<tab>all the text of its item".
items_of_manual() {
	awk '/^\.It / || /^\.El/ {
		if (name != "")
			print name "\t" text
		name = $1 == ".It" && $2 == "Ic" ? $3 : ""
		text = ""
		next
	}
	{ text = text " " $0 }' "$1"
}
# uncommented FILE: the example with every option at work. A # right before a name or a
# bracket is one that can be taken away.
uncommented() {
	sed "s/^\\($tab*\\)#\\([^ #]\\)/\\1\\2/" "$1"
}
# names_of_example FILE: the options that it gives when all is uncommented.
names_of_example() {
	uncommented "$1" >"$work/uncommented.conf"
	"$print_options" given "$work/uncommented.conf" | sort -u
}

# same NAME A B: two lists of names, one a line.
same() {
	printf '%s\n' "$2" >"$work/a"
	printf '%s\n' "$3" >"$work/b"
	diff "$work/a" "$work/b" | sed -n 's/^[<>]/&/p'
}

# A default that the item of the manual does not name as ".Ql DEFAULT" after "default";
# nothing is asked of options whose default is nothing.
wrong_defaults() {
	items_of_manual "$1" >"$work/items"
	awk -F '\t' 'FNR == NR { item[$1] = tolower($0); next }
	$3 != "" && !index(item[$1], "default .ql " tolower($3) " ") {
		print $1 ": the default " $3 " is not named"
	}' "$work/items" "$work/tables"
}
# A range of a number, time or size whose ends are not in the text.
wrong_ranges() {
	items_of_manual "$1" >"$work/items"
	awk -F '\t' 'FNR == NR { item[$1] = $0; next }
	item[$1] ~ /From / && ($2 == "integer" || $2 == "duration" || $2 == "size") {
		if (!index(item[$1], "From " $4 " to " $5) &&
		    !index(item[$1], "From " $4 ";"))
			print $1 ": the range " $4 " to " $5 " is not named"
	}' "$work/items" "$work/tables"
}
# Options that need a restart and whose item does not say so, or the other way round.
wrong_restarts() {
	items_of_manual "$1" >"$work/items"
	awk -F '\t' 'FNR == NR { item[$1] = tolower($2); next }
	(item[$1] ~ /restart[.;]/) != ($7 == "restart") {
		print $1 ": restart or reload?"
	}' "$work/items" "$work/tables"
}

# wrong_example FILE: options of the example whose value is not the default, the few left
# aside that have an example in place of one.
wrong_example() {
	uncommented "$1" | awk -F '\t' 'FNR == NR {
		preset[$1] = $3
		type[$1] = $2
		next
	}
	function quoted(text) {
		if (type[name] == "strings" || type[name] == "networks")
			return text == "" ? "[ ]" : "?"
		if (type[name] == "bool" || (type[name] == "integer" && text != "auto"))
			return text
		return "\"" text "\""
	}
	{ sub(/^\t*/, "") }
	/^[a-z_]+ = \{/ { group = substr($0, 1, index($0, " ") - 1) "."; next }
	/^\};/ { group = ""; next }
	!/^[a-z_]+ = [^({]/ { next }
	{
		name = group substr($0, 1, index($0, " ") - 1)
		value = substr($0, index($0, "=") + 2)
		sub(/;.*/, "", value)
		if (name ~ /^(name|listen|backend|php_fpm|max_children|fpm_conf|unit)$/)
			next
		if (value != quoted(preset[name]))
			print name ": " value " is not the default"
	}' "$work/tables" -
}

tap_empty "the tables name each option once" "$(names_of_tables | sort | uniq -d)"
tap_empty "the manual has the options of the tables, in their order" \
	"$(same manual "$(names_of_tables)" "$(names_of_manual "$manual" |
		awk '/^queue[.]/ || /^fpm[.]/ { late = late $0 "\n"; next } { print }
		END { printf "%s", late }')")"
tap_empty "the manual names the defaults" "$(wrong_defaults "$manual")"
tap_empty "the manual names the ranges" "$(wrong_ranges "$manual")"
tap_empty "the manual says what needs a restart" "$(wrong_restarts "$manual")"
tap_empty "the example as it is can be loaded" \
	"$("$print_options" given "$example" 2>&1 >/dev/null)"
tap_empty "the example has all options" \
	"$(same example "$(names_of_tables | sort)" \
		"$(names_of_example "$example" 2>&1)")"
tap_empty "the example shows the defaults" "$(wrong_example "$example")"
if command -v mandoc >/dev/null; then
	tap_empty "mandoc finds nothing to warn about" \
		"$(mandoc -Tlint -Wwarning "$manual" 2>&1)"
else
	tap_skip_case "mandoc finds nothing to warn about" "mandoc is missing"
fi

# plant NAME FUNCTION FILE SED: the function complains about the file with that change.
plant() {
	sed "$4" "$3" >"$work/planted"
	tap_found "finds $1" "$("$2" "$work/planted")"
}
planted_names() {
	same manual "$(names_of_tables | sort)" "$(names_of_manual "$1" | sort)"
}
planted_example() {
	same example "$(names_of_tables | sort)" "$(names_of_example "$1" 2>&1)"
}
plant "an option that the manual lacks" planted_names "$manual" '/^\.It Ic backlog$/d'
plant "an option that only the manual has" planted_names "$manual" \
	's/^\.It Ic backlog$/.It Ic backlogs/'
plant "a wrong default in the manual" wrong_defaults "$manual" \
	's/^\.Ql 4096 \.$/.Ql 511 ./'
plant "a wrong range in the manual" wrong_ranges "$manual" \
	's/From 1 to 65535/From 1 to 9/'
plant "a restart that is not needed" wrong_restarts "$manual" \
	's/^From 1 to 65535; default/Restart; default/'
plant "an option that the example lacks" planted_example "$example" '/#backlog = /d'
plant "an option that only the example has" planted_example "$example" \
	's/#backlog = /#backlogs = /'
plant "a wrong default in the example" wrong_example "$example" \
	's/#backlog = 4096/#backlog = 511/'
tap_done
