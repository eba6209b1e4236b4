<?php

declare(strict_types=1);

namespace Sojourn;

/** The service's own limit allows no session now. */
final class SessionRefused extends SojournException
{
    /** @param int $retryAfter when to try again, in seconds */
    public function __construct(string $message, public readonly int $retryAfter)
    {
        parent::__construct($message);
    }
}
