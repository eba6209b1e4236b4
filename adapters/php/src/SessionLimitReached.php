<?php

declare(strict_types=1);

namespace Sojourn;

/** The user has as many live sessions as the policy allows, and its `on_limit` is "refuse". */
final class SessionLimitReached extends SojournException
{
}
