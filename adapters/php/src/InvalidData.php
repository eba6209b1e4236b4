<?php

declare(strict_types=1);

namespace Sojourn;

/** A value in $_SESSION cannot be kept as JSON without changing it; the message names its key. Nothing was written. */
final class InvalidData extends SojournException
{
}
