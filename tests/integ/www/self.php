<?php // SPDX-License-Identifier: BSD-2-Clause
// Who runs this and what it is given, one "NAME VALUE" a line: pid uid gid, the settings in
// ?ini=A,B and the environment variables in ?env=A,B. ?say= is a line for stderr of the
// worker, ?stray=1 leaves a process in a session of its own and prints its pid.
header('Content-Type: text/plain');
echo 'pid ', getmypid(), "\nuid ", posix_geteuid(), "\ngid ", posix_getegid(), "\n";
foreach (array_filter(explode(',', $_GET['ini'] ?? '')) as $name) {
	echo $name, ' ', ini_get($name), "\n";
}
foreach (array_filter(explode(',', $_GET['env'] ?? '')) as $name) {
	$value = getenv($name, true);
	echo $name, ' ', $value === false ? '-' : $value, "\n";
}
if (isset($_GET['say'])) {
	file_put_contents('php://stderr', $_GET['say'] . "\n");
}
if (isset($_GET['stray'])) {
	echo 'stray ', exec('setsid sleep 1000 >/dev/null 2>&1 & echo $!'), "\n";
}
