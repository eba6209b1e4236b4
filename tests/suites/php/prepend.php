<?php

/** Put before each of PHP's own tests: its sessions are ours, in the place of PHP's files. */

declare(strict_types=1);

require __DIR__ . '/../../../adapters/php/autoload.php';

(static function (): void {
    $service = new Sojourn\Service(getenv('SOJOURN_SERVICE'), getenv('SOJOURN_KEY'));
    session_set_save_handler(new Sojourn\SessionHandler($service), true);
    foreach (Sojourn\SessionHandler::OPTIONS as $name => $value) {
        ini_set("session.$name", (string) $value);
    }
})();
