<?php // SPDX-License-Identifier: BSD-2-Clause
// Makes output all the time for ?ms= (2000) and lets none of it out before its end.
ob_start();
$until = hrtime(true) + (int) ($_GET['ms'] ?? 2000) * 1000000;
while (hrtime(true) < $until) {
	echo "held back\n";
	usleep(10000);
}
