<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * Which of PHP's functions called a session handler: from what it calls there alone, session_destroy and others cannot be
 * told apart.
 *
 * @internal
 */
final class PhpCall
{
    public static function name(): string
    {
        foreach (debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS) as $frame) {
            if (!isset($frame['class']) && str_starts_with($frame['function'], 'session_')) {
                return $frame['function'];
            }
        }
        return '';
    }
}
