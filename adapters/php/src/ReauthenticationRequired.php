<?php

declare(strict_types=1);

namespace Sojourn;

/** What was proved at the log-in is not enough for what is asked, or too long ago. What plays no part is null. */
final class ReauthenticationRequired extends SojournException
{
    /**
     * @param null|int|float $maxAge how many seconds ago the log-in may have been
     * @param ?string $level the level that it must have
     * @param ?string $action what wants a proof of its own
     * @param ?string $nonce what a proof of its key must hold, which the session owes
     */
    public function __construct(
        string $message,
        public readonly null|int|float $maxAge = null,
        public readonly ?string $level = null,
        public readonly ?string $action = null,
        public readonly ?string $nonce = null,
    ) {
        parent::__construct($message);
    }
}
