<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The server closed the connection; `$silently`, before a byte of its answer.
 *
 * @internal
 */
final class HungUp extends \Exception
{
    public function __construct(public readonly bool $silently)
    {
        parent::__construct();
    }
}
