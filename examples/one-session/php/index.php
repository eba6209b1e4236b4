<?php

/** The PHP back end: $_SESSION is the session that it shares with the three others. */

declare(strict_types=1);

use Sojourn\Session;

require __DIR__ . '/../../../adapters/php/autoload.php'; // in yours: vendor/autoload.php

Session::start(); // with SOJOURN_SERVICE and SOJOURN_KEY of the environment

$form = json_decode(file_get_contents('php://input'), true);
/** A field of the form that is text of 1 to 40 characters. */
$text = static fn (string $name): ?string =>
    is_string($form[$name] ?? null) && preg_match('/\A.{1,40}\z/su', $form[$name]) ? $form[$name] : null;

/** Everybody's password is "sesame". Yours are hashed, in your database. */
function logIn(?string $name, ?string $password): ?string
{
    if ($name === null || !hash_equals('sesame', (string) $password)) {
        http_response_code(403);
        return 'This name and password do not go together.';
    }
    Session::login($name); // a new id and token; the cart comes along
    return null;
}

function add(?string $thing, int $wait): ?string
{
    if ($thing === null) {
        http_response_code(422);
        return 'A thing has 1 to 40 characters.';
    }
    usleep(1000 * max(0, min($wait, 5000))); // work that takes its time; others write meanwhile, or log out
    $_SESSION['cart'][] = ['thing' => $thing, 'by' => 'php'];
    Session::increment('additions');
    $_SESSION['php'] = $thing; // a key that only this back end writes
    return null;
}

function notFound(): string
{
    http_response_code(404);
    return 'There is nothing here.';
}

$problem = match ($_SERVER['REQUEST_METHOD'] . ' ' . $_SERVER['PATH_INFO']) {
    'GET /' => null,
    'POST /login' => logIn($text('name'), $text('password')),
    'POST /cart' => add($text('thing'), (int) ($_GET['wait'] ?? 0)),
    'POST /logout' => Session::logout(), // here, and in every back end and tab
    default => notFound(),
};

header('Content-Type: application/json');
echo json_encode($problem !== null ? ['detail' => $problem] : [
    'user' => Session::userId(),
    'ended' => Session::endReason(),
    'data' => (object) $_SESSION,
]);
