<?php // SPDX-License-Identifier: BSD-2-Clause
// Answers with ?code=; 3xx with a Location where that belongs there.
$code = (int) ($_GET['code'] ?? 200);
http_response_code($code);
if ($code >= 300 && $code < 400 && $code !== 304) {
	header('Location: /hello.php', true, $code);
}
if ($code === 304) {
	header('ETag: "unchanged"');
} else {
	echo "status $code\n";
}
