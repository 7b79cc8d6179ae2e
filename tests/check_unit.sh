#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The files for systemd: the unit's exposure, and what systemd itself finds wrong in the
# units, in the users and in the directories. Measured with systemd 252 (Debian 12): 1.4.

set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$top/tests/tap.sh"
LC_ALL=C
SYSTEMD_COLORS=0
export LC_ALL SYSTEMD_COLORS

exposure_max=1.7

command -v systemd-analyze >/dev/null || tap_skip_all "systemd-analyze is missing"
command -v systemd-sysusers >/dev/null || tap_skip_all "systemd-sysusers is missing"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# The unit as it would be installed, but with a program that is there.
substitute() {
	sed -e 's|@sbindir@/fpmgate|/bin/true|' -e 's|@sysconfdir@|/etc|' \
		"$top/systemd/fpmgate.service.in"
}
substitute >"$work/fpmgate.service"
cp "$top/systemd/fpmgate.socket" "$work/fpmgate.socket"
tap_empty "nothing is left to substitute" "$(grep -n '@[a-z]*@' "$work/fpmgate.service")"

# exposure UNIT: "1.4"
exposure() {
	systemd-analyze security --offline=true --no-pager "$1" 2>/dev/null |
		sed -n 's/.*Overall exposure level for [^ ]*: \([0-9.]*\) .*/\1/p'
}
# too_open UNIT: a complaint if its exposure is above the limit, or cannot be measured.
too_open() {
	value=$(exposure "$1")
	awk -v value="${value:-10}" -v max=$exposure_max 'BEGIN {
		if (value + 0 > max + 0)
			print "exposure " value ", more than " max
	}'
}
echo "# exposure: $(exposure "$work/fpmgate.service")"
tap_empty "exposure of at most $exposure_max" "$(too_open "$work/fpmgate.service")"

# What systemd says about these units; what it says about others of this machine is not
# ours.
verify() {
	systemd-analyze verify --man=no "$@" 2>&1 | grep -F -e "$work" -e fpmgate
}
tap_empty "systemd finds nothing wrong in fpmgate.service" \
	"$(verify "$work/fpmgate.service")"
tap_empty "systemd finds nothing wrong in fpmgate.socket" \
	"$(verify "$work/fpmgate.service" "$work/fpmgate.socket")"

# wants NAME LINE: the unit says so.
wants() {
	tap_found "$1" "$(grep -x "$2" "$work/fpmgate.service")"
}
wants "the configuration is checked before a start" \
	'ExecStartPre=/bin/true --check .*/etc/fpmgate/fpmgate.conf'
wants "the configuration is checked before a reload" \
	'ExecReload=/bin/true --check .*/etc/fpmgate/fpmgate.conf'
wants "the daemon may give its sockets a group" 'SystemCallFilter=@chown'
tap_empty "no ambient capability" \
	"$(grep '^AmbientCapabilities=.' "$work/fpmgate.service")"
tap_empty "a restart of the daemon leaves its sockets alone" \
	"$(grep -E '^(PartOf|BindsTo)=' "$work/fpmgate.socket")"

# The users and directories, into a tree of their own.
mkdir -p "$work/root/etc"
said=$(systemd-sysusers --root="$work/root" "$top/systemd/fpmgate.sysusers" 2>&1) ||
	said="status $?: $said"
tap_empty "the users can be made" "$(printf '%s\n' "$said" | grep -v '^Creating ')"
tap_found "fpmgate is in www-data" \
	"$(grep '^www-data:.*:fpmgate$' "$work/root/etc/group")"
tap_found "fpmgate is in fpmgate-admin" \
	"$(grep '^fpmgate-admin:.*:fpmgate$' "$work/root/etc/group")"
if [ "$(id -u)" -eq 0 ]; then
	tap_empty "the directories can be made" \
		"$(systemd-tmpfiles --root="$work/root" --create \
			"$top/systemd/fpmgate.tmpfiles" 2>&1)"
	tap_found "bodies are nobody else's" \
		"$(find "$work/root/var/lib/fpmgate" -maxdepth 0 -perm 0700)"
else
	tap_skip_case "the directories can be made" "not root"
	tap_skip_case "bodies are nobody else's" "not root"
fi

# Planted mistakes.
substitute | grep -v '^SystemCallFilter' >"$work/open.service"
tap_found "finds a unit that is too open" "$(too_open "$work/open.service")"
substitute | sed 's/^Restart=.*/Restart=perhaps/' >"$work/wrong.service"
tap_found "finds a wrong directive" "$(verify "$work/wrong.service")"
tap_done
