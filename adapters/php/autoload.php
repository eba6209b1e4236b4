<?php

/** Loads the classes of this package where there is no Composer: require this file, once. */

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Sojourn\\')) {
        $file = __DIR__ . '/src/' . strtr(substr($class, 8), '\\', '/') . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
