<?php
// The guest book: a line that is posted is written, and who fetches the page sees them all, the last one first.
declare(strict_types=1);
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function database(): mysqli
{
    return new mysqli('database', 'guestbook', getenv('DATABASE_PASSWORD'), 'guestbook');
}

function refuse(int $status, string $reason): never
{
    http_response_code($status);
    header('Content-Type: text/plain');
    exit("$reason\n");
}

try {
    if ($_SERVER['REQUEST_METHOD'] === 'POST') {
        $line = $_POST['line'] ?? null;
        if (!is_string($line) || !preg_match('/^.{1,200}$/us', $line)) {
            refuse(400, 'A line has 1 to 200 characters.');
        }
        $database = database();
        $database->prepare('INSERT INTO written (line) VALUES (?)')->execute([$line]);
        header('Location: /guestbook.php', true, 303);
        exit;
    }
    $lines = database()->query('SELECT line FROM written ORDER BY id DESC LIMIT 100')->fetch_all(MYSQLI_ASSOC);
} catch (mysqli_sql_exception $problem) {
    error_log('guestbook: ' . $problem->getMessage());
    refuse(503, 'The database does not answer.');
}
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A guest book</title>
<link rel="stylesheet" href="/style.css">
<main>
<h1>What was written</h1>
<ol reversed>
<?php foreach ($lines as $row): ?>
<li><?= htmlspecialchars($row['line']) ?></li>
<?php endforeach ?>
</ol>
<p><a href="/">Write a line</a></p>
</main>
</html>
