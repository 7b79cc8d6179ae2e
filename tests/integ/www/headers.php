<?php // SPDX-License-Identifier: BSD-2-Clause
// Forty response headers, a name twice, long and empty values, odd order.
for ($i = 40; $i > 4; $i--) {
	header(sprintf('X-Test-%02d: %s', $i, str_repeat(chr(97 + $i % 26), $i)));
}
header('Set-Cookie: first=1; path=/', false);
header('Set-Cookie: second=2; path=/', false);
header('X-Long: ' . str_repeat('long ', 200));
header('Cache-Control: private, max-age=7');
echo "forty headers\n";
