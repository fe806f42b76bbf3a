<?php
// A guestbook on SQLite. It knows nothing of Holdfast: /data is a folder to it. It answers with the part of the page that
// lists the entries, because the page around it is there before PHP has started.

declare(strict_types=1);

const DATABASE = '/data/guestbook.sqlite';
const LAST_CHANGE = '/data/last-change.txt'; // one line for people, so that every point of the time line can say what it is
const MAX_NAME = 60;
const MAX_MESSAGE = 1000;
const SAMPLES = 1000;

function html(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}

function open_database(): PDO
{
    $db = new PDO('sqlite:' . DATABASE, options: [
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
    ]);
    $db->exec('PRAGMA journal_mode = DELETE');
    $db->exec('CREATE TABLE IF NOT EXISTS entry (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, message TEXT NOT NULL, signed_at INTEGER NOT NULL)');
    return $db;
}

/** What went wrong, in a sentence for the visitor; null when all is well. */
function change(PDO $db, array $form): ?string
{
    switch ($form['action'] ?? '') {
        case 'sign':
            $name = trim((string) ($form['name'] ?? ''));
            $message = trim((string) ($form['message'] ?? ''));
            if ($name === '' || $message === '') {
                return 'Please fill in both your name and a message, then sign again.';
            }
            if (mb_strlen($name) > MAX_NAME || mb_strlen($message) > MAX_MESSAGE) {
                return sprintf('That is too long: a name may have %d characters and a message %d. Shorten it and sign again.', MAX_NAME, MAX_MESSAGE);
            }
            $db->prepare('INSERT INTO entry (name, message, signed_at) VALUES (?, ?, ?)')->execute([$name, $message, time()]);
            file_put_contents(LAST_CHANGE, "$name signed");
            return null;

        case 'delete':
            $find = $db->prepare('SELECT name FROM entry WHERE id = ?');
            $find->execute([(int) ($form['id'] ?? 0)]);
            $name = $find->fetchColumn();
            $find->closeCursor();
            if ($name === false) {
                return 'This entry is gone already. The list now shows what is there.';
            }
            $db->prepare('DELETE FROM entry WHERE id = ?')->execute([(int) $form['id']]);
            file_put_contents(LAST_CHANGE, "Entry of $name deleted");
            return null;

        case 'clear':
            $gone = $db->exec('DELETE FROM entry');
            file_put_contents(LAST_CHANGE, $gone === 1 ? '1 entry deleted' : "$gone entries deleted");
            return null;

        case 'samples':
            add_samples($db);
            file_put_contents(LAST_CHANGE, SAMPLES . ' sample entries added');
            return null;
    }
    return 'The guestbook does not know how to do that. Reload the page and try again.';
}

function add_samples(PDO $db): void
{
    $names = ['Ada', 'Linus', 'Grace', 'Edsger', 'Barbara', 'Ken', 'Margaret', 'Dennis', 'Radia', 'Niklaus'];
    $places = ['the quay', 'the lighthouse', 'the north beach', 'the old mill', 'the harbour wall', 'the tide pools'];
    $remarks = ['the sea was quite still', 'we counted eleven seals', 'the wind took my hat', 'nobody else was there',
        'the kelp lay in long ribbons', 'it smelled of salt and tar', 'the ferry was late again'];
    $insert = $db->prepare('INSERT INTO entry (name, message, signed_at) VALUES (?, ?, ?)');
    $db->beginTransaction();
    for ($i = SAMPLES; $i > 0; $i--) {
        $message = sprintf('Went down to %s this morning: %s. A note to remember it by, number %d.',
            $places[array_rand($places)], $remarks[array_rand($remarks)], SAMPLES - $i + 1);
        $insert->execute([$names[array_rand($names)], $message, time() - $i * 60]);
    }
    $db->commit();
}

function show(PDO $db, int $limit): void
{
    $count = (int) $db->query('SELECT count(*) FROM entry')->fetchColumn();
    $entries = $db->prepare('SELECT id, name, message, signed_at FROM entry ORDER BY id DESC LIMIT ?');
    $entries->bindValue(1, $limit, PDO::PARAM_INT);
    $entries->execute();

    echo '<p class="count" data-count="', $count, '">', $count === 1 ? '1 entry' : number_format($count) . ' entries', '</p>';
    if ($count === 0) {
        echo '<p class="empty">Nobody has signed yet. Be the first.</p>';
        return;
    }
    echo '<ol class="entries">';
    foreach ($entries as $entry) {
        $name = html($entry['name']);
        echo '<li class="entry" data-id="', $entry['id'], '">',
            '<p class="message">', nl2br(html($entry['message'])), '</p>',
            '<p class="by"><span class="name">', $name, '</span> ',
            '<time datetime="', gmdate('c', $entry['signed_at']), '">', gmdate('j M Y, H:i', $entry['signed_at']), ' UTC</time></p>',
            '<form method="post"><input type="hidden" name="action" value="delete"><input type="hidden" name="id" value="', $entry['id'], '">',
            '<button class="quiet" aria-label="Delete the entry of ', $name, '">Delete</button></form>',
            '</li>';
    }
    echo '</ol>';
    if ($count > $limit) {
        echo '<form method="get" class="more"><input type="hidden" name="limit" value="', $limit + 50, '">',
            '<button class="quiet">Show older entries</button></form>';
    }
}

$db = open_database();
$problem = $_SERVER['REQUEST_METHOD'] === 'POST' ? change($db, $_POST) : null;
if ($problem !== null) {
    http_response_code(422);
    echo html($problem);
} else {
    show($db, max(20, min(5000, (int) ($_GET['limit'] ?? 20))));
}
