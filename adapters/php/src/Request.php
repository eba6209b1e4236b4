<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * What a session needs to know of the web request that is being answered.
 *
 * @internal
 */
final class Request
{
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    private function __construct(private readonly mixed $time, #[\SensitiveParameter] public readonly string $cookies)
    {
    }

    /** The one of PHP's superglobals. A process may answer many, one after another. */
    public static function current(): self
    {
        return new self($_SERVER['REQUEST_TIME_FLOAT'] ?? null, (string) ($_SERVER['HTTP_COOKIE'] ?? ''));
    }

    public function isCurrent(): bool
    {
        $current = self::current();
        return $this->time === $current->time && $this->cookies === $current->cookies;
    }

    public static function host(): string
    {
        return (string) ($_SERVER['HTTP_HOST'] ?? '');
    }

    /** Its path, as it was sent. */
    public static function path(): string
    {
        return explode('?', (string) ($_SERVER['REQUEST_URI'] ?? ''), 2)[0];
    }

    /** Whether its answer is an error of the server's, as after an exception: it then keeps no change. */
    public static function isFailing(): bool
    {
        // With display_errors, a fatal error is a page of status 200.
        return (int) http_response_code() >= 500 || ((error_get_last()['type'] ?? 0) & self::FATAL) !== 0;
    }

    /** @return array<string, ?string> what is kept of the browser with a session that begins */
    public static function client(): array
    {
        $agent = substr((string) ($_SERVER['HTTP_USER_AGENT'] ?? ''), 0, 512);
        return [
            'ip' => $_SERVER['REMOTE_ADDR'] ?? null,
            'user_agent' => preg_match('//u', $agent) === 1 ? $agent : preg_replace('/[^\x20-\x7e]/', '?', $agent),
        ];
    }

    /** @return array<string, mixed> what var_dump may show: no token */
    public function __debugInfo(): array
    {
        return ['time' => $this->time];
    }
}
