<?php

declare(strict_types=1);

namespace Sojourn;

/** The request holds a token in a cookie and another in Authorization: which of them counts, nobody can know. */
final class AmbiguousToken extends SojournException
{
}
