<?php

/** The tests' application: does what the request says, step by step, and tells what came of it. */

declare(strict_types=1);

use Sojourn\Service;
use Sojourn\Session;
use Sojourn\SessionHandler;
use Sojourn\SojournException;

require __DIR__ . '/../autoload.php';

enum Size: string
{
    case Large = 'L';
}

/** What no session can hold, by name. */
function unfit(string $name): mixed
{
    $circle = [];
    $circle['self'] = &$circle;
    return match ($name) {
        'object' => new ArrayObject([1]),
        'stdClass' => (object) ['a' => 1],
        'enum' => Size::Large,
        'date' => new DateTimeImmutable('2027-01-15'),
        'closure' => static fn (): int => 1,
        'resource' => fopen('php://memory', 'r'),
        'nan' => NAN,
        'infinity' => INF,
        'binary' => "\xff\xfe",
        'binary key' => ["\xff" => 1],
        'large' => 2 ** 53,
        'circle' => $circle,
        'deep' => json_decode(str_repeat('[', 33) . str_repeat(']', 33)),
    };
}

/** Tell the test that this request has come so far, and go on when it says so. */
function wait(string $file): void
{
    touch("$file.arrived");
    $deadline = microtime(true) + 30;
    while (!is_file("$file.released")) {
        clearstatcache();
        microtime(true) < $deadline || throw new RuntimeException('Nobody released it.');
        usleep(2000);
    }
}

/**
 * @param class-string<Session>|SessionHandler $session
 * @param list<mixed> $step
 */
function perform(string|SessionHandler $session, array $step): mixed
{
    [$verb, $a, $b] = $step + [1 => null, 2 => null];
    return match ($verb) {
        'set' => $_SESSION[$a] = $b,
        'put' => $_SESSION[$a][$b] = $step[3],
        'append' => $_SESSION[$a][] = $b,
        'unset' => (static function () use ($a): void {
            unset($_SESSION[$a]);
        })(),
        'empty' => $_SESSION = [],
        'unset all' => (static function (): void {
            unset($GLOBALS['_SESSION']);
        })(),
        'unfit' => (static function () use ($a, $b): void {
            $_SESSION[$a] = ['in' => [unfit($b)]];
        })(),
        'share' => (static function () use ($a, $b): void {
            $shared = ['shared'];
            $_SESSION[$a] = &$shared;
            $_SESSION[$b] = &$shared;
        })(),
        'data' => $_SESSION,
        'facts' => [
            'id' => call_user_func([$session, 'id']),
            'user_id' => call_user_func([$session, 'userId']),
            'authenticated_at' => call_user_func([$session, 'authenticatedAt'])?->format('Uv'),
            'end_reason' => call_user_func([$session, 'endReason']),
        ],
        'login' => call_user_func([$session, 'login'], $a, ...(is_array($b) ? $b : array_slice($step, 2))),
        'sign_in' => $b === 'sesame' && [call_user_func([$session, 'login'], $a)],
        'require_login' => call_user_func([$session, 'requireLogin'], ...$a),
        'grant' => call_user_func_array([$session, 'grantOnce'], array_slice($step, 1)),
        'use_grant' => call_user_func([$session, 'useGrant'], $a),
        'proved' => ['level' => call_user_func([$session, 'level']), 'methods' => call_user_func([$session, 'methods'])],
        'logout', 'increment' => call_user_func_array([$session, $verb], array_slice($step, 1)),
        'regenerate' => session_regenerate_id(),
        'start' => is_string($session) ? Session::start(readAndClose: $a ?? false) : session_start(),
        'next request' => (static function () use ($a): void {
            $_SERVER['REQUEST_TIME_FLOAT']++;
            $_SERVER['HTTP_COOKIE'] = $a;
            header_remove('Set-Cookie');
        })(),
        'sleep' => usleep((int) ($a * 1e6)),
        'print' => print(str_repeat($a, $b ?? 1)),
        'flush' => [ob_flush(), flush()],
        'after' => register_shutdown_function(static fn () => perform($session, $a)),
        'destruct' => $GLOBALS['destructed'][] = new class (static fn () => perform($session, $a)) {
            public function __construct(private readonly Closure $do)
            {
            }

            public function __destruct()
            {
                ($this->do)();
            }
        },
        'unbuffer' => (static function (): void {
            while (ob_get_level() > 0) {
                ob_end_clean();
            }
        })(),
        'dump' => print_r($GLOBALS['bare'] ?? (new ReflectionProperty(Session::class, 'handler'))->getValue(), true),
        'warn' => trigger_error('a warning of the application', E_USER_WARNING),
        'show a fatal error' => [ini_set('display_errors', '1'), (static fn (int $number) => $number)('no number')],
        'throw' => throw new RuntimeException('of the application'),
        'catch' => (static function () use ($session, $a): string {
            try {
                perform($session, $a);
                return 'nothing';
            } catch (SojournException $error) {
                return $error::class . ': ' . $error->getMessage();
            }
        })(),
        'call' => $a(...array_slice($step, 2)),
        'exit' => exit,
        default => $verb(...array_slice($step, 1)),
    };
}

$asked = json_decode($_GET['ask'] ?? file_get_contents('php://input'), true);
$origin = getenv('SITE_PUBLIC_ORIGIN') ?: null;
$bearer = $origin === null ? [] : ['scriptReadableTokens' => true, 'publicOrigin' => $origin];
$options = $asked['options'] ?? [];
$session = Session::class;
if (isset($asked['memory'])) {
    ini_set('memory_limit', $asked['memory']);
}
if (isset($asked['exit_after'])) {
    pcntl_async_signals(true);
    pcntl_signal(SIGALRM, static fn () => exit);
    pcntl_alarm($asked['exit_after']);
}
if ($asked['bare'] ?? false) {
    $service = new Service($options['service'] ?? getenv('SOJOURN_SERVICE'), $options['key'] ?? getenv('SOJOURN_KEY'));
    $session = $bare = new SessionHandler($service, ...$bearer, passive: $options['passive'] ?? false);
    session_set_save_handler($session, true);
    if (isset($asked['id'])) {
        session_id($asked['id']);
    }
    session_start($asked['ini'] ?? SessionHandler::OPTIONS);
} else {
    if (isset($asked['id'])) {
        session_id($asked['id']);
    }
    try {
        Session::start(...$options + $bearer);
    } catch (SojournException $error) {
        if (!($asked['catch'] ?? false)) {
            throw $error;
        }
    }
}
$results = [];
$isNote = str_ends_with(explode('?', $_SERVER['REQUEST_URI'])[0], '/notes/1');
foreach ($asked['do'] ?? [[$isNote ? 'facts' : 'data']] as $step) {
    $results[] = perform($session, $step);
}
if ($asked['tell'] ?? true) {
    header('Content-Type: application/json');
    echo json_encode($results, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);
}
