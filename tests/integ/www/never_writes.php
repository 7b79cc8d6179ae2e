<?php // SPDX-License-Identifier: BSD-2-Clause
// Not one byte for ?ms= (60000), and none at its end.
set_time_limit(0);
$until = hrtime(true) + (int) ($_GET['ms'] ?? 60000) * 1000000;
while (($left = $until - hrtime(true)) > 0) {
	usleep(intdiv($left, 1000) + 1);
}
