<?php
// The page of the demonstration: which worker answered, and what the gateway told it.
$request_id = $_SERVER['FPMGATE_REQUEST_ID'] ?? 'none: fpmgate is not in between';
$queue_ms = isset($_SERVER['FPMGATE_QUEUE_USEC'])
    ? sprintf('%.1f ms', $_SERVER['FPMGATE_QUEUE_USEC'] / 1000) : 'unknown';
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>fpmgate: it runs</title>
<link rel="stylesheet" href="style.css">
<h1>It runs</h1>
<table>
<tr><th>PHP worker <td><?= getmypid() ?>, PHP <?= PHP_VERSION ?>

<tr><th>request id <td><?= htmlspecialchars($request_id) ?>

<tr><th>waited in the queue <td><?= $queue_ms ?>

</table>
<p>Reload: the worker changes, the page stays. Kill every PHP process with the line in the
terminal and reload at once: you wait a moment, or get a page that says when to come back.
<ul>
<li><a href="slow.php">slow.php</a> takes two seconds of a worker's time
<li><a href="die.php">die.php</a> kills its own worker
<li><a href="missing.php">missing.php</a> is not there: PHP's own 404 passes unchanged
</ul>
<form method="post" action="upload.php" enctype="multipart/form-data">
<p>Upload something: <input type="file" name="file"> <button>Send</button>
</form>
