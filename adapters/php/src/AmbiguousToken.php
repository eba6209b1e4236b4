<?php

declare(strict_types=1);

namespace Sojourn;

/** The request holds two session cookies with different values. */
final class AmbiguousToken extends SojournException
{
}
