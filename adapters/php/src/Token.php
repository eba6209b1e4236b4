<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The secret that the browser holds: `sj1-`, the session's public id, `-`, and a secret.
 *
 * @internal
 */
final class Token
{
    private const SHAPE = '/^sj1-[0-9a-f]{32}-[0-9a-f]{64}$/D';

    /** Whether `$text` has the shape of a token: nothing else is ever sent to the service. */
    public static function fits(#[\SensitiveParameter] string $text): bool
    {
        return preg_match(self::SHAPE, $text) === 1;
    }

    /** The public id in a token. */
    public static function id(#[\SensitiveParameter] string $token): string
    {
        return substr($token, 4, 32);
    }
}
