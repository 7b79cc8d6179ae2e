<?php // SPDX-License-Identifier: BSD-2-Clause
// ?bytes= of binary content, the same at each call, each 64 KiB headed by its offset;
// ?length=1 announces it by a Content-Length, ?text=1 makes it a compressible text type.
$n_bytes = (int) ($_GET['bytes'] ?? 0);
$noise = '';
for ($i = 0; strlen($noise) < 65536; $i++) {
	$noise .= hash('sha256', (string) $i, true);
}
$type = isset($_GET['text']) ? 'text/plain' : 'application/octet-stream';
header("Content-Type: $type");
if (isset($_GET['length'])) {
	header("Content-Length: $n_bytes");
}
for ($at = 0; $at < $n_bytes; $at += 65536) {
	$block = sprintf("%015d\n", $at) . substr($noise, 16);
	echo $n_bytes - $at < 65536 ? substr($block, 0, $n_bytes - $at) : $block;
}
