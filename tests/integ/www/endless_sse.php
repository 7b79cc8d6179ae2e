<?php // SPDX-License-Identifier: BSD-2-Clause
// Server-sent events every 50 ms for ever: only a visitor who leaves ends it.
set_time_limit(0);
header('Content-Type: text/event-stream');
header('X-Accel-Buffering: no');
while (ob_get_level() > 0) {
	ob_end_flush();
}
for (;;) {
	printf("data: %.0f\n\n", microtime(true) * 1e6);
	flush();
	usleep(50000);
}
