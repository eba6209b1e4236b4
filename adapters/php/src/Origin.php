<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * CSRF: whether an unsafe request came from the application's own pages. Fetch Metadata first, then Origin and Host.
 *
 * @internal
 */
final class Origin
{
    /** An app in a shell has an origin of its own scheme: capacitor://localhost, chrome-extension://… */
    private const SHAPE = '~^([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?$~D';
    private const HOST = '~^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{0,5}))?$~Di';
    private const PORTS = ['http' => 80, 'https' => 443];

    /**
     * @param array<mixed> $server as $_SERVER
     * @param array<string> $trusted other origins whose pages may send requests here
     * @param array<string> $crossSitePaths paths that any site's page may send requests to
     * @throws CrossOrigin
     */
    public static function check(array $server, array $trusted, array $crossSitePaths = []): void
    {
        self::checkTrusted($trusted);
        self::checkPaths($crossSitePaths);
        if (self::isForeign($server, $trusted) && !in_array(Request::path(), $crossSitePaths, true)) {
            throw new CrossOrigin(
                ($server['HTTP_ORIGIN'] ?? '') === 'null'
                    ? 'This request came from a page that hides its origin (Origin: null). If it is yours, send it with '
                        . 'Referrer-Policy: same-origin in place of no-referrer, and from no sandboxed frame.'
                    : 'This request came from a page of another origin. If it is yours, name it in trustedOrigins.'
            );
        }
    }

    /**
     * A request with neither Sec-Fetch-Site nor Origin is no browser's, and allowed. `same-site` is refused: siblings
     * are not trusted.
     *
     * @param array<mixed> $server
     * @param array<string> $trusted
     */
    private static function isForeign(array $server, array $trusted): bool
    {
        $origin = $server['HTTP_ORIGIN'] ?? null;
        $safe = in_array($server['REQUEST_METHOD'] ?? 'GET', ['GET', 'HEAD', 'OPTIONS'], true);
        if ($safe || ($origin !== null && in_array($origin, $trusted, true))) {
            return false;
        }
        if (isset($server['HTTP_SEC_FETCH_SITE'])) {
            return !in_array($server['HTTP_SEC_FETCH_SITE'], ['same-origin', 'none'], true);
        }
        return $origin !== null && !self::isSameHost($origin, (string) ($server['HTTP_HOST'] ?? ''));
    }

    /**
     * As URLs are compared: the port that the origin's scheme means may be said or not. SERVER_PORT says nothing: behind
     * a proxy it is the port of another server.
     */
    private static function isSameHost(string $origin, string $host): bool
    {
        if (preg_match(self::SHAPE, $origin, $said) !== 1 || preg_match(self::HOST, $host, $asked) !== 1) {
            return false;
        }
        $port = self::PORTS[$said[1]] ?? null;
        $authority = preg_replace('/:\d+$/D', '', substr($origin, strlen($said[1]) + 3));
        return $port !== null && $authority === strtolower($asked[1])
            && (int) ($said[2] ?? $port) === (int) (($asked[2] ?? '') ?: $port);
    }

    /** @throws ConfigurationError where no browser spells the origin of a page so */
    public static function checkPublic(string $origin): void
    {
        if (preg_match('/^https?:/', $origin) !== 1 || !self::isOrigin($origin)) {
            throw new ConfigurationError("publicOrigin is '$origin': write it like 'https://app.example.com'.");
        }
    }

    /** @param array<mixed> $trusted */
    private static function checkTrusted(array $trusted): void
    {
        foreach ($trusted as $origin) {
            if (!is_string($origin) || !self::isOrigin($origin)) {
                $told = is_string($origin) ? "'$origin'" : get_debug_type($origin);
                throw new ConfigurationError("trustedOrigins has $told: write it like 'https://app.example.com'.");
            }
        }
    }

    private static function isOrigin(string $text): bool
    {
        if (preg_match(self::SHAPE, $text, $match) !== 1) {
            return false;
        }
        // A browser leaves out the port that the scheme means anyway.
        $port = (int) ($match[2] ?? 0);
        return $port <= 65535 && $port !== (self::PORTS[$match[1]] ?? null);
    }

    /** @param array<mixed> $paths */
    private static function checkPaths(array $paths): void
    {
        foreach ($paths as $path) {
            if (!is_string($path) || preg_match('~^/[\x21-\x7e]+$~D', $path) !== 1 || strpbrk($path, '?#*') !== false) {
                $told = is_string($path) ? "'$path'" : get_debug_type($path);
                throw new ConfigurationError("crossSitePaths has $told: give whole paths, such as '/auth/callback'.");
            }
        }
    }
}
