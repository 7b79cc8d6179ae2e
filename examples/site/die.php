<?php
// Kills its own worker before the first byte of an answer, as a crash would.
posix_kill(getmypid(), 9);
