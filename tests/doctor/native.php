<?php

/** A cart on PHP's own sessions, as its manual has it. */

declare(strict_types=1);

session_start();
switch ($_SERVER['REQUEST_METHOD'] . ' ' . strtok($_SERVER['REQUEST_URI'], '?')) {
    case 'POST /login':
        session_regenerate_id(true);
        $_SESSION['user'] = 'ada';
        break;
    case 'POST /slow':
        usleep(800_000);
        $_SESSION['cart'][] = $_POST['item'];
        break;
    case 'POST /cart':
        $_SESSION['cart'][] = $_POST['item'];
        break;
    case 'POST /logout':
        session_destroy();
        break;
}
header('Content-Type: application/json');
echo json_encode($_SESSION['cart'] ?? []);
