<?php // SPDX-License-Identifier: BSD-2-Clause
// Answers, ends the request, then works on for ?ms= (2000): echoes a secret with a flush
// every 100 ms and at the end writes OUT_DIR/finish-ID, by which the test knows that the
// work ran through. On a connection that FPM has closed (no KEEP_CONN) the first echo
// would end the script, also without a gateway, hence ignore_user_abort(); with ?strict=1
// it is left out and the work runs to its end only on a connection that stays open.
if (!isset($_GET['strict'])) {
	ignore_user_abort(true);
}
$id = preg_replace('/\W/', '', $_GET['id'] ?? '0');
echo "answer $id\n";
fastcgi_finish_request();
$until = hrtime(true) + (int) ($_GET['ms'] ?? 2000) * 1000000;
while (hrtime(true) < $until) {
	echo "SECRET-$id\n";
	flush();
	usleep(100000);
}
file_put_contents($_SERVER['OUT_DIR'] . "/finish-$id", getmypid() . "\n");
