<?php

declare(strict_types=1);

namespace Sojourn;

/** The session's data would be larger than the service's policy allows; nothing was written. */
final class DataTooLarge extends SojournException
{
}
