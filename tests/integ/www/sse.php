<?php // SPDX-License-Identifier: BSD-2-Clause
// ?n= server-sent events, ?ms= apart, each with CLOCK_REALTIME in us when it was sent.
header('Content-Type: text/event-stream');
header('X-Accel-Buffering: no');
while (ob_get_level() > 0) {
	ob_end_flush();
}
for ($i = (int) ($_GET['n'] ?? 20); $i > 0; $i--) {
	printf("data: %.0f\n\n", microtime(true) * 1e6);
	flush();
	usleep(1000 * (int) ($_GET['ms'] ?? 50));
}
