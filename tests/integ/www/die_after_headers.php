<?php // SPDX-License-Identifier: BSD-2-Clause
// Sends its header and ?bytes= (100) of body, then kills its own worker by ?signal= (9).
while (ob_get_level() > 0) {
	ob_end_flush();
}
header('Content-Type: text/plain');
echo str_repeat('x', (int) ($_GET['bytes'] ?? 100));
flush();
usleep(1000 * (int) ($_GET['ms'] ?? 0));
posix_kill(getmypid(), (int) ($_GET['signal'] ?? 9));
sleep(10);
