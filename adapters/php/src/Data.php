<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * What a request changed in its session, top-level key by key, as JSON takes it. Pure.
 *
 * Values are as PHP has them. Shapes are the same values with an object in each place where JSON has one.
 *
 * @internal
 */
final class Data
{
    private const MAX_DEPTH = 32;
    /** JavaScript holds integers exactly up to here; four languages share a session. */
    private const MAX_INTEGER = 2 ** 53 - 1;

    /**
     * The keys that differ, each with the shape that was loaded and the one that is to be; an absent one is left out.
     *
     * @param array<mixed> $loaded
     * @param array<mixed> $shapes of what was loaded; a function, as most requests change nothing
     * @param array<mixed> $mine
     * @return array<array{base?: mixed, value?: mixed}>
     * @throws InvalidData
     */
    public static function changes(array $loaded, \Closure $shapes, array $mine): array
    {
        $changes = [];
        foreach ($mine as $key => $value) {
            if (!array_key_exists($key, $loaded) || $loaded[$key] !== $value) {
                self::check((string) $key, 'A key of $_SESSION', 0);
                self::check($value, '$_SESSION[' . self::quote($key) . ']', self::MAX_DEPTH);
                $changes[$key] = [];
            }
        }
        $changes += array_map(static fn (): array => [], array_diff_key($loaded, $mine));
        if ($changes === []) {
            return [];
        }
        $before = $shapes();
        foreach ($changes as $key => &$change) {
            if (array_key_exists($key, $loaded)) {
                $change['base'] = $before[$key];
            }
            if (array_key_exists($key, $mine)) {
                $change['value'] = self::shape($mine[$key], $before[$key] ?? null);
            }
        }
        return $changes;
    }

    /**
     * An array as JSON's object, whatever its keys.
     *
     * @param array<mixed> $members
     */
    public static function object(array $members): mixed
    {
        return array_is_list($members) ? (object) $members : $members;
    }

    /**
     * A value with an object in each place where JSON is to have one: where the keys say so, and where PHP's array is a
     * list or empty but stands for an object that was loaded, and whose keys were numbers if it had any.
     */
    private static function shape(mixed $value, mixed $before): mixed
    {
        if (!is_array($value)) {
            return $value;
        }
        $was = is_array($before) || $before instanceof \stdClass ? (array) $before : [];
        $members = [];
        foreach ($value as $key => $member) {
            $members[$key] = self::shape($member, $was[$key] ?? null);
        }
        $numbered = array_filter(array_keys($was), is_string(...)) === [];
        return $before instanceof \stdClass && ($numbered || $members === []) ? self::object($members) : $members;
    }

    private static function check(mixed $value, string $path, int $depth): void
    {
        $whole = 'an integer beyond ±(2**53 - 1). Keep it as text';
        $wrong = match (true) {
            is_string($value) => preg_match('//u', $value) === 1 ? null : 'text that is not UTF-8. Use base64_encode()',
            is_int($value) => abs($value) <= self::MAX_INTEGER ? null : $whole,
            is_float($value) => is_finite($value) ? null : 'a number that is not finite. Use null',
            is_bool($value), is_null($value) => null,
            is_array($value) => $depth > 0 ? null : 'more than ' . self::MAX_DEPTH . ' levels',
            is_object($value) => 'an object of ' . self::named($value) . '. ' . self::instead($value),
            default => 'a ' . get_debug_type($value) . '. A session holds data alone',
        };
        if ($wrong !== null) {
            throw new InvalidData("$path holds $wrong. Nothing was written.");
        }
        if (is_array($value)) {
            foreach ($value as $key => $member) {
                self::check((string) $key, "A key of $path", 0);
                self::check($member, $path . '[' . self::quote($key) . ']', $depth - 1);
            }
        }
    }

    private static function named(object $value): string
    {
        return strstr($value::class . "\0", "\0", true);
    }

    private static function instead(object $value): string
    {
        return match (true) {
            $value instanceof \BackedEnum => 'Use its ->value',
            $value instanceof \UnitEnum => 'Use its ->name',
            $value instanceof \DateTimeInterface => 'Use its ->format(DATE_ATOM)',
            $value instanceof \Closure => 'A session holds data alone',
            $value instanceof \stdClass, $value instanceof \Traversable => 'Use an array',
            default => "Use an array of what it holds, or its record's number",
        };
    }

    private static function quote(int|string $key): string
    {
        return is_int($key) ? (string) $key : "'" . addcslashes($key, "\0..\37'\\") . "'";
    }
}
