<?php

declare(strict_types=1);

namespace Sojourn;

/** Nobody is logged in, and what was asked for needs somebody who is. */
final class LoginRequired extends SojournException
{
    /** @param ?string $reason why the session ended; null where it did not, or the service no longer knows */
    public function __construct(string $message, public readonly ?string $reason)
    {
        parent::__construct($message);
    }
}
