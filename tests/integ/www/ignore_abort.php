<?php // SPDX-License-Identifier: BSD-2-Clause
// Writes for ?ms= (2000) although nobody may listen any more, then OUT_DIR/ignore-ID.
ignore_user_abort(true);
$until = hrtime(true) + (int) ($_GET['ms'] ?? 2000) * 1000000;
while (hrtime(true) < $until) {
	echo str_repeat('.', 100), "\n";
	if (ob_get_level() > 0) {
		ob_flush();
	}
	flush();
	usleep(50000);
}
$id = preg_replace('/\W/', '', $_GET['id'] ?? '0');
file_put_contents($_SERVER['OUT_DIR'] . "/ignore-$id", connection_aborted() . "\n");
