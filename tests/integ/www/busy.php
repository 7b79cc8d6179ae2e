<?php // SPDX-License-Identifier: BSD-2-Clause
// Burns ?ms= of CPU time, however many others burn theirs.
function cpu_us(): int
{
	$usage = getrusage();

	return 1000000 * ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'])
		+ $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}

$until = cpu_us() + 1000 * (int) ($_GET['ms'] ?? 0);
for ($x = 1; cpu_us() < $until;) {
	for ($i = 0; $i < 500; $i++) {
		$x = ($x * 31 + $i) % 1000003;
	}
}
echo 'burnt ', (int) ($_GET['ms'] ?? 0), "\n";
