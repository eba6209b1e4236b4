<?php

declare(strict_types=1);

namespace Sojourn;

/** The session's data would be larger than the service's policy allows; nothing was written. */
final class DataTooLarge extends SojournException
{
    /**
     * @param int $size how many bytes it would be, as JSON, with its keys
     * @param int $limit how many it may be
     */
    public function __construct(string $message, public readonly int $size, public readonly int $limit)
    {
        parent::__construct($message);
    }
}
