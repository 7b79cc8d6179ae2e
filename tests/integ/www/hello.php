<?php // SPDX-License-Identifier: BSD-2-Clause
// The smallest answer.
echo "hello\n";
