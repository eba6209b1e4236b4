<?php

declare(strict_types=1);

namespace Sojourn;

/** The user has as many live sessions as the policy allows, and its `on_limit` is "refuse". */
final class SessionLimitReached extends SojournException
{
    /** @param int $limit how many sessions a user may have */
    public function __construct(string $message, public readonly int $limit)
    {
        parent::__construct($message);
    }
}
