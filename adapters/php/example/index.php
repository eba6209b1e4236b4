<?php

/** A shop in one file: a cart that anybody fills, a log-in, a log-out. README.md says how to run it. */

declare(strict_types=1);

use Sojourn\Session;

require is_file(__DIR__ . '/vendor/autoload.php') ? __DIR__ . '/vendor/autoload.php' : __DIR__ . '/../autoload.php';

// The service and the key are in SOJOURN_SERVICE and SOJOURN_KEY.
Session::start();

const PASSWORDS = ['ada' => 'lovelace', 'grace' => 'hopper'];
const GOODS = ['tea', 'cup', 'milk'];
const REASONS = [
    'idle_timeout' => 'You were signed out after a time without activity.',
    'absolute_timeout' => 'You were signed out: please sign in again once a day.',
    'revoked' => 'You were signed out from another device.',
    'token_reuse' => 'You were signed out, as your session was used from elsewhere.',
    'limit' => 'You were signed out, as you signed in on too many devices.',
];

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    switch ($_POST['do'] ?? '') {
        case 'add':
            if (in_array($_POST['item'] ?? null, GOODS, true)) {
                $_SESSION['cart'][] = $_POST['item'];
            }
            break;
        case 'login':
            [$user, $password] = [(string) ($_POST['user'] ?? ''), (string) ($_POST['password'] ?? '')];
            // In a real one: password_verify(), against what is in your database.
            if (isset(PASSWORDS[$user]) && hash_equals(PASSWORDS[$user], $password)) {
                Session::login($user, remember: isset($_POST['remember']));
                $_SESSION['notice'] = "Welcome, $user.";
            } else {
                $_SESSION['notice'] = 'No such user, or another password.';
            }
            break;
        case 'logout':
            Session::logout();
            $_SESSION['notice'] = 'See you soon.';
            break;
    }
    header('Location: ' . strtok($_SERVER['REQUEST_URI'], '?'), true, 303);
    exit;
}

$notice = $_SESSION['notice'] ?? REASONS[Session::endReason() ?? ''] ?? null;
unset($_SESSION['notice']);
$user = Session::userId();
$escape = static fn (string|int $text): string => htmlspecialchars((string) $text, ENT_QUOTES | ENT_HTML5);
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>A shop in PHP</title>
<style>
    body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }
    form { margin: 1rem 0; } button, input { font: inherit; } [role=status] { background: #eef; padding: .5rem 1rem; }
</style>
<h1>A shop in PHP</h1>
<?php if ($notice !== null) : ?>
    <p role="status"><?= $escape($notice) ?></p>
<?php endif ?>

<h2>Your cart</h2>
<ul>
    <?php foreach (array_count_values($_SESSION['cart'] ?? []) as $item => $count) : ?>
        <li><?= $escape($count) ?> × <?= $escape($item) ?></li>
    <?php endforeach ?>
</ul>
<form method="post">
    <input type="hidden" name="do" value="add">
    <?php foreach (GOODS as $item) : ?>
        <button name="item" value="<?= $escape($item) ?>">Add <?= $escape($item) ?></button>
    <?php endforeach ?>
</form>

<?php if ($user === null) : ?>
    <h2>Sign in</h2>
    <form method="post">
        <input type="hidden" name="do" value="login">
        <p><label>Name <input name="user" autocomplete="username" required></label> (ada or grace)
        <p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
            (lovelace or hopper)
        <p><label><input name="remember" type="checkbox"> Stay signed in</label>
        <p><button>Sign in</button>
    </form>
<?php else : ?>
    <p>You are <b><?= $escape($user) ?></b>, since <?= $escape(Session::authenticatedAt()->format('H:i')) ?> UTC.
    <form method="post"><button name="do" value="logout">Sign out</button></form>
<?php endif ?>
