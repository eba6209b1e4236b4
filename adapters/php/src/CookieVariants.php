<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The cookies that a browser may have under one name: by domain, by path, partitioned or not. Pure.
 *
 * @internal
 */
final class CookieVariants
{
    private const MOST_DOMAINS = 3;

    /**
     * What makes a browser forget them, as far as they can be named: those of this host and its parents, of the root
     * and the first two folders of this path.
     *
     * @param string $host as the Host header
     * @return list<string> Set-Cookie values
     */
    public static function clearing(string $name, string $host, string $path): array
    {
        $isHosts = str_starts_with(strtolower($name), '__host-');
        $isSecure = $isHosts || str_starts_with(strtolower($name), '__secure-');
        $lines = [];
        foreach (['/', ...($isHosts ? [] : self::folders($path))] as $folder) {
            foreach (['', ...($isHosts ? [] : self::domains($host))] as $domain) {
                $start = "$name=; Max-Age=0; Path=$folder" . ($domain === '' ? '' : "; Domain=$domain");
                $lines[] = $start . ($isSecure ? '; Secure' : '') . '; HttpOnly; SameSite=Lax';
                $lines[] = "$start; Secure; HttpOnly; SameSite=None; Partitioned";
            }
        }
        return $lines;
    }

    /** @return list<string> the host and its parents, but for top-level domains */
    private static function domains(string $host): array
    {
        $host = strtolower((string) preg_replace('/:\d*$/D', '', $host));
        if (preg_match('/^(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*$/D', $host) !== 1) {
            return [];
        }
        $labels = explode('.', $host);
        $last = count($labels) - 2;
        $from = static fn (int $first): string => implode('.', array_slice($labels, $first));
        return array_map($from, range(max(0, $last - self::MOST_DOMAINS + 1), $last));
    }

    /** @return list<string> */
    private static function folders(string $path): array
    {
        preg_match('~^(/[\x21-\x2e\x30-\x3a\x3c-\x7e]+)(/[\x21-\x2e\x30-\x3a\x3c-\x7e]+)?~', $path, $match);
        return match (count($match)) {
            0 => [],
            2 => [$match[1]],
            default => [$match[1], $match[1] . $match[2]],
        };
    }
}
