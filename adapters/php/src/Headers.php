<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The answer's headers as they are so far: what others said there stays.
 *
 * @internal
 */
final class Headers
{
    /**
     * Tell caches that the answer depends on these of the request.
     *
     * @param list<string> $names
     */
    public static function vary(array $names): void
    {
        $said = self::words('vary');
        $isNew = static fn (string $name): bool => !in_array(strtolower($name), $said, true);
        $missing = in_array('*', $said, true) ? [] : array_filter($names, $isNew);
        if ($missing !== []) {
            header('Vary: ' . implode(', ', $missing), false);
        }
    }

    /** Have no cache keep the answer. What says so itself, and maybe more, stays. */
    public static function neverStore(): void
    {
        if (!in_array('no-store', self::words('cache-control'), true)) {
            header('Cache-Control: no-store');
        }
    }

    /** @return list<string> the values of one of them, by its name in lower case */
    public static function sent(string $name): array
    {
        $values = [];
        foreach (headers_list() as $line) {
            [$sent, $value] = explode(':', $line, 2) + [1 => ''];
            if (strtolower($sent) === $name) {
                $values[] = ltrim($value);
            }
        }
        return $values;
    }

    /** @return list<string> what one of them lists, in lower case */
    private static function words(string $name): array
    {
        return array_map('trim', explode(',', strtolower(implode(',', self::sent($name)))));
    }
}
