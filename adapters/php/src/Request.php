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

    public static function method(): string
    {
        return (string) ($_SERVER['REQUEST_METHOD'] ?? 'GET');
    }

    /** Whether it asks for data, and not for a page or a part of one. */
    public static function reads(): bool
    {
        $isSafe = in_array(self::method(), ['GET', 'HEAD', 'OPTIONS'], true);
        return $isSafe && in_array(self::header('Sec-Fetch-Dest'), [null, 'empty'], true);
    }

    /** Its path, as it was sent; a proxy may have put the origin before it. */
    public static function path(): string
    {
        $path = explode('?', (string) ($_SERVER['REQUEST_URI'] ?? ''), 2)[0];
        return str_starts_with($path, '/') ? $path : (preg_replace('~^[^/]*(?://[^/]*)?~', '', $path) ?: '/');
    }

    /** The same, with what no URL holds encoded. */
    public static function encodedPath(): string
    {
        $encode = static fn (array $match): string => rawurlencode($match[0]);
        return (string) preg_replace_callback('/[^\x21-\x7e]/', $encode, self::path());
    }

    /**
     * Its header Authorization, or ''. Apache keeps it from CGI unless it is told not to, calls it otherwise after a
     * rewrite, and as a module tells it by a function alone.
     */
    public static function authorization(): string
    {
        $said = ($_SERVER['HTTP_AUTHORIZATION'] ?? '') ?: ($_SERVER['REDIRECT_HTTP_AUTHORIZATION'] ?? '');
        if ($said === '' && PHP_SAPI === 'apache2handler') {
            $said = array_change_key_case(apache_request_headers())['authorization'] ?? '';
        }
        return (string) $said;
    }

    /** A header that it may have once. */
    public static function header(string $name): ?string
    {
        $said = $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? null;
        return is_string($said) ? $said : null;
    }

    /** Its header DPoP; null where it has none. What is no ASCII is no proof either, and JSON could not hold it. */
    public static function proof(): ?string
    {
        $said = $_SERVER['HTTP_DPOP'] ?? null;
        return is_string($said) ? preg_replace('/[^\x20-\x7e]/', '?', $said) : null;
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
