<?php

declare(strict_types=1);

namespace Sojourn;

/** The session ended before this request could write to it; nothing was written. */
final class SessionEnded extends SojournException
{
    /** @param ?string $reason why it ended; null where the service no longer knows the session */
    public function __construct(string $message, public readonly ?string $reason)
    {
        parent::__construct($message);
    }
}
