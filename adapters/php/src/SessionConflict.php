<?php

declare(strict_types=1);

namespace Sojourn;

/** Another request changed the same values, and the policy's `on_conflict` is "raise"; nothing was written. */
final class SessionConflict extends SojournException
{
    /** @param list<string> $keys of $_SESSION, those that both changed */
    public function __construct(string $message, public readonly array $keys)
    {
        parent::__construct($message);
    }
}
