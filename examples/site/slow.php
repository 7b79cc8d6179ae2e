<?php
// Two seconds without using the processor, as a page that waits for a database.
sleep(2);
header('Content-Type: text/plain');
echo 'worker ', getmypid(), " has slept two seconds\n";
