<?php // SPDX-License-Identifier: BSD-2-Clause
// Kills its own worker before any byte, the first ?times= (1) times that ?id= comes, and
// answers from then on. Each run is a line in OUT_DIR/die-ID.
$id = preg_replace('/\W/', '', $_GET['id'] ?? '0');
$file = $_SERVER['OUT_DIR'] . "/die-$id";
$line = $_SERVER['REQUEST_METHOD'] . ' ' . getmypid() . "\n";
file_put_contents($file, $line, FILE_APPEND);
usleep(1000 * (int) ($_GET['ms'] ?? 0));
if (count(file($file)) <= (int) ($_GET['times'] ?? 1)) {
	posix_kill(getmypid(), (int) ($_GET['signal'] ?? 9));
	sleep(10);
}
echo "alive $id\n";
