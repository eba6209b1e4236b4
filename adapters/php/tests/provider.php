<?php

/** A shop whose visitors log in at an identity provider, SITE_PROVIDER, which sends them back by a form of its own page. */

declare(strict_types=1);

use Sojourn\Session;

require __DIR__ . '/../autoload.php';

const CALLBACK = '/auth/callback';

$path = explode('?', $_SERVER['REQUEST_URI'], 2)[0];
if ($path === CALLBACK && $_SERVER['REQUEST_METHOD'] === 'POST') {
    // From the provider's page, without our cookie: the browser asks once more from our own, with it.
    header('Location: ' . CALLBACK . '?' . http_build_query($_POST), true, 303);
    exit;
}
Session::start();
switch ($path) {
    case '/add':
        $_SESSION['cart'] = ['tea'];
        break;
    case '/enter':
        $_SESSION['state'] = bin2hex(random_bytes(16));
        $asked = ['redirect_uri' => "http://{$_SERVER['HTTP_HOST']}" . CALLBACK, 'state' => $_SESSION['state']];
        header('Location: ' . getenv('SITE_PROVIDER') . '/authorize?' . http_build_query($asked), true, 303);
        exit;
    case CALLBACK:
        if (!isset($_SESSION['state']) || !hash_equals($_SESSION['state'], (string) ($_GET['state'] ?? ''))) {
            http_response_code(400);
            exit('This log-in was not begun here.');
        }
        unset($_SESSION['state']);
        Session::login('ada');
        header('Location: /', true, 303);
        exit;
}
echo json_encode(['user' => Session::userId(), 'cart' => $_SESSION['cart'] ?? null]);
