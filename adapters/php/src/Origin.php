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
    private const SHAPE = '~^(https?)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?$~D';

    /**
     * @param array<mixed> $server as $_SERVER
     * @param array<string> $trusted other origins whose pages may send requests here
     * @throws CrossOrigin
     */
    public static function check(array $server, array $trusted): void
    {
        self::checkTrusted($trusted);
        if (self::isForeign($server, $trusted)) {
            throw new CrossOrigin(
                'This request came from a page of another origin. If it is yours, name it in trustedOrigins.'
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
        return $origin !== null && !self::isSameHost($origin, $server);
    }

    /** @param array<mixed> $server */
    private static function isSameHost(string $origin, array $server): bool
    {
        $host = strtolower($server['HTTP_HOST'] ?? '');
        $port = (string) ($server['SERVER_PORT'] ?? '');
        if ($host === '' || preg_match('~^(https?)://(.*)$~sD', $origin, $match) !== 1) {
            return false;
        }
        // As URLs are compared: a port that the scheme means anyway may be said or not.
        $bare = static fn (string $text): string => preg_replace($match[1] === 'https' ? '/:443$/D' : '/:80$/D', '', $text);
        // Debian's nginx leaves the port out of the Host that it hands on.
        return $bare($match[2]) === $bare($host)
            || (preg_match('/:\d+$/D', $host) !== 1 && $match[2] === "$host:$port");
    }

    /** @param array<mixed> $trusted */
    private static function checkTrusted(array $trusted): void
    {
        foreach ($trusted as $origin) {
            $known = is_string($origin) && preg_match(self::SHAPE, $origin, $match) === 1;
            // A browser leaves out the port that the scheme means anyway.
            $port = $known ? (int) ($match[2] ?? 0) : 0;
            if (!$known || $port > 65535 || $port === ['http' => 80, 'https' => 443][$match[1]]) {
                $told = is_string($origin) ? "'$origin'" : get_debug_type($origin);
                throw new ConfigurationError("trustedOrigins has $told: write it like 'https://app.example.com'.");
            }
        }
    }
}
