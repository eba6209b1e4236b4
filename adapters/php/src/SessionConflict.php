<?php

declare(strict_types=1);

namespace Sojourn;

/** Another request changed the same values, and the policy's `on_conflict` is "raise"; nothing was written. */
final class SessionConflict extends SojournException
{
}
