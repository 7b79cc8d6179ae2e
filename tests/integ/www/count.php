<?php // SPDX-License-Identifier: BSD-2-Clause
// Appends "METHOD id pid us" (CLOCK_REALTIME) to COUNT_FILE as its first act, sleeps
// ?ms=, prints at its end: who ran, and how often.
$line = sprintf("%s %s %d %.0f\n", $_SERVER['REQUEST_METHOD'],
	preg_replace('/\W/', '', $_GET['id'] ?? '0'), getmypid(), microtime(true) * 1e6);
file_put_contents($_SERVER['COUNT_FILE'], $line, FILE_APPEND);
$until = hrtime(true) + (int) ($_GET['ms'] ?? 0) * 1000000;
while (($left = $until - hrtime(true)) > 0) {
	usleep(intdiv($left, 1000) + 1);
}
echo 'counted ', $_GET['id'] ?? '0', "\n";
