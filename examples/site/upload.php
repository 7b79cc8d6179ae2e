<?php
// What arrived of an upload.
header('Content-Type: text/plain');
$file = $_FILES['file'] ?? null;
if (!$file || $file['error'] !== UPLOAD_ERR_OK) {
    http_response_code(400);
    exit("no file arrived\n");
}
echo $file['size'], ' bytes, SHA-256 ', hash_file('sha256', $file['tmp_name']), "\n";
