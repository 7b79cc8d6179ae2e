<?php // SPDX-License-Identifier: BSD-2-Clause
// Writes ?text= to the error log, which FPM sends as STDERR, ?n= (1) times, then answers.
for ($i = (int) ($_GET['n'] ?? 1); $i > 0; $i--) {
	error_log($_GET['text'] ?? 'a line of stderr');
}
echo "logged\n";
