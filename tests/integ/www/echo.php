<?php // SPDX-License-Identifier: BSD-2-Clause
// What PHP got: method, length and md5 of the body, and the params named in ?params=A,B.
$md5 = hash_init('md5');
$n_bytes = 0;
$body = fopen('php://input', 'rb');
while (($piece = fread($body, 65536)) !== false && $piece !== '') {
	hash_update($md5, $piece);
	$n_bytes += strlen($piece);
}
$params = [];
foreach (explode(',', $_GET['params'] ?? '') as $name) {
	if ($name !== '') {
		$params[$name] = $_SERVER[$name] ?? null;
	}
}
header('Content-Type: application/json');
echo json_encode([
	'method' => $_SERVER['REQUEST_METHOD'],
	'bytes' => $n_bytes,
	'md5' => hash_final($md5),
	'content_length' => $_SERVER['CONTENT_LENGTH'] ?? null,
	'post' => $_POST,
	'params' => (object) $params,
]), "\n";
