<?php // SPDX-License-Identifier: BSD-2-Clause
// Sleeps ?ms= of wall-clock time, whatever signals come, and answers at its end.
$until = hrtime(true) + (int) ($_GET['ms'] ?? 0) * 1000000;
while (($left = $until - hrtime(true)) > 0) {
	usleep(intdiv($left, 1000) + 1);
}
echo 'slept ', (int) ($_GET['ms'] ?? 0), "\n";
