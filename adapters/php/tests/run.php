<?php

/**
 * Runs every function of tests/*_test.php whose name begins with test_. With SOJOURN_SERVICE and SOJOURN_KEY in the
 * environment, those that need a service run too.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

error_reporting(E_ALL);
set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    throw new ErrorException($message, 0, $level, $file, $line);
});
// Sojourn sets headers, which PHP refuses once something is out.
ob_start();

/** Fails unless both are the same, to the type. */
function same(mixed $expected, mixed $found, string $what = ''): void
{
    if ($expected !== $found) {
        [$wanted, $got] = [var_export($expected, true), var_export($found, true)];
        throw new RuntimeException("$what: expected $wanted, found $got");
    }
}

/** The error of this class that `$act` throws. */
function raises(string $class, Closure $act): Throwable
{
    try {
        $act();
    } catch (Throwable $error) {
        same($class, $error::class, $error->getMessage());
        return $error;
    }
    throw new RuntimeException("$class was not thrown");
}

/** @return array<string, mixed> the vectors that all of Sojourn's languages share */
function vectors(string $name): array
{
    $folder = getenv('SOJOURN_VECTORS') ?: __DIR__ . '/../../../tests/vectors';
    return json_decode(file_get_contents("$folder/$name.json"), true, flags: JSON_THROW_ON_ERROR);
}

/** Why a test was not run. */
final class Skipped extends Exception
{
}

foreach (glob(__DIR__ . '/*_test.php') as $file) {
    require $file;
}
$failed = 0;
foreach (get_defined_functions()['user'] as $test) {
    if (str_starts_with($test, 'test_')) {
        try {
            $test();
            echo "ok      $test\n";
        } catch (Skipped $why) {
            echo "skipped $test: {$why->getMessage()}\n";
        } catch (Throwable $error) {
            $failed++;
            echo "FAILED  $test: {$error->getMessage()}\n{$error->getTraceAsString()}\n";
        }
    }
}
exit($failed === 0 ? 0 : 1);
